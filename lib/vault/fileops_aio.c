/*
 * The kernel's queue of reads (the door to libaio). Not io_uring, which
 * containers often forbid; where this one is forbidden or not built into the
 * kernel, open() or start() says so and the caller reads one by one.
 */
#include <errno.h>
#include <libaio.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "fileops.h"

struct queue {
	io_context_t io;
	unsigned depth;
	unsigned under_way;
	pid_t owner; /* a child of fork() has the memory, but not the queue */
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

/* To end a queue makes the kernel wait some 40 ms for all processors (RCU):
 * those that nobody uses now are kept for the next night. */
#define PARKED 2
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue *parked[PARKED];

static bool park(struct queue *q)
{
	bool done = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; !done && i < PARKED; i++) {
		if (parked[i])
			continue;
		parked[i] = q;
		done = true;
	}
	pthread_mutex_unlock(&lock);
	return done;
}

static struct queue *take_parked(unsigned depth)
{
	struct queue *q = NULL;

	pthread_mutex_lock(&lock);
	for (int i = 0; !q && i < PARKED; i++) {
		if (parked[i] && parked[i]->owner != getpid()) {
			release(parked[i]);
			parked[i] = NULL;
		}
		if (parked[i] && parked[i]->depth >= depth) {
			q = parked[i];
			parked[i] = NULL;
		}
	}
	pthread_mutex_unlock(&lock);
	return q;
}

static int aio_open(void *ctx, unsigned depth, void **queue)
{
	struct queue *q = take_parked(depth);
	int rv = -ENOMEM;

	(void)ctx;
	*queue = q;
	if (q)
		return 0;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->depth = depth;
	q->owner = getpid();
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
	q->under_way += taken > 0 ? (unsigned)taken : 0;
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
		q->under_way--;
	}
	return n < 0 ? n : 0;
}

static void aio_close(void *ctx, void *queue)
{
	struct queue *q = queue;

	while (q->under_way > 0)
		if (aio_reap(ctx, q, q->under_way) < 0)
			break;
	if (q->under_way == 0 && park(q))
		return;
	io_destroy(q->io); /* waits for what is under way */
	release(q);
}

const struct fileops_async fileops_aio = {
	.open = aio_open,
	.close = aio_close,
	.start = aio_start,
	.reap = aio_reap,
};
