/* One phone of the box: what the events and actions of phone_fsm.c do. */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "utf8.h"
#include "wall.h"

#define LOG_MODULE "box"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)

/* What the first usbmux names at once was there before it began: nobody has just
 * plugged it in. */
#define START_MS (1 * SECOND)

/* A dip as long before a phone went away, or after it, is the reason: the
 * firmware of a Pi is asked each 2 s, and the kernel each 5. */
#define DIP_MS (15 * SECOND)

static const char *short_name(const struct box_phone *p)
{
	size_t n = strlen(p->udid);

	return n > 4 ? p->udid + n - 4 : p->udid;
}

struct policy_now box_now(const struct box *b)
{
	int64_t at = wall_now();

	return (struct policy_now){
		.ms = mono_ms(),
		.clock_is_set = timekeeper_is_known(&b->time),
		.clock_is_awaited = box_time_is_awaited(b),
		.minute = wall_minute_of_day(at),
		.night = wall_night_number(at),
	};
}

/* The room of the one that has been away the longest is given to a new one. */
static struct box_phone *oldest_gone(struct box *b)
{
	struct box_phone *best = NULL;

	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		if (p->state != PHONE_GONE)
			continue;
		if (!best || p->shown.last_good_at < best->shown.last_good_at)
			best = p;
	}
	return best;
}

struct box_phone *box_phone_get(struct box *b, const char *udid)
{
	struct box_phone *p;

	for (unsigned i = 0; i < b->n_phones; i++)
		if (!strcmp(b->phones[i].udid, udid))
			return &b->phones[i];
	p = b->n_phones < LIMIT_PHONES ? &b->phones[b->n_phones++]
				       : oldest_gone(b);
	if (!p) {
		log_error("more phones than there is room for udid=%s", udid);
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	snprintf(p->udid, sizeof(p->udid), "%s", udid);
	snprintf(p->shown.udid, sizeof(p->shown.udid), "%s", udid);
	p->session = CHILD_NONE;
	p->watch = CHILD_NONE;
	p->policy.good_age_s = -1;
	p->shown.battery_pct = -1;
	p->shown.will_encrypt = -1;
	p->shown.state = STATE_READY;
	meter_reset(&p->meter, &p->shown);
	return p;
}

/* --- facts and deadlines ---------------------------------------------------- */

static struct phone_facts facts_of(
    const struct box *b, const struct box_phone *p)
{
	struct policy_now now = box_now(b);
	bool can = b->disk.state == DISK_FIT && p->attached &&
		   config_may_backup(b->config, p->udid) && !b->stop &&
		   b->eject == BOX_EJECT_NO;

	return (struct phone_facts){
		.attached = p->attached,
		.replugged = p->replugged,
		.can_start = can,
		.may_start =
		    can && policy_may_start(&b->policy, &p->policy, &now),
		.may_ask = can && policy_may_ask(&b->policy, &p->policy, &now),
		.may_retry = policy_may_retry(&p->policy),
		.may_retry_now =
		    can && policy_may_retry_now(&b->policy, &p->policy, &now),
		.disk_fit = b->disk.state == DISK_FIT,
	};
}

/* How long a state may last; 0: for ever. */
static int64_t time_of(const struct box *b, const struct box_phone *p)
{
	const struct config *c = b->config;
	struct policy_now now = box_now(b);

	switch (p->state) {
	case PHONE_GONE:
		return 0; /* until somebody plugs it in */
	case PHONE_WAITING:
		return 5 * MINUTE; /* the quiet hours may be over */
	case PHONE_SEEN:
		return 2 * MINUTE;
	case PHONE_TRUST:
		return c->trust_wait_s * SECOND + MINUTE;
	case PHONE_LOCKED:
		return c->unlock_wait_s * SECOND + MINUTE;
	case PHONE_PASSCODE:
	case PHONE_PREPARING:
		return c->first_wait_s * SECOND + 5 * MINUTE;
	case PHONE_RECEIVING:
		/* From the last sign of progress. */
		return (c->next_wait_s + c->last_wait_s) * SECOND + 5 * MINUTE;
	case PHONE_VERIFYING:
		return 30 * MINUTE; /* likewise */
	case PHONE_COMMITTING:
		return 60 * MINUTE; /* many moves on a slow disk */
	case PHONE_SAFE:
	case PHONE_FAILED:
		return policy_again_ms(&b->policy, &p->policy, &now);
	case PHONE_MISSED:
		return c->ask_again_minutes * MINUTE;
	case PHONE_RETRY:
		return policy_retry_ms(&p->policy);
	case PHONE_LEAVING:
		return 20 * SECOND;
	case PHONE_STATE_COUNT_:
		break;
	}
	return 0;
}

static void arm(const struct box *b, struct box_phone *p)
{
	int64_t ms = time_of(b, p);

	p->deadline_ms = ms ? mono_ms() + ms : 0;
}

/* --- actions ---------------------------------------------------------------- */

static enum rc send_start(const struct box *b, struct box_phone *p)
{
	const struct config *c = b->config;
	struct msg m = { .type = MSG_START };
	enum rc rc;

