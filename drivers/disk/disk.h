/* The folder that holds the vault, and the file system that it lies on. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

enum disk_state {
	DISK_FIT,
	DISK_MISSING, /* no such folder: nothing is plugged in or mounted */
	DISK_READONLY, /* mounted so, or no right to write */
	DISK_UNFIT, /* a file system that can't hold a backup */
	DISK_FAILING, /* the kernel reports an I/O error */
	DISK_LOCKED, /* encrypted, and its password is not known */
	DISK_EJECTED, /* a person asked for that */
	DISK_HELD, /* a person asked for that, and something else uses it */
	DISK_STATE_COUNT_
};

struct disk {
	enum disk_state state;
	char fs[16]; /* "ext4"; "" unknown */
	uint64_t total_bytes, free_bytes;
	uint64_t dev; /* of the file system; another disk has another one */
	char why[200]; /* what is wrong, in a person's words; "" when fit */
};

/*
 * Looks at `dir`. Blocks for one statfs, a second on a sleeping disk. Writes
 * nothing.
 */
void disk_probe(const char *dir, struct disk *out);

/* Is a file system mounted right there. */
bool disk_is_mount_point(const char *dir);

/*
 * Everything that was written there is on the medium, and if `dir` is where a
 * file system is mounted, it is no more. Blocks until it is written.
 *
 * RC_OK        it is away: the disk may be unplugged
 * RC_NOTFOUND  written; `dir` is a folder of a larger file system, which stays
 * RC_READONLY  written; we have no right to take it away
 * RC_BUSY      written; somebody else uses it: `who` names one, or is ""
 * RC_IO        not all could be written
 */
MUST_CHECK enum rc disk_leave(const char *dir, char *who, size_t cap);

#endif
