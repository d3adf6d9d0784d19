/* The folder that holds the vault, and the file system that it lies on. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stdint.h>

enum disk_state {
	DISK_FIT,
	DISK_MISSING, /* no such folder: nothing is plugged in or mounted */
	DISK_READONLY, /* mounted so, or no right to write */
	DISK_UNFIT, /* a file system that can't hold a backup */
	DISK_FAILING /* the kernel reports an I/O error */
};

struct disk {
	enum disk_state state;
	char fs[16]; /* "ext4"; "" unknown */
	uint64_t total_bytes, free_bytes;
	char why[200]; /* what is wrong, in a person's words; "" when fit */
};

/*
 * Looks at `dir`. Blocks for one statfs, a second on a sleeping disk. Writes
 * nothing.
 */
void disk_probe(const char *dir, struct disk *out);

#endif
