/*
 * A disk becomes an ext4, with the power going at any moment. Before the first
 * byte of it changes, a random id is kept in the box's own folder, then as a
 * mark in the disk's last MiB, which the file system leaves out. A disk whose
 * mark is the kept one, with nothing of anybody else's on it, was being
 * prepared by this box, and may be prepared again.
 */
#ifndef PREPARE_H
#define PREPARE_H

#include "blockdev.h"
#include "rc.h"

#define PREPARE_ID 37 /* a UUID as text, with its end */

enum prepare_mark {
	PREPARE_NONE, /* no mark, or somebody has used the disk since */
	PREPARE_FOREIGN, /* cut short, and this box does not know of it */
	PREPARE_OURS, /* cut short, and it may be begun again */
};

/*
 * Makes an ext4 of all of it; what was there is gone. Blocks, seconds to
 * minutes. RC_BUSY: it is mounted, nothing has changed. Else it is to be begun
 * again. A `state` that can't be written to costs only that.
 */
MUST_CHECK enum rc prepare_disk(
    const char *path, const char *label, const char *state);

/* What is to be thought of a disk that `c` was found on. One or two reads; one
 * that can't be read has no mark. */
enum prepare_mark prepare_look(
    const char *path, const struct blockdev_content *c, const char *state);

/* --- its steps, for tests that cut between and within them ----------------------- */

/* The mark, and zeroes over the first and the last MiB. */
MUST_CHECK enum rc prepare_begin(
    const char *path, const char *state, char id[PREPARE_ID]);
MUST_CHECK enum rc prepare_make(
    const char *path, const char *label, const char *id);
/* The mark goes; the file system counts from here on. */
MUST_CHECK enum rc prepare_end(const char *path, const char *state);

#endif
