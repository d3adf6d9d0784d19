#include "prune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "night.h"

#define LOG_MODULE "prune"
#include "log.h"

#define PAGE 256 /* objects that are held at a time */

void vault_phone_set_keep(struct vault_phone *p, const struct vault_keep *keep)
{
	p->keep = *keep;
}

/* --- 1. rows ---------------------------------------------------------------- */

/* ?1, ?2: the kept snapshots on both sides of ?3, which goes. */
#define NEIGHBOURS                                                             \
	"SELECT (SELECT max(id) FROM snapshot WHERE id<?1 AND state<>4),"      \
	" (SELECT min(id) FROM snapshot WHERE id>?1 AND state<>4)"
#define DEAD "last IS NOT NULL AND last>?1 AND last<?2 AND first>?1"

static const char *const steps[] = { "INSERT OR IGNORE INTO doomed(digest)"
				     " SELECT digest FROM entry WHERE " DEAD
				     " AND kind=1",
	"DELETE FROM entry WHERE " DEAD, NULL };

_Static_assert(VAULT_PRUNED == 4, "NEIGHBOURS has it");

static enum rc run_gap(
    struct db *db, const char *sql, int64_t below, int64_t above)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db, sql, &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, below);
	db_bind_int(s, 2, above);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

static enum rc neighbours(
    struct db *db, int64_t id, int64_t *below, int64_t *above)
{
	struct db_stmt *s = NULL;
	bool row;
	enum rc rc = db_prepare(db, NEIGHBOURS, &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, id);
	rc = db_step(s, &row);
	if (!rc && row) {
		*below = db_int(s, 0); /* 0: none */
		*above = db_int(s, 1);
	}
	/* The newest row holds what is current: it is never dropped. */
	if (!rc && *above <= id)
		rc = RC_BUG;
	db_finish(s);
	return rc;
}

static enum rc mark_pruned(struct db *db, int64_t id)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db,
	    "UPDATE snapshot SET state=4 WHERE id=?1 AND state IN (2, 3)"
	    " AND pinned=0",
	    &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, id);
	rc = db_run(s);
	if (!rc && db_changes(db) != 1)
		rc = RC_BUSY; /* it is not what it was when we planned */
	db_finish(s);
	return rc;
}

_Static_assert(VAULT_GOOD == 2 && VAULT_DAMAGED == 3, "mark_pruned() has them");

static enum rc drop_rows(struct db *db, int64_t id)
{
	int64_t below = 0, above = 0;
	enum rc rc = neighbours(db, id, &below, &above);

	if (!rc)
		rc = mark_pruned(db, id);
	for (int i = 0; !rc && steps[i]; i++)
		rc = run_gap(db, steps[i], below, above);
	return rc;
}

static enum rc drop_one(struct db *db, int64_t id)
{
	enum rc rc = db_begin(db);

	if (!rc)
		rc = drop_rows(db, id);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

/* --- 2. files, 3. doomed ------------------------------------------------------ */

struct reap {
	struct vault_phone *p;
	struct db_stmt *page, *needed;
	uint8_t digests[PAGE][DIGEST_LEN];
	uint64_t files, bytes;
};

/* An entry may have come to need it since it was written down: the same
 * content went away again in a later night. */
static enum rc is_needed(struct reap *r, const uint8_t *digest, bool *needed)
{
	enum rc rc;

	db_bind_blob(r->needed, 1, digest, DIGEST_LEN);
	rc = db_step(r->needed, needed);
	db_reset(r->needed);
	return rc;
}

static enum rc reap_one(struct reap *r, const uint8_t *digest)
{
	const struct fileops *ops = r->p->ops;
	char path[LAYOUT_PATH];
	struct stat st;
	bool needed = true;
	enum rc rc = is_needed(r, digest, &needed);
	int rv;

