/*
 * What a new catalogue begins with: the copy, the rows of the broken one that
 * can still be read, or nothing. See repair_int.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repair_int.h"

#define LOG_MODULE "repair"
#include "log.h"

/* Rows that no night can have written. */
#define BAD_ENTRY                                                              \
	"kind NOT IN (1, 2) OR size<0 OR first<1 OR last<first"                \
	" OR (kind=1 AND (typeof(digest)<>'blob' OR length(digest)<>32))"
#define BAD_SNAPSHOT                                                           \
	"id<1 OR state NOT BETWEEN 0 AND 4 OR files<0 OR bytes<0"              \
	" OR new_files<0 OR new_bytes<0"

#define TWO_IN_ONE_PLACE                                                       \
	"SELECT EXISTS(SELECT 1 FROM entry WHERE last IS NULL"                 \
	" GROUP BY path HAVING count(*)>1)"
/* Of two in one place the newer one is what lies there. */
#define KEEP_THE_NEWER                                                         \
	"DELETE FROM entry WHERE last IS NULL AND EXISTS(SELECT 1 FROM entry"  \
	" n WHERE n.path=entry.path AND n.last IS NULL AND"                    \
	" n.first>entry.first)"
#define MAKE_LOST                                                              \
	"CREATE TABLE IF NOT EXISTS lost(digest BLOB PRIMARY KEY,"             \
	" size INTEGER NOT NULL) WITHOUT ROWID"
/* What is to be done (repair_scan.c); dropped at the end. */
#define MAKE_TODO                                                              \
	"CREATE TABLE todo(path TEXT NOT NULL, op INTEGER NOT NULL,"           \
	" size INTEGER NOT NULL, mtime INTEGER NOT NULL,"                      \
	" PRIMARY KEY(op, path)) WITHOUT ROWID"

enum rc repair_run(struct db *db, const char *sql, int64_t a, int64_t b)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db, sql, &s);

	if (rc)
		return rc;
	if (strstr(sql, "?1"))
		db_bind_int(s, 1, a);
	if (strstr(sql, "?2"))
		db_bind_int(s, 2, b);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

/* access() would ask for the user that started us, who may be another one than
 * the one whose files these are. */
static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

enum rc repair_open(struct catalog *c, const char *path, bool writable)
{
	return catalog_open_file(c, fileops_posix(), AT_FDCWD, path, writable);
}

/* --- is it a whole catalogue? ---------------------------------------------- */

static enum rc integrity_check(struct db *db)
{
	struct db_stmt *s = NULL;
	bool row = false;
	size_t n;
	enum rc rc = db_prepare(db, "PRAGMA integrity_check(1)", &s);

	if (rc)
		return rc;
	rc = db_step(s, &row);
	if (!rc && (!row || strcmp(db_text(s, 0, &n), "ok") != 0))
		rc = RC_CORRUPT;
	db_finish(s);
	return rc;
}

/* Every path, as catalog_row_path() would have it later. */
static enum rc count_bad_paths(struct db *db, uint64_t *bad)
{
	char path[LIMIT_DL_PATH + 1];
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(db, "SELECT path FROM entry ORDER BY path", &s);

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		if (catalog_row_path(s, 0, path))
			++*bad;
	}
	db_finish(s);
	return rc;
}

static enum rc check_rows(struct db *db)
{
	static const char *const counts[] = {
		"SELECT count(*) FROM entry WHERE " BAD_ENTRY,
		"SELECT count(*) FROM snapshot WHERE " BAD_SNAPSHOT,
		TWO_IN_ONE_PLACE,
	};
	uint64_t bad = 0;
	int64_t n = 0;
	enum rc rc = RC_OK;

	for (size_t i = 0; !rc && i < sizeof(counts) / sizeof(counts[0]); i++) {
		rc = db_number(db, counts[i], &n);
		if (!rc && n > 0)
			rc = RC_CORRUPT;
	}
	if (!rc)
		rc = count_bad_paths(db, &bad);
	return !rc && bad > 0 ? RC_CORRUPT : rc;
}

enum rc repair_check_catalog(struct catalog *c, const char *path)
{
	enum rc rc = repair_open(c, path, false);

	if (rc == RC_NOTFOUND)
		rc = RC_CORRUPT; /* an empty database */
	if (!rc)
		rc = integrity_check(c->db);
	if (!rc)
		rc = check_rows(c->db);
	if (rc && c->db)
		catalog_close(c);
	return rc;
}

