/*
 * What a file of the vault is known by: its BLAKE3 hash, 32 bytes (the door to
 * BLAKE3's C code; `b3sum` prints the same). It is as hard to forge as SHA-256
 * and costs a fraction of it where the processor has no instructions for SHA,
 * as on a Raspberry Pi 3 or 4, and also where it has them.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_LEN     32
#define DIGEST_HEX_LEN 64

struct digest;

struct digest *digest_new(void); /* NULL: no memory */
void digest_free(struct digest *d); /* NULL is fine */

/* Starts over; must come before the first update of each file. */
void digest_begin(struct digest *d);
/* Pieces of 64 KiB and more are fastest: 16 KiB are hashed side by side. */
void digest_update(struct digest *d, const void *data, size_t len);
void digest_final(const struct digest *d, uint8_t out[DIGEST_LEN]);

/* Lower-case hex and a NUL. */
void digest_hex(const uint8_t digest[DIGEST_LEN], char out[DIGEST_HEX_LEN + 1]);

#endif
