#include "readback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "quickhash.h"

#define WINDOW       64
#define WINDOW_BYTES (32ull << 20) /* read ahead at most, of all of them */
#define AHEAD_BYTES  (4ull << 20) /* … of one */
#define BUFFER       (1u << 20)
#define DIRECT_ALIGN 4096

struct slot {
	struct readback_item item;
	int fd; /* or -errno */
	uint64_t ahead;
};

struct readback {
	const struct fileops *ops;
	int dir;
	readback_fn fn;
	void *arg;
	bool (*cancel)(void *arg);
	void *cancel_arg;
	bool no_direct; /* this file system can't pass the page cache by */
	struct digest *hash;
	struct quickhash *quick;
	char *buf;
	size_t first, n; /* a ring */
	uint64_t ahead;
	struct slot slots[WINDOW];
};

struct readback *readback_new(
    const struct fileops *ops, int dir, readback_fn fn, void *arg)
{
	struct readback *rb = calloc(1, sizeof(*rb));

	if (!rb)
		return NULL;
	rb->ops = ops;
	rb->dir = dir;
	rb->fn = fn;
	rb->arg = arg;
	rb->hash = digest_new();
	rb->quick = quickhash_new();
	rb->buf = aligned_alloc(DIRECT_ALIGN, BUFFER);
	if (!rb->hash || !rb->quick || !rb->buf) {
		readback_free(rb);
		return NULL;
	}
	return rb;
}

void readback_set_cancel(
    struct readback *rb, bool (*cancel)(void *arg), void *arg)
{
	rb->cancel = cancel;
	rb->cancel_arg = arg;
}

static void slot_close(struct readback *rb, struct slot *s)
{
	if (s->fd >= 0)
		rb->ops->close(rb->ops->ctx, s->fd);
	s->fd = -1;
	rb->ahead -= s->ahead;
	s->ahead = 0;
}

void readback_free(struct readback *rb)
{
	if (!rb)
		return;
	for (; rb->n > 0; rb->n--, rb->first = (rb->first + 1) % WINDOW)
		slot_close(rb, &rb->slots[rb->first]);
	digest_free(rb->hash);
	quickhash_free(rb->quick);
	free(rb->buf);
	free(rb);
}

/* Through the page cache, which forgets what it has and reads ahead. */
static void slot_open_cached(struct readback *rb, struct slot *s)
{
	uint64_t size = s->item.size;

	s->fd = rb->ops->open(rb->ops->ctx, rb->dir, s->item.path, O_RDONLY);
	if (s->fd < 0)
		return;
	/* Hints: what they return does not matter. */
	if (size > 0)
		posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (size > AHEAD_BYTES)
		posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (size > 0 && rb->ahead < WINDOW_BYTES) {
		s->ahead = size < AHEAD_BYTES ? size : AHEAD_BYTES;
		posix_fadvise(s->fd, 0, (off_t)s->ahead, POSIX_FADV_WILLNEED);
		rb->ahead += s->ahead;
	}
}

/* O_DIRECT is the truth about the medium and costs the least: no pages are
 * made, dropped and made again. */
static void slot_open(struct readback *rb, struct slot *s)
{
	s->ahead = 0;
	s->fd = -EINVAL;
	if (!rb->no_direct)
		s->fd = rb->ops->open(
		    rb->ops->ctx, rb->dir, s->item.path, O_RDONLY | O_DIRECT);
	if (s->fd != -EINVAL)
		return;
	rb->no_direct = true;
	slot_open_cached(rb, s);
}

/* One byte more than is left, so that one read also sees the end of the file;
 * whole blocks, as O_DIRECT wants them. */
static size_t read_size(uint64_t size, uint64_t done)
{
	uint64_t left = done <= size ? size - done + 1 : 1;

	if (left >= BUFFER)
		return BUFFER;
	return ((size_t)left + DIRECT_ALIGN - 1) & ~(size_t)(DIRECT_ALIGN - 1);
}

static void hash_begin(struct readback *rb, const struct slot *s)
{
	if (s->item.is_quick)
		quickhash_begin(rb->quick);
	else
		digest_begin(rb->hash);
}

static void hash_update(struct readback *rb, const struct slot *s, size_t len)
{
	if (s->item.is_quick)
		quickhash_update(rb->quick, rb->buf, len);
	else
		digest_update(rb->hash, rb->buf, len);
}

/* RC_CORRUPT: other bytes. */
static enum rc hash_compare(struct readback *rb, const struct slot *s)
{
	uint8_t digest[DIGEST_LEN];
	bool same;

	if (s->item.is_quick) {
		same = quickhash_final(rb->quick) == s->item.quick;
	} else {
		digest_final(rb->hash, digest);
		same = memcmp(digest, s->item.digest, DIGEST_LEN) == 0;
	}
	return same ? RC_OK : RC_CORRUPT;
}

static enum rc check_file(struct readback *rb, struct slot *s)
{
	uint64_t size = 0;
	ssize_t n = 1;
	enum rc rc = RC_OK;

	hash_begin(rb, s);
	while (!rc && n > 0) {
		size_t want = read_size(s->item.size, size);

		if (rb->cancel && rb->cancel(rb->cancel_arg))
			return RC_CANCELLED;
		n = rb->ops->read(rb->ops->ctx, s->fd, rb->buf, want);
		rc = fileops_rc(n);
		if (!rc && n > 0)
			hash_update(rb, s, (size_t)n);
		if (!rc)
			size += (uint64_t)n;
		if (n > 0 && (size_t)n < want && size == s->item.size)
			break; /* a short read at the size: the end */
	}
	if (!rc && size != s->item.size)
		rc = RC_CORRUPT;
	return rc ? rc : hash_compare(rb, s);
}

static enum rc check_first(struct readback *rb)
{
	struct slot *s = &rb->slots[rb->first];
	enum rc rc = fileops_rc(s->fd);

	if (!rc)
		rc = check_file(rb, s);
	slot_close(rb, s);
	rb->first = (rb->first + 1) % WINDOW;
	rb->n--;
	return rb->fn(rb->arg, &s->item, rc);
}

enum rc readback_add(struct readback *rb, const struct readback_item *item)
{
	struct slot *s;
	enum rc rc = RC_OK;

	if (rb->n == WINDOW)
		rc = check_first(rb);
	if (rc)
		return rc;
	s = &rb->slots[(rb->first + rb->n) % WINDOW];
	s->item = *item;
	slot_open(rb, s);
	rb->n++;
	return RC_OK;
}

enum rc readback_flush(struct readback *rb)
{
	enum rc rc = RC_OK;

	while (!rc && rb->n > 0)
		rc = check_first(rb);
	return rc;
}
