/*
 * A lost or broken catalogue made anew: see vault_repair.h. This file finds
 * out what is wrong, and puts the new catalogue in its place.
 */
#include "vault_repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "relpath.h"
#include "repair_int.h"
#include "vault_int.h"
#include "vault_lock.h"

#define LOG_MODULE "repair"
#include "log.h"

#define JOURNAL    LAYOUT_CATALOG "-journal"
#define ASIDE      LAYOUT_CATALOG ".aside" /* a copy that is being written */
#define COPY_BYTES (256u << 10)

/* --- what is wrong --------------------------------------------------------- */

static int stat_below(const struct repair *r, const char *name, off_t *size)
{
	struct stat st;
	int rv = r->p.ops->stat(r->p.ops->ctx, r->p.root, name, &st);

	*size = rv == 0 ? st.st_size : 0;
	return rv;
}

/* A power cut left SQLite something to roll back, which a reader may not. */
static enum rc roll_back(const char *path)
{
	struct catalog c;
	enum rc rc = repair_open(&c, path, true);

	if (!rc)
		catalog_close(&c);
	return rc;
}

static enum rc check_present(struct repair *r, const char *path)
{
	struct catalog c;
	enum rc rc = repair_check_catalog(&c, path);

	if (rc == RC_READONLY && !r->o->dry_run) {
		rc = roll_back(path);
		if (!rc)
			rc = repair_check_catalog(&c, path);
	}
	if (!rc)
		catalog_close(&c);
	return rc;
}

static enum rc diagnose(struct repair *r, const char *path)
{
	off_t size;
	enum rc rc;
	int rv = stat_below(r, LAYOUT_CATALOG, &size);

	if (rv < 0 && fileops_rc(rv) != RC_NOTFOUND)
		return fileops_rc(rv);
	if (size == 0) {
		rc = vphone_has_files(&r->p);
		if (rc && rc != RC_NOTFOUND)
			return rc;
		r->out->state =
		    rc ? VAULT_REPAIR_NOTHING : VAULT_REPAIR_MISSING;
		return RC_OK;
	}
	rc = check_present(r, path);
	r->out->state = rc ? VAULT_REPAIR_BROKEN : VAULT_REPAIR_FINE;
	if (rc == RC_CORRUPT || rc == RC_IO || rc == RC_NOTFOUND)
		rc = RC_OK; /* what can't be read is broken, too */
	return rc;
}

/* --- the broken one, kept ---------------------------------------------------- */

static enum rc copy_bytes(const struct repair *r, int from, int to)
{
	const struct fileops *ops = r->p.ops;
	char *buf = malloc(COPY_BYTES);
	ssize_t n = 1;
	enum rc rc = buf ? RC_OK : RC_NOMEM;

	while (!rc && n > 0) {
		n = ops->read(ops->ctx, from, buf, COPY_BYTES);
		rc = fileops_rc(n);
		if (!rc && n > 0)
			rc = fileops_write_all(ops, to, buf, (size_t)n);
	}
	free(buf);
	return rc ? rc : fileops_rc(ops->fsync(ops->ctx, to));
}

static enum rc copy_file(
    const struct repair *r, const char *name, const char *as)
{
	const struct fileops *ops = r->p.ops;
	int to, from = ops->open(ops->ctx, r->p.root, name, O_RDONLY);
	enum rc rc;
	int rv;

	if (from < 0)
		return fileops_rc(from);
	to =
	    ops->open(ops->ctx, r->p.root, ASIDE, O_WRONLY | O_CREAT | O_TRUNC);
	rc = fileops_rc(to);
	if (!rc) {
		rc = copy_bytes(r, from, to);
		rv = ops->close(ops->ctx, to);
		if (!rc)
			rc = fileops_rc(rv);
	}
	ops->close(ops->ctx, from);
	if (!rc)
		rc = fileops_rc(ops->rename(ops->ctx, r->p.root, ASIDE, as));
	if (rc)
		ops->unlink(ops->ctx, r->p.root, ASIDE);
	return rc;
}

