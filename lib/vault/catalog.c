#include "catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "relpath.h"

#define LOG_MODULE "catalog"
#include "log.h"

#define CATALOG_APP_ID  0x4e537443 /* "NStC" */
#define CATALOG_VERSION 2
#define CATALOG_PAGE    128 /* entries read at a time: 150 KB */

/*
 * entry is clustered by path, so that a listing is one range of one tree;
 * entry_object finds what an object is needed by, entry_last what a dropped
 * snapshot leaves behind; doomed (prune.h) is objects to unlink. domain and loss are
 * guard.h's. staged is append-only and
 * by number, so that a move of a path touches only the small pending row.
 * snapshot.placing is the mark between the two passes of a commit.
 */
static const char schema[] =
    "CREATE TABLE snapshot(id INTEGER PRIMARY KEY, started INTEGER NOT NULL,"
    " finished INTEGER NOT NULL, state INTEGER NOT NULL,"
    " placing INTEGER NOT NULL, device_name TEXT NOT NULL,"
    " model TEXT NOT NULL, ios TEXT NOT NULL, encrypted INTEGER NOT NULL,"
    " files INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " new_files INTEGER NOT NULL, new_bytes INTEGER NOT NULL,"
    " phone_seconds INTEGER NOT NULL, box_seconds INTEGER NOT NULL,"
    " pinned INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE entry(path TEXT NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER, kind INTEGER NOT NULL, size INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, digest BLOB, PRIMARY KEY(path, first))"
    " WITHOUT ROWID;"
    "CREATE INDEX entry_object ON entry(digest) WHERE last IS NOT NULL;"
    "CREATE INDEX entry_last ON entry(last, first) WHERE last IS NOT NULL;"
    "CREATE TABLE doomed(digest BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE domain(name TEXT NOT NULL PRIMARY KEY,"
    " snapshot INTEGER NOT NULL, files INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE loss(snapshot INTEGER PRIMARY KEY,"
    " before INTEGER NOT NULL, domain TEXT NOT NULL,"
    " was INTEGER NOT NULL, lost INTEGER NOT NULL);"
    "CREATE TABLE staged(num INTEGER PRIMARY KEY, size INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, digest BLOB NOT NULL, id BLOB);"
    "CREATE TABLE pending(path TEXT NOT NULL PRIMARY KEY,"
    " op INTEGER NOT NULL, staged INTEGER, mtime INTEGER) WITHOUT ROWID;"
    "CREATE TABLE move(num INTEGER PRIMARY KEY, what INTEGER NOT NULL,"
    " path TEXT NOT NULL, size INTEGER, digest BLOB, staged INTEGER,"
    " id BLOB);"
    "CREATE TABLE adopt(name TEXT NOT NULL PRIMARY KEY, size INTEGER,"
    " mtime INTEGER, place TEXT) WITHOUT ROWID;"
    /* objects that a repair found and no row explains: kept for a person */
    "CREATE TABLE lost(digest BLOB PRIMARY KEY, size INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    /* path '': the object of that content; else the file of latest/ */
    "CREATE TABLE damage(digest BLOB NOT NULL, path TEXT NOT NULL,"
    " what INTEGER NOT NULL, found INTEGER NOT NULL, whole INTEGER NOT NULL,"
    " asked INTEGER NOT NULL, PRIMARY KEY(digest, path)) WITHOUT ROWID;"
    "CREATE TABLE scrub_run(id INTEGER PRIMARY KEY, pass INTEGER NOT NULL,"
    " began INTEGER NOT NULL, ended INTEGER NOT NULL, stage INTEGER NOT NULL,"
    " key BLOB NOT NULL);"
    "PRAGMA application_id=1314092099;" /* CATALOG_APP_ID */
    "PRAGMA user_version=2;";

_Static_assert(CATALOG_APP_ID == 1314092099, "the schema's text has it too");

static enum rc make_schema(struct db *db)
{
	enum rc rc = db_begin(db);

	if (!rc)
		rc = db_exec(db, schema);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

static enum rc check_format(struct catalog *c)
{
	int64_t app = 0, version = 0, tables = 0;
	enum rc rc;

