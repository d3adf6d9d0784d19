/*
 * The key bag of an encrypted backup (`BackupKeyBag` of Manifest.plist;
 * protocols: 6.7): is this the password that the backup was made with? No key
 * leaves this file. Checked with the vectors of the protocol page and with
 * phonesim's bags, which share no code with it.
 */
#ifndef KEYBAG_H
#define KEYBAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define KEYBAG_MAX      (64u << 10) /* bytes; real ones: under 2 KB */
#define KEYBAG_SALT_MAX 64
#define KEYBAG_WRAPPED  40 /* RFC 3394: a key of 32 bytes */
/* Real ones: 10,000,000 and 10,000. More than this is no phone's. */
#define KEYBAG_ITERS_MAX 50000000u

struct keybag {
	uint8_t salt[KEYBAG_SALT_MAX], first_salt[KEYBAG_SALT_MAX];
	size_t salt_len, first_salt_len; /* first: 0 before iOS 10.2 */
	uint32_t iters, first_iters;
	uint8_t wrapped[KEYBAG_WRAPPED]; /* a class key under the password */
};

/* RC_CORRUPT: no key bag, or none with a key under a password. RC_LIMIT: it
 * asks for more work than any phone's. */
MUST_CHECK enum rc keybag_read(
    const void *data, size_t len, struct keybag *out);

/*
 * Blocks: 10 million rounds of SHA-256 are 15 s on a Pi 4, 3 s on a PC.
 *
 * RC_OK it is the password · RC_REFUSED it is another · RC_NOMEM
 */
MUST_CHECK enum rc keybag_try(const struct keybag *bag, const char *password);

#endif
