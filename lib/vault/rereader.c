#include "rereader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "readback.h"

/* 64 Ki files of 48 bytes: 3 MB; a checkpoint rarely covers 10,000. */
#define QUEUE_MAX 65536u
/* Bits of `good`: 512 KB; files with higher numbers are read at the end. */
#define GOOD_MAX (4u << 20)

struct job {
	struct layout_place place;
	uint64_t size;
	uint64_t quick;
};

struct rereader {
	const struct fileops *ops;
	int dir;
	pthread_t thread;
	/* All below is shared and under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake; /* there is work, or it is over */
	pthread_cond_t idle; /* nothing is queued or under way */
	bool stop, busy;
	struct job *queue; /* a ring, made on the first job */
	uint32_t first, n, ready; /* of n, those that a checkpoint covers */
	uint64_t files, bytes; /* read so far */
	uint8_t *good;
};

static bool stopped(struct rereader *rr)
{
	bool stop;

	pthread_mutex_lock(&rr->lock);
	stop = rr->stop;
	pthread_mutex_unlock(&rr->lock);
	return stop;
}

static bool is_cancelled(void *arg)
{
	return stopped(arg);
}

static enum rc one_done(void *arg, const struct readback_item *item, enum rc rc)
{
	struct rereader *rr = arg;

	if (rc == RC_CANCELLED)
		return rc;
	if (rc || item->tag >= GOOD_MAX)
		return RC_OK; /* the check at the end will see it */
	pthread_mutex_lock(&rr->lock);
	rr->files++;
	rr->bytes += item->size;
	rr->good[item->tag / 8] |= (uint8_t)(1u << item->tag % 8);
	pthread_mutex_unlock(&rr->lock);
	return RC_OK;
}

/* False: it is over. Sleeps while there is nothing to do. */
static bool take(struct rereader *rr, struct job *job, bool *have, bool wait)
{
	bool go;

	pthread_mutex_lock(&rr->lock);
	while (wait && !rr->stop && rr->ready == 0) {
		rr->busy = false;
		pthread_cond_broadcast(&rr->idle);
		pthread_cond_wait(&rr->wake, &rr->lock);
	}
	*have = rr->ready > 0;
	if (*have) {
		*job = rr->queue[rr->first];
		rr->first = (rr->first + 1) % QUEUE_MAX;
		rr->n--;
		rr->ready--;
		rr->busy = true;
	}
	go = !rr->stop;
	pthread_mutex_unlock(&rr->lock);
	return go;
}

static enum rc read_job(struct readback *rb, const struct job *job)
{
	struct readback_item item = { .size = job->size,
		.tag = job->place.num,
		.is_quick = true,
		.quick = job->quick };

	layout_staged(item.path, &job->place);
	return readback_add(rb, &item);
}

static void *work(void *arg)
{
	struct rereader *rr = arg;
	struct readback *rb = readback_new(rr->ops, rr->dir, one_done, rr);
	struct job job;
	bool have = false, go = true;
	enum rc rc = rb ? RC_OK : RC_NOMEM;

	if (rb)
		readback_set_cancel(rb, is_cancelled, rr);
	while (!rc && go) {
		go = take(rr, &job, &have, !have);
		if (have)
			rc = read_job(rb, &job);
		else if (go) /* before it sleeps: what is in the window */
			rc = readback_flush(rb);
	}
	readback_free(rb);
	pthread_mutex_lock(&rr->lock);
	rr->stop = true; /* takes no more */
	rr->busy = false;
	rr->n = rr->ready = 0;
	pthread_cond_broadcast(&rr->idle);
	pthread_mutex_unlock(&rr->lock);
	return NULL;
}

static void release(struct rereader *rr)
{
	pthread_cond_destroy(&rr->idle);
	pthread_cond_destroy(&rr->wake);
	pthread_mutex_destroy(&rr->lock);
	free(rr->queue);
	free(rr->good);
	free(rr);
}

