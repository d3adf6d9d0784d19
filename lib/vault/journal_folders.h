/*
 * The commit's short way: a folder ab/ that is new to the phone, and whose
 * staged files all lie in incoming/ab/ under their final names, is moved as a
 * whole. A first backup then renames 256 folders instead of 300,000 files.
 */
#ifndef JOURNAL_FOLDERS_H
#define JOURNAL_FOLDERS_H

#include "catalog.h"
#include "vphone.h"

/* move.what of such a folder: its path, and its files' number as the size. */
#define JOURNAL_PLACE_DIR 5

/* In the commit's transaction, before the rows of single files. */
MUST_CHECK enum rc journal_folders_write(struct db *db);

/* Renames incoming/ab to the empty folder latest/<UDID>/ab when it holds
 * `files` names, no more and no less. *moved false: it is to be done file by
 * file (also because it was done before a power cut). */
MUST_CHECK enum rc journal_folder_rename(
    struct vault_phone *p, const char *rel, uint64_t files, bool *moved);

/* fn for each file of the folder that snapshot `id` brought. RC_CORRUPT: not
 * the name of such a folder. */
typedef enum rc (*journal_file_fn)(void *arg, const char *rel, uint64_t size,
    const struct layout_place *place);
MUST_CHECK enum rc journal_folder_each(struct vault_phone *p, const char *rel,
    int64_t id, journal_file_fn fn, void *arg);

#endif
