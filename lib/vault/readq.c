#include "readq.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define LOG_MODULE "readq"
#include "log.h"

struct readq {
	const struct fileops *ops;
	unsigned depth;
	void *queue; /* of ops->async; made when it is first wanted */
	bool plain; /* … and not asked again once it failed */
	struct fileops_read **list; /* `depth` of them */
};

struct readq *readq_new(const struct fileops *ops, unsigned depth)
{
	struct readq *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->ops = ops;
	q->depth = depth;
	q->plain = !ops->async;
	q->list = calloc(depth, sizeof(struct fileops_read *));
	if (!q->list) {
		free(q);
		return NULL;
	}
	return q;
}

void readq_free(struct readq *q)
{
	if (!q)
		return;
	if (q->queue)
		q->ops->async->close(q->ops->ctx, q->queue);
	free(q->list);
	free(q);
}

/* Reads that were started and have no result yet are read again: after the
 * close nobody writes to their buffers. */
static void give_up(struct readq *q, int rv)
{
	log_debug("files are read one by one error=%d", -rv);
	if (q->queue)
		q->ops->async->close(q->ops->ctx, q->queue);
	q->queue = NULL;
	q->plain = true;
}

static bool have_queue(struct readq *q)
{
	int rv;

	if (q->plain || q->queue)
		return !q->plain;
	rv = q->ops->async->open(q->ops->ctx, q->depth, &q->queue);
	if (rv < 0) {
		q->queue = NULL;
		give_up(q, rv);
	}
	return !q->plain;
}

void readq_start(struct readq *q, struct fileops_read *reads, size_t n)
{
	size_t some = 0;
	int rv;

	for (size_t i = 0; i < n && some < q->depth; i++)
		if (reads[i].fd >= 0)
			q->list[some++] = &reads[i];
	/* One alone gains by it, too: the caller does other things meanwhile. */
	if (some == 0 || !have_queue(q))
		return;
	rv = q->ops->async->start(q->ops->ctx, q->queue, q->list, some);
	if (rv < 0 && rv != -EAGAIN) /* that one passes */
		give_up(q, rv);
}

static size_t count_started(const struct fileops_read *reads, size_t n)
{
	size_t started = 0;

	for (size_t i = 0; i < n; i++)
		started += reads[i].state == FILEOPS_READ_STARTED;
	return started;
}

/* Also when the kernel could not do it in the background; what the medium
 * refused is not asked again: that can take half a minute. */
static void finish_plain(struct readq *q, struct fileops_read *r)
{
	bool done = r->state == FILEOPS_READ_DONE;

	r->state = FILEOPS_READ_DONE;
	if (r->fd < 0)
		r->n = r->fd;
	else if (!done || (r->n < 0 && r->n != -EIO))
		r->n = q->ops->pread(q->ops->ctx, r->fd, r->buf, r->len, r->at);
}

void readq_wait(struct readq *q, struct fileops_read *reads, size_t n)
{
	size_t left = count_started(reads, n);

	/* Those of another batch may end first: then it takes more turns. */
	while (left > 0 && q->queue) {
		int rv = q->ops->async->reap(q->ops->ctx, q->queue, left);

		if (rv < 0)
			give_up(q, rv);
		left = count_started(reads, n);
	}
	for (size_t i = 0; i < n; i++)
		finish_plain(q, &reads[i]);
}
