/*
 * The last lines of the log, in memory that processes share: what a person
 * saves and sends when something went wrong. The box makes a ring and hands
 * its descriptor to the children that it starts.
 *
 * Whoever has joined may scribble over all of it, so a reader believes
 * nothing: what it gets is text, and no more than the ring holds.
 */
#ifndef LOG_RING_H
#define LOG_RING_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define LOG_RING_TEXT (128 * 1024) /* bytes of lines that are kept */

struct log_ring;

/* A new one: mapped here, and *fd (close-on-exec) for others to join.
 * RC_NOMEM. */
MUST_CHECK enum rc log_ring_make(struct log_ring **out, int *fd);
/* The ring behind a descriptor, which is closed. RC_NOTFOUND: there is none,
 * or not one of ours. */
MUST_CHECK enum rc log_ring_join(int fd, struct log_ring **out);
void log_ring_drop(struct log_ring *r); /* NULL is fine */

/* From now on this process's lines go there, too; NULL: no more. */
void log_ring_use(struct log_ring *r);

/* Grows with each line; the same number: nothing came. */
uint64_t log_ring_end(const struct log_ring *r);

/* The newest lines that fit, oldest first, cleaned and terminated; returns
 * their length. */
size_t log_ring_read(const struct log_ring *r, char *out, size_t cap);

#endif
