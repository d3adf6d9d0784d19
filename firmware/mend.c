#include "mend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "vault_lock.h"
#include "vault_repair.h"

#define LOG_MODULE "mend"

#define COPIES   "catalogs"
#define COPY_END ".catalog.db"

void mend_copies_dir(const char *state_dir, char *out, size_t cap)
{
	snprintf(out, cap, "%s/" COPIES, state_dir);
}

static bool is_copy(const char *name)
{
	size_t n = strlen(name), end = strlen(COPY_END);

	return n > end && !strcmp(name + n - end, COPY_END);
}

static void move_old(int state, int copies)
{
	int fd = dup(state);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (is_copy(e->d_name) &&
		    renameat(state, e->d_name, copies, e->d_name) != 0)
			log_warn("a copy of a catalogue stays where it was: %s",
			    strerror(errno));
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}

void mend_prepare(const char *state_dir)
{
	const int how = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int copies = -1, state = state_dir[0] ? open(state_dir, how) : -1;

	if (state < 0)
		return;
	if (mkdirat(state, COPIES, 0700) == 0 || errno == EEXIST)
		copies = openat(state, COPIES, how | O_NOFOLLOW);
	if (copies < 0)
		log_warn(
		    "no folder for copies of catalogues: %s", strerror(errno));
	else
		move_old(state, copies);
	if (copies >= 0)
		close(copies);
	close(state);
}

void mend_copy_path(const char *state_dir, const struct vault *v,
    const char *udid, char *out, size_t cap)
{
	out[0] = '\0';
	if (state_dir[0])
		snprintf(out, cap, "%s/" COPIES "/%s-%.8s" COPY_END, state_dir,
		    udid, vault_id(v));
}

static enum rc mend(const char *state_dir, struct vault *v, const char *udid)
{
	struct vault_repair_report rep;
	char copy[640];
	struct vault_repair_opts o = {
		.udid = udid, .copy = copy, .careful = true
	};
	enum rc rc;

	mend_copy_path(state_dir, v, udid, copy, sizeof(copy));
	if (!copy[0])
		return RC_CORRUPT;
	rc = vault_repair_phone(v, &o, &rep);
	if (!rc && rep.repaired)
		log_note("the catalogue was %s; the box's copy took its place "
			 "backups=%u",
		    rep.state == VAULT_REPAIR_MISSING ? "missing" : "broken",
		    rep.good);
	else
		log_warn("the catalogue is not mended by itself: %s",
		    rc ? rc_words(rc) : "it is whole");
	return rc;
}

enum rc mend_open(const char *state_dir, struct vault *v, const char *udid,
    struct vault_phone **out)
{
	enum rc rc = vault_phone_open(v, udid, false, out);

	if (rc != RC_CORRUPT)
		return rc;
	if (mend(state_dir, v, udid))
		return RC_CORRUPT;
	return vault_phone_open(v, udid, false, out);
}

void mend_words(
    enum rc rc, struct vault *v, const char *udid, char *out, size_t cap)
{
	char who[160];

	if (rc == RC_BUSY && v) {
		vault_busy_words(v, udid, who, sizeof(who));
		snprintf(out, cap, "its backups are %s", who);
	} else if (rc == RC_CORRUPT && v) {
		snprintf(out, cap,
		    "the catalogue of its backups is damaged; no backup is "
		    "lost by that: run `nightstand repair`");
	} else if (rc == RC_CORRUPT) {
		snprintf(
		    out, cap, "its folder Nightstand is damaged or not ours");
	} else if (rc == RC_UNSUPPORTED) {
		snprintf(out, cap, "its vault was made by a newer version");
	} else {
		snprintf(out, cap, "%s", rc_words(rc));
	}
}
