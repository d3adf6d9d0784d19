#include "journal.h"

#include <errno.h>
#include <string.h>

#include "damage.h"
#include "guard.h"
#include "journal_folders.h"
#include "layout.h"

#define LOG_MODULE "journal"
#include "log.h"

enum what {
	WHAT_RETIRE = 1,
	WHAT_RMDIR = 2,
	WHAT_MKDIR = 3,
	WHAT_PLACE = 4,
	WHAT_PLACE_DIR = JOURNAL_PLACE_DIR,
	WHAT_DROP = 6 /* superseded, damaged, and a whole object is there */
};

/* --- writing: all in SQL, one pass over the overlay ----------------------- */

/* A pending row changes its path's current entry unless it brings the same
 * content again (then it only replaces the file: a damaged one is healed) or
 * makes a folder that is there. */
#define CHANGED                                                                \
	"(p.op=3 OR (p.op=1)<>(e.kind=1) OR"                                   \
	" (p.op=1 AND s.digest<>e.digest))"
#define OVERLAY_AND_BASE                                                       \
	" FROM pending p CROSS JOIN entry e ON e.path=p.path"                  \
	" AND e.last IS NULL LEFT JOIN staged s ON s.num=p.staged "

static const char *const steps[] = {
	/* what 1: superseded and removed files */
	"INSERT INTO move(what, path, size, digest)"
	" SELECT 1, e.path, e.size, e.digest" OVERLAY_AND_BASE
	"WHERE e.kind=1 AND " CHANGED " ORDER BY p.path",
	/* what 2: folders that went, or became a file; deepest first */
	"INSERT INTO move(what, path) SELECT 2, e.path" OVERLAY_AND_BASE
	"WHERE e.kind=2 AND " CHANGED " ORDER BY p.path DESC",
	/* what 3, 4: folders and files that came, but those of what 5, which
	 * are moved with their folder */
	"INSERT INTO move(what, path) SELECT 3, path FROM pending"
	" WHERE op=2 ORDER BY path",
	"INSERT INTO move(what, path, size, staged, id)"
	" SELECT 4, p.path, s.size, s.num, s.id FROM pending p"
	" CROSS JOIN staged s ON s.num=p.staged WHERE p.op=1 AND"
	" substr(p.path, 1, 3) NOT IN"
	" (SELECT path || '/' FROM move WHERE what=5) ORDER BY p.path",
	NULL
};

#define SUM_RETIRED                                                            \
	"SELECT count(*), coalesce(sum(size), 0) FROM move WHERE what=?1"
#define LAST_SNAPSHOT                                                          \
	"SELECT files, bytes FROM snapshot WHERE id<?1 ORDER BY id DESC LIMIT 1"

static enum rc run_with(struct db *db, const char *sql, int64_t arg)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db, sql, &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, arg);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

/* Two sums; 0, 0 when there is no row. */
static enum rc sums_with(struct db *db, const char *sql, int64_t arg,
    uint64_t *files, uint64_t *bytes)
{
	struct db_stmt *s = NULL;
	bool row;
	enum rc rc = db_prepare(db, sql, &s);

	*files = *bytes = 0;
	if (rc)
		return rc;
	db_bind_int(s, 1, arg);
	rc = db_step(s, &row);
	if (!rc && row)
		rc = catalog_row_size(s, 0, files);
	if (!rc && row)
		rc = catalog_row_size(s, 1, bytes);
	db_finish(s);
	return rc;
}

/*
 * Row by row, and not in one statement: SQLite would first collect all paths
 * in a temporary table, which for a first backup is as large as the catalogue.
 */
static enum rc end_intervals(struct db *db, int64_t snapshot)
{
	struct db_stmt *each = NULL, *end = NULL;
	bool row = true;
	size_t n;
	enum rc rc;

