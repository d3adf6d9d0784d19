/* What a probed disk means for backups, in words. */
#ifndef DISK_WORDS_H
#define DISK_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fsprobe.h"

/* The files of the largest newest backup in DIR/Nightstand; 0: there is none.
 * Opens without a lock, and blocks for the disk. */
uint64_t disk_words_files(const char *dir);

/* "This disk stores files in pieces of 128 KiB: about 20 GB of it will be lost
 * on 300,000 small files." files 0: a typical number. */
void disk_words_waste(
    const struct fsprobe *p, uint64_t files, char *out, size_t cap);

/* Is that worth saying unasked? */
bool disk_words_wasteful(const struct fsprobe *p);

/* "128 KiB", "4 GiB": sizes that are powers of two. */
void disk_words_piece(uint64_t bytes, char *out, size_t cap);

#endif
