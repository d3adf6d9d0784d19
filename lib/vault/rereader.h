/*
 * Reads staged files back from the medium while the night still runs, in one
 * thread behind the session, so that the check at its end has less to do. It
 * sees only files that a checkpoint has made durable, and it only ever says
 * "this one is good": what it has not reached, could not open or found wrong
 * is read again at the end, where the verdict is made.
 */
#ifndef REREADER_H
#define REREADER_H

#include <stdbool.h>
#include <stdint.h>

#include "fileops.h"
#include "layout.h"
#include "rc.h"

struct rereader;

/* NULL when there is no memory or no thread to be had: then all is read at
 * the end. `ops` must bear reads from a second thread. */
struct rereader *rereader_new(const struct fileops *ops, int dir);
/* Stops within one buffer's reading; NULL is fine, here and below. */
void rereader_free(struct rereader *rr);

/* May forget it: its queue is bounded. Read only after the next … */
void rereader_add(struct rereader *rr, const struct layout_place *place,
    uint64_t size, uint64_t quick);
/* … checkpoint: all that was added is on the medium now. */
void rereader_checkpoint(struct rereader *rr);

/* Waits for at most `ms` until it has nothing to do; true: so it is. How much
 * it has read so far, also of files that the night dropped since. */
bool rereader_wait(
    struct rereader *rr, unsigned ms, uint64_t *files, uint64_t *bytes);

bool rereader_is_good(struct rereader *rr, uint32_t num);

#endif
