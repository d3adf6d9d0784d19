/*
 * Numbers from a seed: small random numbers, and the bytes of files that
 * nobody has to store. Same seed, same bytes, on every machine.
 */
#ifndef CONTENT_BYTES_H
#define CONTENT_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* One well-mixed number for a pair; any change of a or b changes it. */
uint64_t content_mix(uint64_t a, uint64_t b);

struct content_rng {
	uint64_t state;
};
uint64_t content_rng_next(struct content_rng *r);
/* 0 … n - 1; n > 0. */
uint64_t content_rng_below(struct content_rng *r, uint64_t n);

/* The stream of a file's version; each piece can be made alone. */
uint64_t content_bytes_key(uint64_t phone, uint64_t item, uint32_t version);
void content_bytes_fill(uint64_t key, uint64_t offset, void *buf, size_t n);

#endif