	if (rc || needed)
		return rc;
	layout_object(path, digest);
	rv = ops->stat(ops->ctx, r->p->root, path, &st);
	if (rv == -ENOENT)
		return RC_OK;
	if (rv < 0)
		return fileops_rc(rv);
	rv = ops->unlink(ops->ctx, r->p->root, path);
	if (rv < 0 && rv != -ENOENT)
		return fileops_rc(rv);
	r->files++;
	r->bytes += (uint64_t)st.st_blocks * 512;
	return RC_OK;
}

/* Up to a page after the last digest of the one before. */
static enum rc read_page(struct reap *r, size_t before, size_t *n)
{
	uint8_t after[DIGEST_LEN] = { 0 };
	bool row = true;
	enum rc rc = RC_OK;

	if (before)
		memcpy(after, r->digests[before - 1], sizeof(after));
	db_bind_blob(r->page, 1, after, sizeof(after));
	for (*n = 0; !rc && *n < PAGE; ++*n) {
		rc = db_step(r->page, &row);
		if (rc || !row)
			break;
		rc = catalog_row_digest(r->page, 0, r->digests[*n]);
	}
	db_reset(r->page);
	return rc;
}

static enum rc reap_files(struct reap *r)
{
	size_t n = 0;
	enum rc rc;

	rc = db_prepare(r->p->cat.db,
	    "SELECT digest FROM doomed WHERE digest>?1 ORDER BY digest",
	    &r->page);
	if (!rc)
		rc = db_prepare(r->p->cat.db,
		    "SELECT 1 FROM entry WHERE digest=?1 AND last IS NOT NULL"
		    " LIMIT 1",
		    &r->needed);
	do {
		if (!rc)
			rc = read_page(r, n, &n);
		for (size_t i = 0; !rc && i < n; i++)
			rc = reap_one(r, r->digests[i]);
	} while (!rc && n == PAGE);
	db_finish(r->page);
	db_finish(r->needed);
	return rc;
}

/* Unlinks what `doomed` names. */
static enum rc reap(struct vault_phone *p, uint64_t *freed)
{
	struct reap *r = calloc(1, sizeof(*r));
	enum rc rc;

	if (!r)
		return RC_NOMEM;
	r->p = p;
	rc = reap_files(r);
	if (!rc) /* names that come back would have no row */
		rc = fileops_rc(p->ops->syncfs(p->ops->ctx, p->root));
	if (!rc)
		rc = db_exec(p->cat.db, "DELETE FROM doomed");
	*freed += r->bytes;
	if (r->files)
		log_info("unlinked objects=%llu bytes=%llu",
		    (unsigned long long)r->files, (unsigned long long)r->bytes);
	free(r);
	return rc;
}

void prune_resume(struct vault_phone *p)
{
	uint64_t freed = 0;
	int64_t any = 0;
	enum rc rc =
	    db_number(p->cat.db, "SELECT EXISTS(SELECT 1 FROM doomed)", &any);

	if (!rc && any)
		rc = reap(p, &freed);
	if (rc)
		log_warn("objects that nothing needs stay for now: %s",
		    rc_words(rc));
}

/* --- together ----------------------------------------------------------------- */

/* RC_BUSY while a commit waits for its replay. */
static enum rc check_idle(struct vault_phone *p)
{
	int64_t n = 0;
	enum rc rc = p->broken;

	if (!rc)
		rc = db_number(p->cat.db,
		    "SELECT EXISTS(SELECT 1 FROM move)"
		    " OR EXISTS(SELECT 1 FROM snapshot WHERE state=1)",
		    &n);
	if (!rc && n)
		rc = RC_BUSY;
	return rc;
}

_Static_assert(VAULT_COMMITTING == 1, "check_idle() has it");

static enum rc execute(
    struct vault_phone *p, const struct prune_plan *plan, uint64_t *freed)
{
	struct db *db = p->cat.db;
	bool any = false;
	enum rc rc = RC_OK;

