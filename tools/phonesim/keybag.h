/*
 * The key bag in Manifest.plist: class keys, wrapped with a key that comes
 * from the backup's password. Layout: design/protocols.md 6.7; a real bag of
 * iTunes 9.x is in evidence/backup.md.
 */
#ifndef KEYBAG_H
#define KEYBAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cipher.h"

#define KEYBAG_CLASSES   11
#define KEYBAG_BYTES     4096 /* a written bag is smaller */
#define KEYBAG_DPIC      10000000u
#define KEYBAG_ITER      10000u
#define KEYBAG_MAX_SALT  64
#define KEYBAG_MAX_ITERS 20000000u /* a host must not keep the phone busy */

struct keybag_class {
	uint32_t clas, wrap, ktyp;
	uint8_t uuid[16], wpky[CIPHER_WRAPPED], pbky[32];
	bool has_wpky, has_pbky;
	uint8_t key[CIPHER_KEY]; /* when the bag is open */
};

struct keybag {
	uint32_t vers, type, wrap, dpwt, dpic, iter;
	uint8_t uuid[16], hmck[CIPHER_WRAPPED];
	uint8_t salt[KEYBAG_MAX_SALT], dpsl[KEYBAG_MAX_SALT];
	size_t salt_len, dpsl_len;
	struct keybag_class classes[KEYBAG_CLASSES];
	unsigned n;
	bool open;
};

/* A new bag whose random parts all come from `secret`, sealed with pw. pw
 * NULL: sealed with a key that nobody knows, as in plain backups. 0 or -1. */
int keybag_make(struct keybag *b, const uint8_t secret[CIPHER_KEY],
    const char *pw, uint32_t dpic, uint32_t iter);

/* Bytes written, or 0. */
size_t keybag_write(const struct keybag *b, uint8_t *buf, size_t cap);

/* Reads what a host hands over. 0 or -1. */
int keybag_read(struct keybag *b, const uint8_t *d, size_t n);

/* Fills the class keys. 0, or -1 when the password does not fit. */
int keybag_unlock(struct keybag *b, const char *pw);

/* The key of a class, NULL when there is none or the bag is shut. */
const uint8_t *keybag_key(const struct keybag *b, uint32_t clas);

/* A key with its class in front, as in EncryptionKey and ManifestKey. */
#define KEYBAG_CLASSED (4 + CIPHER_WRAPPED)
int keybag_wrap(const struct keybag *b, uint32_t clas,
    const uint8_t key[CIPHER_KEY], uint8_t out[KEYBAG_CLASSED]);
int keybag_unwrap(const struct keybag *b, const uint8_t in[KEYBAG_CLASSED],
    uint8_t key[CIPHER_KEY]);

#endif
