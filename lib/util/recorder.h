/*
 * A flight recorder: the tail of a log in memory that a reset leaves as it is,
 * for whoever starts next. After a cut of the power there is noise in it, and
 * some memory loses bits in any reset: a reader believes only what its check
 * fits.
 *
 * The memory has two halves, written by turns, so that a reset in the middle
 * of a write leaves the one before. A half, in words of 8 bytes of this
 * machine's order:
 *
 *   mark "NiteTail" | serial, the higher is the newer | bytes of text |
 *   the first 8 bytes of BLAKE3 over serial, length and text | the text
 *
 * Only whole words are read and written: memory that is mapped as a device's
 * takes nothing else.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define RECORDER_TEXT (24 * 1024) /* bytes that it takes at most */

struct recorder {
	volatile uint64_t *words; /* lent; NULL: there is none */
	size_t half; /* words of one half */
	uint64_t serial; /* of what was written last; 0: nothing yet */
};

/* `len` bytes at `words` are its memory from now on; what stands there stays.
 * RC_LIMIT: too small for any text. */
MUST_CHECK enum rc recorder_open(
    struct recorder *r, volatile uint64_t *words, size_t len);

/* The newest text that is whole, its bytes as they were written; `out` has
 * RECORDER_TEXT. RC_NOTFOUND: none, not even an empty one. */
MUST_CHECK enum rc recorder_read(
    const struct recorder *r, char *out, size_t *len);

/* The end of the text, as much as there is room for. RC_NOMEM: nothing has
 * changed. */
MUST_CHECK enum rc recorder_write(
    struct recorder *r, const char *text, size_t len);

/* From now on there is nothing in it. */
void recorder_clear(struct recorder *r);

#endif