	rc =
	    db_prepare(db, "SELECT path FROM move WHERE what IN (1, 2)", &each);
	if (!rc)
		rc = db_prepare(db,
		    "UPDATE entry SET last=?2 WHERE path=?1 AND last IS NULL",
		    &end);
	while (!rc) {
		rc = db_step(each, &row);
		if (rc || !row)
			break;
		const char *path = db_text(each, 0, &n);

		db_bind_text(end, 1, path, n);
		db_bind_int(end, 2, snapshot - 1);
		rc = db_run(end);
	}
	db_finish(each);
	db_finish(end);
	return rc;
}

struct begin {
	struct db_stmt *each, *has, *add;
	bool first; /* no entry was there before: none has to be looked for */
	struct vault_snapshot *snap;
};

static enum rc begin_prepare(struct begin *b, struct db *db)
{
	enum rc rc = db_prepare(db,
	    "SELECT p.path, p.op, coalesce(s.size, 0),"
	    " coalesce(s.mtime, p.mtime, 0), s.digest FROM pending p"
	    " LEFT JOIN staged s ON s.num=p.staged WHERE p.op IN (1, 2)"
	    " ORDER BY p.path",
	    &b->each);

	if (!rc)
		rc = db_prepare(db,
		    "SELECT 1 FROM entry WHERE path=?1 AND last IS NULL",
		    &b->has);
	if (!rc)
		rc = db_prepare(db,
		    "INSERT INTO entry(path, first, kind, size, mtime, digest)"
		    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		    &b->add);
	return rc;
}

/* A path that still has a current entry here brings nothing new. */
static enum rc begin_one(struct begin *b)
{
	size_t n, digest_len;
	const char *path = db_text(b->each, 0, &n);
	const void *digest = db_blob(b->each, 4, &digest_len);
	int64_t op = db_int(b->each, 1), size = db_int(b->each, 2);
	bool row = false;
	enum rc rc = RC_OK;

	if (!b->first) {
		db_bind_text(b->has, 1, path, n);
		rc = db_step(b->has, &row);
		db_reset(b->has);
	}
	if (rc || row)
		return rc;
	db_bind_text(b->add, 1, path, n);
	db_bind_int(b->add, 2, b->snap->id);
	db_bind_int(b->add, 3, op); /* the same numbers as the kinds */
	db_bind_int(b->add, 4, size);
	db_bind_int(b->add, 5, db_int(b->each, 3));
	db_bind_blob(b->add, 6, digest, digest_len);
	if (op == CATALOG_OP_FILE) {
		b->snap->new_files++;
		b->snap->new_bytes += (uint64_t)size;
	}
	return db_run(b->add);
}

_Static_assert((int)CATALOG_OP_FILE == (int)STORE_FILE &&
		   (int)CATALOG_OP_DIR == (int)STORE_DIR,
    "begin_one() writes one as the other");

static enum rc begin_intervals(struct db *db, struct vault_snapshot *snap)
{
	struct begin b = { .snap = snap };
	int64_t any = 0;
	bool row = true;
	enum rc rc = begin_prepare(&b, db);

	if (!rc)
		rc = db_number(db, "SELECT EXISTS(SELECT 1 FROM entry)", &any);
	b.first = any == 0;

	while (!rc) {
		rc = db_step(b.each, &row);
		if (rc || !row)
			break;
		rc = begin_one(&b);
	}
	db_finish(b.each);
	db_finish(b.has);
	db_finish(b.add);
	return rc;
}

static enum rc count_up(struct db *db, struct vault_snapshot *snap)
{
	uint64_t files, bytes, gone_files, gone_bytes;
	enum rc rc;

	rc = sums_with(db, SUM_RETIRED, WHAT_RETIRE, &gone_files, &gone_bytes);
	if (!rc)
		rc = sums_with(db, LAST_SNAPSHOT, snap->id, &files, &bytes);
	if (rc)
		return rc;
	files += snap->new_files;
	bytes += snap->new_bytes;
	if (gone_files > files || gone_bytes > bytes)
		return RC_CORRUPT;
	snap->files = files - gone_files;
	snap->bytes = bytes - gone_bytes;
	return RC_OK;
}