	m.u.start = (struct msg_start){
		.job = MSG_JOB_BACKUP,
		.full = p->next_full,
		.fresh = p->next_fresh,
		.password = p->password != NULL,
		.log_level = (uint8_t)log_get_level(),
		.mounted = c->disks,
		.trust_wait_s = c->trust_wait_s,
		.unlock_wait_s = c->unlock_wait_s,
		.first_wait_s = c->first_wait_s,
		.next_wait_s = c->next_wait_s,
		.last_wait_s = c->last_wait_s,
		.reserve_bytes = c->reserve_bytes,
		.lock_wait_s = 10,
		.keep = c->keep,
	};
	snprintf(m.u.start.udid, sizeof(m.u.start.udid), "%s", p->udid);
	snprintf(
	    m.u.start.vault_dir, sizeof(m.u.start.vault_dir), "%s", c->vault);
	snprintf(
	    m.u.start.state_dir, sizeof(m.u.start.state_dir), "%s", c->state);
	rc = msg_send(p->session.fd, &m);
	return rc ? rc : box_password_send(p);
}

static void start_session(struct box *b, struct box_phone *p)
{
	enum rc rc;

	box_scrub_stop(b);
	p->session_ms = mono_ms();
	p->has_result = false;
	p->kept.udid[0] = '\0';
	p->replugged = false;
	p->asked = false;
	p->killed = NULL;
	p->shown.sets_password = p->password != NULL;
	meter_reset(&p->meter, &p->shown);
	rc = child_start(&p->session, "session", NULL, b->ring_fd, false);
	if (!rc)
		rc = send_start(b, p);
	if (rc) {
		/* The deadline of `seen` tries again. */
		log_error("no session for %s: %s", p->udid, rc_words(rc));
		child_close(&p->session);
	}
	p->policy.is_fresh = false;
	p->next_fresh = false;
	p->next_full = false;
}

/* While a phone waits to be asked again: is it unlocked? */
static void start_watch(const struct box *b, struct box_phone *p)
{
	struct msg m = { .type = MSG_START };
	enum rc rc;

	m.u.start.log_level = (uint8_t)log_get_level();
	snprintf(m.u.start.udid, sizeof(m.u.start.udid), "%s", p->udid);
	rc = child_start(&p->watch, "watch", NULL, b->ring_fd, false);
	if (!rc)
		rc = msg_send(p->watch.fd, &m);
	if (rc) {
		/* The deadline asks, too. */
		log_warn("an unlock of %s will not be seen: %s", p->udid,
		    rc_words(rc));
		child_close(&p->watch);
	}
}

bool box_phone_watched(struct box *b, struct box_phone *p, const struct msg *m)
{
	if (m->type == MSG_TIME) {
		box_time_heard(b, STATUS_CLOCK_PHONE, m->u.time.at_ms,
		    m->u.time.mono_ms, short_name(p));
		return true;
	}
	if (m->type != MSG_UNLOCKED)
		return false;
	box_phone_post(b, p, PHONE_EV_UNLOCKED);
	return true;
}

static void kill_session(struct box_phone *p, enum phone_event ev)
{
	if (!p->killed)
		p->killed = ev == PHONE_EV_DISK_LOST
				? "the disk was pulled"
				: "it gave no sign of life any more";
	log_warn("session of %s is ended: %s", short_name(p), p->killed);
	child_kill(&p->session);
}

/* The page shows a phone's state; where a session ended, its outcome stays. */
static void show_state(struct box_phone *p)
{
	static const enum status_state shown[PHONE_STATE_COUNT_] = {
		[PHONE_SEEN] = STATE_SEEN,
		[PHONE_TRUST] = STATE_WANTS_TRUST,
		[PHONE_LOCKED] = STATE_WANTS_UNLOCK,
		[PHONE_PASSCODE] = STATE_WANTS_PASSCODE,
		[PHONE_PREPARING] = STATE_PREPARING,
		[PHONE_RECEIVING] = STATE_RECEIVING,
		[PHONE_VERIFYING] = STATE_CHECKING,
		[PHONE_COMMITTING] = STATE_CHECKING,
	};
	enum status_state to = shown[p->state];

	if (p->shown.sets_password &&
	    (to == STATE_SEEN || to == STATE_PREPARING))
		to = STATE_SETTING_PASSWORD;
	if (p->state == PHONE_LEAVING && !p->attached)
		to = STATE_UNPLUGGED;
	else if (p->state == PHONE_WAITING)
		to = p->shown.last_good_at ? STATE_SAFE : STATE_READY;
	else if (to == STATE_STARTING)
		return;
	if (p->shown.state != to) {
		p->shown.state = to;
		p->shown.state_at = wall_now();
	}
}

/* It waits for an unlock; or for the hour, which a phone tells, too. */
static bool wants_watch(const struct box *b, const struct box_phone *p)
{
	return p->state == PHONE_MISSED ||
	       (p->state == PHONE_WAITING && box_time_is_awaited(b));
}

void box_phone_post(struct box *b, struct box_phone *p, enum phone_event ev)
{
	struct phone_facts facts = facts_of(b, p);
	const struct fsm_row *row =
	    fsm_find(&phone_fsm, (int)p->state, (int)ev, &facts);
	enum phone_state from = p->state;

	if (!row) {
		log_error("no row for %s on %s", phone_fsm_state_name(from),
		    phone_fsm_event_name(ev));
		return;
	}
	if (row->to != FSM_SAME)
		p->state = (enum phone_state)row->to;
	if (p->state != from) {
		p->state_ms = mono_ms();
		log_note("%s: %s -> %s on %s", short_name(p),
		    phone_fsm_state_name(from), phone_fsm_state_name(p->state),
		    phone_fsm_event_name(ev));
	}
	/* Before a session may speak with the phone itself. */
	if (!wants_watch(b, p))
		child_close(&p->watch);
	else if (p->state != from)
		start_watch(b, p);
	if (row->act == PHONE_ACT_START)
		start_session(b, p);
	else if (row->act == PHONE_ACT_KILL)
		kill_session(p, ev);
	if (p->state != from || ev == PHONE_EV_TIMER)
		arm(b, p);
	show_state(p);
}

/* --- the cable -------------------------------------------------------------- */

void box_phone_attached(struct box *b, const char *udid)
{
	struct box_phone *p = box_phone_get(b, udid);
	struct policy_now now = box_now(b);

	if (!p)
		return;
	p->unconfirmed = false;
	if (p->attached)
		return;
	p->attached = true;
	p->shown.attached = true;
	box_scrub_stop(b);
	p->replugged = p->state == PHONE_LEAVING;
	p->policy.plugged_ms = now.ms;
	p->policy.retries = 0;
	if (policy_is_loose(&b->policy, &now, p->unplugged_ms))
		p->policy.loose++;
	else
		p->policy.loose = 0;
	p->policy.is_fresh = policy_is_fresh(
	    &p->policy, b->usbmux.begins == 1 && !p->unplugged_ms &&
			    now.ms - b->usbmux.child.began_ms < START_MS);
	box_phone_post(b, p, PHONE_EV_ATTACHED);
}

void box_phone_detached(struct box *b, const char *udid)
{
	struct box_phone *p = box_phone_get(b, udid);

	if (!p || !p->attached)
		return;
	p->attached = false;
	p->shown.attached = false;
	p->replugged = false;
	p->unplugged_ms = mono_ms();
	box_phone_post(b, p, PHONE_EV_DETACHED);
}

/* --- the session ------------------------------------------------------------ */

static enum phone_event event_of(enum msg_phase phase)
{
	switch (phase) {
	case MSG_PHASE_WANTS_TRUST:
		return PHONE_EV_TRUST;
	case MSG_PHASE_WANTS_UNLOCK:
		return PHONE_EV_LOCKED;
	case MSG_PHASE_WANTS_PASSCODE:
		return PHONE_EV_PASSCODE;
	case MSG_PHASE_PREPARING:
		return PHONE_EV_PREPARING;
	case MSG_PHASE_RECEIVING:
	case MSG_PHASE_FINISHING:
		return PHONE_EV_RECEIVING;
	case MSG_PHASE_VERIFYING:
		return PHONE_EV_VERIFYING;
	case MSG_PHASE_COMMITTING:
		return PHONE_EV_COMMITTING;
	case MSG_PHASE_CONNECTING:
	case MSG_PHASE_COUNT_:
		break;
	}
	return PHONE_EV_COUNT_;
}

void box_phone_stop(struct box_phone *p)
{
	struct msg m = { .type = MSG_CANCEL };

	if (p->session.fd < 0)
		return;
	p->stopped = true;
	if (msg_send(p->session.fd, &m))
		log_warn("the session did not hear that it is to stop");
}

void box_phone_kept(struct box *b, const struct msg_kept *kept)
{
	struct box_phone *p = box_phone_get(b, kept->udid);
	int64_t age;

	if (!p)
		return;
	p->counted = true;
	meter_kept(&p->shown, kept);
	if (kept->at <= 0)
		return;
	age = wall_now() - kept->at;
	p->policy.good_ms = mono_ms();
	/* A clock that stands before the backup tells nothing. */
	p->policy.good_age_s = age > 0 ? age : 0;
}

/* A census that saw all of another disk: what the last one held is elsewhere. */
void box_phones_counted(struct box *b, int64_t began_ms)
{
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];
		struct msg_kept none = { .at = 0 };