	/* Oldest first, as planned. */
	for (size_t i = plan->n; !rc && i-- > 0;) {
		const struct vault_fate *f = &plan->fates[i];

		if (!f->dropped)
			continue;
		rc = drop_one(db, f->snap.id);
		any = true;
		if (!rc)
			log_info(
			    "dropped snapshot=%lld", (long long)f->snap.id);
	}
	if (!rc && any)
		rc = reap(p, freed);
	return rc;
}

static enum rc prune_all(
    struct vault_phone *p, struct vault_prune *job, struct prune_plan *plan)
{
	enum rc rc = RC_OK;

	if (!job->dry_run) {
		rc = check_idle(p);
		/* Its rows wait in a transaction; ours must not be in it. */
		if (!rc && p->night)
			rc = night_checkpoint(p->night);
	}
	if (!rc)
		rc = prune_plan_make(plan, p, job);
	if (rc || job->dry_run)
		return rc;
	rc = execute(p, plan, &job->freed);
	if (rc == RC_IO || rc == RC_CORRUPT)
		p->broken = rc; /* as any change that failed half way */
	return rc;
}

enum rc vault_prune(struct vault_phone *p, struct vault_prune *job,
    enum rc (*fn)(void *arg, const struct vault_fate *f), void *arg)
{
	struct prune_plan plan = { .n = 0 };
	enum rc rc;

	job->kept = job->dropped = job->for_room = 0;
	job->frees = job->freed = job->missing = 0;
	if (p->read_only && !job->dry_run)
		return RC_READONLY;
	rc = prune_all(p, job, &plan);
	for (size_t i = 0; !rc && fn && i < plan.n; i++)
		rc = fn(arg, &plan.fates[i]);
	prune_plan_free(&plan);
	return rc;
}

/* --- when room is needed ------------------------------------------------------ */

enum rc prune_for_room(struct vault_phone *p, uint64_t want)
{
	struct vault_prune job = { .want = want };
	enum rc rc = vault_prune(p, &job, NULL, NULL);

	if (rc)
		log_warn("no room could be made: %s", rc_words(rc));
	else
		log_note("made room dropped=%llu freed=%llu missing=%llu",
		    (unsigned long long)job.dropped,
		    (unsigned long long)job.freed,
		    (unsigned long long)job.missing);
	return rc;
}

struct typical {
	unsigned nights; /* good ones that were seen */
	uint64_t bytes; /* that the smaller of two brought */
};

static enum rc see_night(void *arg, const struct vault_snapshot *s)
{
	struct typical *t = arg;

	if (s->state != VAULT_GOOD)
		return RC_OK;
	if (t->nights == 0 || s->new_bytes < t->bytes)
		t->bytes = s->new_bytes;
	return ++t->nights == 2 ? RC_EXISTS : RC_OK;
}

/* RC_NOTFOUND: there are no two nights, and nothing that could go. */
static enum rc typical_night(struct vault_phone *p, uint64_t *bytes)
{
	struct typical t = { .nights = 0 };
	enum rc rc = catalog_each_snapshot(&p->cat, see_night, &t);

	*bytes = t.bytes;
	if (rc == RC_EXISTS)
		return RC_OK;
	return rc ? rc : RC_NOTFOUND;
}

void vault_make_room(struct vault_phone *p)
{
	uint64_t free_bytes = 0, total = 0, need = 0;
	struct vault_prune job = { .want = 0 };
	enum rc rc = typical_night(p, &need);

	if (rc == RC_NOTFOUND)
		return;
	if (!rc)
		rc = prune_room(p, &free_bytes, &total);
	if (!rc && need > free_bytes)
		job.want = need - free_bytes;
	if (!rc)
		rc = vault_prune(p, &job, NULL, NULL);
	if (rc)
		log_warn("no room was made for this night: %s", rc_words(rc));
	else if (job.dropped)
		log_note("made room for this night dropped=%llu freed=%llu",
		    (unsigned long long)job.dropped,
		    (unsigned long long)job.freed);
}
