#include "mux_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"

#define LOG_MODULE "loop"

#define PLACES  512u
#define BATCH   64
#define MOST_MS (60 * 1000)

struct mux_loop {
	int fd;
	struct mux_loop_fd *at[PLACES];
	uint32_t turn_of[PLACES]; /* counts owners: an event of an earlier one
				     is not for the next */
};

enum rc mux_loop_new(struct mux_loop **out)
{
	struct mux_loop *l = calloc(1, sizeof(*l));

	*out = NULL;
	if (!l)
		return RC_NOMEM;
	l->fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->fd < 0) {
		free(l);
		return rc_from_errno(errno);
	}
	*out = l;
	return RC_OK;
}

void mux_loop_free(struct mux_loop *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l);
}

static void control(
    struct mux_loop *l, struct mux_loop_fd *f, int op, uint32_t events)
{
	unsigned i = f->place - 1;
	struct epoll_event ev = { .events = events };

	ev.data.u64 = (uint64_t)l->turn_of[i] << 32 | i;
	if (epoll_ctl(l->fd, op, f->fd, &ev) != 0)
		log_error("epoll op=%d: %s", op, strerror(errno));
	f->events = events;
}

enum rc mux_loop_add(struct mux_loop *l, struct mux_loop_fd *f, uint32_t events)
{
	for (unsigned i = 0; i < PLACES; i++) {
		if (l->at[i])
			continue;
		l->at[i] = f;
		l->turn_of[i]++;
		f->place = i + 1;
		f->events = 0;
		mux_loop_want(l, f, events);
		return RC_OK;
	}
	return RC_LIMIT;
}

void mux_loop_want(struct mux_loop *l, struct mux_loop_fd *f, uint32_t events)
{
	if (!f->place || f->events == events)
		return;
	/* A hang-up is told of whether it is wanted or not; what waits for
	 * nothing must not turn the loop for it. */
	if (!events)
		control(l, f, EPOLL_CTL_DEL, 0);
	else
		control(
		    l, f, f->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, events);
}

void mux_loop_remove(struct mux_loop *l, struct mux_loop_fd *f)
{
	if (!f->place)
		return;
	mux_loop_want(l, f, 0);
	l->at[f->place - 1] = NULL;
	f->place = 0;
}

static int time_left(int64_t deadline_ms)
{
	int64_t left = deadline_ms - mono_ms();

	if (left < 0)
		return 0;
	return left > MOST_MS ? MOST_MS : (int)left;
}

enum rc mux_loop_turn(struct mux_loop *l, int64_t deadline_ms)
{
	struct epoll_event ev[BATCH];
	int n = epoll_wait(l->fd, ev, BATCH, time_left(deadline_ms));

	if (n < 0 && errno != EINTR) {
		log_error("epoll: %s", strerror(errno));
		return RC_IO;
	}
	for (int i = 0; i < n; i++) {
		unsigned at = (unsigned)(ev[i].data.u64 & 0xffffffff);
		struct mux_loop_fd *f = l->at[at];

		if (f && l->turn_of[at] == ev[i].data.u64 >> 32)
			f->fn(f->ctx, ev[i].events);
	}
	return RC_OK;
}