/* A name that nothing has. */
static enum rc free_name(struct repair *r, const char *why, char out[80])
{
	time_t now = time(NULL);
	char date[32];
	struct tm tm;
	off_t size;

	if (!gmtime_r(&now, &tm) ||
	    !strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &tm))
		return RC_BUG;
	for (int i = 0; i < 100; i++) {
		snprintf(out, 80, LAYOUT_CATALOG ".%s-%s", why, date);
		if (i > 0)
			snprintf(out + strlen(out), 8, "-%d", i + 1);
		if (stat_below(r, out, &size) < 0)
			return RC_OK;
	}
	return RC_EXISTS;
}

/* Copied, so that there is no moment without it; what can't be copied (a bad
 * sector, no room) is renamed. */
static enum rc keep_one(struct repair *r, const char *name, const char *as)
{
	const struct fileops *ops = r->p.ops;
	enum rc rc;
	off_t size;

	if (stat_below(r, name, &size) < 0 || size == 0)
		return RC_OK;
	rc = copy_file(r, name, as);
	if (rc)
		rc = fileops_rc(ops->rename(ops->ctx, r->p.root, name, as));
	if (!rc)
		log_note("kept aside name=%s", as);
	return rc;
}

static enum rc keep_broken(struct repair *r)
{
	bool fine = r->out->state == VAULT_REPAIR_FINE;
	char name[80], journal[96];
	off_t size;
	enum rc rc;

	if (stat_below(r, LAYOUT_CATALOG, &size) < 0 || size == 0)
		return RC_OK;
	rc = free_name(r, fine ? "before" : "broken", name);
	if (rc)
		return rc;
	snprintf(journal, sizeof(journal), "%s-journal", name);
	rc = keep_one(r, LAYOUT_CATALOG, name);
	if (!rc)
		rc = keep_one(r, JOURNAL, journal);
	if (!rc)
		snprintf(r->out->kept_as, sizeof(r->out->kept_as), "%s", name);
	return rc;
}

/*
 * The journal of the broken one must be gone before the new one has the name:
 * SQLite would roll it back into the new one.
 */
static enum rc swap(struct repair *r)
{
	const struct fileops *ops = r->p.ops;
	enum rc rc = keep_broken(r);
	int rv;

	if (!rc)
		rc = fileops_sync_dir(ops, r->p.root, ".");
	if (rc)
		return rc;
	rv = ops->unlink(ops->ctx, r->p.root, JOURNAL);
	if (rv < 0 && fileops_rc(rv) != RC_NOTFOUND)
		return fileops_rc(rv);
	rc = fileops_sync_dir(ops, r->p.root, ".");
	if (!rc)
		rc = fileops_rc(ops->rename(
		    ops->ctx, r->p.root, REPAIR_WORK, LAYOUT_CATALOG));
	if (!rc)
		rc = fileops_sync_dir(ops, r->p.root, ".");
	return rc;
}

/* --- the order of the work ---------------------------------------------------- */

/* What the box does without asking loses nothing and guesses nothing. */
static bool may_go_on(const struct repair *r)
{
	const struct vault_repair_report *out = r->out;

	if (!r->o->careful)
		return true;
	return out->base == VAULT_REPAIR_FROM_COPY && out->is_whole &&
	       out->missing_objects == 0 && out->unreadable == 0 &&
	       out->bad_rows == 0 && out->damaged == 0;
}

static enum rc make_new(struct repair *r, const char *catalog)
{
	struct db *db;
	enum rc rc = repair_make_base(r, catalog);