static enum rc insert_snapshot(struct db *db, const struct vault_snapshot *snap)
{
	const char *const texts[] = { snap->device_name, snap->model,
		snap->ios };
	const int64_t numbers[] = { snap->encrypted, (int64_t)snap->files,
		(int64_t)snap->bytes, (int64_t)snap->new_files,
		(int64_t)snap->new_bytes, snap->phone_seconds,
		snap->box_seconds };
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db,
	    "INSERT INTO snapshot(id, started, finished, state, placing,"
	    " device_name, model, ios, encrypted, files, bytes, new_files,"
	    " new_bytes, phone_seconds, box_seconds) VALUES"
	    "(?1,?2,?3,?4,0,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)",
	    &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, snap->id);
	db_bind_int(s, 2, snap->started_at);
	db_bind_int(s, 3, snap->finished_at);
	db_bind_int(s, 4, (int64_t)VAULT_COMMITTING);
	for (int i = 0; i < 3; i++)
		db_bind_text(s, 5 + i, texts[i], strlen(texts[i]));
	for (int i = 0; i < 7; i++)
		db_bind_int(s, 8 + i, numbers[i]);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

static enum rc write_all(struct vault_phone *p, struct vault_snapshot *snap)
{
	struct db *db = p->cat.db;
	int64_t last = 0, files = 0, in_folders = 0;
	enum rc rc = db_number(db, "SELECT max(id) FROM snapshot", &last);

	if (!rc && (last < 0 || last >= INT32_MAX))
		rc = RC_CORRUPT;
	snap->id = last + 1;
	if (!rc)
		rc = journal_folders_write(db);
	if (!rc)
		rc = db_number(
		    db, "SELECT sum(size) FROM move WHERE what=5", &in_folders);
	for (int i = 0; !rc && steps[i]; i++)
		rc = db_exec(db, steps[i]);
	/* The last step placed each staged file of the overlay, or rows are
	 * missing. */
	if (!rc)
		rc = db_number(
		    db, "SELECT count(*) FROM pending WHERE op=1", &files);
	if (!rc && db_changes(db) + in_folders != files)
		rc = RC_CORRUPT;
	if (!rc)
		rc = end_intervals(db, snap->id);
	if (!rc)
		rc = begin_intervals(db, snap);
	if (!rc)
		rc = count_up(db, snap);
	if (!rc)
		rc = insert_snapshot(db, snap);
	if (!rc)
		rc = damage_at_commit(&p->cat, snap->id, WHAT_DROP);
	if (!rc)
		rc = db_exec(db, "DELETE FROM pending; DELETE FROM staged;"
				 "DELETE FROM adopt;");
	return rc;
}

enum rc journal_write(struct vault_phone *p, struct vault_snapshot *snap)
{
	struct db *db = p->cat.db;
	enum rc rc = db_begin(db);

	if (!rc)
		rc = write_all(p, snap);
	if (!rc)
		rc = guard_write(p, snap);
	if (!rc)
		rc = db_commit(db); /* the commit point */
	if (rc)
		db_rollback(db);
	return rc;
}

/* --- replay ---------------------------------------------------------------- */

struct move {
	char rel[LIMIT_DL_PATH + 1];
	char latest[LAYOUT_PATH];
	struct layout_place place;
	uint64_t size;
	uint8_t digest[32];
};

struct replay {
	struct vault_phone *p;
	int64_t snapshot;
	uint64_t moves;
	uint64_t lost_old, lost_new; /* neither here nor there */
};

/* RC_NOTFOUND: no regular file of that size there. */
static enum rc expect_file(
    struct vault_phone *p, const char *path, uint64_t size)
{
	struct stat st;
	int rv = p->ops->stat(p->ops->ctx, p->root, path, &st);

	if (rv < 0)
		return fileops_rc(rv);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return RC_NOTFOUND;
	return RC_OK;
}

static enum rc rename_or_expect(
    struct vault_phone *p, const char *from, const char *to, uint64_t size)
{
	int rv = p->ops->rename(p->ops->ctx, p->root, from, to);

