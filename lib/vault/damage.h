/*
 * Inside the vault only: table `damage`, which contents are known not to be
 * what they were, and what that makes of the snapshots. A row is about one
 * file on the disk. Callers hold a transaction where it says so.
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "contents.h"
#include "vault_scrub.h"

/* A row is asked for by a doctored Manifest.db first, then by full backups,
 * then no more: the phone does not have it. */
#define DAMAGE_FULL_FROM 1
#define DAMAGE_FULL_TO   3

struct damage_row {
	struct content c; /* its size is the entry's */
	enum vault_damage what;
	int64_t found, whole, asked;
};

/* What a failed reading says of a file; false: it is our own trouble. */
bool damage_of_rc(enum rc rc, enum vault_damage *what);

/* In a transaction. A known one keeps its row. run: the scrub that found it
 * (what it read itself does not count as "seen whole"), or 0. */
MUST_CHECK enum rc damage_add(struct catalog *cat, const struct content *c,
    enum vault_damage what, int64_t run);
/* In a transaction: it was read, and is whole. */
MUST_CHECK enum rc damage_clear(struct catalog *cat, const struct content *c);
/* In a transaction, after each change: rows that no entry needs any more go;
 * a snapshot is `damaged` when a row is about it, else `good`. */
MUST_CHECK enum rc damage_settle(struct catalog *cat);
/* The same in a transaction of its own. */
MUST_CHECK enum rc damage_settle_now(struct catalog *cat);

/*
 * Inside the transaction of a commit, its moves being written: superseded
 * damaged files go the way of the others, but never over an object that is
 * whole (such a move becomes `drop_what`); what the night brings again is
 * damaged no more; what it did not bring was asked for in vain.
 */
MUST_CHECK enum rc damage_at_commit(
    struct catalog *cat, int64_t snapshot, int64_t drop_what);

/* All rows, read into one array (free() it). RC_LIMIT: more than max. */
MUST_CHECK enum rc damage_load(
    struct catalog *cat, size_t max, struct damage_row **out, size_t *n);

MUST_CHECK enum rc damage_tell(struct vault_phone *p,
    const struct damage_row *row, vault_damaged_fn fn, void *arg);

/* When it was last seen whole: it arrived, or a scrub before `run` (0: any)
 * has read it. */
MUST_CHECK enum rc damage_whole_at(
    struct catalog *cat, const struct content *c, int64_t run, int64_t *out);

MUST_CHECK enum rc damage_any(struct catalog *cat, bool *any);

#endif
