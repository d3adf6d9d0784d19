/*
 * The driver's one loop: descriptors with a function each, over epoll. What a
 * function takes out, itself or another, is not called any more in this turn.
 */
#ifndef MUX_LOOP_H
#define MUX_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "rc.h"

struct mux_loop;

/* In its owner's memory, until mux_loop_remove(). */
struct mux_loop_fd {
	int fd;
	void (*fn)(void *ctx, uint32_t events); /* EPOLLIN and so on */
	void *ctx;
	uint32_t events; /* what is waited for; 0: not even a hang-up */
	unsigned place; /* the loop's, + 1; 0: not in it */
};

MUST_CHECK enum rc mux_loop_new(struct mux_loop **out);
void mux_loop_free(struct mux_loop *l); /* NULL is fine */

/* RC_LIMIT: too many descriptors. */
MUST_CHECK enum rc mux_loop_add(
    struct mux_loop *l, struct mux_loop_fd *f, uint32_t events);
/* No system call when nothing changes. */
void mux_loop_want(struct mux_loop *l, struct mux_loop_fd *f, uint32_t events);
void mux_loop_remove(struct mux_loop *l, struct mux_loop_fd *f);

/* Waits at most until `deadline_ms` and calls what is due. RC_IO: epoll
 * itself failed. */
MUST_CHECK enum rc mux_loop_turn(struct mux_loop *l, int64_t deadline_ms);

#endif
