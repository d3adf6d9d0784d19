/*
 * Role `scrub`: reads a part of the backups again, tells the box of each phone
 * what came of it, and ends. It may be killed at any moment.
 */
#include <string.h>
#include <unistd.h>

#include "census.h"
#include "log.h"
#include "mono.h"
#include "msg.h"
#include "role.h"
#include "role_jail.h"
#include "scrubber.h"

#define LOG_MODULE "scrub"

struct job {
	int fd;
	int64_t began_ms; /* of this phone's part */
	bool told_all; /* the box still listens */
};

static void tell(struct job *j, const struct msg *m)
{
	enum rc rc = msg_send(j->fd, m);

	if (rc)
		log_warn("the box was not told: %s", rc_words(rc));
	j->told_all &= !rc;
}

static bool is_cancelled(void *arg)
{
	const struct job *j = arg;

	return !j->told_all;
}

static void on_begin(void *arg, const char *udid)
{
	struct job *j = arg;

	(void)udid;
	j->began_ms = mono_ms();
}

static enum rc on_damaged(void *arg, const struct vault_damaged *d)
{
	static const char *const words[] = {
		[VAULT_MISSING] = "missing",
		[VAULT_ALTERED] = "damaged",
		[VAULT_UNREADABLE] = "unreadable",
	};

	(void)arg;
	log_error("a file of %s is %s snapshots=%llu",
	    d->newest ? "the newest backup" : "an older backup", words[d->what],
	    (unsigned long long)d->n_snapshots);
	log_debug("that file is %s", d->path);
	return RC_OK;
}

static void on_done(void *arg, const char *udid, struct vault_phone *p,
    enum rc rc, const struct vault_check_result *r)
{
	struct msg kept = { .type = MSG_KEPT };
	struct msg m = { .type = MSG_SCRUBBED };
	struct job *j = arg;

	/* First what is known of the phone, then the news. */
	if (p && !census_kept(p, udid, &kept.u.kept))
		tell(j, &kept);
	memcpy(m.u.scrubbed.udid, udid, strlen(udid) + 1);
	m.u.scrubbed.rc = (uint8_t)rc;
	m.u.scrubbed.all = r->all;
	m.u.scrubbed.files = r->files;
	m.u.scrubbed.bytes = r->bytes;
	m.u.scrubbed.found = r->damaged;
	m.u.scrubbed.healed = r->healed;
	m.u.scrubbed.seconds = (mono_ms() - j->began_ms) / 1000;
	tell(j, &m);
}

int role_scrub(int fd)
{
	struct job j = { .fd = fd, .told_all = true };
	struct scrubber s = {
		.udid = "",
		.cancelled = is_cancelled,
		.begin = on_begin,
		.damaged = on_damaged,
		.done = on_done,
		.arg = &j,
	};
	static struct msg m;
	enum rc rc = msg_recv(fd, &m);

	if (rc || m.type != MSG_START)
		return 1;
	log_set_level((enum log_level)m.u.start.log_level);
	if (nice(10) < 0)
		log_debug("not nicer than others");
	s.dir = m.u.start.vault_dir;
	role_jail_vault(&(struct role_jail){ .vault = s.dir, .state = "" });
	s.max_ms = m.u.start.scrub_minutes * 60000LL;
	s.max_bytes = (uint64_t)m.u.start.scrub_gib << 30;
	rc = scrubber_run(&s);
	if (rc && rc != RC_NOTFOUND)
		log_warn("the backups were not read again: %s", rc_words(rc));
	return 0;
}