	rc = db_number(c->db, "PRAGMA application_id", &app);
	if (!rc)
		rc = db_number(c->db, "PRAGMA user_version", &version);
	if (!rc)
		rc = db_number(
		    c->db, "SELECT count(*) FROM sqlite_master", &tables);
	if (rc)
		return rc;
	if (app == 0 && version == 0 && tables == 0) {
		/* New, or the power went before the first transaction. */
		return c->writable ? make_schema(c->db) : RC_NOTFOUND;
	}
	if (app != CATALOG_APP_ID)
		return RC_CORRUPT;
	return version == CATALOG_VERSION ? RC_OK : RC_UNSUPPORTED;
}

enum rc catalog_open(
    struct catalog *c, const struct fileops *ops, int dir, bool writable)
{
	return catalog_open_file(c, ops, dir, LAYOUT_CATALOG, writable);
}

enum rc catalog_open_file(struct catalog *c, const struct fileops *ops, int dir,
    const char *path, bool writable)
{
	enum rc rc;

	memset(c, 0, sizeof(*c));
	c->writable = writable;
	rc = db_open(ops, dir, path, writable ? DB_WRITE : DB_READ, &c->db);
	if (!rc)
		rc = check_format(c);
	if (rc)
		catalog_close(c);
	return rc;
}

void catalog_close(struct catalog *c)
{
	db_close(c->db);
	c->db = NULL;
}

enum rc catalog_row_path(struct db_stmt *s, int i, char out[LIMIT_DL_PATH + 1])
{
	size_t n;
	const char *p = db_text(s, i, &n);

	if (n > LIMIT_DL_PATH || (n > 0 && relpath_check(p, n))) {
		log_error("the catalogue names an impossible path");
		return RC_CORRUPT;
	}
	memcpy(out, p, n);
	out[n] = '\0';
	return RC_OK;
}

enum rc catalog_row_digest(struct db_stmt *s, int i, uint8_t out[32])
{
	size_t n;
	const void *p = db_blob(s, i, &n);

	if (n != DIGEST_LEN)
		return RC_CORRUPT;
	memcpy(out, p, DIGEST_LEN);
	return RC_OK;
}

enum rc catalog_row_place(
    struct db_stmt *s, int num, int id, struct layout_place *out)
{
	int64_t v = db_int(s, num);
	size_t n;
	const void *p = db_blob(s, id, &n);

	if (db_is_null(s, num) || v < 0 || v > LAYOUT_STAGED_MAX)
		return RC_CORRUPT;
	out->num = (uint32_t)v;
	out->named = n > 0;
	if (out->named && n != LAYOUT_ID_LEN)
		return RC_CORRUPT;
	if (out->named)
		memcpy(out->id, p, LAYOUT_ID_LEN);
	return RC_OK;
}

enum rc catalog_row_size(struct db_stmt *s, int i, uint64_t *out)
{
	int64_t v = db_int(s, i);

	if (v < 0)
		return RC_CORRUPT;
	*out = (uint64_t)v;
	return RC_OK;
}

/* --- snapshots ------------------------------------------------------------ */

#define SNAPSHOT_COLUMNS                                                       \
	"SELECT id, started, finished, state, device_name, model, ios,"        \
	" encrypted, files, bytes, new_files, new_bytes, phone_seconds,"       \
	" box_seconds, pinned FROM snapshot "

static void copy_text(struct db_stmt *s, int i, char *out, size_t cap)
{
	size_t n;
	const char *p = db_text(s, i, &n);

	snprintf(out, cap, "%s", p);
}

static enum rc row_snapshot(struct db_stmt *s, struct vault_snapshot *out)
{
	int64_t state = db_int(s, 3);
	enum rc rc = RC_OK;

