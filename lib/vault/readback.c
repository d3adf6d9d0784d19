#include "readback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "quickhash.h"
#include "readq.h"

#define BATCH        32 /* reads; two batches are in use */
#define WINDOW       (2 * BATCH + 1) /* files of both, and a large one */
#define PIECE        (1u << 20)
#define WINDOW_BYTES (32ull << 20) /* read ahead at most, of all of them */
#define AHEAD_BYTES  (4ull << 20) /* … of one */
#define DIRECT_ALIGN 4096
/* The last piece of a file is up to one block longer: see piece_len(). */
#define BATCH_BYTES (PIECE + DIRECT_ALIGN)

struct slot {
	struct readback_item item;
	int fd; /* or -errno */
	uint64_t ahead;
	enum rc rc; /* once it is not RC_OK, the rest is not looked at */
};

struct piece {
	struct slot *slot;
	size_t data; /* bytes that the file has here, if it is as it was */
	bool last; /* of its file */
};

struct batch {
	size_t n, used;
	char *buf;
	struct fileops_read reads[BATCH];
	struct piece pieces[BATCH];
};

/*
 * A file is a row of pieces, most are just one. Pieces are gathered in one
 * batch while the disk reads the other, and looked at in the order in which
 * they were gathered.
 */
struct readback {
	const struct fileops *ops;
	int dir;
	readback_fn fn;
	void *arg;
	bool (*cancel)(void *arg);
	void *cancel_arg;
	bool no_direct; /* this file system can't pass the page cache by */
	bool no_noatime; /* these files are not ours */
	enum rc rc; /* what ended the work */
	struct digest *hash;
	struct quickhash *quick;
	struct readq *queue;
	struct batch *next, *under_way;
	struct batch batches[2];
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
	rb->queue = readq_new(ops, 2 * BATCH);
	rb->next = &rb->batches[0];
	rb->under_way = &rb->batches[1];
	rb->next->buf = aligned_alloc(DIRECT_ALIGN, BATCH_BYTES);
	rb->under_way->buf = aligned_alloc(DIRECT_ALIGN, BATCH_BYTES);
	if (!rb->hash || !rb->quick || !rb->queue || !rb->next->buf ||
	    !rb->under_way->buf) {
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
	readq_free(rb->queue); /* before the buffers and descriptors go */
	for (; rb->n > 0; rb->n--, rb->first = (rb->first + 1) % WINDOW)
		slot_close(rb, &rb->slots[rb->first]);
	digest_free(rb->hash);
	quickhash_free(rb->quick);
	free(rb->batches[0].buf);
	free(rb->batches[1].buf);
	free(rb);
}

/* Reading should not write: a new access time dirties the inode. Only the
 * owner of a file may ask for that. */
static int open_quietly(struct readback *rb, const char *path, int flags)
{
	int fd = -EPERM;

	if (!rb->no_noatime)
		fd = rb->ops->open(
		    rb->ops->ctx, rb->dir, path, flags | O_NOATIME);
	if (fd != -EPERM)
		return fd;
	rb->no_noatime = true;
	return rb->ops->open(rb->ops->ctx, rb->dir, path, flags);
}

/* Through the page cache, which forgets what it has and reads ahead. */
static void slot_open_cached(struct readback *rb, struct slot *s)
{
	uint64_t size = s->item.size;

	s->fd = open_quietly(rb, s->item.path, O_RDONLY);
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
		s->fd = open_quietly(rb, s->item.path, O_RDONLY | O_DIRECT);
	if (s->fd != -EINVAL)
		return;
	rb->no_direct = true;
	slot_open_cached(rb, s);
}

static void hash_begin(struct readback *rb, const struct slot *s)
{
	if (s->item.is_quick)
		quickhash_begin(rb->quick);
	else
		digest_begin(rb->hash);
}

static void hash_update(
    struct readback *rb, const struct slot *s, const void *data, size_t len)
{
	if (s->item.is_quick)
		quickhash_update(rb->quick, data, len);
	else
		digest_update(rb->hash, data, len);
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

/* There are file systems that open with O_DIRECT and then refuse to read. The
 * descriptor stays the same: later pieces of the file are under way with it. */
static void read_cached(struct readback *rb, struct fileops_read *r)
{
	int flags = fcntl(r->fd, F_GETFL);

	if (flags < 0 || !(flags & O_DIRECT))
		return;
	rb->no_direct = true;
	if (fcntl(r->fd, F_SETFL, flags & ~O_DIRECT) < 0)
		return;
	posix_fadvise(r->fd, 0, 0, POSIX_FADV_DONTNEED);
	r->n = rb->ops->pread(rb->ops->ctx, r->fd, r->buf, r->len, r->at);
}

/*
 * A read may end before the end of the file, for instance at a bad sector.
 * Asks for the rest from a block's start on, as O_DIRECT wants it, until there
 * is no more: then the file is shorter than it was.
 */
static enum rc fill(
    struct readback *rb, const struct piece *p, struct fileops_read *r)
{
	if (r->n == -EINVAL && r->fd >= 0)
		read_cached(rb, r);
	while (r->n >= 0 && (size_t)r->n < p->data) {
		size_t keep = (size_t)r->n & ~(size_t)(DIRECT_ALIGN - 1);
		ssize_t n = rb->ops->pread(rb->ops->ctx, r->fd,
		    (char *)r->buf + keep, r->len - keep, r->at + keep);

		if (n >= 0 && keep + (size_t)n <= (size_t)r->n)
			return RC_CORRUPT;
		r->n = n < 0 ? n : (ssize_t)keep + n;
	}
	return fileops_rc(r->n);
}

static enum rc check_piece(
    struct readback *rb, const struct piece *p, struct fileops_read *r)
{
	enum rc rc;

