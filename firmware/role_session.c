/*
 * Role `session`: one backup (or a change of the backup password) from the cable to the commit, told to the parent
 * by messages. It may be killed at any moment; the vault is made for that.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "census.h"
#include "lazy_store.h"
#include "log.h"
#include "mend.h"
#include "mono.h"
#include "msg.h"
#include "outcome.h"
#include "password_step.h"
#include "role.h"
#include "role_jail.h"
#include "session.h"
#include "utf8.h"
#include "vault.h"
#include "vault_repair.h"

#define LOG_MODULE "session"

/* A person's eye and a small CPU both want no more than five a second. */
#define PROGRESS_MS 200

struct job {
	int fd;
	struct msg_start start;
	int64_t began_ms;
	int64_t told_ms; /* the last progress message */
	struct session_phone phone;
	struct lazy_store *store;
	struct session_result got;
	struct msg_result out;
};

/* The parent may have gone; then the box's end is ours (PDEATHSIG). */
static void tell(const struct job *j, const struct msg *m)
{
	enum rc rc = msg_send(j->fd, m);

	if (rc)
		log_warn("the box was not told: %s", rc_words(rc));
}

static void tell_phase(const struct job *j, enum msg_phase phase)
{
	struct msg m = { .type = MSG_PHASE };

	m.u.step.phase = (uint8_t)phase;
	tell(j, &m);
}

static void on_phone(void *ctx, const struct session_phone *p)
{
	struct job *j = ctx;
	struct msg m = { .type = MSG_PHONE };

	j->phone = *p;
	snprintf(m.u.phone.udid, sizeof(m.u.phone.udid), "%s", j->start.udid);
	utf8_clean(m.u.phone.name, sizeof(m.u.phone.name), p->name);
	utf8_clean(m.u.phone.product_type, sizeof(m.u.phone.product_type),
	    p->product_type);
	utf8_clean(m.u.phone.ios, sizeof(m.u.phone.ios), p->ios);
	m.u.phone.battery_pct =
	    p->battery_pct < 0 || p->battery_pct > 100 ? -1 : p->battery_pct;
	m.u.phone.encrypted = p->will_encrypt;
	utf8_clean(m.u.phone.zone, sizeof(m.u.phone.zone), p->zone);
	m.u.phone.clock_ms = p->clock_ms;
	m.u.phone.clock_mono_ms = p->clock_mono_ms;
	tell(j, &m);
}

static void on_phase(void *ctx, enum session_phase phase)
{
	/* The first seven are the engine's own, in its order. */
	_Static_assert((int)MSG_PHASE_FINISHING == (int)SESSION_FINISHING,
	    "msg.h follows session.h");
	tell_phase(ctx, (enum msg_phase)phase);
}

static void on_requested(void *ctx, int64_t ms)
{
	struct job *j = ctx;
	struct msg m = { .type = MSG_REQUESTED };

	/* From the start of this process, not of the engine. */
	(void)ms;
	m.u.requested.ms = mono_ms() - j->began_ms;
	tell(j, &m);
}

static uint32_t pct_x100(double pct)
{
	if (!(pct > 0))
		return 0;
	return pct >= 100 ? 10000 : (uint32_t)(pct * 100);
}

static void on_progress(void *ctx, const struct session_progress *p)
{
	struct job *j = ctx;
	struct msg m = { .type = MSG_PROGRESS };
	int64_t now = mono_ms();

	if (now - j->told_ms < PROGRESS_MS && p->pct < 100)
		return;
	j->told_ms = now;
	m.u.progress.phase = MSG_PHASE_RECEIVING;
	m.u.progress.pct_x100 = pct_x100(p->pct);
	m.u.progress.bytes_done = p->bytes_done;
	m.u.progress.files_done = p->files_done;
	tell(j, &m);
}