/* --- rows of a broken one --------------------------------------------------- */

/* Columns in the order of the schema; read from both ends, because a damaged
 * page in the middle stops a walk. */
struct salvage {
	const char *read_up, *read_down, *write;
	int columns;
};

static const struct salvage tables[] = {
	{ "SELECT id, started, finished, state, 0, device_name, model, ios,"
	  " encrypted, files, bytes, new_files, new_bytes, phone_seconds,"
	  " box_seconds FROM snapshot ORDER BY id",
	    "SELECT id, started, finished, state, 0, device_name, model, ios,"
	    " encrypted, files, bytes, new_files, new_bytes, phone_seconds,"
	    " box_seconds FROM snapshot ORDER BY id DESC",
	    "INSERT OR IGNORE INTO snapshot(id, started, finished, state,"
	    " placing, device_name, model, ios, encrypted, files, bytes,"
	    " new_files, new_bytes, phone_seconds, box_seconds) VALUES"
	    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
	    15 },
	{ "SELECT path, first, last, kind, size, mtime, digest FROM entry"
	  " NOT INDEXED ORDER BY path, first",
	    "SELECT path, first, last, kind, size, mtime, digest FROM entry"
	    " NOT INDEXED ORDER BY path DESC, first DESC",
	    "INSERT OR IGNORE INTO entry(path, first, last, kind, size, mtime,"
	    " digest) VALUES(?1,?2,?3,?4,?5,?6,?7)",
	    7 },
};

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

static void copy_columns(struct db_stmt *from, struct db_stmt *to, int columns)
{
	for (int i = 0; i < columns; i++)
		db_bind_column(to, i + 1, from, i);
}

/* What breaks off the reading is no failure of ours; that of a write is. */
static enum rc salvage_walk(struct db *from, const char *read, struct db *to,
    const struct salvage *t, uint64_t *rows)
{
	struct db_stmt *in = NULL, *out = NULL;
	bool row = false;
	enum rc rc = db_prepare(to, t->write, &out);

	if (rc)
		return rc;
	if (!db_prepare(from, read, &in))
		while (!rc && !db_step(in, &row) && row) {
			copy_columns(in, out, t->columns);
			rc = db_run(out);
			if (rc == RC_CORRUPT)
				rc = RC_OK; /* NOT NULL and the like */
			else if (!rc)
				*rows += (uint64_t)db_changes(to);
		}
	db_finish(in);
	db_finish(out);
	return rc;
}

static enum rc salvage_tables(struct db *from, struct db *to)
{
	uint64_t rows[N_TABLES] = { 0 };
	enum rc rc = db_begin(to);

	for (size_t i = 0; !rc && i < N_TABLES; i++) {
		rc = salvage_walk(
		    from, tables[i].read_up, to, &tables[i], &rows[i]);
		if (!rc)
			rc = salvage_walk(from, tables[i].read_down, to,
			    &tables[i], &rows[i]);
	}
	if (!rc && (rows[0] == 0 || rows[1] == 0))
		rc = RC_NOTFOUND; /* one is nothing without the other */
	if (!rc)
		rc = db_commit(to);
	if (rc)
		db_rollback(to);
	else
		log_note("rows saved from the broken catalogue snapshots=%llu"
			 " entries=%llu",
		    (unsigned long long)rows[0], (unsigned long long)rows[1]);
	return rc;
}

/* RC_NOTFOUND: nothing can be read. */
static enum rc salvage(struct repair *r, const char *broken)
{
	struct catalog to;
	struct db *from = NULL;
	enum rc rc;

	if (!is_there(broken) ||
	    db_open(fileops_posix(), AT_FDCWD, broken, DB_READ, &from))
		return RC_NOTFOUND;
	rc = repair_open(&to, r->work, true);
	if (!rc) {
		rc = salvage_tables(from, to.db);
		catalog_close(&to);
	}
	db_close(from);
	return rc;
}

/* --- the choice -------------------------------------------------------------- */

static void remove_work(struct repair *r)
{
	char *journal;

	unlink(r->work);
	if (asprintf(&journal, "%s-journal", r->work) < 0)
		return;
	unlink(journal);
	free(journal);
}

/* RC_CORRUPT: it is damaged, or somebody else's. */
static enum rc take_copy(struct repair *r, const char *path)
{
	struct catalog c;
	enum rc rc = repair_check_catalog(&c, path);

