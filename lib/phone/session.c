#define LOG_MODULE "session"
#include "session.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mono.h"
#include "session_priv.h"
#include "verdict.h"

#define NOTE_LOCAL_AUTH "com.apple.LocalAuthentication.ui."
#define NOTE_ITUNES     "com.apple.itunes-mobdev."
#define LOOK_MS         100 /* between two looks at np and side thread */
#define SLICE_MS        200
#define UNLOCK_POLL_MS  1000
#define INFO_WAIT_MS    20000 /* for Info.plist after the last word */
#define INFO_HURRY_MS   5000
#define SIDE_WAIT_MS    3000
#define PINGS_FAILED    3
#define SERVICE_TRIES   3

void session_enter(struct session *s, enum session_phase phase)
{
	if (s->phase_known && s->phase == phase)
		return;
	s->phase = phase;
	s->phase_known = true;
	if (s->ev.phase)
		s->ev.phase(s->ev.ctx, phase);
}

static bool is_cancelled(const struct session *s)
{
	return s->ev.cancelled && s->ev.cancelled(s->ev.ctx);
}

enum rc session_nap(struct session *s, int ms)
{
	int64_t began = mono_ms();
	enum rc rc = RC_OK;

	while (!rc && mono_ms() - began < ms) {
		struct timespec t = { 0, SLICE_MS * 1000000L };

		if (is_cancelled(s))
			rc = RC_CANCELLED;
		else
			nanosleep(&t, NULL);
	}
	if (!rc && !device_is_there(s->dev))
		rc = RC_GONE;
	s->napped_ms += mono_ms() - began;
	return rc;
}

static int or_default(int v, int def)
{
	return v > 0 ? v : def;
}

static void fill_opts(struct session_opts *o)
{
	o->trust_wait_ms = or_default(o->trust_wait_ms, 180000);
	o->unlock_wait_ms = or_default(o->unlock_wait_ms, 180000);
	o->first_wait_ms = or_default(o->first_wait_ms, 1800000);
	o->next_wait_ms = or_default(o->next_wait_ms, 600000);
	o->last_wait_ms = or_default(o->last_wait_ms, 60000);
	o->ping_ms = or_default(o->ping_ms, 60000);
}

/* ---- what is known of the phone ---- */

static void tell_phone(struct session *s)
{
	if (s->ev.phone)
		s->ev.phone(s->ev.ctx, &s->phone);
}

enum rc session_will_encrypt(struct session *s, bool *out)
{
	struct pl *v = NULL;
	enum rc rc = device_lockdown_value(
	    s->lockdown, "com.apple.mobile.backup", "WillEncrypt", &v);

	*out = rc == RC_OK && pl_truth(v, false);
	pl_free(v);
	return rc;
}

/* TimeIntervalSince1970 is a real; only a trusted host gets it. */
static void read_clock(struct session *s)
{
	double at;

	if (pl_real(pl_get(s->values, "TimeIntervalSince1970"), &at) != RC_OK ||
	    !(at > 0 && at < 8e9)) /* the year 2223 */
		return;
	s->phone.clock_ms = (int64_t)(at * 1000);
	s->phone.clock_mono_ms = mono_ms();
}

static void read_facts(struct session *s)
{
	struct session_phone *p = &s->phone;
	struct pl *v = NULL;
	int64_t pct;

	if (device_lockdown_value(s->lockdown, NULL, NULL, &s->values))
		log_warn("the phone tells nothing about itself");
	read_clock(s);
	pl_copy_str(pl_get(s->values, "DeviceName"), p->name, sizeof(p->name));
	pl_copy_str(pl_get(s->values, "ProductType"), p->product_type,
	    sizeof(p->product_type));
	pl_copy_str(
	    pl_get(s->values, "ProductVersion"), p->ios, sizeof(p->ios));
	pl_copy_str(
	    pl_get(s->values, "BuildVersion"), p->build, sizeof(p->build));
	pl_copy_str(
	    pl_get(s->values, "SerialNumber"), p->serial, sizeof(p->serial));
	pl_copy_str(pl_get(s->values, "TimeZone"), p->zone, sizeof(p->zone));
	if (session_will_encrypt(s, &p->will_encrypt))
		log_info("the phone does not say whether it encrypts");
	if (device_lockdown_value(s->lockdown, "com.apple.mobile.battery",
		"BatteryCurrentCapacity", &v) == RC_OK &&
	    pl_int(v, &pct) == RC_OK && pct >= 0 && pct <= 100)
		p->battery_pct = (int)pct;
	pl_free(v);
	log_note("%s, iOS %s, encrypted=%d", p->product_type, p->ios,
	    p->will_encrypt);
	tell_phone(s);
}