		if (p->counted || phone_fsm_has_session(p->state) ||
		    p->policy.good_ms >= began_ms)
			continue;
		meter_kept(&p->shown, &none);
		p->policy.good_age_s = -1;
	}
}

bool box_phone_message(struct box *b, struct box_phone *p, const struct msg *m)
{
	enum phone_event ev;

	switch (m->type) {
	case MSG_PHONE:
		meter_phone(&p->shown, &m->u.phone);
		if (m->u.phone.clock_ms)
			box_time_heard(b, STATUS_CLOCK_PHONE,
			    m->u.phone.clock_ms, m->u.phone.clock_mono_ms,
			    short_name(p));
		box_zone_heard(b, m->u.phone.zone, short_name(p));
		return true;
	case MSG_PHASE:
		meter_phase(
		    &p->meter, &p->shown, (enum msg_phase)m->u.step.phase);
		ev = event_of((enum msg_phase)m->u.step.phase);
		if (ev != PHONE_EV_COUNT_)
			box_phone_post(b, p, ev);
		return true;
	case MSG_REQUESTED:
		p->asked = true;
		log_note("%s: asked for the backup attach_to_request_ms=%lld "
			 "session_ms=%lld",
		    short_name(p),
		    (long long)(mono_ms() - p->policy.plugged_ms),
		    (long long)m->u.requested.ms);
		return true;
	case MSG_PROGRESS:
		meter_progress(&p->meter, &p->shown, &m->u.progress, mono_ms());
		arm(b, p);
		return true;
	case MSG_KEPT:
		/* Shown with the result, not while it is still checked. */
		p->kept = m->u.kept;
		return !strcmp(p->kept.udid, p->udid);
	case MSG_PASSWORD_SET:
		if (!p->shown.sets_password)
			return false;
		box_password_set(
		    b, p, (enum password_did)m->u.password_set.did);
		show_state(p);
		return true;
	case MSG_RESULT:
		p->result = m->u.result;
		p->has_result = true;
		return true;
	case MSG_NONE:
	case MSG_START:
	case MSG_CANCEL:
	case MSG_PASSWORD:
	case MSG_DISK:
	case MSG_DISK_SMART:
	case MSG_DISK_DO:
	case MSG_WIFI_JOIN:
	case MSG_WIFI:
	case MSG_UPDATE:
	case MSG_UPLOAD:
	case MSG_UPLOAD_SAID:
	case MSG_ATTACHED:
	case MSG_DETACHED:
	case MSG_ALIVE:
	case MSG_ON_BUS:
	case MSG_SCRUBBED:
	case MSG_UNLOCKED:
	case MSG_SERVING:
	case MSG_COMMAND:
	case MSG_PIN:
	case MSG_MQTT:
	case MSG_SNTP:
	case MSG_HOOK:
	case MSG_EVENT:
	case MSG_EVENT_OVER:
	case MSG_TIME:
	case MSG_REPORT:
	case MSG_TLS:
	case MSG_SETTINGS:
	case MSG_STATUS:
	case MSG_TYPE_COUNT_:
		break;
	}
	return false;
}

