#include "spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS      6
#define BUFFER_BYTES (256u << 10)
#define ALIGN        4096u /* of memory, place and length, for O_DIRECT */

struct spool {
	const struct fileops *ops;
	pthread_t thread;
	char *memory;
	size_t fill; /* bytes in the buffer that is being filled */
	bool unfit; /* O_DIRECT does not work here; never tried again */
	/* below: under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd; /* -1: no file */
	unsigned first, queued; /* a ring of full buffers */
	bool stop;
	enum rc rc; /* of this file */
};

static char *buffer(struct spool *s, unsigned i)
{
	return s->memory + (size_t)(i % BUFFERS) * BUFFER_BYTES;
}

static void set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(
		    fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static enum rc write_buffer(
    struct spool *s, int fd, const char *data, size_t len)
{
	ssize_t n = s->ops->write(s->ops->ctx, fd, data, len);

	if (n == -EINVAL) {
		/* It took the flag, but wants other sizes: the plain way. */
		set_direct(fd, false);
		s->unfit = true;
		n = 0;
	} else if (n <= 0) {
		return n < 0 ? fileops_rc(n) : RC_IO;
	}
	return fileops_write_all(s->ops, fd, data + n, len - (size_t)n);
}

static void *work(void *arg)
{
	struct spool *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		enum rc rc;
		int fd;

		while (s->queued == 0 && !s->stop)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->queued == 0)
			break;
		fd = s->fd;
		rc = s->rc;
		pthread_mutex_unlock(&s->lock);
		if (!rc) /* after an error the rest is only thrown away */
			rc = write_buffer(
			    s, fd, buffer(s, s->first), BUFFER_BYTES);
		pthread_mutex_lock(&s->lock);
		s->rc = rc;
		s->first = (s->first + 1) % BUFFERS;
		s->queued--;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct spool *spool_new(const struct fileops *ops)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = ops;
	s->fd = -1;
	s->memory = aligned_alloc(ALIGN, (size_t)BUFFERS * BUFFER_BYTES);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	if (s->memory && pthread_create(&s->thread, NULL, work, s) == 0)
		return s;
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->memory);
	free(s);
	return NULL;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->memory);
	free(s);
}

bool spool_begin(struct spool *s, int fd)
{
	int flags;

	if (!s || s->unfit)
		return false;
	set_direct(fd, true);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || !(flags & O_DIRECT)) {
		s->unfit = true;
		return false;
	}
	pthread_mutex_lock(&s->lock);
	s->fd = fd;
	s->rc = RC_OK;
	pthread_mutex_unlock(&s->lock);
	s->fill = 0;
	return true;
}

/* The buffer that is being filled is full; waits until there is another. */
static enum rc submit(struct spool *s)
{
	enum rc rc;

	pthread_mutex_lock(&s->lock);
	s->queued++;
	pthread_cond_broadcast(&s->changed);
	while (s->queued == BUFFERS)
		pthread_cond_wait(&s->changed, &s->lock);
	rc = s->rc;
	pthread_mutex_unlock(&s->lock);
	s->fill = 0;
	return rc;
}

/* Only this side adds to the queue, so the end of the ring is stable. */
static char *filling(struct spool *s)
{
	unsigned end;

	pthread_mutex_lock(&s->lock);
	end = s->first + s->queued;
	pthread_mutex_unlock(&s->lock);
	return buffer(s, end);
}

enum rc spool_write(struct spool *s, const void *data, size_t len)
{
	const char *p = data;
	enum rc rc = RC_OK;

	while (!rc && len > 0) {
		size_t some = BUFFER_BYTES - s->fill;

		if (some > len)
			some = len;
		memcpy(filling(s) + s->fill, p, some);
		s->fill += some;
		p += some;
		len -= some;
		if (s->fill == BUFFER_BYTES)
			rc = submit(s);
	}
	return rc;
}

enum rc spool_end(struct spool *s)
{
	const char *rest = filling(s);
	size_t whole = s->fill - s->fill % ALIGN;
	enum rc rc;
	int fd;

	pthread_mutex_lock(&s->lock);
	while (s->queued > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	rc = s->rc;
	fd = s->fd;
	s->fd = -1;
	pthread_mutex_unlock(&s->lock);
	if (!rc && whole > 0)
		rc = write_buffer(s, fd, rest, whole);
	set_direct(fd, false);
	/* What is no whole block goes through the page cache. */
	if (!rc && s->fill > whole)
		rc = fileops_write_all(
		    s->ops, fd, rest + whole, s->fill - whole);
	s->fill = 0;
	return rc;
}