/* ---- notifications ---- */

static void post(struct session *s, const char *name)
{
	char full[96];

	if (!s->np)
		return;
	snprintf(full, sizeof(full), NOTE_ITUNES "%s", name);
	if (np_post(s->np, full)) {
		log_warn("notification proxy ended");
		np_free(s->np);
		s->np = NULL;
	}
}

static void on_note(void *arg, const char *name)
{
	struct session *s = arg;

	log_debug("notification %.80s", name);
	if (strcmp(name, NOTE_LOCAL_AUTH "presented") == 0) {
		if (s->phase == SESSION_PREPARING)
			session_enter(s, SESSION_WANTS_PASSCODE);
	} else if (strcmp(name, NOTE_LOCAL_AUTH "dismissed") == 0) {
		if (s->phase == SESSION_WANTS_PASSCODE)
			session_enter(s, SESSION_PREPARING);
	} else if (strcmp(name, "com.apple.itunes-client.syncCancelRequest") ==
		   0) {
		log_note("cancelled on the phone");
		s->phone_cancelled = true;
	}
}

static void look_at_notes(struct session *s)
{
	if (s->np && np_poll(s->np, on_note, s)) {
		log_warn("notification proxy ended");
		np_free(s->np);
		s->np = NULL;
	}
}

/* Without it a backup goes on; only "enter the passcode" can't be shown. */
static void open_np(struct session *s)
{
	static const char *const names[] = {
		"com.apple.itunes-client.syncCancelRequest",
		"com.apple.itunes-client.syncSuspendRequest",
		"com.apple.itunes-client.syncResumeRequest",
		"com.apple.mobile.backup.domain_changed",
		NOTE_LOCAL_AUTH "presented",
		NOTE_LOCAL_AUTH "dismissed",
	};
	struct stream stream;
	enum rc rc = device_lockdown_stream(s->lockdown,
	    "com.apple.mobile.notification_proxy", s->record, &stream);

	if (!rc)
		rc = np_new(stream, &s->np);
	for (size_t i = 0; !rc && i < sizeof(names) / sizeof(names[0]); i++)
		rc = np_observe(s->np, names[i]);
	if (!rc)
		rc = np_post(s->np, NOTE_ITUNES "syncWillStart");
	if (rc) {
		log_warn("no notifications: %s", rc_words(rc));
		np_free(s->np);
		s->np = NULL;
	}
}

/* ---- Info.plist ---- */

static void write_info(struct session *s)
{
	const struct store *st = s->store;
	struct store_file *file = NULL;
	char path[64];
	enum rc rc = st->ops->make_dir(st->ctx, s->phone.udid);

	snprintf(path, sizeof(path), "%s/Info.plist", s->phone.udid);
	if (rc == RC_OK || rc == RC_EXISTS)
		rc = st->ops->create(st->ctx, path, &file);
	if (!rc) {
		rc = st->ops->write(file, s->info, s->info_len);
		if (rc)
			st->ops->discard(file);
		else
			rc = st->ops->finish(file);
	}
	if (rc)
		log_error("Info.plist not stored: %s", rc_words(rc));
	s->info_rc = rc;
	pl_bytes_free(s->info);
	s->info = NULL;
}

/* ---- beside the device link ---- */

static enum rc look_at_side(struct session *s)
{
	struct side_news news;

	if (!s->side)
		return RC_OK;
	side_look(s->side, &news);
	if (news.locked)
		post(s, "syncDidStart");
	if (news.has_disk) {
		s->phone.phone_free_bytes = news.phone_free_bytes;
		s->phone.phone_total_bytes = news.phone_total_bytes;
		tell_phone(s);
	}
	if (news.info) {
		s->info = news.info;
		s->info_len = news.info_len;
	}
	s->info_done = news.info_done;
	if (news.gone)
		return RC_GONE;
	return news.failed_pings >= PINGS_FAILED ? RC_TIMEOUT : RC_OK;
}

enum rc session_tick(void *ctx, bool idle, int64_t silent_ms)
{
	struct session *s = ctx;
	int64_t now = mono_ms();
	enum rc rc;

