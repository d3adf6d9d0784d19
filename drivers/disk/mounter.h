/* File systems that the box checks, makes and mounts by itself (the image). */
#ifndef MOUNTER_H
#define MOUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"

/* Can the box check and mount it? "ext4", "exfat". */
bool mounter_knows(const char *type);

/*
 * Checks an unmounted one and mends what can be mended without a choice.
 * Blocks, minutes on a large disk. RC_CORRUPT: more is broken than that.
 */
MUST_CHECK enum rc mounter_check(const char *path, const char *type);

/* Mends all of an ext4 that can be mended, whatever files that costs: for the box's own
 * partition only. RC_CORRUPT: it is beyond that. */
MUST_CHECK enum rc mounter_mend(const char *path);

/* Makes a new ext4. Everything that was there is gone. */
MUST_CHECK enum rc mounter_make(const char *path, const char *label);
/* … of the first `kib` KiB, with that UUID. */
MUST_CHECK enum rc mounter_make_part(
    const char *path, const char *label, const char *uuid, uint64_t kib);

/*
 * Mounts it at `dir`, which is made; nothing on it can be run or be a
 * device, and its first error makes it read-only.
 */
MUST_CHECK enum rc mounter_mount(
    const char *path, const char *dir, const char *type);

/* Mounts a FAT; when it may be written, what is written is on it at once. */
MUST_CHECK enum rc mounter_mount_fat(
    const char *path, const char *dir, bool writable);

/* Mounts a FAT to write much to it: only fsync() and syncfs() bring it there. Its
 * files are `owner`'s. */
MUST_CHECK enum rc mounter_mount_fat_lazy(
    const char *path, const char *dir, unsigned owner);

/* Away with it, also when its disk is gone or files on it are open; then
 * `dir` is removed. */
void mounter_leave(const char *dir);

#endif