	if (rb->cancel && rb->cancel(rb->cancel_arg))
		return RC_CANCELLED;
	rc = fill(rb, p, r);
	if (!rc && (size_t)r->n != p->data)
		rc = RC_CORRUPT; /* longer */
	if (!rc && r->at == 0)
		hash_begin(rb, p->slot);
	if (!rc && p->data > 0)
		hash_update(rb, p->slot, r->buf, p->data);
	if (!rc && p->last)
		rc = hash_compare(rb, p->slot);
	return rc;
}

/* The first of the ring. */
static enum rc report(struct readback *rb, struct slot *s)
{
	slot_close(rb, s);
	rb->first = (rb->first + 1) % WINDOW;
	rb->n--;
	return rb->fn(rb->arg, &s->item, s->rc);
}

static enum rc check_batch(struct readback *rb, struct batch *b)
{
	enum rc rc = RC_OK;

	readq_wait(rb->queue, b->reads, b->n);
	for (size_t i = 0; !rc && i < b->n; i++) {
		struct piece *p = &b->pieces[i];

		if (!p->slot->rc)
			p->slot->rc = check_piece(rb, p, &b->reads[i]);
		if (p->last)
			rc = report(rb, p->slot);
	}
	b->n = b->used = 0;
	return rc;
}

/* The disk gets the gathered batch before the other one is looked at. */
static enum rc turn(struct readback *rb)
{
	struct batch *b = rb->under_way;

	/* Through the page cache it would be read here and now, and not while
	 * the kernel reads ahead. */
	if (!rb->no_direct)
		readq_start(rb->queue, rb->next->reads, rb->next->n);
	rb->under_way = rb->next;
	rb->next = b;
	rb->rc = check_batch(rb, b);
	return rb->rc;
}

/* Whole blocks, as O_DIRECT wants them; at the end one byte more than is left,
 * so that one read also sees the end of the file. */
static size_t piece_len(uint64_t left)
{
	if (left > PIECE)
		return PIECE;
	return ((size_t)left + DIRECT_ALIGN) & ~(size_t)(DIRECT_ALIGN - 1);
}

static enum rc add_piece(
    struct readback *rb, struct slot *s, uint64_t at, bool *last)
{
	uint64_t left = s->item.size - at;
	size_t len = piece_len(left);
	enum rc rc = RC_OK;
	struct batch *b;

	if (rb->next->n == BATCH || rb->next->used + len > BATCH_BYTES)
		rc = turn(rb);
	if (rc)
		return rc;
	/* What can't be opened or is lost already ends here, unread. */
	*last = left <= PIECE || s->fd < 0 || s->rc;
	b = rb->next;
	b->pieces[b->n] = (struct piece){ .slot = s,
		.data = left < PIECE ? (size_t)left : PIECE,
		.last = *last };
	b->reads[b->n] =
	    (struct fileops_read){ .fd = s->rc ? -ECANCELED : s->fd,
		    .buf = b->buf + b->used,
		    .len = len,
		    .at = at };
	b->n++;
	b->used += len;
	return RC_OK;
}

enum rc readback_add(struct readback *rb, const struct readback_item *item)
{
	struct slot *s = &rb->slots[(rb->first + rb->n) % WINDOW];
	bool last = false;

	if (rb->rc)
		return rb->rc;
	s->item = *item;
	s->rc = RC_OK;
	slot_open(rb, s);
	rb->n++;
	for (uint64_t at = 0; !last; at += PIECE) {
		enum rc rc = add_piece(rb, s, at, &last);

		if (rc)
			return rc;
	}
	return RC_OK;
}

enum rc readback_flush(struct readback *rb)
{
	enum rc rc = rb->rc;

	if (!rc)
		rc = turn(rb);
	return rc ? rc : turn(rb);
}