	if (now - s->looked_at < LOOK_MS)
		return RC_OK;
	s->looked_at = now;
	if (is_cancelled(s))
		return RC_CANCELLED;
	look_at_notes(s);
	rc = look_at_side(s);
	if (rc)
		return rc;
	if (idle && s->info)
		write_info(s);
	if (s->side && silent_ms >= s->opts.ping_ms &&
	    now - s->pinged_at >= s->opts.ping_ms) {
		s->pinged_at = now;
		side_ping(s->side);
	}
	return RC_OK;
}

static void on_stage(void *ctx, enum dlink_stage stage)
{
	switch (stage) {
	case DLINK_STAGE_PREPARING:
		session_enter(ctx, SESSION_PREPARING);
		break;
	case DLINK_STAGE_RECEIVING:
		session_enter(ctx, SESSION_RECEIVING);
		break;
	case DLINK_STAGE_FINISHING:
		session_enter(ctx, SESSION_FINISHING);
		break;
	}
}

static void on_progress(void *ctx, const struct session_progress *p)
{
	struct session *s = ctx;

	if (s->ev.progress)
		s->ev.progress(s->ev.ctx, p);
}

/* ---- the course of a session ---- */

/* A phone that was never unlocked since it booted starts no services. */
enum rc session_open_stream(
    struct session *s, struct stream *stream, enum session_end *why)
{
	int64_t deadline = 0;
	int tries = 0;

	for (;;) {
		enum rc rc = device_lockdown_stream(
		    s->lockdown, "com.apple.mobilebackup2", s->record, stream);

		if (rc == RC_LOCKED) {
			session_enter(s, SESSION_WANTS_UNLOCK);
			if (!deadline)
				deadline = mono_ms() + s->opts.unlock_wait_ms;
			if (mono_ms() >= deadline) {
				*why = SESSION_END_LOCKED;
				return rc;
			}
		} else if (!rc || ++tries >= SERVICE_TRIES ||
			   (rc != RC_REFUSED && rc != RC_TIMEOUT &&
			       rc != RC_GONE)) {
			return rc;
		}
		rc = session_nap(s, UNLOCK_POLL_MS);
		if (rc)
			return rc;
	}
}

static enum rc start_backup(struct session *s, enum session_end *why)
{
	struct dlink_waits waits = { .first_ms = s->opts.first_wait_ms,
		.next_ms = s->opts.next_wait_ms,
		.last_ms = s->opts.last_wait_ms };
	struct dlink_hooks hooks = { .ctx = s,
		.tick = session_tick,
		.stage = on_stage,
		.progress = on_progress };
	struct stream stream;
	enum rc rc = session_open_stream(s, &stream, why);

	/* It was locked too hard for any service before. */
	if (!rc && !s->np)
		open_np(s);
	if (!rc)
		rc = dlink_new(
		    stream, s->store, s->phone.udid, &waits, &hooks, &s->dlink);
	if (!rc)
		rc = dlink_hello(s->dlink);
	if (!rc)
		rc = dlink_ask_backup(s->dlink, s->opts.force_full);
	if (rc)
		return rc;
	if (s->ev.requested)
		s->ev.requested(s->ev.ctx, mono_ms() - s->began_at);
	session_enter(s, SESSION_PREPARING);
	return RC_OK;
}

/* The rest of the preamble, while the phone is thinking. */
static void start_side(struct session *s)
{
	struct device_lockdown *l = s->lockdown;
	enum rc rc;

	post(s, "syncLockRequest");
	s->lockdown = NULL;
	rc = side_start(s->dev, l, s->values, &s->side);
	if (rc)
		log_warn("no side thread: %s", rc_words(rc));
}

static enum rc open_up(struct session *s, enum session_end *why)
{
	enum rc rc = trust_open(s, why);

	if (rc)
		return rc;
	session_enter(s, SESSION_CONNECTING);
	read_facts(s);
	open_np(s);
	return RC_OK;
}

enum rc session_reconnect(struct session *s, enum session_end *why)
{
	np_free(s->np);
	s->np = NULL;
	device_lockdown_close(s->lockdown);
	s->lockdown = NULL;
	pl_free(s->record);
	s->record = NULL;
	pl_free(s->values);
	s->values = NULL;
	return open_up(s, why);
}

enum rc session_connect(struct session *s, enum session_end *why)
{
	enum rc rc = device_open(s->opts.udid, &s->dev);

	if (rc) {
		*why = SESSION_END_NO_PHONE;
		return rc;
	}
	snprintf(
	    s->phone.udid, sizeof(s->phone.udid), "%s", device_udid(s->dev));
	session_enter(s, SESSION_CONNECTING);
	return open_up(s, why);
}