	if (rv != -ENOENT)
		return fileops_rc(rv);
	return expect_file(p, to, size); /* moved by an earlier replay? */
}

static enum rc do_object_dir(struct replay *r, const struct move *m)
{
	char dir[LAYOUT_PATH];

	layout_object_dir(dir, m->digest);
	return fileops_ensure_dir(r->p->ops, r->p->root, dir);
}

static enum rc do_retire(struct replay *r, const struct move *m)
{
	char object[LAYOUT_PATH];
	enum rc rc;

	layout_object(object, m->digest);
	rc = rename_or_expect(r->p, m->latest, object, m->size);
	if (rc != RC_NOTFOUND)
		return rc;
	/* Lost on the disk long ago. The new snapshot does not need it, and
	 * a check of the older ones will name it. */
	log_error("a superseded file is missing on the disk");
	r->lost_old++;
	return RC_OK;
}

static enum rc do_drop(struct replay *r, const struct move *m)
{
	int rv = r->p->ops->unlink(r->p->ops->ctx, r->p->root, m->latest);

	return rv == -ENOENT ? RC_OK : fileops_rc(rv);
}

static enum rc do_rmdir(struct replay *r, const struct move *m)
{
	int rv = r->p->ops->rmdir(r->p->ops->ctx, r->p->root, m->latest);

	/* Gone already, or it holds something that we did not write (V7). */
	if (rv == -ENOENT || rv == -ENOTEMPTY || rv == -EEXIST)
		return RC_OK;
	return fileops_rc(rv);
}

static enum rc do_mkdir(struct replay *r, const struct move *m)
{
	return fileops_ensure_dir(r->p->ops, r->p->root, m->latest);
}

/* Its entry stays: a row of damage makes the next night ask for it. */
static enum rc note_missing(struct replay *r, const struct move *m)
{
	struct content c = { .stage = CONTENTS_LATEST, .size = m->size };
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc = db_prepare(r->p->cat.db,
	    "SELECT digest FROM entry WHERE path=?1 AND last IS NULL", &s);

	if (rc)
		return rc;
	memcpy(c.rel, m->rel, sizeof(c.rel));
	db_bind_text(s, 1, c.rel, strlen(c.rel));
	rc = db_step(s, &row);
	if (!rc)
		rc = row ? catalog_row_digest(s, 0, c.digest) : RC_CORRUPT;
	db_finish(s);
	return rc ? rc : damage_add(&r->p->cat, &c, VAULT_MISSING, 0);
}

static enum rc do_place(struct replay *r, const struct move *m)
{
	char staged[LAYOUT_PATH];
	enum rc rc;

	layout_staged(staged, &m->place);
	rc = rename_or_expect(r->p, staged, m->latest, m->size);
	if (rc != RC_NOTFOUND)
		return rc;
	log_error("a received file is missing on the disk");
	r->lost_new++;
	return note_missing(r, m);
}

static enum rc place_named(
    void *arg, const char *rel, uint64_t size, const struct layout_place *place)
{
	struct replay *r = arg;
	struct move m = { .size = size, .place = *place };

	memcpy(m.rel, rel, strlen(rel) + 1);
	layout_latest(m.latest, r->p->udid, rel);
	return do_place(r, &m);
}

static enum rc do_place_dir(struct replay *r, const struct move *m)
{
	bool moved;
	enum rc rc = journal_folder_rename(r->p, m->rel, m->size, &moved);

	if (rc || moved)
		return rc;
	return journal_folder_each(r->p, m->rel, r->snapshot, place_named, r);
}

static enum rc read_move(
    struct replay *r, struct db_stmt *s, enum what what, struct move *m)
{
	enum rc rc = catalog_row_path(s, 1, m->rel);

	if (!rc)
		rc = catalog_row_size(s, 2, &m->size);
	if (!rc && what == WHAT_RETIRE)
		rc = catalog_row_digest(s, 3, m->digest);
	if (!rc && what == WHAT_PLACE)
		rc = catalog_row_place(s, 4, 5, &m->place);
	if (!rc)
		layout_latest(m->latest, r->p->udid, m->rel);
	return rc;
}