struct rereader *rereader_new(const struct fileops *ops, int dir)
{
	struct rereader *rr = calloc(1, sizeof(*rr));
	pthread_condattr_t attr;

	if (!rr)
		return NULL;
	rr->ops = ops;
	rr->dir = dir;
	pthread_mutex_init(&rr->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&rr->wake, NULL);
	pthread_cond_init(&rr->idle, &attr);
	pthread_condattr_destroy(&attr);
	rr->queue = malloc(QUEUE_MAX * sizeof(*rr->queue));
	rr->good = calloc(GOOD_MAX / 8, 1);
	if (!rr->queue || !rr->good ||
	    pthread_create(&rr->thread, NULL, work, rr) != 0) {
		release(rr);
		return NULL;
	}
	return rr;
}

void rereader_free(struct rereader *rr)
{
	if (!rr)
		return;
	pthread_mutex_lock(&rr->lock);
	rr->stop = true;
	pthread_cond_broadcast(&rr->wake);
	pthread_mutex_unlock(&rr->lock);
	pthread_join(rr->thread, NULL);
	release(rr);
}

void rereader_add(struct rereader *rr, const struct layout_place *place,
    uint64_t size, uint64_t quick)
{
	struct job *job;

	if (!rr)
		return;
	pthread_mutex_lock(&rr->lock);
	if (!rr->stop && rr->n < QUEUE_MAX) {
		job = &rr->queue[(rr->first + rr->n) % QUEUE_MAX];
		job->place = *place;
		job->size = size;
		job->quick = quick;
		rr->n++;
	}
	pthread_mutex_unlock(&rr->lock);
}

/* Folder by folder, in the order of arrival: a file system puts the files of
 * a folder next to each other, and a disk's arm is slow. */
static int compare(const void *a, const void *b)
{
	const struct layout_place *x = &((const struct job *)a)->place;
	const struct layout_place *y = &((const struct job *)b)->place;

	if (x->named != y->named)
		return x->named ? 1 : -1;
	if (x->named && x->id[0] != y->id[0])
		return x->id[0] < y->id[0] ? -1 : 1;
	return (x->num > y->num) - (x->num < y->num);
}

/* What this checkpoint adds, in one piece, or two where the ring ends. */
static void sort_new(struct rereader *rr)
{
	uint32_t from = (rr->first + rr->ready) % QUEUE_MAX;
	uint32_t n = rr->n - rr->ready;
	uint32_t some = n < QUEUE_MAX - from ? n : QUEUE_MAX - from;

	qsort(rr->queue + from, some, sizeof(*rr->queue), compare);
	qsort(rr->queue, n - some, sizeof(*rr->queue), compare);
}

void rereader_checkpoint(struct rereader *rr)
{
	if (!rr)
		return;
	pthread_mutex_lock(&rr->lock);
	sort_new(rr);
	rr->ready = rr->n;
	if (rr->ready > 0) {
		rr->busy = true;
		pthread_cond_signal(&rr->wake);
	}
	pthread_mutex_unlock(&rr->lock);
}

bool rereader_wait(
    struct rereader *rr, unsigned ms, uint64_t *files, uint64_t *bytes)
{
	struct timespec end;
	bool done;
	int err = 0;

	if (!rr)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += (long)(ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&rr->lock);
	while (rr->busy && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&rr->idle, &rr->lock, &end);
	done = !rr->busy;
	*files = rr->files;
	*bytes = rr->bytes;
	pthread_mutex_unlock(&rr->lock);
	return done;
}

bool rereader_is_good(struct rereader *rr, uint32_t num)
{
	bool good;

	if (!rr || num >= GOOD_MAX)
		return false;
	pthread_mutex_lock(&rr->lock);
	good = rr->good[num / 8] >> num % 8 & 1;
	pthread_mutex_unlock(&rr->lock);
	return good;
}
