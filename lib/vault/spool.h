/*
 * Large files go to the disk past the page cache, written by a thread of their
 * own while the next bytes are received and hashed. A night's photos are not
 * read again soon (and when they are, it is to see what the medium holds), so
 * pages for them would only be filled, flushed and dropped.
 *
 * One file at a time. Nothing is durable before the sync at a checkpoint, as
 * for every staged file (V1).
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "fileops.h"
#include "rc.h"

struct spool;

/* NULL: no memory or no thread; files are then written the plain way. */
struct spool *spool_new(const struct fileops *ops);
void spool_free(struct spool *s); /* NULL is fine; no file may be open */

/* A new file, `fd` lent until spool_end(). False: not on this file system. */
bool spool_begin(struct spool *s, int fd);

/* Copies; waits while all buffers are full. The first failed write of this
 * file is returned from then on. */
MUST_CHECK enum rc spool_write(struct spool *s, const void *data, size_t len);

/* All that was given is in the file, or the error why not. After a failed
 * spool_write() it must be called, too. */
enum rc spool_end(struct spool *s);

#endif
