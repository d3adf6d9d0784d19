/*
 * The box and its clock: hears what phones and time servers say, sets the
 * machine's clock when it may (timekeeper.h decides), and keeps the last known
 * moment. Deadlines run on mono.h and do not notice.
 */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "moment.h"
#include "mono.h"
#include "wall.h"
#include "words.h"

#define LOG_MODULE "clock"

#define KEEP_MS  (3600 * 1000LL)
#define HOUR_MS  (3600 * 1000LL)
#define STALE_MS (60 * 1000LL) /* a word that took so long to get here */
/* So long after the start a phone that was there already is not asked for a
 * backup while nobody has said what hour it is. */
#define AWAIT_MS (5 * 60 * 1000LL)

static const char *sign_of(int64_t ms)
{
	return ms < 0 ? "back" : "ahead";
}

static void delta_words(int64_t ms, char *out, size_t cap)
{
	int64_t size = ms < 0 ? -ms : ms;

	if (size < 60 * 1000)
		snprintf(out, cap, "%lld.%03lld s", (long long)(size / 1000),
		    (long long)(size % 1000));
	else
		words_duration(size / 1000, out, cap);
}

/* --- what a jump is to the rest --------------------------------------------------- */

/* Moments that were taken by the clock before it was moved. */
static void shift(struct box *b, int64_t delta_ms)
{
	int64_t s = delta_ms / 1000;

	b->status.started_at += s;
	b->time_at += s;
	for (unsigned i = 0; i < b->n_phones; i++)
		if (b->phones[i].shown.state_at)
			b->phones[i].shown.state_at += s;
	/* No night has passed because of that. */
	if (delta_ms > HOUR_MS || delta_ms < -HOUR_MS)
		b->night = 0;
}

/* How old a backup is, is only known by the clock. */
static void age_again(struct box *b)
{
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];
		int64_t age = wall_now() - p->shown.last_good_at;

		if (p->shown.last_good_at <= 0)
			continue;
		p->policy.good_ms = mono_ms();
		p->policy.good_age_s = age > 0 ? age : 0;
	}
}

/* Whoever waits for an hour of the day looks again. */
static void wake_waiting(struct box *b)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (b->phones[i].state == PHONE_WAITING)
			b->phones[i].deadline_ms = mono_ms();
}

/* --- the last known moment --------------------------------------------------------- */

static void keep(struct box *b)
{
	struct moment m = { .at = wall_now(), .source = b->time.source };
	enum rc rc;

	b->time_keep_ms = mono_ms() + KEEP_MS;
	if (!b->config->set_clock || !b->config->state[0])
		return;
	moment_boot(m.boot);
	rc = moment_store(b->config->state, &m);
	if (rc && !b->time_unkept)
		log_warn(
		    "the last known moment can't be kept: %s", rc_words(rc));
	b->time_unkept = rc != RC_OK;
}

static void load_kept(const struct box *b, struct timekeeper_opts *o)
{
	char boot[MOMENT_BOOT];
	struct moment m;
	enum rc rc;

	if (!b->config->state[0])
		return;
	rc = moment_load(b->config->state, &m);
	if (rc && rc != RC_NOTFOUND)
		log_warn(
		    "the last known moment can't be read: %s", rc_words(rc));
	if (rc)
		return;
	moment_boot(boot);
	o->kept_ms = m.at * 1000;
	o->kept_source = m.source;
	o->same_boot = boot[0] && !strcmp(boot, m.boot);
}

/* --- setting ------------------------------------------------------------------------ */

static void set(struct box *b, const struct timekeeper_verdict *v)
{
	enum rc rc = v->act == TIMEKEEPER_STEP ? wall_step(v->delta_ms)
					       : wall_slew(v->delta_ms);
	char by[64];

	if (rc) {
		timekeeper_failed(&b->time, wall_now_ms());
		return;
	}
	timekeeper_moved(&b->time, wall_now_ms(), mono_ms());
	if (v->act != TIMEKEEPER_STEP)
		return;
	delta_words(v->delta_ms, by, sizeof(by));
	log_warn(
	    "the clock was set %s: %s %s", v->why, by, sign_of(v->delta_ms));
	shift(b, v->delta_ms);
}

