#include "adopt.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal.h"
#include "mono.h"
#include "vault_int.h"
#include "verify.h"

#define LOG_MODULE "adopt"
#include "log.h"

#define RESERVE (64ull << 20)

enum rc adopt_because(struct adopt *a, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	if (a->out->why[0] == '\0') {
		va_start(ap, fmt);
		vsnprintf(a->out->why, sizeof(a->out->why), fmt, ap);
		va_end(ap);
	}
	return rc;
}

void adopt_path(const struct adopt *a, const char *rel, char out[LAYOUT_PATH])
{
	snprintf(out, LAYOUT_PATH, "%s%s%s", a->from, rel[0] ? "/" : "", rel);
}

enum rc adopt_step(struct adopt *a)
{
	if (a->opts->cancelled && a->opts->cancelled(a->opts->arg))
		return adopt_because(a, RC_CANCELLED, "Cancelled.");
	if (a->opts->progress && a->files_done > 0)
		a->opts->progress(a->opts->arg, a->files_done, a->out->files,
		    a->bytes_done, a->out->bytes);
	return RC_OK;
}

/* --- where it lies --------------------------------------------------------------
 */

static bool is_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}

/* `to` as seen from the folder `at`, both absolute and resolved. RC_LIMIT. */
static enum rc relative_to(const char *at, const char *to, char out[ADOPT_FROM])
{
	size_t same = 0, len = 0;
	const char *rest;

	for (size_t i = 0;; i++) {
		bool end_at = at[i] == '/' || at[i] == '\0';
		bool end_to = to[i] == '/' || to[i] == '\0';

		if (end_at && end_to)
			same = i;
		if (at[i] != to[i] || at[i] == '\0')
			break;
	}
	for (const char *p = at + same; *p; p++) {
		if (*p != '/' || p[1] == '\0')
			continue;
		if (len + 4 >= ADOPT_FROM)
			return RC_LIMIT;
		memcpy(out + len, "../", 4);
		len += 3;
	}
	rest = to + same + (to[same] == '/');
	if (len + strlen(rest) >= ADOPT_FROM)
		return RC_LIMIT;
	memcpy(out + len, rest, strlen(rest) + 1);
	if (*rest == '\0' && len > 0)
		out[len - 1] = '\0'; /* "../.." */
	return RC_OK;
}

/* Can a name of the folder be renamed into the vault? A bind mount has the
 * device of another and refuses, a subvolume has its own. Nothing of that name
 * is there: the kernel looks at the two mounts first. */
static enum rc find_disk(const struct vault *v, const char *folder, bool *same)
{
	static const char none[] = "nightstand-no-such-name";
	struct stat a, b;
	char *path;
	int rv = v->ops->stat(v->ops->ctx, v->root, ".", &a);

	if (!rv)
		rv = v->ops->stat(v->ops->ctx, v->root, folder, &b);
	if (rv)
		return fileops_rc(rv);
	*same = a.st_dev == b.st_dev;
	if (!*same)
		return RC_OK;
	if (asprintf(&path, "%s/%s", folder, none) < 0)
		return RC_NOMEM;
	rv = v->ops->rename(v->ops->ctx, v->root, path, none);
	free(path);
	*same = rv != -EXDEV;
	return RC_OK;
}

static enum rc check_place(struct adopt *a, const struct vault *v)
{
	char *vault = realpath(v->path, NULL);
	bool inside, same = true;
	enum rc rc;

	if (!vault)
		return rc_from_errno(errno);
	inside = is_inside(a->folder, vault);
	free(vault);
	if (inside)
		return adopt_because(
		    a, RC_EXISTS, "The folder is a part of the vault already.");
	rc = a->opts->copy ? RC_OK : find_disk(v, a->folder, &same);
	if (rc || same)
		return rc;
	return adopt_because(a, RC_UNSUPPORTED,
	    "The folder lies on another file system than the vault, so its "
	    "files can't be moved there. With --copy they are copied, and the "
	    "folder stays as it is.");
}

/* --- is there room for it? -------------------------------------------------------
 */

static enum rc count_one(void *arg, const struct vault_snapshot *s)
{
	(void)s;
	++*(uint64_t *)arg;
	return RC_OK;
}

static enum rc check_no_snapshot(struct adopt *a)
{
	uint64_t n = 0;
	enum rc rc = vault_each_snapshot(a->p, count_one, &n);

	if (!rc && n > 0)
		return adopt_because(a, RC_EXISTS,
		    "The vault holds %" PRIu64 " backup%s of this phone "
		    "already; only the first one can be adopted. The folder "
		    "needs nothing: it can be restored from where it is. For "
		    "a vault that begins with it, name another --vault.",
		    n, n == 1 ? "" : "s");
	return rc;
}

