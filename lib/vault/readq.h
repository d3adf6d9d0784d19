/*
 * Many reads at once, over the table of file operations. What can't run in the
 * background (a table or a kernel without it, a file system that refuses) is
 * read one after the other by readq_wait(): slower, never an error.
 *
 * For one thread.
 */
#ifndef READQ_H
#define READQ_H

#include <stddef.h>

#include "fileops.h"

struct readq;

/* For at most `depth` reads at a time. NULL: no memory. */
struct readq *readq_new(const struct fileops *ops, unsigned depth);
/* Waits for what is under way, whose results are lost; NULL is fine. */
void readq_free(struct readq *q);

/*
 * Begins what it can of `reads`, all of them NEW; they and their buffers stay
 * where they are until readq_wait() or readq_free(). A read whose `fd` is a
 * -errno ends in it.
 */
void readq_start(struct readq *q, struct fileops_read *reads, size_t n);

/* Afterwards all of `reads` are DONE, also those that were not started. `n` is
 * less than `len` at the end of a file, and may be before it. */
void readq_wait(struct readq *q, struct fileops_read *reads, size_t n);

#endif
