/*
 * What lies below a folder of the vault, as the disk tells it: for those who
 * compare the disk with the catalogue. Memory for one folder a level, however
 * many files there are. Symbolic links are not followed.
 */
#ifndef DISKWALK_H
#define DISKWALK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "fileops.h"
#include "layout.h"
#include "rc.h"

/* Deeper ones are told and not entered; ours are three deep. */
#define DISKWALK_DEPTH 24

/*
 * `rel` is below the folder that is walked, `name` its last part, `depth` 0
 * for what lies in that folder itself. A folder comes before what is in it:
 * RC_NOTDIR from fn passes over it. Any other code ends the walk.
 */
typedef enum rc (*diskwalk_fn)(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st);

/*
 * Walks `path` below descriptor `dir`, in the order of the disk. Names that
 * are longer than LIMIT_DL_PATH with their folders are passed over: none of
 * ours is. RC_NOTFOUND: there is no such folder.
 */
MUST_CHECK enum rc diskwalk(const struct fileops *ops, int dir,
    const char *path, diskwalk_fn fn, void *arg);

/* What a Mac or a PC leaves on a disk that it looked at, or no file at all. */
bool diskwalk_is_foreign(const char *name, const struct stat *st);

#endif
