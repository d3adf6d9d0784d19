#include "spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS      4
#define BUFFER_BYTES (1u << 20) /* fewer, larger writes: twice as fast */
#define ALIGN        4096u /* of memory, place and length, for O_DIRECT */

/* What stands in a full buffer. */
struct piece {
	int fd;
	size_t len;
	bool end; /* the last one of its file */
};

struct spool {
	const struct fileops *ops;
	pthread_t thread;
	char *memory;
	int fd; /* the file that is being given; -1: none */
	size_t fill; /* bytes in the buffer that is being filled */
	atomic_bool unfit; /* O_DIRECT does not work here: never tried again */
	/* below: under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece pieces[BUFFERS]; /* a ring */
	unsigned first, queued;
	bool stop;
	enum rc rc; /* the first failure; stays */
};

static void set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(
		    fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

/* --- the thread ----------------------------------------------------------- */

static enum rc write_whole(
    struct spool *s, int fd, const char *data, size_t len)
{
	ssize_t n = s->ops->write(s->ops->ctx, fd, data, len);

	if (n == -EINVAL) {
		/* It took the flag, but wants other sizes: the plain way. */
		set_direct(fd, false);
		atomic_store(&s->unfit, true);
		n = 0;
	} else if (n <= 0) {
		return n < 0 ? fileops_rc(n) : RC_IO;
	}
	return fileops_write_all(s->ops, fd, data + n, len - (size_t)n);
}

static enum rc write_piece(
    struct spool *s, const struct piece *p, const char *data)
{
	size_t whole = p->len - p->len % ALIGN;
	enum rc rc = RC_OK;

	if (whole > 0)
		rc = write_whole(s, p->fd, data, whole);
	if (rc || whole == p->len)
		return rc;
	/* What is no whole block goes through the page cache. */
	set_direct(p->fd, false);
	return fileops_write_all(s->ops, p->fd, data + whole, p->len - whole);
}

static void *work(void *arg)
{
	struct spool *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		const char *data;
		struct piece p;
		enum rc rc;
		int rv = 0;

		while (s->queued == 0 && !s->stop)
			pthread_cond_wait(&s->changed, &s->lock);
		if (s->queued == 0)
			break;
		p = s->pieces[s->first];
		data = s->memory + (size_t)s->first * BUFFER_BYTES;
		rc = s->rc;
		pthread_mutex_unlock(&s->lock);
		if (!rc) /* after a failure the rest is only thrown away */
			rc = write_piece(s, &p, data);
		if (p.end)
			rv = s->ops->close(s->ops->ctx, p.fd);
		pthread_mutex_lock(&s->lock);
		s->rc = rc ? rc : fileops_rc(rv);
		s->first = (s->first + 1) % BUFFERS;
		s->queued--;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- the caller's side ------------------------------------------------------ */

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

	if (!s || atomic_load(&s->unfit))
		return false;
	set_direct(fd, true);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || !(flags & O_DIRECT)) {
		atomic_store(&s->unfit, true);
		return false;
	}
	s->fd = fd;
	s->fill = 0;
	return true;
}

/* The buffer goes to the thread; waits until there is another. */
static enum rc submit(struct spool *s, bool end)
{
	enum rc rc;

	pthread_mutex_lock(&s->lock);
	s->pieces[(s->first + s->queued) % BUFFERS] =
	    (struct piece){ .fd = s->fd, .len = s->fill, .end = end };
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
	end = (s->first + s->queued) % BUFFERS;
	pthread_mutex_unlock(&s->lock);
	return s->memory + (size_t)end * BUFFER_BYTES;
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
			rc = submit(s, false);
	}
	return rc;
}

enum rc spool_end(struct spool *s)
{
	enum rc rc = submit(s, true);

	s->fd = -1;
	return rc;
}

enum rc spool_drain(struct spool *s)
{
	enum rc rc;

	if (!s)
		return RC_OK;
	pthread_mutex_lock(&s->lock);
	while (s->queued > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	rc = s->rc;
	pthread_mutex_unlock(&s->lock);
	return rc;
}
