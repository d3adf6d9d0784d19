/*
 * The few primitives that backups stand on, over OpenSSL. Facts: PBKDF2, RFC
 * 3394 key wrap, AES-256-CBC with IV 0 and PKCS#7 are what the recorded
 * backups use (design/protocols.md 6.7).
 */
#ifndef CIPHER_H
#define CIPHER_H

#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY     32
#define CIPHER_WRAPPED 40 /* a key wrapped with RFC 3394 */
#define CIPHER_BLOCK   16
#define CIPHER_SHA1    20
#define CIPHER_SHA256  32

/* A hash that is used again and again; one thread. */
struct cipher_hash;
struct cipher_hash *cipher_hash_new(size_t digest_len); /* of the two above */
int cipher_hash_add(struct cipher_hash *h, const void *d, size_t n);
int cipher_hash_end(struct cipher_hash *h, uint8_t *out); /* and starts anew */
void cipher_hash_free(struct cipher_hash *h);

void cipher_hex(const uint8_t *d, size_t n, char *out); /* 2 n digits and 0 */
int cipher_unhex(const char *s, uint8_t *out, size_t n); /* lower case only */

/* 0 or -1; unwrap: -1 too when the key does not fit. */
int cipher_wrap(const uint8_t kek[CIPHER_KEY], const uint8_t key[CIPHER_KEY],
    uint8_t out[CIPHER_WRAPPED]);
int cipher_unwrap(const uint8_t kek[CIPHER_KEY],
    const uint8_t in[CIPHER_WRAPPED], uint8_t out[CIPHER_KEY]);

/* The two derivations of a backup's password, one after the other; dpic 0:
 * the second alone, as before iOS 10.2. */
struct cipher_rounds {
	const uint8_t *dpsl, *salt;
	size_t dpsl_len, salt_len;
	uint32_t dpic, iter;
};
int cipher_password(
    const char *pw, const struct cipher_rounds *r, uint8_t out[CIPHER_KEY]);

int cipher_x25519_public(const uint8_t key[32], uint8_t out[32]);

/* AES-256-CBC, IV 0. out of _step has room for n + 16 bytes, of _end for 16;
 * both return the bytes written or -1 (bad padding). in may equal out when
 * whole blocks are encrypted. */
struct cipher_cbc;
struct cipher_cbc *cipher_cbc_new(const uint8_t key[CIPHER_KEY], int encrypt);
long cipher_cbc_step(struct cipher_cbc *x, const void *in, size_t n, void *out);
long cipher_cbc_end(struct cipher_cbc *x, void *out);
void cipher_cbc_free(struct cipher_cbc *x);

#endif
