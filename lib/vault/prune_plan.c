/*
 * Who goes, and what that frees: the rules' verdicts, then the oldest ones
 * for room. What a drop frees is asked of the catalogue in temporary tables,
 * so that a dry run may look beside a running night.
 */
#include "prune.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define LOG_MODULE "prune"
#include "log.h"

enum rc prune_room(struct vault_phone *p, uint64_t *free_bytes, uint64_t *total)
{
	struct statvfs sv;

	if (fstatvfs(p->root, &sv) < 0)
		return RC_IO;
	*free_bytes = (uint64_t)sv.f_bavail * sv.f_frsize;
	*total = (uint64_t)sv.f_blocks * sv.f_frsize;
	return RC_OK;
}

void prune_plan_free(struct prune_plan *plan)
{
	free(plan->fates);
	free(plan->items);
	memset(plan, 0, sizeof(*plan));
}

/* --- who is there ----------------------------------------------------------- */

static enum rc grow(struct prune_plan *plan)
{
	size_t cap = plan->cap ? 2 * plan->cap : 64;
	struct vault_fate *f;
	struct retention_item *it;

	if (cap > PRUNE_SNAPSHOTS)
		return RC_LIMIT;
	f = realloc(plan->fates, cap * sizeof(*f));
	if (!f)
		return RC_NOMEM;
	plan->fates = f;
	it = realloc(plan->items, cap * sizeof(*it));
	if (!it)
		return RC_NOMEM;
	plan->items = it;
	plan->cap = cap;
	return RC_OK;
}

static enum rc add_snapshot(void *arg, const struct vault_snapshot *s)
{
	struct prune_plan *plan = arg;
	enum rc rc = RC_OK;

	if (s->state == VAULT_PRUNED)
		return RC_OK;
	if (plan->n == plan->cap)
		rc = grow(plan);
	if (rc)
		return rc;
	plan->fates[plan->n] = (struct vault_fate){ .snap = *s };
	plan->items[plan->n++] = (struct retention_item){
		.id = s->id,
		.at = s->finished_at,
		.state = s->state,
		.pinned = s->pinned,
	};
	return RC_OK;
}

/* The owner's zone as it is today; an hour of summer time moves no night. */
static int64_t zone_s(void)
{
	time_t now = time(NULL);
	struct tm tm;

	return localtime_r(&now, &tm) ? tm.tm_gmtoff : 0;
}

/* --- what a drop frees ------------------------------------------------------ */

#define DEAD "last IS NOT NULL AND last>?1 AND last<?2 AND first>?1 AND kind=1"
/* ?1, ?2: the kept snapshots on both sides of the gap that a drop makes. */
#define FREED                                                                  \
	"SELECT digest, size FROM entry e WHERE " DEAD                         \
	" AND NOT EXISTS(SELECT 1 FROM entry o WHERE o.digest=e.digest"        \
	" AND o.last IS NOT NULL AND EXISTS(SELECT 1 FROM temp.kept k"         \
	" WHERE k.id BETWEEN o.first AND o.last))"

struct trial {
	struct db *db;
	uint64_t cluster;
	struct db_stmt *keep, *drop, *below, *above, *each, *note;
};

static void trial_end(struct trial *t)
{
	db_finish(t->keep);
	db_finish(t->drop);
	db_finish(t->below);
	db_finish(t->above);
	db_finish(t->each);
	db_finish(t->note);
	if (db_exec(t->db, "DROP TABLE IF EXISTS temp.kept;"
			   "DROP TABLE IF EXISTS temp.freed;"))
		log_info("temporary tables stay until the end");
}

static enum rc trial_begin(struct trial *t, struct db *db)
{
	const struct {
		struct db_stmt **s;
		const char *sql;
	} all[] = {
		{ &t->keep, "INSERT INTO temp.kept VALUES(?1)" },
		{ &t->drop, "DELETE FROM temp.kept WHERE id=?1" },
		{ &t->below, "SELECT max(id) FROM temp.kept WHERE id<?1" },
		{ &t->above, "SELECT min(id) FROM temp.kept WHERE id>?1" },
		{ &t->each, FREED },
		{ &t->note, "INSERT OR IGNORE INTO temp.freed VALUES(?1)" },
	};
	enum rc rc;

	t->db = db;
	rc = db_exec(db,
	    "PRAGMA temp_store=MEMORY;"
	    "CREATE TEMP TABLE kept(id INTEGER PRIMARY KEY);"
	    "CREATE TEMP TABLE freed(digest BLOB PRIMARY KEY) WITHOUT ROWID;");
	for (size_t i = 0; !rc && i < sizeof(all) / sizeof(all[0]); i++)
		rc = db_prepare(db, all[i].sql, all[i].s);
	return rc;
}

static enum rc run_id(struct db_stmt *s, int64_t id)
{
	db_bind_int(s, 1, id);
	return db_run(s);
}

static enum rc neighbour(
    struct db_stmt *s, int64_t id, int64_t none, int64_t *out)
{
	bool row;
	enum rc rc;

	db_bind_int(s, 1, id);
	rc = db_step(s, &row);
	if (!rc)
		*out = row && !db_is_null(s, 0) ? db_int(s, 0) : none;
	db_reset(s);
	return rc;
}

