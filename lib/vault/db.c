#include "db.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbvfs.h"

#define LOG_MODULE "db"
#include "log.h"

/* A reader may look at the catalogue for a moment while a night commits, and
 * the other way round; nobody holds a lock for longer than a page of rows. */
#define DB_BUSY_MS 60000

struct db {
	sqlite3 *h;
	struct dbvfs *vfs;
	bool in_transaction; /* as its user knows it */
	enum rc lost; /* why SQLite has rolled it back on its own */
};

struct db_stmt {
	sqlite3_stmt *s;
	struct db *db;
	int bind_rc;
};

static enum rc rc_of_ioerr(struct db *d)
{
	int err = dbvfs_errno(d->vfs);

	if (err == ENOSPC || err == EDQUOT)
		return RC_NOSPC;
	if (err == EROFS)
		return RC_READONLY;
	return RC_IO;
}

static enum rc rc_of(struct db *d, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return RC_OK;
	case SQLITE_NOMEM:
		return RC_NOMEM;
	case SQLITE_FULL:
		return RC_NOSPC;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return RC_READONLY;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return RC_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT: /* rows that break our own rules */
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return RC_CORRUPT;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return rc_of_ioerr(d);
	case SQLITE_ERROR: /* a table or column is missing */
	case SQLITE_SCHEMA:
		return RC_CORRUPT;
	default:
		return RC_IO;
	}
}

static enum rc fail(struct db *d, int code, const char *what)
{
	enum rc rc = rc_of(d, code);

	if (!rc)
		return RC_OK;
	log_warn("%s: %s: %s code=%d", what, rc_words(rc),
	    d->h ? sqlite3_errmsg(d->h) : sqlite3_errstr(code), code);
	if (d->in_transaction && !d->lost && sqlite3_get_autocommit(d->h))
		d->lost = rc;
	return rc;
}

/* Readers go through a table once. A phone's Manifest.db is read while a night
 * has its own 24 MB. */
#define SMALL_CACHE "PRAGMA cache_size=-2048;"

/*
 * No WAL: it needs shared memory next to the file, which exFAT and a disk
 * that is pulled do not forgive.
 *
 * PERSIST: a journal that is over gets zeros over its header. TRUNCATE would
 * free its clusters as they are, and a file system without a journal may give
 * them to the next one and make that one's size durable before its bytes: the
 * old journal, whole and valid, would be played over a newer catalogue. The
 * name stays, so that no folder has to be synced. FULL: a sync before the
 * header counts.
 */
static const char *pragmas_of(enum db_mode mode)
{
	static const char writer[] = "PRAGMA cache_size=-24576;"
				     "PRAGMA page_size=4096;"
				     "PRAGMA journal_mode=PERSIST;"
				     "PRAGMA journal_size_limit=8388608;"
				     "PRAGMA synchronous=FULL;";

	return mode == DB_WRITE ? writer : SMALL_CACHE;
}

static int open_handle(struct db *d, const char *path, enum db_mode mode)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	flags |= mode == DB_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
				  : SQLITE_OPEN_READONLY;
	return sqlite3_open_v2(path, &d->h, flags, dbvfs_name(d->vfs));
}

/* What a stranger's file may not do to us. */
static void harden(sqlite3 *h)
{
	sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)NULL);
	sqlite3_limit(h, SQLITE_LIMIT_LENGTH, 16 << 20);
	sqlite3_limit(h, SQLITE_LIMIT_ATTACHED, 0);
}

/* SQLite's own memory statistics take a lock for each allocation; nobody here
 * asks for them. Ignored when somebody has used SQLite in this process. */