static bool is_cancelled(void *ctx)
{
	struct job *j = ctx;
	struct pollfd pfd = { .fd = j->fd, .events = POLLIN };
	struct msg m;
	enum rc rc;

	if (lazy_store_has_failed(j->store))
		return true;
	if (poll(&pfd, 1, 0) <= 0)
		return false;
	rc = msg_recv(j->fd, &m);
	return rc == RC_GONE || (!rc && m.type == MSG_CANCEL);
}

static void on_verified(void *arg, uint64_t files_done, uint64_t files_total,
    uint64_t bytes_done, uint64_t bytes_total)
{
	struct job *j = arg;
	struct msg m = { .type = MSG_PROGRESS };
	int64_t now = mono_ms();

	if (now - j->told_ms < PROGRESS_MS)
		return;
	j->told_ms = now;
	m.u.progress.phase = MSG_PHASE_VERIFYING;
	if (bytes_total)
		m.u.progress.pct_x100 =
		    pct_x100(100.0 * (double)bytes_done / (double)bytes_total);
	m.u.progress.bytes_done = bytes_done;
	m.u.progress.bytes_total = bytes_total;
	m.u.progress.files_done = files_done;
	m.u.progress.files_total = files_total;
	tell(j, &m);
}

static void backup_catalog(struct job *j, struct vault_phone *p)
{
	char path[640];
	enum rc rc;

	if (!j->start.state_dir[0])
		return;
	mend_copy_path(j->start.state_dir, lazy_store_vault(j->store),
	    j->start.udid, path, sizeof(path));
	rc = vault_phone_backup_catalog(p, path);
	if (rc)
		log_warn(
		    "no copy of the catalogue path=%s: %s", path, rc_words(rc));
}

static void set_text(struct msg_result *out, const char *text)
{
	utf8_clean(out->text, sizeof(out->text), text);
}

/* Reads back, then commits. The night is taken in any case. */
static void store_night(struct job *j, struct vault_night *n)
{
	struct vault_verdict verdict = { .rc = RC_OK };
	struct vault_snapshot snap;
	struct vault_facts facts = {
		.device_name = j->phone.name,
		.model = j->phone.product_type,
		.ios = j->phone.ios,
		.started_at =
		    (int64_t)time(NULL) - (mono_ms() - j->began_ms) / 1000,
		.phone_seconds = j->got.phone_ms / 1000,
	};
	enum rc rc;

	tell_phase(j, MSG_PHASE_VERIFYING);
	rc = vault_night_verify(n, on_verified, j, &verdict);
	j->out.size_warnings = verdict.size_warnings;
	if (rc) {
		log_error("not committed: %s %s", rc_words(rc), verdict.why);
		set_text(&j->out, verdict.why[0] ? verdict.why : rc_words(rc));
		j->out.rc = (uint8_t)rc;
		/* What is known to be broken must not be built upon. */
		j->out.dropped = rc == RC_CORRUPT;
		vault_night_end(n, rc != RC_CORRUPT);
		return;
	}
	tell_phase(j, MSG_PHASE_COMMITTING);
	rc = vault_night_commit(n, &facts, &snap);
	j->out.rc = (uint8_t)rc;
	if (rc) {
		log_error("the commit failed: %s", rc_words(rc));
		set_text(&j->out, rc_words(rc));
		return;
	}
	j->out.verified = 1;
	j->out.snapshot = snap.id;
	log_note("backup is safe snapshot=%lld files=%llu new_files=%llu "
		 "new_bytes=%llu",
	    (long long)snap.id, (unsigned long long)snap.files,
	    (unsigned long long)snap.new_files,
	    (unsigned long long)snap.new_bytes);
}

static void tell_kept(struct job *j, bool with_next)
{
	struct msg m = { .type = MSG_KEPT };
	struct vault_phone *p = lazy_store_phone(j->store);

	if (census_kept(p, j->start.udid, &m.u.kept))
		return;
	if (with_next)
		census_next_gone(p, &j->start.keep, &m.u.kept);
	tell(j, &m);
}

