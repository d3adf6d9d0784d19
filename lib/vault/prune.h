/*
 * Inside the vault only: dropping snapshots (V8).
 *
 * Order: 1. one transaction a snapshot: its row says `pruned`, the entries
 * that no kept snapshot needs go, the objects that no entry needs any more
 * are written down in `doomed`. 2. The objects are unlinked, each after
 * another look whether an entry needs it. 3. A sync, then `doomed` is emptied.
 * A cut between two of these leaves objects that are too many, never one too
 * few, and their names: the next open goes on.
 *
 * A pruned snapshot's row stays: ids are never given again, and its sums are
 * the history of the phone.
 */
#ifndef PRUNE_H
#define PRUNE_H

#include "vault_keep.h"
#include "vphone.h"

#define PRUNE_SNAPSHOTS 16384 /* that are looked at; 40 years of nights */

/* prune_plan.c: who goes, and what that frees. */
struct prune_plan {
	struct vault_fate *fates; /* newest first */
	struct retention_item *items; /* likewise */
	size_t n, cap;
	uint64_t cluster; /* bytes that the smallest file takes */
};

/* Fills the plan and job's sums; changes nothing on the disk. The caller frees
 * it, also after a failure. No transaction is open. */
MUST_CHECK enum rc prune_plan_make(
    struct prune_plan *plan, struct vault_phone *p, struct vault_prune *job);
void prune_plan_free(struct prune_plan *plan);

/* Free bytes of the disk, and all. */
MUST_CHECK enum rc prune_room(
    struct vault_phone *p, uint64_t *free_bytes, uint64_t *total);

/* After a power cut: unlinks what was written down. Failure costs room only
 * and is logged. */
void prune_resume(struct vault_phone *p);

/* For a phone that asks for `want` bytes in the middle of its night. */
MUST_CHECK enum rc prune_for_room(struct vault_phone *p, uint64_t want);

#endif
