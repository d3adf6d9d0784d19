/*
 * The one door to SQLite: the catalogue (read and write) and a phone's
 * Manifest.db (read only). A damaged or hostile database ends in RC_CORRUPT,
 * never in a crash; text and blobs come with their length and are checked by
 * the caller.
 *
 * One thread a handle.
 */
#ifndef DB_H
#define DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

struct db;
struct db_stmt;
struct fileops;

enum db_mode {
	DB_WRITE, /* made when missing; rollback journal, full syncs */
	DB_READ, /* beside a writer; waits for its commit */
	DB_IMMUTABLE, /* nobody writes: no locks, no -wal, no -shm appear */
};

/* `path` is below `dir`, or absolute; both table and dir are lent until the
 * database is closed, and all of its files are used through the table. */
MUST_CHECK enum rc db_open(const struct fileops *ops, int dir, const char *path,
    enum db_mode mode, struct db **out);
/* After the last db_finish(); NULL is fine. */
void db_close(struct db *d);

/* Several statements without results. */
MUST_CHECK enum rc db_exec(struct db *d, const char *sql);

/*
 * Where memory or the disk fails, SQLite may roll back on its own, also in a
 * query. What comes behind it would then stand alone: so until db_rollback()
 * everything is refused with that error, the commit included.
 */
MUST_CHECK enum rc db_begin(struct db *d);
MUST_CHECK enum rc db_commit(struct db *d);
void db_rollback(struct db *d);
bool db_in_transaction(struct db *d);

/* One number, e.g. of a PRAGMA or count(*); 0 for NULL or no row. */
MUST_CHECK enum rc db_number(struct db *d, const char *sql, int64_t *out);

/* Rows that the last INSERT, UPDATE or DELETE changed. */
int64_t db_changes(struct db *d);

/* RC_CORRUPT when SQLite's own quick check finds anything. */
MUST_CHECK enum rc db_quick_check(struct db *d);

/* A consistent copy of `d` to a new file at `path`, absolute. */
MUST_CHECK enum rc db_copy_to(
    struct db *d, const struct fileops *ops, const char *path);

MUST_CHECK enum rc db_prepare(
    struct db *d, const char *sql, struct db_stmt **out);
void db_finish(struct db_stmt *s); /* NULL is fine */

/* A failure to bind is kept and comes back from db_step(). Text and blobs
 * are lent until the reset. Counted from 1. */
void db_bind_int(struct db_stmt *s, int i, int64_t v);
void db_bind_text(struct db_stmt *s, int i, const char *p, size_t n);
void db_bind_blob(struct db_stmt *s, int i, const void *p, size_t n);
/* Column `col` of a row of `from`, whatever it is; copied. */
void db_bind_column(struct db_stmt *s, int i, struct db_stmt *from, int col);

/* *row: one more row is there. After false or an error it is reset. */
MUST_CHECK enum rc db_step(struct db_stmt *s, bool *row);
/* For statements without rows: steps once and resets. */
MUST_CHECK enum rc db_run(struct db_stmt *s);
void db_reset(struct db_stmt *s);

/* Counted from 0; lent until the next step or reset. */
int64_t db_int(struct db_stmt *s, int i);
bool db_is_null(struct db_stmt *s, int i);
const char *db_text(struct db_stmt *s, int i, size_t *n); /* "" for NULL */
const void *db_blob(struct db_stmt *s, int i, size_t *n); /* NULL if n 0 */

#endif
