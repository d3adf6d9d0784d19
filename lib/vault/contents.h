/*
 * Inside the vault only: every content once, in an order that does not change,
 * so that a place in it can be kept from night to night: the files of latest/
 * by path, then the objects by hash.
 */
#ifndef CONTENTS_H
#define CONTENTS_H

#include "vphone.h"

enum contents_stage {
	CONTENTS_LATEST = 0,
	CONTENTS_OBJECTS = 1,
	CONTENTS_END = 2 /* a place only: all was seen */
};

/* The last content that was seen; key: its path, or its hash. */
struct contents_place {
	enum contents_stage stage;
	size_t len;
	uint8_t key[LIMIT_DL_PATH];
};

struct content {
	enum contents_stage stage;
	char rel[LIMIT_DL_PATH + 1]; /* latest: below the UDID; object: "" */
	uint64_t size;
	uint8_t digest[DIGEST_LEN];
};

typedef enum rc (*content_fn)(void *arg, const struct content *c);

/*
 * After `from`, of one snapshot or (0) of all. No statement stays open while
 * fn works. Non-zero from fn ends the walk and is returned.
 */
MUST_CHECK enum rc contents_each(struct catalog *cat,
    const struct contents_place *from, int64_t snapshot, content_fn fn,
    void *arg);

MUST_CHECK enum rc contents_total(
    struct catalog *cat, int64_t snapshot, uint64_t *files, uint64_t *bytes);

/* The place of `c` in the order. */
void contents_place_of(const struct content *c, struct contents_place *out);

/* Where it lies, below the phone's folder. */
void contents_file(const struct vault_phone *p, const struct content *c,
    char out[LAYOUT_PATH]);

/* Does the catalogue still say that this content lies there? A night beside
 * us may have moved it. */
MUST_CHECK enum rc contents_is_there(
    struct catalog *cat, const struct content *c, bool *there);

#endif
