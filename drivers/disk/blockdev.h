/*
 * The block devices of the machine, and what lies on each: names and sizes
 * from the kernel, file systems by libblkid. Reads only. What a disk says of
 * itself is bounded and printable, and otherwise not to be trusted.
 */
#ifndef BLOCKDEV_H
#define BLOCKDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"

#define BLOCKDEV_MAX 64

struct blockdev {
	char name[32]; /* "sda1": /dev/sda1 */
	char disk[32]; /* the whole one that it is a part of: "sda" */
	bool is_part, has_parts;
	bool is_usb; /* comes over USB */
	bool is_readonly; /* a switch, or the kernel's word */
	uint64_t bytes;
	char model[48]; /* of the disk, "" unknown */
};

struct blockdev_list {
	unsigned n;
	struct blockdev devs[BLOCKDEV_MAX];
};

/* What libblkid makes of it. */
struct blockdev_content {
	char type[24]; /* "ext4", "vfat", "crypto_LUKS"; "" none found */
	char label[64], uuid[48];
	char table[16]; /* "dos", "gpt": a table of partitions; "" none */
	bool is_ambiguous; /* several at once: nobody should touch it */
};

/* Disks and their partitions that hold bytes; no loops and RAM disks. `sys`
 * is "/sys", or a folder of that shape. RC_LIMIT: there were more. */
MUST_CHECK enum rc blockdev_list(const char *sys, struct blockdev_list *out);

/* Blocks for some reads; RC_IO: it can't be read. */
MUST_CHECK enum rc blockdev_look(
    const char *path, struct blockdev_content *out);

/* Every place that was looked at holds zeroes: the first and the last 16 MiB
 * and a thousand places between. Some seconds on a slow disk. */
MUST_CHECK enum rc blockdev_is_blank(const char *path, bool *out);

#endif