/* After a good end: Info.plist may still be under way. */
static void await_info(struct session *s)
{
	int64_t began = mono_ms();
	bool hurried = false;

	while (s->side) {
		struct timespec t = { 0, 20000000L };
		int64_t waited = mono_ms() - began;

		if (look_at_side(s) || s->info_done || is_cancelled(s))
			break;
		if (waited > INFO_WAIT_MS && !hurried) {
			side_hurry(s->side);
			hurried = true;
		}
		if (waited > INFO_WAIT_MS + INFO_HURRY_MS)
			break;
		nanosleep(&t, NULL);
	}
	if (s->info)
		write_info(s);
}

static void judge_info(struct session *s, struct session_result *out)
{
	if (out->rc)
		return;
	if (s->info_rc == RC_NOSPC)
		out->end = SESSION_END_HOST_FULL;
	else if (s->info_rc)
		out->end = SESSION_END_HOST_DISK;
	out->rc = verdict_rc(out->end);
}

static void serve(struct session *s, struct session_result *out)
{
	struct dlink_result res;
	enum rc rc = dlink_serve(s->dlink, &res);

	verdict_of(rc, &res, out);
	if (s->phone_cancelled && out->end == SESSION_END_UNPLUGGED)
		out->end = SESSION_END_CANCELLED;
	out->rc = verdict_rc(out->end);
	if (!out->rc) {
		await_info(s);
		judge_info(s, out);
	}
	if (rc == RC_OK) {
		post(s, "syncDidFinish");
		dlink_bye(s->dlink);
	}
}

/* Before the first command: what the link's codes mean there. */
static enum session_end early_end(enum rc rc)
{
	switch ((int)rc) {
	case RC_GONE:
		return SESSION_END_UNPLUGGED;
	case RC_TIMEOUT:
		return SESSION_END_SILENT;
	case RC_CANCELLED:
		return SESSION_END_CANCELLED;
	case RC_LOCKED:
		return SESSION_END_LOCKED;
	case RC_NOTFOUND:
		return SESSION_END_NO_PHONE;
	case RC_UNSUPPORTED:
	case RC_REFUSED:
		return SESSION_END_PHONE_OTHER;
	case RC_NOMEM:
	case RC_BUG:
	case RC_IO:
		return SESSION_END_INTERNAL;
	default:
		return SESSION_END_PROTOCOL;
	}
}

static void clean_up(struct session *s)
{
	bool free_dev = true;

	dlink_free(s->dlink);
	if (s->side)
		free_dev = side_stop(s->side, SIDE_WAIT_MS);
	np_free(s->np);
	device_lockdown_close(s->lockdown);
	if (free_dev)
		device_free(s->dev);
	pl_free(s->record);
	pl_free(s->values);
	pl_bytes_free(s->info);
}

struct session *session_new(const struct session_opts *opts,
    const struct session_events *ev, struct session_result *out)
{
	struct session *s = calloc(1, sizeof(*s));

	memset(out, 0, sizeof(*out));
	out->end = SESSION_END_INTERNAL;
	out->rc = RC_NOMEM;
	if (!s)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	s->opts = *opts;
	fill_opts(&s->opts);
	if (ev)
		s->ev = *ev;
	s->phone.battery_pct = -1;
	s->began_at = mono_ms();
	return s;
}

void session_end(struct session *s, struct session_result *out)
{
	clean_up(s);
	out->phone_ms += s->napped_ms;
	out->box_ms = mono_ms() - s->began_at - out->phone_ms;
	log_note("session ended: %s", session_end_id(out->end));
	free(s);
}

void session_failed(
    enum rc rc, enum session_end why, struct session_result *out)
{
	out->end = why != SESSION_END_COUNT_ ? why : early_end(rc);
	out->rc = verdict_rc(out->end);
}

enum rc session_backup(const struct session_opts *opts,
    const struct store *store, const struct session_events *ev,
    struct session_result *out)
{
	struct session *s = session_new(opts, ev, out);
	enum session_end why = SESSION_END_COUNT_;
	enum rc rc;

	if (!s)
		return out->rc;
	s->store = store;
	rc = session_connect(s, &why);
	if (!rc)
		rc = start_backup(s, &why);
	if (!rc) {
		start_side(s);
		serve(s, out);
	} else {
		session_failed(rc, why, out);
		log_note("no backup: %s", rc_words(rc));
	}
	session_end(s, out);
	return out->rc;
}
