/*
 * The disks that a power cut may leave.
 *
 * A record (record.h) is followed operation by operation; at any point
 * cut_make() builds one disk that the medium may hold if the power goes there.
 * Which one is told by a number, so that each can be built again.
 *
 * What the calls promise, and what is taken from it here. Everything a file
 * system promises beyond this is not believed:
 *
 *   fsync, fdatasync of a file   its bytes and size are on the medium. Its
 *                                name is not (ext4 would, exFAT would; POSIX
 *                                does not say so).
 *   fsync of a folder            the names in it, not the folder's own name,
 *                                not what is in the files.
 *   syncfs                       all of it.
 *   no sync                      nothing: each part of it may be there or not.
 *
 * Names come in two kinds of disk:
 *
 *   journaled (ext4)   changes of names reach the medium in their order: a
 *                      first part of them is there, the rest is not. A sync
 *                      of a folder takes along all that came before.
 *   plain (exFAT)      each change of a name is there or not, whatever came
 *                      before or after; a sync of a folder is for that folder
 *                      alone. A name that came back (its removal was lost)
 *                      shows bytes that others may have overwritten since.
 *
 * A rename is one change on both, also over an existing name. (On exFAT it is
 * two writes. If only the new name reaches the medium, both show the file:
 * fsck.exfat's to mend before the mount. If only the removal does, the file is
 * lost to any program that renames; nothing here can prove otherwise.)
 * A folder whose name is lost takes along what is in it. An open file that is
 * unlinked has no name; its bytes do not matter.
 *
 * Bytes come in one kind, the worst of both: of the writes and truncations
 * since the file's last sync any are there, in any mixture of their sectors
 * (512 bytes; or pages of 4,096), so that each sector holds one of the
 * contents it has had. O_TRUNC and ftruncate() may be lost while later writes
 * are there. The size is one of those it had. What lies below the size and was
 * never written to the medium is a hole (zeros), random bytes, or what stood
 * there before a truncation: clusters are used again.
 *
 * Where the number of mixtures explodes a bounded number of random ones is
 * taken; see cut_make().
 */
#ifndef CUT_H
#define CUT_H

#include "record.h"

struct cut; /* the disk before the next operation, with what is not synced */

struct cut *cut_new(const struct record *r);
void cut_free(struct cut *c);

/* One operation further; the number of operations so far. */
void cut_step(struct cut *c);
size_t cut_at(const struct cut *c);

/* Marks that were passed: what was promised by then. */
unsigned cut_marks(const struct cut *c);

/*
 * Builds disk number `n` of this point, in memory, and returns a hash of it:
 * two with the same hash are the same disk.
 *
 *   0  all is there            2  all names and no bytes
 *   1  nothing that no sync    3  all bytes and no names
 *      covers
 *   then, for each of the first 48 changes that are not synced (newest first),
 *      only this one is lost; only this one is there; all up to it are there
 *   then random ones, seeded with the operation and `n`: journaled and plain
 *      in turn
 */
uint64_t cut_make(struct cut *c, unsigned n);

/* Numbers below this are not random; with nothing unsynced only 0 counts. */
unsigned cut_fixed(const struct cut *c);

/* Writes the disk that was made last into an empty folder. */
void cut_write(struct cut *c, const char *folder);

#endif