	if (!rc && r->o->careful && r->out->base != VAULT_REPAIR_FROM_COPY)
		rc = RC_REFUSED;
	if (!rc)
		rc = repair_open_base(r);
	if (!rc)
		rc = repair_scan(r);
	if (!rc)
		rc = repair_snapshots(r);
	if (!rc && !may_go_on(r))
		rc = RC_REFUSED;
	db = r->p.cat.db;
	if (!rc)
		rc = db_exec(db, "DROP TABLE todo");
	if (!rc)
		rc = db_commit(db);
	else if (db)
		db_rollback(db);
	catalog_close(&r->p.cat);
	return rc;
}

static void remove_rests(struct repair *r)
{
	char *journal;

	unlink(r->work);
	if (asprintf(&journal, "%s-journal", r->work) >= 0) {
		unlink(journal);
		free(journal);
	}
	if (!r->o->dry_run)
		r->p.ops->unlink(r->p.ops->ctx, r->p.root, ASIDE);
}

static enum rc repair(struct repair *r)
{
	char *catalog = vphone_absolute(&r->p, LAYOUT_CATALOG);
	enum rc rc = catalog ? RC_OK : RC_NOMEM;

	if (!rc)
		rc = repair_tell(r, VAULT_REPAIR_CHECKING, 0, 0);
	if (!rc)
		rc = diagnose(r, catalog);
	if (!rc && r->out->state != VAULT_REPAIR_NOTHING &&
	    (r->out->state != VAULT_REPAIR_FINE || r->o->force)) {
		rc = make_new(r, catalog);
		if (!rc && !r->o->dry_run)
			rc = swap(r);
		r->out->repaired = !rc && !r->o->dry_run;
		remove_rests(r);
	}
	free(catalog);
	return rc;
}

/* Looking only: on the machine's own disk. SQLite makes it; the name is ours
 * alone by then. */
static char *temporary_work(void)
{
	const char *dir = getenv("TMPDIR");
	char *path;
	int fd;

	if (asprintf(&path, "%s/nightstand-repair-XXXXXX",
		dir && dir[0] ? dir : "/var/tmp") < 0)
		return NULL;
	fd = mkstemp(path);
	if (fd < 0) {
		free(path);
		return NULL;
	}
	close(fd);
	return path;
}

static enum rc open_phone(struct vault *v, struct repair *r)
{
	struct vault_phone *p = &r->p;

	p->ops = v->ops;
	p->root = -1;
	snprintf(p->udid, sizeof(p->udid), "%s", r->o->udid);
	if (asprintf(&p->path, "%s/%s", v->path, r->o->udid) < 0) {
		p->path = NULL;
		return RC_NOMEM;
	}
	p->root =
	    p->ops->open(p->ops->ctx, v->root, p->udid, O_RDONLY | O_DIRECTORY);
	if (p->root < 0)
		return fileops_rc(p->root);
	r->work =
	    r->o->dry_run ? temporary_work() : vphone_absolute(p, REPAIR_WORK);
	return r->work ? vault_lock_fd(p->root, 0) : RC_NOMEM;
}

/* A good catalogue first finishes what a power cut interrupted. */
static void recover(struct vault *v, const struct vault_repair_opts *o)
{
	struct vault_phone *p = NULL;

	if (!o->force || o->dry_run)
		return;
	if (vault_phone_open(v, o->udid, false, &p))
		log_info("the catalogue does not open: it is looked at");
	vault_phone_close(p);
}

enum rc vault_repair_phone(struct vault *v, const struct vault_repair_opts *o,
    struct vault_repair_report *out)
{
	struct repair *r;
	enum rc rc = relpath_check_udid(o->udid);

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	r = calloc(1, sizeof(*r));
	if (!r)
		return RC_NOMEM;
	r->o = o;
	r->out = out;
	recover(v, o);
	rc = open_phone(v, r);
	if (!rc)
		rc = repair(r);
	if (r->p.root >= 0)
		v->ops->close(v->ops->ctx, r->p.root); /* frees the lock */
	if (o->dry_run && r->work)
		unlink(r->work);
	free(r->work);
	free(r->p.path);
	free(r);
	return rc;
}