static enum rc each_move(struct replay *r, enum what what,
    enum rc (*fn)(struct replay *r, const struct move *m))
{
	struct db_stmt *s = NULL;
	struct move m;
	bool row;
	enum rc rc = db_prepare(r->p->cat.db,
	    "SELECT num, path, coalesce(size, 0), digest, staged, id FROM move"
	    " WHERE what=?1 ORDER BY num",
	    &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, (int64_t)what);
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = read_move(r, s, what, &m);
		if (!rc)
			rc = fn(r, &m);
		r->moves++;
	}
	db_finish(s);
	return rc;
}

static enum rc sync_disk(struct vault_phone *p)
{
	return fileops_rc(p->ops->syncfs(p->ops->ctx, p->root));
}

/*
 * Folders before what is moved to them: a file system without a journal may
 * keep the rename and lose the folder, and the file with it. Also when they
 * are there already: they may be an earlier try's, and not synced.
 */
static enum rc make_dirs(struct replay *r, enum what what,
    enum rc (*fn)(struct replay *r, const struct move *m))
{
	uint64_t before = r->moves;
	enum rc rc = each_move(r, what, fn);

	if (rc || r->moves == before)
		return rc;
	return sync_disk(r->p);
}

static enum rc pass_a(struct replay *r)
{
	enum rc rc = make_dirs(r, WHAT_RETIRE, do_object_dir);

	if (!rc)
		rc = each_move(r, WHAT_DROP, do_drop);
	if (!rc)
		rc = each_move(r, WHAT_RETIRE, do_retire);
	if (!rc)
		rc = each_move(r, WHAT_RMDIR, do_rmdir);
	if (!rc)
		rc = sync_disk(r->p);
	if (!rc)
		rc = run_with(r->p->cat.db,
		    "UPDATE snapshot SET placing=1 WHERE id=?1", r->snapshot);
	return rc;
}

static enum rc finish(struct replay *r)
{
	struct db *db = r->p->cat.db;
	enum rc rc = db_begin(db);

	if (!rc)
		rc = run_with(
		    db, "UPDATE snapshot SET state=2 WHERE id=?1", r->snapshot);
	if (!rc) /* or `damaged`; older ones, too, become what they are now */
		rc = damage_settle(&r->p->cat);
	if (!rc)
		rc = db_exec(db, "DELETE FROM move");
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

_Static_assert(VAULT_GOOD == 2, "finish() has it");

static enum rc pass_b(struct replay *r)
{
	enum rc rc = make_dirs(r, WHAT_MKDIR, do_mkdir);

	if (!rc)
		rc = each_move(r, WHAT_PLACE_DIR, do_place_dir);
	if (!rc)
		rc = each_move(r, WHAT_PLACE, do_place);
	if (!rc)
		rc = sync_disk(r->p);
	return rc;
}

enum rc journal_replay(struct vault_phone *p)
{
	struct replay r = { .p = p };
	int64_t placing = 0;
	enum rc rc;

	rc = db_number(
	    p->cat.db, "SELECT id FROM snapshot WHERE state=1", &r.snapshot);
	if (!rc && r.snapshot == 0)
		return RC_OK;
	if (!rc)
		rc = db_number(p->cat.db,
		    "SELECT placing FROM snapshot WHERE state=1", &placing);
	if (!rc && placing == 0)
		rc = pass_a(&r);
	if (!rc)
		rc = pass_b(&r);
	if (!rc)
		rc = finish(&r);
	if (rc)
		log_error("a commit waits for the disk: %s snapshot=%lld",
		    rc_words(rc), (long long)r.snapshot);
	else
		log_info("committed snapshot=%lld moves=%llu",
		    (long long)r.snapshot, (unsigned long long)r.moves);
	return rc;
}

_Static_assert(VAULT_COMMITTING == 1, "journal_replay() has it");