	if (rc)
		return rc;
	rc = db_copy_to(c.db, fileops_posix(), r->work);
	catalog_close(&c);
	return rc;
}

static bool is_unfit(enum rc rc)
{
	return rc == RC_CORRUPT || rc == RC_NOTFOUND || rc == RC_UNSUPPORTED;
}

enum rc repair_make_base(struct repair *r, const char *catalog)
{
	const char *copy = r->o->copy;
	struct catalog c;
	enum rc rc;

	remove_work(r);
	r->out->has_copy = copy && is_there(copy);
	if (r->out->state == VAULT_REPAIR_FINE) {
		r->out->base = VAULT_REPAIR_FROM_CATALOG;
		return take_copy(r, catalog);
	}
	if (r->out->has_copy) {
		r->out->base = VAULT_REPAIR_FROM_COPY;
		rc = take_copy(r, copy);
		if (!is_unfit(rc))
			return rc;
		log_warn("the box's copy of the catalogue can't be used: %s",
		    rc_words(rc));
		remove_work(r);
	}
	r->out->base = VAULT_REPAIR_FROM_ROWS;
	rc = salvage(r, catalog);
	if (!is_unfit(rc))
		return rc;
	remove_work(r);
	r->out->base = VAULT_REPAIR_FROM_DISK;
	rc = repair_open(&c, r->work, true);
	if (!rc)
		catalog_close(&c);
	return rc;
}

/* --- made fit ---------------------------------------------------------------- */

static enum rc drop_bad_rows(struct repair *r, struct db *db)
{
	static const char *const drops[] = {
		"DELETE FROM entry WHERE " BAD_ENTRY,
		"DELETE FROM snapshot WHERE " BAD_SNAPSHOT,
		KEEP_THE_NEWER,
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; !rc && i < sizeof(drops) / sizeof(drops[0]); i++) {
		rc = db_exec(db, drops[i]);
		r->out->bad_rows += (uint64_t)db_changes(db);
	}
	return rc;
}

/* One at a time, from the start again: there are none, or a hand was at it. */
static enum rc drop_bad_paths(struct repair *r, struct db *db)
{
	char path[LIMIT_DL_PATH + 1];
	struct db_stmt *each = NULL, *drop = NULL;
	bool row = true;
	enum rc rc = db_prepare(db, "SELECT path, first FROM entry", &each);

	if (!rc)
		rc = db_prepare(
		    db, "DELETE FROM entry WHERE path=?1 AND first=?2", &drop);
	while (!rc) {
		rc = db_step(each, &row);
		if (rc || !row)
			break;
		if (catalog_row_path(each, 0, path) == RC_OK)
			continue;
		db_bind_column(drop, 1, each, 0);
		db_bind_column(drop, 2, each, 1);
		rc = db_run(drop);
		db_reset(each);
		r->out->bad_rows++;
	}
	db_finish(each);
	db_finish(drop);
	return rc;
}

enum rc repair_open_base(struct repair *r)
{
	/* A commit that the base had not finished is judged by what the disk
	 * shows: its moves may be older than the files. */
	static const char *const clean[] = {
		"DELETE FROM pending",
		"DELETE FROM staged",
		"DELETE FROM move",
		"DELETE FROM adopt",
		"DELETE FROM doomed", /* the scan finds what no row needs */
		"DELETE FROM damage", /* each file is looked at anew */
		"DELETE FROM scrub_run",
		"UPDATE snapshot SET state=3, placing=0 WHERE state=1",
		MAKE_LOST,
		"DROP TABLE IF EXISTS todo",
		MAKE_TODO,
	};
	struct db *db;
	enum rc rc = repair_open(&r->p.cat, r->work, true);

	if (rc)
		return rc;
	db = r->p.cat.db;
	rc = db_begin(db);
	for (size_t i = 0; !rc && i < sizeof(clean) / sizeof(clean[0]); i++)
		rc = db_exec(db, clean[i]);
	if (!rc)
		rc = drop_bad_rows(r, db);
	if (!rc)
		rc = drop_bad_paths(r, db);
	if (!rc)
		rc = db_number(db,
		    "SELECT max(coalesce((SELECT max(id) FROM snapshot), 0),"
		    " coalesce((SELECT max(first) FROM entry), 0),"
		    " coalesce((SELECT max(last) FROM entry), 0))",
		    &r->newest);
	if (!rc && (r->newest < 0 || r->newest >= INT32_MAX - 1))
		rc = RC_CORRUPT;
	return rc;
}
