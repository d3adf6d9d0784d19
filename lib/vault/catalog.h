/*
 * The catalogue of one phone: catalog.db, its tables and the questions about
 * finished snapshots. The overlay of a night is view.h's, the commit is
 * journal.h's; they share the tables that are made here.
 *
 * Rows come from a disk that others can write to: a path, hash, size or
 * number is checked before it leaves this module (RC_CORRUPT).
 *
 * Snapshot N is every entry with first <= N and (last is NULL or N <= last).
 * An entry with last NULL lies in latest/, every other file in objects/.
 */
#ifndef CATALOG_H
#define CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"
#include "fileops.h"
#include "layout.h"
#include "rc.h"
#include "store.h"
#include "vault.h"

/* pending.op: what the overlay says of a path. */
enum catalog_op {
	CATALOG_OP_FILE = 1,
	CATALOG_OP_DIR = 2,
	CATALOG_OP_GONE = 3
};

struct catalog {
	struct db *db;
	bool writable;
};

/* In the phone's folder `dir`. RC_CORRUPT: not one of ours, or a damaged one.
 * RC_UNSUPPORTED: made by a newer version. */
MUST_CHECK enum rc catalog_open(
    struct catalog *c, const struct fileops *ops, int dir, bool writable);
/* One of another name: `path` as db_open() has it. */
MUST_CHECK enum rc catalog_open_file(struct catalog *c,
    const struct fileops *ops, int dir, const char *path, bool writable);
void catalog_close(struct catalog *c);

/* The newest snapshot in `state`, RC_NOTFOUND when there is none. */
MUST_CHECK enum rc catalog_newest(
    struct catalog *c, enum vault_state state, struct vault_snapshot *out);
MUST_CHECK enum rc catalog_snapshot(
    struct catalog *c, int64_t id, struct vault_snapshot *out);
MUST_CHECK enum rc catalog_each_snapshot(struct catalog *c,
    enum rc (*fn)(void *arg, const struct vault_snapshot *s), void *arg);

/* One entry of a snapshot; a struct of its own, because the caller may do
 * slow work with it and no statement may stay open meanwhile (a reader's lock
 * would hold up a night's commit). */
struct catalog_entry {
	char path[LIMIT_DL_PATH + 1]; /* below the UDID; "" is the top */
	enum store_kind kind;
	uint64_t size;
	int64_t mtime;
	uint8_t digest[32];
	bool current; /* lies in latest/ */
};

/* Path order, a page of rows at a time. */
MUST_CHECK enum rc catalog_each_entry(struct catalog *c, int64_t snapshot,
    enum rc (*fn)(void *arg, const struct catalog_entry *e), void *arg);

/* Columns `i` (path), and (kind, size, mtime, digest) from `i` on, checked. */
MUST_CHECK enum rc catalog_row_path(
    struct db_stmt *s, int i, char out[LIMIT_DL_PATH + 1]);
MUST_CHECK enum rc catalog_row_digest(
    struct db_stmt *s, int i, uint8_t out[32]);
/* Columns `num` and `id` of a staged file. */
MUST_CHECK enum rc catalog_row_place(
    struct db_stmt *s, int num, int id, struct layout_place *out);
MUST_CHECK enum rc catalog_row_size(struct db_stmt *s, int i, uint64_t *out);

#endif
