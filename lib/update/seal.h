/* SHA-256 and Ed25519, the door to libcrypto for updates. */
#ifndef SEAL_H
#define SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define SEAL_HASH      32
#define SEAL_KEY       32 /* the public half, raw (RFC 8032) */
#define SEAL_SIGNATURE 64

struct seal_hash;

struct seal_hash *seal_hash_new(void); /* begun; NULL: no memory */
void seal_hash_free(struct seal_hash *h); /* NULL is fine */
MUST_CHECK enum rc seal_hash_begin(struct seal_hash *h);
MUST_CHECK enum rc seal_hash_add(
    struct seal_hash *h, const void *data, size_t len);
MUST_CHECK enum rc seal_hash_end(struct seal_hash *h, uint8_t out[SEAL_HASH]);

/* Has the owner of this key signed it? */
bool seal_is_signed(const void *data, size_t len,
    const uint8_t signature[SEAL_SIGNATURE], const uint8_t key[SEAL_KEY]);

#endif
