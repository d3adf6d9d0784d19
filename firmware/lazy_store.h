/*
 * A store that opens the vault while the phone is already being asked: the
 * passcode prompt must not wait for a sleeping disk. The first use waits until
 * the vault is open.
 */
#ifndef LAZY_STORE_H
#define LAZY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"
#include "store.h"
#include "vault.h"
#include "vault_keep.h"

struct lazy_store;

struct lazy_store_opts {
	const char *dir, *udid; /* copied */
	const char *state_dir; /* copied; "" none: no copies of catalogues */
	bool fresh;
	bool mounted; /* a disk is mounted at `dir`, else it is no place */
	uint64_t reserve_bytes; /* at most 1/50 of the disk is kept free */
	int lock_wait_s; /* while another process holds the phone */
	struct vault_keep keep;
};

/* Begins to open, on a thread of its own. */
MUST_CHECK enum rc lazy_store_begin(
    const struct lazy_store_opts *opts, struct lazy_store **out);

/* What the engine is given; lent. Its calls fail with the code of the opening
 * when that failed. */
const struct store *lazy_store_store(struct lazy_store *l);

/* True once the opening has failed; never blocks. */
bool lazy_store_has_failed(struct lazy_store *l);

/* Waits for the opening and tells how it went. */
MUST_CHECK enum rc lazy_store_wait(struct lazy_store *l);

/* After a bad wait: why, in a person's words; lent. Also for a code that the
 * store broke off with later. */
const char *lazy_store_why(struct lazy_store *l, enum rc rc);

/* After a wait: the vault, NULL when that could not be opened; lent. */
const struct vault *lazy_store_vault(const struct lazy_store *l);

/* After a good wait. The night is given to the caller with take. */
struct vault_phone *lazy_store_phone(struct lazy_store *l);
struct vault_night *lazy_store_take_night(struct lazy_store *l);
bool lazy_store_resumed(const struct lazy_store *l);

/* Closes all that was not taken; a night is kept. NULL is fine. */
void lazy_store_end(struct lazy_store *l);

#endif
