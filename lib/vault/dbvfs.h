/*
 * SQLite over the seam to the disk: a VFS whose files are opened, read,
 * written, synced and removed through a fileops table, below one folder.
 *
 * Locks. They are the byte ranges of SQLite's own unix VFS, so that its
 * programs and this one keep apart; but they are OFD locks. Those belong to
 * the opened file, not to the process, and that is why the unix VFS is not
 * simply wrapped: POSIX locks vanish when anybody in the process closes any
 * descriptor of the file, and its way around that (a list of inodes, closing
 * late) opens files by itself. OFD and POSIX locks see each other. Locks go
 * to the kernel directly: they change nothing on the disk.
 *
 * No shared memory, hence no WAL (an immutable file in WAL format can be
 * read). No temporary files: db.c keeps those in memory, and one that SQLite
 * asks for all the same is refused.
 *
 * About the medium it promises SQLite nothing: a sector is 4,096 bytes, a
 * write that the power cuts may spoil the whole of it, and a file may grow
 * before its bytes are there.
 */
#ifndef DBVFS_H
#define DBVFS_H

#include <stdbool.h>

#include "fileops.h"
#include "rc.h"

struct dbvfs;

/*
 * Registers a VFS for the names below `dir` (lent; AT_FDCWD: absolute paths).
 * immutable: nobody writes; no locks, and no journal is looked for.
 */
MUST_CHECK enum rc dbvfs_new(
    const struct fileops *ops, int dir, bool immutable, struct dbvfs **out);

/* After the last handle is closed; NULL is fine. */
void dbvfs_free(struct dbvfs *v);

/* For sqlite3_open_v2(); lent. */
const char *dbvfs_name(const struct dbvfs *v);

/* Of the last call that failed; 0: none did. SQLite's own way to ask
 * (sqlite3_system_errno) is blind when a COMMIT fails. */
int dbvfs_errno(const struct dbvfs *v);

#endif
