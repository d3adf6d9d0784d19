/*
 * The kernel's queue of reads (the door to libaio). Not io_uring, which
 * containers often forbid; where this one is forbidden or not built into the
 * kernel, open() or start() says so and the caller reads one by one.
 */
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>

#include "fileops.h"

struct queue {
	io_context_t io;
	unsigned depth;
	struct io_event *events; /* `depth` of them, as of the next two */
	struct iocb *cbs;
	struct iocb **list;
};

static void release(struct queue *q)
{
	free(q->events);
	free(q->cbs);
	free(q->list);
	free(q);
}

static int aio_open(void *ctx, unsigned depth, void **queue)
{
	struct queue *q = calloc(1, sizeof(*q));
	int rv = -ENOMEM;

	(void)ctx;
	if (!q)
		return -ENOMEM;
	q->depth = depth;
	q->events = calloc(depth, sizeof(*q->events));
	q->cbs = calloc(depth, sizeof(*q->cbs));
	q->list = calloc(depth, sizeof(*q->list));
	if (q->events && q->cbs && q->list)
		rv = io_setup((int)depth, &q->io);
	if (rv < 0)
		release(q);
	else
		*queue = q;
	return rv;
}

static void aio_close(void *ctx, void *queue)
{
	struct queue *q = queue;

	(void)ctx;
	io_destroy(q->io); /* waits for what is under way */
	release(q);
}

static int aio_start(
    void *ctx, void *queue, struct fileops_read *const *reads, size_t n)
{
	struct queue *q = queue;
	int taken;

	(void)ctx;
	if (n > q->depth)
		n = q->depth;
	/* The kernel copies these; only the reads must stay. */
	for (size_t i = 0; i < n; i++) {
		io_prep_pread(&q->cbs[i], reads[i]->fd, reads[i]->buf,
		    reads[i]->len, (long long)reads[i]->at);
		q->cbs[i].data = reads[i];
		q->list[i] = &q->cbs[i];
	}
	taken = io_submit(q->io, (long)n, q->list);
	for (int i = 0; i < taken; i++)
		reads[i]->state = FILEOPS_READ_STARTED;
	return taken;
}

static int aio_reap(void *ctx, void *queue, size_t min)
{
	struct queue *q = queue;
	int n;

	(void)ctx;
	do
		n = io_getevents(
		    q->io, (long)min, (long)q->depth, q->events, NULL);
	while (n == -EINTR);
	for (int i = 0; i < n; i++) {
		struct fileops_read *r = q->events[i].data;

		r->n = (ssize_t)(long)q->events[i].res;
		r->state = FILEOPS_READ_DONE;
	}
	return n < 0 ? n : 0;
}

const struct fileops_async fileops_aio = {
	.open = aio_open,
	.close = aio_close,
	.start = aio_start,
	.reap = aio_reap,
};
