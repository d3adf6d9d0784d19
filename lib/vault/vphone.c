#include "vphone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "diskwalk.h"
#include "heal.h"
#include "journal.h"
#include "prune.h"
#include "relpath.h"
#include "vault_int.h"
#include "vault_lock.h"
#include "view.h"

#define LOG_MODULE "vault"
#include "log.h"

char *vphone_absolute(const struct vault_phone *p, const char *rel)
{
	char *out;

	if (asprintf(&out, "%s/%s", p->path, rel) < 0)
		return NULL;
	return out;
}

void vphone_file_of(const struct vault_phone *p, const struct catalog_entry *e,
    char out[LAYOUT_PATH])
{
	if (e->current)
		layout_latest(out, p->udid, e->path);
	else
		layout_object(out, e->digest);
}

static enum rc open_root(struct vault *v, struct vault_phone *p)
{
	const struct fileops *ops = p->ops;
	enum rc rc = RC_OK;

	if (!p->read_only) {
		rc = fileops_ensure_dir(ops, v->root, p->udid);
		if (!rc)
			rc = fileops_sync_dir(ops, v->root, ".");
	}
	if (rc)
		return rc;
	p->root = ops->open(ops->ctx, v->root, p->udid, O_RDONLY | O_DIRECTORY);
	return fileops_rc(p->root);
}

/* On the folder itself: the lock needs no file and goes with the process. */
static enum rc lock_root(struct vault_phone *p)
{
	return vault_lock_fd(p->root, 0);
}

/* A disk that does not answer is not one that has nothing. */
static enum rc has_bytes(struct vault_phone *p, const char *path, bool *out)
{
	struct stat st;
	int rv = p->ops->stat(p->ops->ctx, p->root, path, &st);

	*out = rv == 0 && st.st_size > 0;
	return rv == -ENOENT || rv == -ENOTDIR ? RC_OK : fileops_rc(rv);
}

static enum rc on_file(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	(void)arg;
	(void)rel;
	(void)depth;
	return S_ISREG(st->st_mode) && name[0] != '.' ? RC_EXISTS : RC_OK;
}

enum rc vphone_has_files(const struct vault_phone *p)
{
	char latest[LAYOUT_PATH];
	enum rc rc;

	layout_latest(latest, p->udid, "");
	rc = diskwalk(p->ops, p->root, latest, on_file, NULL);
	if (!rc || rc == RC_NOTFOUND)
		rc = diskwalk(p->ops, p->root, LAYOUT_OBJECTS, on_file, NULL);
	if (rc == RC_EXISTS)
		return RC_OK;
	return rc ? rc : RC_NOTFOUND;
}

/* A backup without its catalogue is not a new phone: starting an empty one
 * would put new files over the old ones. */
static enum rc check_not_orphaned(struct vault_phone *p)
{
	bool has;
	enum rc rc = has_bytes(p, LAYOUT_CATALOG, &has);

	if (rc || has)
		return rc;
	rc = vphone_has_files(p);
	if (rc)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	log_error("a backup is here, but its catalogue is gone");
	return RC_CORRUPT;
}

static enum rc make_layout(struct vault_phone *p)
{
	char top[LAYOUT_PATH];
	const char *const dirs[] = { LAYOUT_LATEST, top, LAYOUT_OBJECTS,
		LAYOUT_INCOMING };
	enum rc rc = RC_OK;

	layout_latest(top, p->udid, "");
	for (size_t i = 0; !rc && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		rc = fileops_ensure_dir(p->ops, p->root, dirs[i]);
	return rc;
}

static enum rc open_catalog(struct vault_phone *p)
{
	return catalog_open(&p->cat, p->ops, p->root, !p->read_only);
}

/* What a power cut left: a commit to finish, staged files without a row. */
static enum rc recover(struct vault_phone *p)
{
	uint64_t lost = 0;
	enum rc rc = adopt_undo(p);

	heal_sweep(p);

	if (!rc)
		rc = journal_replay(p);
	if (!rc)
		prune_resume(p);
	if (!rc)
		rc = staging_sweep(&p->staging, p->cat.db, &lost);
	if (rc || lost == 0)
		return rc;
	/* Rows are made durable after their files, so this is the disk's
	 * fault. Half an overlay is worth nothing. */
	log_warn("dropping the interrupted night: files are missing files=%llu",
	    (unsigned long long)lost);
	rc = view_clear(p->cat.db);
	if (!rc)
		rc = staging_sweep(&p->staging, p->cat.db, &lost);
	return rc;
}

static enum rc open_writable(struct vault_phone *p)
{
	enum rc rc = lock_root(p);

