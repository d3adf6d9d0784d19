/*
 * The `file` column of Manifest.db: an MBFile in an NSKeyedArchiver binary
 * plist. Shape, key order and object order are those of 3,721 rows of a real
 * iOS 14.3 phone (evidence/backup.md 5; design/protocols.md 6.4).
 */
#ifndef MBFILE_H
#define MBFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MBFILE_KEY    44 /* class as u32 LE, then the wrapped key */
#define MBFILE_DIGEST 20

struct mbfile {
	const char *path; /* write only: UTF-8 */
	const char *target; /* of a link, or NULL */
	uint64_t size, inode;
	int64_t mtime, ctime, birth;
	int64_t uid, gid;
	uint32_t mode;
	int pclass, flags;
	const uint8_t *key; /* MBFILE_KEY bytes or NULL */
	const uint8_t *digest; /* MBFILE_DIGEST bytes or NULL */
	const uint8_t *xattrs; /* a binary plist or NULL */
	size_t xattrs_len;
};

/* Bytes written, or 0 when cap does not suffice or a string is not UTF-8. */
size_t mbfile_write(const struct mbfile *m, uint8_t *buf, size_t cap);

/*
 * Reads what a host hands over: every offset and length is checked, nothing
 * recursive. key and digest point into blob, target into `strings` (UTF-8,
 * of cap bytes). 0 or -1.
 */
int mbfile_read(const uint8_t *blob, size_t n, struct mbfile *out,
    char *strings, size_t cap);

#endif