static void prune(struct job *j)
{
	struct vault_prune job = { .want = 0 };
	enum rc rc = vault_prune(lazy_store_phone(j->store), &job, NULL, NULL);

	if (rc)
		log_warn("old snapshots stay for now: %s", rc_words(rc));
	if (rc)
		return;
	tell_kept(j, true);
	if (job.dropped)
		log_note("old snapshots are let go dropped=%llu for_room=%llu "
			 "freed=%llu",
		    (unsigned long long)job.dropped,
		    (unsigned long long)job.for_room,
		    (unsigned long long)job.freed);
}

static bool phone_is_done(enum session_end end)
{
	return end == SESSION_END_DONE || end == SESSION_END_NO_LAST_WORD;
}

/* The engine's result, and the vault's where that could not be used. */
static void take_result(struct job *j, enum rc opened)
{
	j->out.end = (uint8_t)j->got.end;
	j->out.rc = (uint8_t)j->got.rc;
	j->out.mb_code = j->got.mb_code;
	j->out.missing_bytes = j->got.missing_bytes;
	j->out.files = j->got.files;
	j->out.bytes = j->got.bytes;
	j->out.phone_ms = j->got.phone_ms;
	j->out.box_ms = j->got.box_ms;
	set_text(
	    &j->out, j->got.text[0] ? j->got.text : outcome_text(j->got.end));
	if (!opened)
		return;
	j->out.catalog_broken =
	    opened == RC_CORRUPT && lazy_store_vault(j->store) != NULL;
	j->out.end = SESSION_END_HOST_DISK;
	j->out.rc = (uint8_t)opened;
	j->out.mb_code = 0;
	set_text(&j->out, lazy_store_why(j->store, opened));
}

/* Ends that a catalogue may have caused that opens and breaks off later. */
static bool may_be_ours(const struct job *j)
{
	return j->out.rc == RC_CORRUPT || j->got.end == SESSION_END_INTERNAL ||
	       j->got.end == SESSION_END_HOST_DISK ||
	       j->got.end == SESSION_END_PHONE_FILES;
}

static void note_broken_catalog(struct job *j)
{
	j->out.catalog_broken = 1;
	j->out.end = SESSION_END_HOST_DISK;
	j->out.rc = RC_CORRUPT;
	j->out.mb_code = 0;
	set_text(&j->out, lazy_store_why(j->store, RC_CORRUPT));
}

static void finish(struct job *j)
{
	enum rc opened = lazy_store_wait(j->store);
	struct vault_night *n;

	take_result(j, opened);
	if (opened)
		return;
	j->out.resumed = lazy_store_resumed(j->store);
	n = lazy_store_take_night(j->store);
	if (phone_is_done(j->got.end)) {
		store_night(j, n);
	} else {
		j->out.dropped = j->got.end == SESSION_END_BROKEN_BACKUP;
		vault_night_end(n, !j->out.dropped);
	}
	if (j->out.verified)
		tell_kept(j, false);
	else if (!may_be_ours(j))
		return;
	else if (vault_phone_check_catalog(lazy_store_phone(j->store)) ==
		 RC_CORRUPT)
		note_broken_catalog(j);
}

/* True: the phone has taken it, and a backup may follow. */
static bool change_password(struct job *j, const struct session_opts *so,
    const struct session_events *ev)
{
	struct msg m = { .type = MSG_PASSWORD_SET };

	password_step(j->fd, so, ev, &j->got);
	if (!j->got.rc) {
		m.u.password_set.did = (uint8_t)j->got.did;
		tell(j, &m);
	}
	j->out.end = (uint8_t)j->got.end;
	j->out.rc = (uint8_t)j->got.rc;
	j->out.mb_code = j->got.mb_code;
	j->out.unsure = j->got.unsure;
	j->out.phone_ms = j->got.phone_ms;
	j->out.box_ms = j->got.box_ms;
	if (j->got.rc)
		set_text(&j->out, j->got.end == SESSION_END_PASSWORD
				      ? "that is not the one it has now"
				      : outcome_says(j->got.end));
	return !j->got.rc;
}