/* latest/<UDID> is ours, but somebody may have copied a backup there. */
static enum rc check_latest_empty(struct adopt *a)
{
	const struct fileops *ops = a->p->ops;
	char path[LAYOUT_PATH];
	const struct dirent *e;
	bool any = false;
	DIR *d;
	int fd;

	layout_latest(path, a->p->udid, "");
	fd = ops->open(ops->ctx, a->p->root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fileops_rc(fd);
	d = fdopendir(fd);
	if (!d) {
		ops->close(ops->ctx, fd);
		return RC_NOMEM;
	}
	while (!any && (e = readdir(d)) != NULL)
		any =
		    strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	if (any)
		return adopt_because(a, RC_EXISTS,
		    "There is something in %s/%s that the vault did not put "
		    "there. Move it away, then try again.",
		    a->p->path, path);
	return RC_OK;
}

static enum rc check_room(struct adopt *a)
{
	const struct store *s = vault_night_store(a->n);
	uint64_t room = 0;
	enum rc rc;

	vault_night_set_reserve(
	    a->n, a->opts->reserve ? a->opts->reserve : RESERVE);
	rc = s->ops->free_space(s->ctx, &room);
	if (!rc && room < a->out->bytes)
		return adopt_because(a, RC_NOSPC,
		    "The vault's disk has %" PRIu64 " MB of room, and the "
		    "folder holds %" PRIu64 " MB.",
		    room / 1000000, a->out->bytes / 1000000 + 1);
	return rc;
}

/* --- step by step -----------------------------------------------------------------
 */

static enum rc check_whole(struct adopt *a)
{
	struct vault_verdict verdict;
	enum rc rc = verify_structure(a->n, &verdict);

	a->out->size_warnings = verdict.size_warnings;
	if (rc)
		return adopt_because(a, rc, "%s", verdict.why);
	return rc;
}

/* Step 1 of adopt.h, all in place. */
static enum rc survey(struct adopt *a)
{
	enum rc rc;

	a->n->adopts = a->from;
	/* What another program has just written is hashed as the disk has
	 * it. */
	rc = fileops_rc(a->p->ops->syncfs(a->p->ops->ctx, a->p->root));
	if (!rc)
		rc = night_change(a->n);
	if (!rc)
		rc = adopt_scan(a);
	if (!rc)
		rc = night_checkpoint(a->n);
	return rc ? rc : check_whole(a);
}

static void fill_snapshot(
    const struct vault_adopt_found *f, bool encrypted, struct vault_snapshot *s)
{
	int64_t now = time(NULL);

	snprintf(s->device_name, sizeof(s->device_name), "%s", f->device_name);
	snprintf(s->model, sizeof(s->model), "%s", f->model);
	snprintf(s->ios, sizeof(s->ios), "%s", f->ios);
	s->encrypted = encrypted;
	/* As old as it is: the box must not take it for this night's. */
	s->finished_at = f->made_at > 0 && f->made_at < now ? f->made_at : now;
	s->started_at = s->finished_at;
}

/* The folder itself, when nothing is left in it: rmdir knows. */
static void tidy(struct adopt *a)
{
	const struct fileops *ops = a->p->ops;

	a->out->folder_is_gone = ops->rmdir(ops->ctx, a->p->root, a->from) == 0;
}

static enum rc move(struct adopt *a, const struct vault_adopt_found *f)
{
	struct vault_snapshot snap = { .state = VAULT_COMMITTING };
	int64_t began = mono_ms();
	enum rc rc = adopt_hash(a);

	fill_snapshot(f, a->n->encrypted, &snap);
	if (!rc) /* the rows, before the first rename */
		rc = night_checkpoint(a->n);
	if (rc)
		return rc;
	vault_night_end(a->n, true);
	a->n = NULL;
	rc = adopt_move(a);
	if (rc == RC_UNSUPPORTED || rc == RC_EXISTS || rc == RC_READONLY)
		return adopt_because(a, rc,
		    "A part of the folder could not be moved: %s. All of it is "
		    "back in its place. With --copy it is copied.",
		    rc_words(rc));
	if (rc)
		return rc;
	snap.box_seconds = (mono_ms() - began) / 1000;
	rc = journal_write(a->p, &snap);
	if (rc)
		return rc;
	rc = journal_replay(a->p);
	if (rc) {
		a->p->broken = rc;
		return adopt_because(a, rc,
		    "The disk failed at the very end. The vault has all files, "
		    "and goes on when it is opened again.");
	}
	rc = catalog_snapshot(&a->p->cat, snap.id, &a->out->snapshot);
	tidy(a);
	return rc;
}

static enum rc copy(struct adopt *a, const struct vault_adopt_found *f)
{
	struct vault_facts facts = {
		.device_name = f->device_name, .model = f->model, .ios = f->ios
	};
	struct vault_snapshot snap = { .id = 0 };
	struct vault_verdict verdict;
	struct vault_night *n = a->n;
	enum rc rc = check_room(a);

