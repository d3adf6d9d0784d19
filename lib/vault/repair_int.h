/*
 * Inside the repair only: repair.c decides and swaps, repair_base.c finds
 * what to begin with, repair_scan.c compares that with the disk.
 */
#ifndef REPAIR_INT_H
#define REPAIR_INT_H

#include "vault_repair.h"
#include "vphone.h"

/* The new catalogue while it is made. */
#define REPAIR_WORK LAYOUT_CATALOG ".repair"

struct repair {
	const struct vault_repair_opts *o;
	struct vault_repair_report *out;
	struct vault_phone p; /* its catalogue is the new one */
	char *work; /* the new one's path, absolute */
	int64_t newest; /* id of the base's last snapshot; 0: none */
	uint64_t looked; /* files, for the progress */
};

/* Tells how far it is. RC_CANCELLED when that is wanted. */
MUST_CHECK enum rc repair_tell(struct repair *r, enum vault_repair_phase phase,
    uint64_t files_done, uint64_t bytes_done);

/* A catalogue at any absolute path: the new one, the present one, the copy. */
MUST_CHECK enum rc repair_open(
    struct catalog *c, const char *path, bool writable);

/* Opens an existing catalogue and looks at all of it: SQLite's own integrity
 * check, then our rows. RC_CORRUPT: damaged. RC_UNSUPPORTED: newer.
 * *c is closed unless RC_OK. */
MUST_CHECK enum rc repair_check_catalog(struct catalog *c, const char *path);

/* Makes r->work of the best base there is and sets out->base. `catalog` is
 * the present one's path. */
MUST_CHECK enum rc repair_make_base(struct repair *r, const char *catalog);

/* Opens r->work and takes out what does not outlive a repair (a night, a
 * commit) and rows that can't be. A transaction is open afterwards. */
MUST_CHECK enum rc repair_open_base(struct repair *r);

/* The disk into the rows. */
MUST_CHECK enum rc repair_scan(struct repair *r);
/* latest/ as a snapshot of its own when it differs; states of the others. */
MUST_CHECK enum rc repair_snapshots(struct repair *r);

/* Prepares, binds up to two numbers, runs. */
MUST_CHECK enum rc repair_run(
    struct db *db, const char *sql, int64_t a, int64_t b);

#endif
