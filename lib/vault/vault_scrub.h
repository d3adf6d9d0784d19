/*
 * Is what was stored still there? Reading finished snapshots back, on demand
 * (verify) or a bounded piece each night (scrub), and what follows from damage:
 * README.md, "Damage".
 *
 * A content is one file on the disk: of latest/ or of objects/. What several
 * snapshots share is read once. All calls block for the disk.
 */
#ifndef VAULT_SCRUB_H
#define VAULT_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "rc.h"
#include "vault.h"

enum vault_damage {
	VAULT_MISSING = 1,
	VAULT_ALTERED = 2, /* other bytes, or another length */
	VAULT_UNREADABLE = 3 /* the device gives an error */
};

/* Damaged snapshots that are named one by one; there may be more. */
#define VAULT_DAMAGE_SNAPSHOTS 64

/* One damaged file; all of it is lent. */
struct vault_damaged {
	const char *path; /* below the UDID; one of them when it has several */
	const uint8_t *digest; /* 32 bytes */
	const char *file; /* where it lies, absolute */
	enum vault_damage what;
	bool newest; /* the newest snapshot needs it: it lies in latest/ */
	int64_t found_at; /* Unix seconds */
	int64_t whole_at; /* when it was last seen whole; 0: not known */
	uint64_t n_snapshots; /* that need it; the newest ones by id: */
	int64_t snapshots[VAULT_DAMAGE_SNAPSHOTS];
};

typedef enum rc (*vault_damaged_fn)(void *arg, const struct vault_damaged *d);

/* What stands in the catalogue: found before, not healed since. In no
 * particular order. Non-zero from fn ends the walk and is returned. */
MUST_CHECK enum rc vault_each_damaged(
    struct vault_phone *p, vault_damaged_fn fn, void *arg);

struct vault_damage_sum {
	uint64_t newest; /* damaged files of the newest snapshot */
	uint64_t older; /* … that only older ones need */
	/* The phone can't be asked for just those of the newest: the next
	 * night is a full backup. */
	bool wants_full;
};
MUST_CHECK enum rc vault_damage_sum(
    struct vault_phone *p, struct vault_damage_sum *out);

/* How a check runs; zero is all right for each. */
struct vault_check_opts {
	int64_t snapshot; /* verify: this one; 0: all */
	bool quick; /* verify: places and sizes only, nothing is read */
	int64_t max_ms; /* scrub: stop after about this long; 0: no limit */
	uint64_t max_bytes; /* scrub: likewise */
	vault_progress_fn progress;
	bool (*cancelled)(void *arg); /* asked between two reads */
	vault_damaged_fn damaged; /* what this run finds, or (scrub) still is */
	void *arg; /* of these three */
};

struct vault_check_result {
	uint64_t files, bytes; /* looked at (and, unless quick, read) */
	uint64_t damaged; /* of them */
	/* scrub */
	uint64_t healed; /* made whole from another copy */
	bool all; /* a pass over everything came to its end */
	int64_t pass_began_at; /* the pass that this run was a part of */
};

/*
 * Looks at one snapshot or at all of them, and at the catalogue itself. Works
 * beside a running backup (a phone opened read_only); what is found is told,
 * and written down when the phone is open for writing.
 *
 * RC_CORRUPT    damage: opts->damaged has named each file, or the catalogue
 *               contradicts itself
 * RC_NOTFOUND   no such finished snapshot
 * RC_CANCELLED, RC_IO
 */
MUST_CHECK enum rc vault_verify(struct vault_phone *p,
    const struct vault_check_opts *opts, struct vault_check_result *out);

/*
 * Looks again at what a read-only verify has found, the phone being open for
 * writing, and writes down what is damaged indeed. Paths and hashes are those
 * of vault_damaged.
 */
struct vault_suspect {
	bool newest;
	char path[LIMIT_DL_PATH + 1];
	uint8_t digest[32];
};
MUST_CHECK enum rc vault_note_damage(
    struct vault_phone *p, const struct vault_suspect *list, size_t n);

/*
 * Reads on where the last call stopped, for as long as the budget says, and at
 * most everything once; then heals what can be healed from another copy of the
 * same content. The phone is open for writing, no night runs. May be killed at
 * any moment: at most the last half minute is read again.
 *
 * RC_CORRUPT    damage is left: opts->damaged has named each file
 * RC_CANCELLED  what was done so far counts
 * RC_IO         the disk is gone, or fails too often to be told file by file
 */
MUST_CHECK enum rc vault_scrub(struct vault_phone *p,
    const struct vault_check_opts *opts, struct vault_check_result *out);

#endif