/* --- its end ---------------------------------------------------------------- */

static struct status_night night_of(const struct box_phone *p)
{
	struct status_night n = {
		.at = wall_now(),
		.state = p->shown.state,
		.pct_x100 = p->shown.pct_x100,
		.seconds = (mono_ms() - p->session_ms) / 1000,
		.missing_bytes = p->shown.missing_bytes,
		.mb_code = p->shown.mb_code,
	};

	snprintf(n.udid, sizeof(n.udid), "%s", p->udid);
	utf8_clean(n.phone, sizeof(n.phone),
	    p->shown.name[0] ? p->shown.name : p->shown.model);
	utf8_clean(n.detail, sizeof(n.detail), p->shown.detail);
	if (n.state == STATE_SAFE) {
		n.new_files = p->shown.last_new_files;
		n.new_bytes = p->shown.last_new_bytes;
	}
	return n;
}

/* What the policy remembers of the outcome. */
static void learn(
    const struct box *b, struct box_phone *p, const struct outcome *o)
{
	struct policy_phone *ph = &p->policy;
	struct policy_now now = box_now(b);

	ph->tried_ms = now.ms;
	if (o->event == PHONE_EV_END_SAFE) {
		ph->good_ms = now.ms;
		ph->good_age_s = 0;
		ph->asks = ph->retries = ph->broken = 0;
		return;
	}
	if (o->event == PHONE_EV_END_MISSED) {
		if (ph->night != now.night)
			ph->asks = 0;
		ph->night = now.night;
		ph->asks++;
	} else {
		ph->retries++;
	}
	if (!o->is_broken)
		return;
	/* First without what was kept of an interrupted night; when there was
	 * nothing of that, or it was no help, all of it again. */
	ph->broken++;
	p->next_fresh = true;
	p->next_full = ph->broken > 1 || !p->result.resumed;
}

