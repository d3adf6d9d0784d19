/*
 * Inside the vault only: healing a damaged content from another copy of it:
 * another path of latest/, or an object of the same hash. A copy is written
 * beside its place, synced, read back from the medium and only then renamed
 * over the damaged file; that one is dropped, since its bytes are known to be
 * wrong and the right ones have just been proved.
 */
#ifndef HEAL_H
#define HEAL_H

#include "damage.h"

/* Tries each of the rows; *healed counts those that are whole now and whose
 * row is gone. Failure to heal one is no failure. RC_IO, RC_NOSPC: the disk
 * does not take copies. */
MUST_CHECK enum rc heal_rows(struct vault_phone *p,
    const struct damage_row *rows, size_t n, uint64_t *healed);

/* What a power cut left of a copy. */
void heal_sweep(struct vault_phone *p);

#endif
