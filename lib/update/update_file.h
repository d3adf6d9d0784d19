/*
 * An update of the firmware as one file. Until its signature is checked it is
 * hostile input: 4096 bytes are read, and nothing else of it is believed.
 *
 *      0  "nightstand-upd1\n"
 *     16  u32  parts, 1 to UPDATE_PARTS
 *     20  u32  0
 *     24  u64  build: a later one has a larger number
 *     32  board, 16 bytes, the rest of a text is zero
 *     48  version, 32 bytes
 *    128  parts, 96 bytes each: name (32), u64 size, SHA-256 (32), zero (24)
 *   4032  Ed25519 signature of the 4032 bytes before it
 *   4096  the parts' bytes, one behind the other; nothing follows them
 *
 * Numbers are little-endian; what is not named above is zero.
 */
#ifndef UPDATE_FILE_H
#define UPDATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "seal.h"

#define UPDATE_HEAD  4096
#define UPDATE_PARTS 24
/* Two slots of this size and a Pi's loader fit on the card's FAT. */
#define UPDATE_BYTES_MAX ((uint64_t)48 << 20)
#define UPDATE_NAME      32
#define UPDATE_KEYS      4

struct update_part {
	char name[UPDATE_NAME];
	uint64_t bytes;
	uint8_t sha256[SEAL_HASH];
};

struct update_head {
	uint64_t build;
	char board[16];
	char version[32];
	unsigned n_parts;
	struct update_part parts[UPDATE_PARTS];
	uint64_t bytes; /* of all parts */
};

struct update_keys {
	unsigned n;
	uint8_t keys[UPDATE_KEYS][SEAL_KEY];
};

/*
 * RC_PROTO: no update file, or not of this shape. RC_UNTRUSTED: none of these
 * keys has signed it; then no more is looked at. RC_LIMIT: too large.
 */
MUST_CHECK enum rc update_head_read(const uint8_t head[UPDATE_HEAD],
    const struct update_keys *keys, struct update_head *out);

/* Where the bytes go. What one returns ends it. */
struct update_sink {
	void *ctx;
	/* The head is genuine; may it be installed? */
	enum rc (*begin)(void *ctx, const struct update_head *head);
	enum rc (*open)(void *ctx, const struct update_part *part);
	enum rc (*write)(void *ctx, const void *data, size_t len);
	enum rc (*close)(void *ctx, const struct update_part *part);
};

/* Takes such a file as it comes, in pieces of any size. */
struct update_take {
	const struct update_keys *keys; /* lent */
	const struct update_sink *sink; /* lent */
	uint8_t raw[UPDATE_HEAD];
	struct update_head head;
	uint64_t at; /* bytes so far */
	uint64_t left; /* of the part at hand */
	unsigned part; /* its number; n_parts: all are there */
	struct seal_hash *hash;
	enum rc rc; /* the first that was not RC_OK stays */
};

/* RC_NOMEM. To be ended by update_take_end(), whatever it returns. */
MUST_CHECK enum rc update_take_begin(struct update_take *t,
    const struct update_keys *keys, const struct update_sink *sink);

/* As update_head_read(); RC_CORRUPT: a part's hash is another one; RC_PROTO:
 * there is more than the head says. */
MUST_CHECK enum rc update_take_feed(
    struct update_take *t, const uint8_t *data, size_t len);

/* RC_OK: all was there, and is what was signed. RC_PROTO: it ended early. */
MUST_CHECK enum rc update_take_end(struct update_take *t);

#endif