/* Each object once, however many entries named it. */
static enum rc count_freed(struct trial *t, uint64_t *bytes)
{
	uint8_t digest[DIGEST_LEN];
	uint64_t size;
	enum rc rc = catalog_row_digest(t->each, 0, digest);

	if (!rc)
		rc = catalog_row_size(t->each, 1, &size);
	if (rc)
		return rc;
	db_bind_blob(t->note, 1, digest, sizeof(digest));
	rc = db_run(t->note);
	if (!rc && db_changes(t->db) > 0)
		*bytes += (size + t->cluster - 1) / t->cluster * t->cluster;
	return rc;
}

static enum rc try_drop(struct trial *t, int64_t id, uint64_t *bytes)
{
	int64_t below = 0, above = 0;
	bool row = true;
	enum rc rc = run_id(t->drop, id);

	*bytes = 0;
	if (!rc)
		rc = neighbour(t->below, id, 0, &below);
	if (!rc)
		rc = neighbour(t->above, id, INT64_MAX, &above);
	if (rc)
		return rc;
	db_bind_int(t->each, 1, below);
	db_bind_int(t->each, 2, above);
	while (!rc) {
		rc = db_step(t->each, &row);
		if (rc || !row)
			break;
		rc = count_freed(t, bytes);
	}
	db_reset(t->each);
	return rc;
}

/* --- the two rounds --------------------------------------------------------- */

static enum rc drop_by_rules(
    struct prune_plan *plan, struct trial *t, struct vault_prune *job)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; !rc && i < plan->n; i++)
		rc = run_id(t->keep, plan->items[i].id);
	for (size_t i = plan->n; !rc && i-- > 0;) {
		struct vault_fate *f = &plan->fates[i];

		f->why = plan->items[i].why;
		if (f->why)
			continue;
		f->dropped = true;
		rc = try_drop(t, f->snap.id, &f->frees);
		job->frees += f->frees;
	}
	return rc;
}

/* Oldest first, until `want` bytes are freed in all; when they never are, no
 * snapshot that a rule keeps goes. */
static enum rc drop_for_room(struct prune_plan *plan, struct trial *t,
    struct vault_prune *job, uint64_t want)
{
	uint64_t sum = job->frees;
	enum rc rc = RC_OK;
	size_t end = plan->n;

	while (!rc && sum < want && end-- > 0) {
		struct vault_fate *f = &plan->fates[end];

		if (f->dropped || (f->why & RETENTION_FIXED))
			continue;
		rc = try_drop(t, f->snap.id, &f->frees);
		f->for_room = true;
		sum += f->frees;
	}
	for (size_t i = 0; !rc && i < plan->n; i++) {
		struct vault_fate *f = &plan->fates[i];

		if (f->for_room && sum >= want)
			f->dropped = true;
		else if (f->for_room)
			f->frees = 0;
		f->for_room = f->for_room && f->dropped;
	}
	if (sum >= want)
		job->frees = sum;
	return rc;
}

/* Bytes to be freed in all: what was asked, else what the floor lacks. Not the
 * larger one: a floor out of reach must not refuse what is within it. */
static enum rc wanted(
    struct vault_phone *p, const struct vault_prune *job, uint64_t *out)
{
	uint64_t free_bytes = 0, total = 0, floor_bytes;
	enum rc rc = prune_room(p, &free_bytes, &total);

	if (rc)
		return rc;
	floor_bytes = total / 100 * (uint64_t)p->keep.floor_pct;
	if (floor_bytes < p->keep.floor_bytes)
		floor_bytes = p->keep.floor_bytes;
	if (floor_bytes > total / 10)
		floor_bytes = total / 10;
	*out = floor_bytes > free_bytes ? floor_bytes - free_bytes : 0;
	if (job->want)
		*out = job->want;
	return RC_OK;
}

static void sum_up(
    const struct prune_plan *plan, struct vault_prune *job, uint64_t want)
{
	for (size_t i = 0; i < plan->n; i++) {
		job->kept += !plan->fates[i].dropped;
		job->dropped += plan->fates[i].dropped;
		job->for_room += plan->fates[i].for_room;
	}
	job->missing = want > job->frees ? want - job->frees : 0;
}

enum rc prune_plan_make(
    struct prune_plan *plan, struct vault_phone *p, struct vault_prune *job)
{
	const struct vault_keep *keep = &p->keep;
	struct trial t = { .cluster = 1 };
	struct statvfs sv;
	uint64_t want = 0;
	enum rc rc = catalog_each_snapshot(&p->cat, add_snapshot, plan);

	if (!rc)
		rc = wanted(p, job, &want);
	if (rc || plan->n == 0)
		return rc;
	retention_decide(plan->items, plan->n, &keep->rules, zone_s());
	if (fstatvfs(p->root, &sv) == 0 && sv.f_frsize > 0)
		t.cluster = sv.f_frsize;
	rc = trial_begin(&t, p->cat.db);
	if (!rc)
		rc = drop_by_rules(plan, &t, job);
	if (!rc && (keep->floor_bytes > 0 || keep->floor_pct > 0))
		rc = drop_for_room(plan, &t, job, want);
	trial_end(&t);
	if (!rc)
		sum_up(plan, job, want);
	return rc;
}