static void tell_result(struct job *j)
{
	struct msg m = { .type = MSG_RESULT };

	m.u.result = j->out;
	tell(j, &m);
}

static int run_session(struct job *j)
{
	struct lazy_store_opts opts = {
		.dir = j->start.vault_dir,
		.udid = j->start.udid,
		.state_dir = j->start.state_dir,
		.fresh = j->start.fresh,
		.mounted = j->start.mounted,
		.reserve_bytes = j->start.reserve_bytes,
		.lock_wait_s = j->start.lock_wait_s,
		.keep = j->start.keep,
	};
	struct session_opts so = {
		.udid = j->start.udid,
		.force_full = j->start.full,
		.trust_wait_ms = j->start.trust_wait_s * 1000,
		.unlock_wait_ms = j->start.unlock_wait_s * 1000,
		.first_wait_ms = j->start.first_wait_s * 1000,
		.next_wait_ms = j->start.next_wait_s * 1000,
		.last_wait_ms = j->start.last_wait_s * 1000,
	};
	struct session_events ev = {
		.ctx = j,
		.phone = on_phone,
		.phase = on_phase,
		.progress = on_progress,
		.requested = on_requested,
		.cancelled = is_cancelled,
	};
	enum rc rc;

	if (j->start.password || j->start.job == MSG_JOB_PASSWORD) {
		if (!change_password(j, &so, &ev) ||
		    j->start.job == MSG_JOB_PASSWORD) {
			tell_result(j);
			return 0;
		}
		memset(&j->out, 0, sizeof(j->out));
		/* What an interrupted night left was made with other keys. */
		if (j->got.did != PASSWORD_NOTHING)
			opts.fresh = 1;
	}
	if (lazy_store_begin(&opts, &j->store))
		return 1;
	rc = session_backup(&so, lazy_store_store(j->store), &ev, &j->got);
	log_info("the phone is done end=%s rc=%d", session_end_id(j->got.end),
	    (int)rc);
	finish(j);
	tell_result(j);
	/* The box has the news; this may take its time, and be killed. */
	if (j->out.verified) {
		prune(j);
		backup_catalog(j, lazy_store_phone(j->store));
	}
	lazy_store_end(j->store);
	return 0;
}

/* Before the first byte of the phone or of the disk. */
static void lock_in(const struct msg_start *s)
{
	bool is_census = s->job == MSG_JOB_CENSUS;
	const struct role_jail jail = { .vault = s->vault_dir,
		.state = is_census ? "" : s->state_dir,
		.has_phones = !is_census,
		.has_child = s->password || s->job == MSG_JOB_PASSWORD };

	if (!is_census)
		mend_prepare(s->state_dir);
	role_jail_vault(&jail);
}

static void on_kept(void *arg, const struct msg_kept *kept)
{
	struct msg m = { .type = MSG_KEPT };

	m.u.kept = *kept;
	tell(arg, &m);
}

int role_session(int fd)
{
	struct job j = { .fd = fd, .began_ms = mono_ms() };
	struct msg m;
	enum rc rc = msg_recv(fd, &m);

	if (rc || m.type != MSG_START)
		return 1;
	j.start = m.u.start;
	log_set_level((enum log_level)j.start.log_level);
	lock_in(&j.start);
	if (j.start.job != MSG_JOB_CENSUS) {
		log_set_tag(j.start.udid + strlen(j.start.udid) - 4);
		return run_session(&j);
	}
	if (j.start.udid[0])
		census_dismiss(j.start.vault_dir, j.start.udid);
	rc = census_each(j.start.vault_dir, &j.start.keep, on_kept, &j);
	return rc && rc != RC_NOTFOUND;
}
