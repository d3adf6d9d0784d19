/*
 * One `file` blob of a phone's Manifest.db: an NSKeyedArchiver property list
 * with one MBFile object (seen on iOS 14.3; README.md names the evidence).
 * Read in place, without memory of its own; any bytes may be handed in.
 */
#ifndef MBFILE_H
#define MBFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

struct mbfile {
	int64_t size; /* plain bytes */
	int64_t mode; /* with S_IFMT bits */
	int64_t uid, gid; /* -2 occurs */
	int64_t mtime;
	int64_t protection_class;
	bool has_digest;
	uint8_t digest[20]; /* SHA-1 of the content; 44 % of files have one */
	bool has_key;
	uint32_t key_class; /* of EncryptionKey: its first four bytes, LE */
};

/* RC_CORRUPT: not an MBFile; *out is undefined. */
MUST_CHECK enum rc mbfile_parse(
    const void *blob, size_t len, struct mbfile *out);

#endif
