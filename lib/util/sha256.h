/*
 * SHA-256 and SHA-1 for the layers that store and check files: the one door
 * to libcrypto outside TLS. A context is reused for many files, because
 * making one costs more than hashing a small file.
 */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define SHA256_LEN     32
#define SHA256_HEX_LEN 64
#define SHA1_LEN       20

struct sha256;

struct sha256 *sha256_new(void); /* NULL: no memory */
void sha256_free(struct sha256 *h);

/* Starts over; must come before the first update of each file. */
MUST_CHECK enum rc sha256_begin(struct sha256 *h);
MUST_CHECK enum rc sha256_update(
    struct sha256 *h, const void *data, size_t len);
MUST_CHECK enum rc sha256_final(struct sha256 *h, uint8_t out[SHA256_LEN]);

/* Lower-case hex and a NUL. */
void sha256_hex(const uint8_t sha[SHA256_LEN], char out[SHA256_HEX_LEN + 1]);

/* SHA-1 of short data, e.g. the id of a file in a phone's backup. */
MUST_CHECK enum rc sha1_of(const void *data, size_t len, uint8_t out[SHA1_LEN]);

#endif