static void follow_source(struct box *b, enum status_clock before)
{
	enum status_clock now = b->time.source;

	if (now == before)
		return;
	log_note("the time is known by: %s", status_clock_id(now));
	b->time_at = wall_now();
	if (!status_clock_is_known(before) && status_clock_is_known(now))
		wake_waiting(b);
	keep(b);
}

void box_time_heard(struct box *b, enum status_clock source, int64_t at_ms,
    int64_t at_mono_ms, const char *from)
{
	int64_t now_ms = mono_ms();
	int64_t took_ms = now_ms - at_mono_ms;
	enum status_clock before = b->time.source;
	struct timekeeper_reading r = { source, at_ms + took_ms, wall_now_ms(),
		now_ms };
	struct timekeeper_verdict v;
	char by[64];

	if (took_ms < 0 || took_ms > STALE_MS)
		return;
	timekeeper_hear(&b->time, &r, &v);
	delta_words(r.at_ms - r.clock_ms, by, sizeof(by));
	if (v.act == TIMEKEEPER_REFUSE) {
		log_warn("%s says that it is %s %s: not believed, %s "
			 "more_often=%u",
		    from, by, r.at_ms < r.clock_ms ? "earlier" : "later", v.why,
		    v.more);
		return;
	}
	log_info(
	    "%s says the time: %s %s", from, by, sign_of(r.at_ms - r.clock_ms));
	if (v.act == TIMEKEEPER_SLEW || v.act == TIMEKEEPER_STEP)
		set(b, &v);
	if (v.act == TIMEKEEPER_STEP)
		age_again(b);
	follow_source(b, before);
}

/* --- begin, tick, end --------------------------------------------------------------- */

enum rc box_time_begin(struct box *b)
{
	const struct config *c = b->config;
	struct timekeeper_opts o = {
		.may_set = c->set_clock,
		.built_ms = wall_built() * 1000,
		.mono_ms = mono_ms(),
	};
	struct timekeeper_verdict v;
	enum rc rc = c->clock_file[0] ? wall_use_file(c->clock_file) : RC_OK;

	if (rc) {
		log_error("no clock in %s: %s", c->clock_file, rc_words(rc));
		return rc;
	}
	o.clock_ms = wall_now_ms();
	if (c->set_clock)
		load_kept(b, &o);
	timekeeper_begin(&b->time, &o, &v);
	if (v.act == TIMEKEEPER_STEP)
		set(b, &v);
	b->time_at = wall_now();
	b->time_keep_ms = mono_ms() + KEEP_MS;
	if (!timekeeper_is_known(&b->time))
		log_warn("nobody has told what time it is yet");
	return RC_OK;
}

void box_time_tick(struct box *b)
{
	/* Both at one moment: what else the tick does may take its time. */
	int64_t now_ms = mono_ms();
	int64_t jump = timekeeper_look(&b->time, wall_now_ms(), now_ms);
	char by[64];

	if (jump) {
		delta_words(jump, by, sizeof(by));
		log_warn("the clock has jumped: %s %s; somebody set it, or "
			 "the machine slept",
		    by, sign_of(jump));
		age_again(b);
	}
	if (now_ms >= b->time_keep_ms)
		keep(b);
}

void box_time_end(struct box *b)
{
	if (b->time_keep_ms)
		keep(b);
}

bool box_time_is_awaited(const struct box *b)
{
	return b->config->set_clock && !timekeeper_is_known(&b->time) &&
	       mono_ms() - b->began_ms < AWAIT_MS;
}

void box_time_status(const struct box *b, struct status *st)
{
	bool known = timekeeper_is_known(&b->time);

	st->clock = b->time.source;
	st->clock_at = known ? b->time_at : 0;
}

void box_send_sntp(struct box *b)
{
	struct msg m = { .type = MSG_SNTP };

	if (!b->config->set_clock || b->web.child.fd < 0 ||
	    b->config->nic == CONFIG_NIC_SLIRP)
		return;
	snprintf(
	    m.u.sntp.host, sizeof(m.u.sntp.host), "%s", b->config->time_server);
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page's part did not get the time server");
}