	if (!rc)
		rc = check_not_orphaned(p);
	if (!rc)
		rc = make_layout(p);
	if (!rc)
		rc = open_catalog(p);
	if (!rc) /* the names of the folders and of catalog.db */
		rc = fileops_sync_dir(p->ops, p->root, ".");
	return rc ? rc : recover(p);
}

static enum rc open_readable(struct vault_phone *p)
{
	enum rc rc = check_not_orphaned(p);

	return rc ? rc : open_catalog(p);
}

static enum rc open_phone(
    struct vault *v, const char *udid, bool read_only, struct vault_phone **out)
{
	struct vault_phone *p;
	enum rc rc = relpath_check_udid(udid);

	if (rc)
		return rc;
	p = calloc(1, sizeof(*p));
	if (!p)
		return RC_NOMEM;
	p->ops = v->ops;
	p->root = -1;
	p->read_only = read_only;
	snprintf(p->udid, sizeof(p->udid), "%s", udid);
	if (asprintf(&p->path, "%s/%s", v->path, udid) < 0) {
		p->path = NULL;
		rc = RC_NOMEM;
		goto out;
	}
	rc = open_root(v, p);
	if (rc)
		goto out;
	staging_init(&p->staging, p->ops, p->root);
	rc = read_only ? open_readable(p) : open_writable(p);
	if (rc)
		goto out;
	*out = p;
	p = NULL;
out:
	vault_phone_close(p);
	return rc;
}

/* After a power cut in the middle of a transaction nobody can read before
 * SQLite's journal is rolled back, which only a writer may do. One that holds
 * the lock has done it. */
static enum rc recover_for_reader(struct vault *v, const char *udid)
{
	struct vault_phone *p = NULL;
	enum rc rc = open_phone(v, udid, false, &p);

	vault_phone_close(p);
	return rc == RC_BUSY ? RC_OK : rc;
}

enum rc vault_phone_open(
    struct vault *v, const char *udid, bool read_only, struct vault_phone **out)
{
	enum rc rc = open_phone(v, udid, read_only, out);

	if (!read_only || rc != RC_READONLY)
		return rc;
	rc = recover_for_reader(v, udid);
	return rc ? rc : open_phone(v, udid, true, out);
}

void vault_phone_close(struct vault_phone *p)
{
	if (!p)
		return;
	vault_night_end(p->night, true);
	staging_free(&p->staging);
	catalog_close(&p->cat);
	if (p->root >= 0)
		p->ops->close(p->ops->ctx, p->root); /* frees the lock */
	free(p->path);
	free(p);
}

enum rc vault_each_snapshot(struct vault_phone *p,
    enum rc (*fn)(void *arg, const struct vault_snapshot *s), void *arg)
{
	return catalog_each_snapshot(&p->cat, fn, arg);
}

enum rc vault_newest_good(struct vault_phone *p, struct vault_snapshot *out)
{
	return catalog_newest(&p->cat, VAULT_GOOD, out);
}

/* --- entries: the catalogue's rows as absolute places ---------------------- */

struct each_arg {
	struct vault_phone *p;
	enum rc (*fn)(void *arg, const struct vault_entry *e);
	void *arg;
	char path[LIMIT_DL_PATH + LIMIT_UDID + 8];
	char *file;
	size_t file_cap;
};

static enum rc each_one(void *arg, const struct catalog_entry *e)
{
	struct each_arg *a = arg;
	struct vault_entry out = {
		.path = a->path,
		.kind = e->kind,
		.size = e->size,
		.mtime = e->mtime,
	};
	char rel[LAYOUT_PATH];

	snprintf(a->path, sizeof(a->path), "%s%s%s", a->p->udid,
	    e->path[0] ? "/" : "", e->path);
	if (e->kind == STORE_FILE) {
		vphone_file_of(a->p, e, rel);
		snprintf(a->file, a->file_cap, "%s/%s", a->p->path, rel);
		out.file = a->file;
		out.digest = e->digest;
	}
	return a->fn(a->arg, &out);
}

enum rc vault_each_entry(struct vault_phone *p, int64_t snapshot,
    enum rc (*fn)(void *arg, const struct vault_entry *e), void *arg)
{
	struct each_arg a = { .p = p, .fn = fn, .arg = arg };
	struct vault_snapshot snap;
	enum rc rc = catalog_snapshot(&p->cat, snapshot, &snap);

	if (rc)
		return rc;
	if (snap.state != VAULT_GOOD && snap.state != VAULT_DAMAGED)
		return RC_NOTFOUND;
	a.file_cap = strlen(p->path) + 1 + LAYOUT_PATH;
	a.file = malloc(a.file_cap);
	if (!a.file)
		return RC_NOMEM;
	rc = catalog_each_entry(&p->cat, snapshot, each_one, &a);
	free(a.file);
	return rc;
}