static void no_statistics(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/*
 * A generated column is an expression that runs for each row that is read, and
 * one function of SQLite's may take hours over 16 MB that it made itself. No
 * phone's table has any; what SQLite knows is asked, not what the schema's rows
 * call their tables. CHECKs would run in quick_check; SQLite 3.40 leaves them
 * out of a database that is read only, the pragma does so in any.
 */
static enum rc refuse_expressions(struct db *d)
{
	int64_t found = 0;
	enum rc rc = db_exec(d, "PRAGMA ignore_check_constraints=ON;");

	if (!rc)
		rc = db_number(d,
		    "SELECT EXISTS(SELECT 1 FROM pragma_table_list AS t,"
		    " pragma_table_xinfo(t.name) AS x"
		    " WHERE t.type<>'view' AND x.hidden<>0)",
		    &found);
	if (!rc && found) {
		log_warn("a database computes what it should hold");
		rc = RC_CORRUPT;
	}
	return rc;
}

enum rc db_open(const struct fileops *ops, int dir, const char *path,
    enum db_mode mode, struct db **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct db *d = calloc(1, sizeof(*d));
	enum rc rc;

	if (!d)
		return RC_NOMEM;
	pthread_once(&once, no_statistics);
	rc = dbvfs_new(ops, dir, mode == DB_IMMUTABLE, &d->vfs);
	if (!rc)
		rc =
		    fail(d, open_handle(d, path, mode), "cannot open database");
	if (rc)
		goto out;
	harden(d->h);
	sqlite3_busy_timeout(d->h, DB_BUSY_MS);
	rc = db_exec(d, "PRAGMA mmap_size=0;"
			"PRAGMA cell_size_check=ON;"
			/* Nothing of it lands on another disk. */
			"PRAGMA temp_store=MEMORY;");
	if (!rc)
		rc = db_exec(d, pragmas_of(mode));
	if (!rc && mode == DB_IMMUTABLE)
		rc = refuse_expressions(d);
	if (rc)
		goto out;
	*out = d;
	d = NULL;
out:
	db_close(d);
	return rc;
}

void db_close(struct db *d)
{
	if (!d)
		return;
	if (sqlite3_close(d->h) == SQLITE_OK)
		dbvfs_free(d->vfs);
	else /* its files stay open, and with them what they stand on */
		log_error("a database is closed while it is in use");
	free(d);
}

enum rc db_exec(struct db *d, const char *sql)
{
	if (d->lost)
		return d->lost;
	return fail(d, sqlite3_exec(d->h, sql, NULL, NULL, NULL), "exec");
}

enum rc db_begin(struct db *d)
{
	enum rc rc = db_exec(d, "BEGIN IMMEDIATE");

	d->in_transaction = d->in_transaction || !rc;
	return rc;
}

enum rc db_commit(struct db *d)
{
	enum rc rc = db_exec(d, "COMMIT");

	d->in_transaction = d->in_transaction && rc;
	return rc;
}

void db_rollback(struct db *d)
{
	d->in_transaction = false;
	d->lost = RC_OK;
	if (!sqlite3_get_autocommit(d->h))
		sqlite3_exec(d->h, "ROLLBACK", NULL, NULL, NULL);
}

bool db_in_transaction(struct db *d)
{
	return d->in_transaction;
}

enum rc db_number(struct db *d, const char *sql, int64_t *out)
{
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc = db_prepare(d, sql, &s);

	if (!rc)
		rc = db_step(s, &row);
	if (!rc)
		*out = row ? db_int(s, 0) : 0;
	db_finish(s);
	return rc;
}

int64_t db_changes(struct db *d)
{
	return sqlite3_changes64(d->h);
}

enum rc db_quick_check(struct db *d)
{
	struct db_stmt *s = NULL;
	const char *text;
	size_t n;
	bool row = false;
	enum rc rc = db_prepare(d, "PRAGMA quick_check(1)", &s);

	if (rc)
		return rc;
	rc = db_step(s, &row);
	if (!rc && row) {
		text = db_text(s, 0, &n);
		if (strcmp(text, "ok") != 0) {
			log_warn("quick check: %.200s", text);
			/* A page that the disk did not give is no damage. */
			rc = dbvfs_errno(d->vfs) ? rc_of_ioerr(d) : RC_CORRUPT;
		}
	}
	if (!rc && !row)
		rc = RC_CORRUPT;
	db_finish(s);
	return rc;
}

enum rc db_copy_to(struct db *d, const struct fileops *ops, const char *path)
{
	struct db *to = NULL;
	sqlite3_backup *b;
	enum rc rc = db_open(ops, AT_FDCWD, path, DB_WRITE, &to);

	if (!rc)
		rc = db_exec(to, SMALL_CACHE);
	if (rc) {
		db_close(to);
		return rc;
	}
	b = sqlite3_backup_init(to->h, "main", d->h, "main");
	if (!b) {
		rc = fail(to, sqlite3_errcode(to->h), "copy");
		goto out;
	}
	sqlite3_backup_step(b, -1);
	rc = fail(to, sqlite3_backup_finish(b), "copy");
out:
	db_close(to);
	return rc;
}

enum rc db_prepare(struct db *d, const char *sql, struct db_stmt **out)
{
	struct db_stmt *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (!s)
		return RC_NOMEM;
	s->db = d;
	rc = fail(d,
	    sqlite3_prepare_v3(
		d->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->s, NULL),
	    "prepare");
	if (rc) {
		free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void db_finish(struct db_stmt *s)
{
	if (!s)
		return;
	sqlite3_finalize(s->s);
	free(s);
}

static void keep_first(struct db_stmt *s, int code)
{
	if (code != SQLITE_OK && s->bind_rc == SQLITE_OK)
		s->bind_rc = code;
}

void db_bind_int(struct db_stmt *s, int i, int64_t v)
{
	keep_first(s, sqlite3_bind_int64(s->s, i, v));
}

void db_bind_text(struct db_stmt *s, int i, const char *p, size_t n)
{
	keep_first(
	    s, sqlite3_bind_text64(s->s, i, p, n, SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_blob(struct db_stmt *s, int i, const void *p, size_t n)
{
	keep_first(s, p ? sqlite3_bind_blob64(s->s, i, p, n, SQLITE_STATIC)
			: sqlite3_bind_null(s->s, i));
}

void db_bind_column(struct db_stmt *s, int i, struct db_stmt *from, int col)
{
	keep_first(
	    s, sqlite3_bind_value(s->s, i, sqlite3_column_value(from->s, col)));
}

enum rc db_step(struct db_stmt *s, bool *row)
{
	int code = s->bind_rc;
	enum rc rc;

	*row = false;
	if (s->db->lost) {
		db_reset(s);
		return s->db->lost;
	}
	if (code == SQLITE_OK)
		code = sqlite3_step(s->s);
	if (code == SQLITE_ROW) {
		*row = true;
		return RC_OK;
	}
	rc = fail(s->db, code, "step");
	db_reset(s);
	return rc;
}

enum rc db_run(struct db_stmt *s)
{
	bool row;
	enum rc rc = db_step(s, &row);

	if (!rc && row)
		db_reset(s);
	return rc;
}

void db_reset(struct db_stmt *s)
{
	sqlite3_reset(s->s);
	s->bind_rc = SQLITE_OK;
}

int64_t db_int(struct db_stmt *s, int i)
{
	return sqlite3_column_int64(s->s, i);
}

bool db_is_null(struct db_stmt *s, int i)
{
	return sqlite3_column_type(s->s, i) == SQLITE_NULL;
}

const char *db_text(struct db_stmt *s, int i, size_t *n)
{
	const unsigned char *p = sqlite3_column_text(s->s, i);

	*n = p ? (size_t)sqlite3_column_bytes(s->s, i) : 0;
	return p ? (const char *)p : "";
}

const void *db_blob(struct db_stmt *s, int i, size_t *n)
{
	const void *p = sqlite3_column_blob(s->s, i);

	*n = p ? (size_t)sqlite3_column_bytes(s->s, i) : 0;
	return p;
}