	if (!rc)
		rc = adopt_keep_names(a);
	n->adopts = NULL; /* what is staged now lies in the vault */
	if (!rc)
		rc = adopt_copy(a);
	if (rc)
		return rc;
	rc = vault_night_verify(n, a->opts->progress, a->opts->arg, &verdict);
	if (rc)
		return adopt_because(a, rc, "%s", verdict.why);
	fill_snapshot(f, false, &snap);
	facts.started_at = snap.started_at;
	facts.finished_at = snap.finished_at;
	a->n = NULL;
	return vault_night_commit(n, &facts, &a->out->snapshot);
}

/* Also what a failure leaves; the folder is whole again after it, or after
 * the next open. */
static void finish(struct adopt *a, enum rc rc)
{
	enum rc undone;

	if (a->n)
		vault_night_end(a->n, false);
	if (!rc)
		return;
	/* Its rows are the truth: none are left after the commit point. */
	undone = adopt_undo(a->p);
	if (undone)
		snprintf(a->out->why, sizeof(a->out->why),
		    "The disk failed (%s), and a part of the folder is still "
		    "in the vault, in %s/latest. It goes back to %.200s as "
		    "soon as the vault can be opened again.",
		    rc_words(undone), a->p->path, a->folder);
}

static enum rc run(struct adopt *a, const struct vault_adopt_found *f)
{
	char *at = realpath(a->p->path, NULL);
	bool resumed;
	enum rc rc = at ? relative_to(at, a->folder, a->from) : RC_IO;

	free(at);
	if (rc)
		return adopt_because(a, rc, "The folder's path is too long.");
	rc = check_no_snapshot(a);
	if (!rc)
		rc = check_latest_empty(a);
	if (!rc)
		rc = vault_night_begin(a->p, true, &a->n, &resumed);
	if (!rc)
		rc = survey(a);
	if (!rc)
		rc = a->opts->copy ? copy(a, f) : move(a, f);
	finish(a, rc);
	return rc;
}

_Static_assert(VAULT_COMMITTING == 1, "recover_one() has it");

static enum rc recover_one(void *arg, const char *udid)
{
	struct vault_phone *p = NULL;
	int64_t rows = 0;
	enum rc rc = vault_phone_open(arg, udid, true, &p);

	if (!rc)
		rc = db_number(p->cat.db,
		    "SELECT EXISTS(SELECT 1 FROM adopt)"
		    " OR EXISTS(SELECT 1 FROM snapshot WHERE state=1)",
		    &rows);
	vault_phone_close(p);
	if (rc || rows == 0)
		return RC_OK; /* another one's trouble, told elsewhere */
	p = NULL;
	rc = vault_phone_open(arg, udid, false, &p);
	vault_phone_close(p);
	return rc == RC_BUSY ? RC_OK : rc;
}

enum rc vault_adopt_recover(struct vault *v)
{
	return vault_each_phone(v, recover_one, v);
}

static enum rc take_found(void *arg, const struct vault_adopt_found *found)
{
	*(struct vault_adopt_found *)arg = *found;
	return RC_OK;
}

static enum rc look(struct adopt *a, struct vault_adopt_found *f)
{
	enum rc rc = vault_adopt_look(a->folder, take_found, f);

	if (rc == RC_NOTFOUND || (!rc && f->udid[0] == '\0' && !f->rc))
		return adopt_because(
		    a, RC_NOTFOUND, "There is no backup in the folder.");
	if (!rc && f->rc)
		return adopt_because(a, f->rc, "%s", f->why);
	return rc;
}

enum rc vault_adopt(struct vault *v, const char *folder,
    const struct vault_adopt_opts *opts, struct vault_adopt_report *out)
{
	struct adopt *a = calloc(1, sizeof(*a));
	struct vault_adopt_found found = { .folder = folder };
	char *full = realpath(folder, NULL);
	enum rc rc = !a ? RC_NOMEM : !full ? rc_from_errno(errno) : RC_OK;

	memset(out, 0, sizeof(*out));
	if (rc)
		goto out;
	a->opts = opts;
	a->out = out;
	if (strlen(full) >= sizeof(a->folder))
		rc = RC_LIMIT;
	else
		memcpy(a->folder, full, strlen(full) + 1);
	if (!rc)
		rc = look(a, &found);
	if (!rc)
		rc = check_place(a, v);
	if (!rc)
		rc = vault_phone_open(v, found.udid, false, &a->p);
	if (!rc)
		rc = run(a, &found);
out:
	if (rc && out->why[0] == '\0')
		snprintf(out->why, sizeof(out->why),
		    "The folder could not be adopted: %s.", rc_words(rc));
	if (a)
		vault_phone_close(a->p);
	free(full);
	free(a);
	return rc;
}