/* An end without a result: killed by us, or a crash. */
static void make_result(struct box_phone *p)
{
	char words[64];

	if (p->has_result)
		return;
	child_words(&p->session, words, sizeof(words));
	outcome_no_result(&p->result,
	    p->killed ? p->killed
		      : "a part of the box ended and was restarted");
	if (p->killed)
		p->result.end =
		    p->attached ? SESSION_END_SILENT : SESSION_END_UNPLUGGED;
	else
		log_error("session of %s ended without a result: %s",
		    short_name(p), words);
}

/* A phone that went away by itself, or fell silent. */
static bool was_dropped(enum session_end end)
{
	return end == SESSION_END_UNPLUGGED || end == SESSION_END_SILENT ||
	       end == SESSION_END_NO_PHONE;
}

/* The supply dipped as it went away. */
static void blame_power(struct box *b, struct box_phone *p, struct outcome *o)
{
	p->dropped_ms = 0;
	if (!was_dropped((enum session_end)p->result.end) ||
	    o->event == PHONE_EV_END_SAFE || o->state == STATE_STOPPED)
		return;
	p->dropped_ms = mono_ms();
	box_look_at_health(b);
	if (b->weak_power_ms && p->dropped_ms - b->weak_power_ms < DIP_MS)
		o->state = STATE_POWER_DROP;
}

