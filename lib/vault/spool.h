/*
 * Large files go to the disk past the page cache, written by a thread of their
 * own while the next bytes, and the next files, are received and hashed. A
 * night's photos are not read again soon (and when they are, it is to see what
 * the medium holds), so pages for them would only be filled, flushed and
 * dropped.
 *
 * So a file is done before it is on the disk: spool_drain() waits for that,
 * and a checkpoint calls it before it syncs and commits the rows (V1). A write
 * that failed fails every later call: what rows were added since the last
 * checkpoint must not become durable.
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
void spool_free(struct spool *s); /* drains; NULL is fine */

/* A new file. True: takes `fd`. False: not on this file system. */
bool spool_begin(struct spool *s, int fd);

/* Copies; waits while all buffers are full. */
MUST_CHECK enum rc spool_write(struct spool *s, const void *data, size_t len);

/* No more is to come; the descriptor is closed behind the last byte. After a
 * failed spool_write() it must be called, too. */
enum rc spool_end(struct spool *s);

/* All files that were ended are written and closed. NULL is fine. */
MUST_CHECK enum rc spool_drain(struct spool *s);

#endif
