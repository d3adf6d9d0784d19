/*
 * Reads files back from the medium and compares their hash. The page cache
 * is passed by (O_DIRECT), else only our memory would be checked; the caller
 * has synced the files.
 *
 * Up to 64 files, or two pieces of a large one, are asked for at a time (readq.h)
 * into 2 MiB of memory: a disk that gets one read of 4 KiB after the other is
 * idle most of the time, and so many sleeps cost more than the reads.
 *
 * A file system that can't do that reads through the page cache: what it holds
 * is thrown out first, and small files are handed to the kernel's read-ahead a
 * window at a time.
 */
#ifndef READBACK_H
#define READBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "fileops.h"
#include "layout.h"
#include "rc.h"

struct readback;

struct readback_item {
	char path[LAYOUT_PATH]; /* below the folder given to readback_new() */
	uint64_t size;
	bool is_quick; /* compared by `quick` (quickhash.h), else by digest */
	uint64_t quick;
	uint8_t digest[32];
	uint32_t tag; /* the caller's */
};

/* RC_OK: as it was. RC_CORRUPT: other bytes or another length. RC_NOTFOUND:
 * gone. RC_IO: unreadable. Non-zero ends the work: all later calls return it. */
typedef enum rc (*readback_fn)(
    void *arg, const struct readback_item *item, enum rc rc);

struct readback *readback_new(
    const struct fileops *ops, int dir, readback_fn fn, void *arg);
void readback_free(struct readback *rb); /* NULL is fine */

/* Asked for each piece of at most 1 MiB; once it is true, files end in
 * RC_CANCELLED. What is under way then, 2 MiB at most, is still waited for. */
void readback_set_cancel(
    struct readback *rb, bool (*cancel)(void *arg), void *arg);

/* `item` is copied. fn is called for it now or later, in order. */
MUST_CHECK enum rc readback_add(
    struct readback *rb, const struct readback_item *item);
/* The rest. */
MUST_CHECK enum rc readback_flush(struct readback *rb);

#endif