void box_phone_weak_power(struct box *b)
{
	for (unsigned i = 0; i < b->n_phones; i++) {
		struct box_phone *p = &b->phones[i];

		if (p->dropped_ms && mono_ms() - p->dropped_ms < DIP_MS &&
		    (p->shown.state == STATE_UNPLUGGED ||
			p->shown.state == STATE_PHONE_FAILED))
			p->shown.state = STATE_POWER_DROP;
	}
}

void box_phone_ended(struct box *b, struct box_phone *p)
{
	struct status_night night;
	struct outcome o;

	make_result(p);
	child_close(&p->session);
	o = outcome_of(&p->result);
	/* An error of the disk may be its absence. */
	if (o.state == STATE_DISK_FAILING) {
		box_look_at_disk(b);
		if (b->disk.state == DISK_MISSING)
			o.state = STATE_NO_DISK;
	}
	if (p->stopped && o.event != PHONE_EV_END_SAFE) {
		o.state = STATE_STOPPED;
		o.event = PHONE_EV_END_FAILED;
	}
	if (p->shown.sets_password)
		box_password_ended(p, &o);
	p->stopped = false;
	/* Pulled, whatever the session made of it. */
	if (!p->attached && o.event == PHONE_EV_END_RETRY) {
		o.state = STATE_UNPLUGGED;
		o.event = PHONE_EV_END_GONE;
	}
	blame_power(b, p, &o);
	/* The next backup is as due as it was before. */
	if (!p->shown.sets_password)
		learn(b, p, &o);
	p->shown.sets_password = false;
	if (p->kept.udid[0])
		box_phone_kept(b, &p->kept);
	meter_result(&p->shown, &p->result);
	p->shown.state = o.state;
	p->shown.state_at = wall_now();
	log_note("%s: session ended state=%s code=%d files=%llu bytes=%llu "
		 "phone_ms=%lld box_ms=%lld text=\"%s\"",
	    short_name(p), status_state_id(o.state), p->result.mb_code,
	    (unsigned long long)p->result.files,
	    (unsigned long long)p->result.bytes, (long long)p->result.phone_ms,
	    (long long)p->result.box_ms, p->result.text);
	night = night_of(p);
	if (o.event == PHONE_EV_END_SAFE)
		box_scrub_wish(b);
	box_phone_post(b, p, o.event);
	/* What is tried again by itself is not yet the night's end. */
	if (p->state != PHONE_RETRY)
		box_add_night(b, &night);
}

void box_phone_turn(struct box *b, struct box_phone *p, int64_t now_ms)
{
	if (p->deadline_ms && now_ms >= p->deadline_ms) {
		p->deadline_ms = 0;
		box_phone_post(b, p, PHONE_EV_TIMER);
	}
}