	if (state < VAULT_OPEN || state > VAULT_PRUNED || db_int(s, 0) <= 0)
		return RC_CORRUPT;
	memset(out, 0, sizeof(*out));
	out->id = db_int(s, 0);
	out->started_at = db_int(s, 1);
	out->finished_at = db_int(s, 2);
	out->state = (enum vault_state)state;
	copy_text(s, 4, out->device_name, sizeof(out->device_name));
	copy_text(s, 5, out->model, sizeof(out->model));
	copy_text(s, 6, out->ios, sizeof(out->ios));
	out->encrypted = db_int(s, 7) != 0;
	out->phone_seconds = db_int(s, 12);
	out->box_seconds = db_int(s, 13);
	out->pinned = db_int(s, 14) != 0;
	if (!rc)
		rc = catalog_row_size(s, 8, &out->files);
	if (!rc)
		rc = catalog_row_size(s, 9, &out->bytes);
	if (!rc)
		rc = catalog_row_size(s, 10, &out->new_files);
	if (!rc)
		rc = catalog_row_size(s, 11, &out->new_bytes);
	return rc;
}

static enum rc one_snapshot(
    struct catalog *c, const char *sql, int64_t key, struct vault_snapshot *out)
{
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc = db_prepare(c->db, sql, &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, key);
	rc = db_step(s, &row);
	if (!rc)
		rc = row ? row_snapshot(s, out) : RC_NOTFOUND;
	db_finish(s);
	return rc;
}

enum rc catalog_newest(
    struct catalog *c, enum vault_state state, struct vault_snapshot *out)
{
	return one_snapshot(c,
	    SNAPSHOT_COLUMNS "WHERE state=?1 ORDER BY id DESC LIMIT 1",
	    (int64_t)state, out);
}

enum rc catalog_snapshot(
    struct catalog *c, int64_t id, struct vault_snapshot *out)
{
	return one_snapshot(c, SNAPSHOT_COLUMNS "WHERE id=?1", id, out);
}

enum rc catalog_each_snapshot(struct catalog *c,
    enum rc (*fn)(void *arg, const struct vault_snapshot *s), void *arg)
{
	struct vault_snapshot snap = { .id = INT64_MAX };

	/* One at a time: see struct catalog_entry. */
	for (;;) {
		enum rc rc = one_snapshot(c,
		    SNAPSHOT_COLUMNS "WHERE id<?1 ORDER BY id DESC LIMIT 1",
		    snap.id, &snap);

		if (rc == RC_NOTFOUND)
			return RC_OK;
		if (!rc)
			rc = fn(arg, &snap);
		if (rc)
			return rc;
	}
}

/* --- entries -------------------------------------------------------------- */

static enum rc row_entry(struct db_stmt *s, struct catalog_entry *e)
{
	int64_t kind = db_int(s, 1);
	enum rc rc = catalog_row_path(s, 0, e->path);

	if (rc)
		return rc;
	if (kind != STORE_FILE && kind != STORE_DIR)
		return RC_CORRUPT;
	e->kind = (enum store_kind)kind;
	e->mtime = db_int(s, 3);
	e->current = db_is_null(s, 5);
	rc = catalog_row_size(s, 2, &e->size);
	if (!rc && e->kind == STORE_FILE)
		rc = catalog_row_digest(s, 4, e->digest);
	return rc;
}

struct page {
	struct catalog_entry *rows;
	size_t n;
	bool first; /* the top's path is "": the first page is ">=" */
};

static enum rc read_page(struct db_stmt *s, struct page *p, int64_t snapshot)
{
	char after[LIMIT_DL_PATH + 1] = "";
	enum rc rc = RC_OK;

	if (!p->first)
		memcpy(after, p->rows[p->n - 1].path, sizeof(after));
	db_bind_text(s, 1, after, strlen(after));
	db_bind_int(s, 2, snapshot);
	db_bind_int(s, 3, p->first ? 1 : 0);
	p->n = 0;
	while (!rc && p->n < CATALOG_PAGE) {
		bool row;

		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = row_entry(s, &p->rows[p->n]);
		if (!rc)
			p->n++;
	}
	db_reset(s);
	p->first = false;
	return rc;
}

enum rc catalog_each_entry(struct catalog *c, int64_t snapshot,
    enum rc (*fn)(void *arg, const struct catalog_entry *e), void *arg)
{
	struct page page = { .first = true };
	struct db_stmt *s = NULL;
	enum rc rc;

	page.rows = calloc(CATALOG_PAGE, sizeof(*page.rows));
	if (!page.rows)
		return RC_NOMEM;
	rc = db_prepare(c->db,
	    "SELECT path, kind, size, mtime, digest, last FROM entry"
	    " WHERE path>=?1 AND (?3 OR path<>?1) AND first<=?2"
	    " AND (last IS NULL OR last>=?2) ORDER BY path",
	    &s);
	while (!rc) {
		rc = read_page(s, &page, snapshot);
		for (size_t i = 0; !rc && i < page.n; i++)
			rc = fn(arg, &page.rows[i]);
		if (page.n < CATALOG_PAGE)
			break;
	}
	db_finish(s);
	free(page.rows);
	return rc;
}
