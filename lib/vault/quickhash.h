/*
 * A fast hash (XXH3, 64 bits; the door to libxxhash): is what the medium gives
 * back what was written a moment ago? It finds accidents, not forgers: what a
 * file is known by for good is its BLAKE3 digest (V5), which was computed from
 * the same bytes as they arrived. On a small ARM processor this one costs a
 * tenth of that.
 */
#ifndef QUICKHASH_H
#define QUICKHASH_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

struct quickhash;

struct quickhash *quickhash_new(void);
void quickhash_free(struct quickhash *q); /* NULL is fine */
void quickhash_begin(struct quickhash *q);
void quickhash_update(struct quickhash *q, const void *data, size_t len);
uint64_t quickhash_final(struct quickhash *q);

#endif
