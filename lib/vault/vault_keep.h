/*
 * What a phone's vault keeps and what it lets go: retention rules, pruning,
 * and the guard that notices when a night lost much of what the one before
 * had.
 *
 * Pruning never touches the two newest good snapshots, a pinned one, anything
 * that a kept snapshot needs, or anything at all while a commit is under way.
 */
#ifndef VAULT_KEEP_H
#define VAULT_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"
#include "retention.h"
#include "vault.h"

struct vault_keep {
	struct retention_rules rules;
	/*
	 * Room that is kept free on the disk by letting go of the oldest
	 * snapshots that the rules keep: the larger of the two, but no more
	 * than a tenth of the disk. Both 0: never, not even when a phone asks
	 * for room.
	 */
	uint64_t floor_bytes;
	int floor_pct; /* of the disk */
	/* A snapshot that lost loss_pct of its files (or of one domain's), and
	 * loss_files at least, pins the one before. loss_pct 0: none does. */
	int loss_pct, loss_files;
};

/* Copied. Without it nothing is dropped and nothing noticed. */
void vault_phone_set_keep(struct vault_phone *p, const struct vault_keep *keep);

struct vault_fate {
	struct vault_snapshot snap;
	unsigned why; /* set of enum retention_why */
	bool dropped;
	bool for_room; /* dropped although a rule keeps it */
	uint64_t frees; /* bytes of the disk, about; 0 when kept */
};

struct vault_prune {
	bool dry_run; /* in: decide only; may be read only, beside a night */
	uint64_t want; /* in: bytes to be freed; 0: what the floor lacks */
	/* out */
	uint64_t kept, dropped, for_room;
	uint64_t frees; /* bytes that dropping frees, about */
	uint64_t freed; /* bytes of files that were unlinked */
	uint64_t missing; /* of what was wanted; 0: all is there */
};

/*
 * Decides, drops, unlinks; then calls `fn` (may be NULL) for each snapshot,
 * newest first. Snapshots that a rule keeps are dropped only where that
 * reaches what is wanted: none goes for nothing. May be called while a night
 * is open: what it received so far is made durable first.
 *
 * RC_READONLY without dry_run on a phone opened so · RC_BUSY a commit waits
 * RC_NOSPC not even SQLite's journal fits; nothing has changed
 */
MUST_CHECK enum rc vault_prune(struct vault_phone *p, struct vault_prune *job,
    enum rc (*fn)(void *arg, const struct vault_fate *f), void *arg);

/* Before a night: the floor, and room for what the smaller of the last two
 * nights brought (one large night says nothing of the next). Failure is only
 * logged. */
void vault_make_room(struct vault_phone *p);

/* What the guard noticed and nobody has dismissed. */
struct vault_loss {
	int64_t snapshot, before; /* the one that lost, the pinned one */
	int64_t before_at; /* Unix seconds */
	char domain[128]; /* of Manifest.db; "" all files */
	uint64_t was, lost; /* files */
};

/* The newest; RC_NOTFOUND when there is none. */
MUST_CHECK enum rc vault_newest_loss(
    struct vault_phone *p, struct vault_loss *out);

/*
 * A person has seen it: forgets all losses. `unpin` also gives all pinned
 * snapshots back to the rules. *losses, *pins: how many.
 */
MUST_CHECK enum rc vault_dismiss(
    struct vault_phone *p, bool unpin, uint64_t *losses, uint64_t *pins);

#endif
