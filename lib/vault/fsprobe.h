/*
 * What a file system can do, tried out and not guessed from its name (V6): a
 * folder `.nightstand-probe` is made, used and removed again. Should the power
 * go in between, the next probe of the same place sweeps it.
 *
 * Nothing of it is remembered on the disk: a vault may be copied to another
 * one, and a probe costs a few milliseconds and no sync.
 */
#ifndef FSPROBE_H
#define FSPROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"

struct fsprobe {
	char why[256]; /* why it can't hold a vault, and what helps; "" fit */
	bool read_only;
	uint64_t largest_file; /* bytes; what the kernel would let it grow to */
	bool rename_over; /* a file replaces a file (needed) */
	bool rename_folder_over; /* a folder replaces an empty one */
	bool long_names; /* 200 bytes */
	bool case_sensitive;
	bool direct; /* reads past the page cache */
	bool syncs; /* tried with FSPROBE_SYNC only */
	uint32_t sync_ms; /* likewise */
	uint32_t piece_bytes; /* what a file of 1 byte takes */
	uint32_t
	    time_step_ns; /* steps of a file's time; 2,000,000,000 is FAT */
	uint64_t total_bytes, free_bytes;
	uint64_t total_files, free_files; /* 0: no fixed number */
	char fs[24]; /* for people: "ext4", "exfat (FUSE)"; "" unknown */
	uint32_t took_ms;
};

enum {
	FSPROBE_SYNC = 1 /* may take as long as the disk has to write */
};

/*
 * `dir` is the disk's folder, DIR of vault_open(); DIR/Nightstand is taken
 * where it is there. Blocks for the disk.
 *
 * RC_OK fit · RC_NOTFOUND no such folder · RC_READONLY, RC_UNSUPPORTED,
 * RC_NOSPC, RC_IO: why tells. What could be seen is in *out in any case.
 */
MUST_CHECK enum rc fsprobe(
    const char *dir, unsigned flags, struct fsprobe *out);

#define FSPROBE_TYPICAL_FILES 300000

/*
 * Bytes that will be lost because each file ends in the middle of a piece:
 * half a piece a file, and a piece for each of the 256 folders.
 */
uint64_t fsprobe_waste(const struct fsprobe *p, uint64_t files);

#endif
