/*
 * The rows of an unencrypted Manifest.db, read without a trace: opened
 * immutable, so that no -wal or -shm appears in the backup (real ones are in
 * WAL format, and a program that opens them plainly litters the folder).
 * A trailing PKCS#7 block of a decrypted one is tolerated: SQLite looks at
 * whole pages only.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "fileops.h"
#include "mbfile.h"
#include "rc.h"

enum {
	MANIFEST_FILE = 1,
	MANIFEST_DIR = 2,
	MANIFEST_LINK = 4
};

struct manifest_row {
	char file_id[41]; /* lower-case hex, checked */
	const char *domain, *path; /* lent */
	int64_t flags; /* MANIFEST_FILE, … */
	bool id_matches; /* file_id is SHA-1(domain-path), as on all phones */
	struct mbfile file;
};

/*
 * fn for each row, in the order of the table. Runs SQLite's quick check
 * first; `path` is below `dir`. RC_CORRUPT: not a database, or a row that cannot be read.
 */
MUST_CHECK enum rc manifest_each(const struct fileops *ops, int dir,
    const char *path, enum rc (*fn)(void *arg, const struct manifest_row *row),
    void *arg);

#endif
