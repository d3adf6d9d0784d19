/*
 * Bytes of files: made, or read from a restored file; plain, or encrypted on
 * the way. A reader has all it needs from its row: what happens to the item
 * afterwards does not touch it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "content_bytes.h"
#include "content_int.h"

struct content_reader {
	uint64_t key, offset, size;
	int fd; /* of a restored file, else -1 */
	struct cipher_cbc *cbc; /* NULL: plain */
	bool ended; /* the padding was made */
	uint8_t rest[2 * CIPHER_BLOCK]; /* encrypted, not yet taken */
	size_t rest_len;
};

void content_stored_path(struct content *c, const char *file_id, char out[640])
{
	snprintf(out, 640, "%s/restored/%.2s/%s", c->dir, file_id, file_id);
}

struct content_reader *content_reader_new(struct content *c,
    const struct content_item *it, const struct content_row *row,
    const uint8_t *key)
{
	struct content_reader *r = calloc(1, sizeof(*r));
	char path[640];

	if (!r)
		return NULL;
	r->fd = -1;
	r->size = it->size;
	r->key = content_bytes_key(c->seed, it->seed, it->version);
	if (row->stored) {
		content_stored_path(c, it->file_id, path);
		r->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (r->fd < 0) {
			perror(path);
			goto fail;
		}
	}
	if (key) {
		r->cbc = cipher_cbc_new(key, 1);
		if (!r->cbc)
			goto fail;
	}
	return r;
fail:
	content_reader_close(r);
	return NULL;
}

static struct content_reader *open_id(
    struct content *c, int64_t id, bool as_backup)
{
	struct content_reader *r = NULL;
	struct content_item it;
	struct content_row row;
	uint8_t key[CIPHER_KEY];

	pthread_mutex_lock(&c->lock);
	sqlite3_bind_int64(c->by_id, 1, id);
	if (sqlite3_step(c->by_id) == SQLITE_ROW) {
		bool encrypt = as_backup && c->encrypted;

		content_row_of(c->by_id, &it, &row);
		if (it.kind == CONTENT_FILE &&
		    (!encrypt || !content_secret(
				     c, "file key", it.seed, it.version, key)))
			r = content_reader_new(
			    c, &it, &row, encrypt ? key : NULL);
	}
	sqlite3_reset(c->by_id);
	pthread_mutex_unlock(&c->lock);
	return r;
}

struct content_reader *content_read_open(struct content *c, int64_t id)
{
	return open_id(c, id, false);
}

struct content_reader *content_backup_open(struct content *c, int64_t id)
{
	return open_id(c, id, true);
}

static int read_stored(struct content_reader *r, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t got = pread(r->fd, p, n, (off_t)r->offset);

		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
		r->offset += (uint64_t)got;
	}
	return 0;
}

/* The next plain bytes, n at most; 0 at the end. */
static long read_plain(struct content_reader *r, uint8_t *p, size_t n)
{
	if (n > r->size - r->offset)
		n = (size_t)(r->size - r->offset);
	if (r->fd >= 0)
		return read_stored(r, p, n) ? -1 : (long)n;
	content_bytes_fill(r->key, r->offset, p, n);
	r->offset += n;
	return (long)n;
}

static size_t take_rest(struct content_reader *r, uint8_t *p, size_t n)
{
	if (n > r->rest_len)
		n = r->rest_len;
	memcpy(p, r->rest, n);
	r->rest_len -= n;
	memmove(r->rest, r->rest + n, r->rest_len);
	return n;
}

/* Encrypts whole blocks in place; a piece smaller than a block goes by way of
 * `rest`. */
static long read_sealed(struct content_reader *r, uint8_t *p, size_t cap)
{
	size_t room = cap / CIPHER_BLOCK * CIPHER_BLOCK;
	uint8_t *to = room ? p : r->rest;
	long n, made;

	n = read_plain(r, to, room ? room : CIPHER_BLOCK);
	if (n < 0)
		return -1;
	made = cipher_cbc_step(r->cbc, to, (size_t)n, to);
	if (made < 0)
		return -1;
	if (!room)
		r->rest_len = (size_t)made;
	if (r->offset == r->size && !r->ended) {
		long tail = cipher_cbc_end(r->cbc, r->rest + r->rest_len);

		if (tail < 0)
			return -1;
		r->rest_len += (size_t)tail;
		r->ended = true;
	}
	return room ? made : 0;
}

long content_reader_read(struct content_reader *r, void *buf, size_t cap)
{
	uint8_t *p = buf;
	size_t done = 0;
	long n;

	while (done < cap) {
		done += take_rest(r, p + done, cap - done);
		if (done == cap)
			break;
		if (r->cbc)
			n = r->ended ? 0 : read_sealed(r, p + done, cap - done);
		else
			n = read_plain(r, p + done, cap - done);
		if (n < 0)
			return -1;
		done += (size_t)n;
		if (n == 0 && r->rest_len == 0 && (!r->cbc || r->ended))
			break;
	}
	return (long)done;
}

void content_reader_close(struct content_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	cipher_cbc_free(r->cbc);
	free(r);
}

uint64_t content_stored_size(struct content *c, const struct content_item *it)
{
	if (it->kind != CONTENT_FILE)
		return 0;
	return content_is_encrypted(c)
		   ? (it->size / CIPHER_BLOCK + 1) * CIPHER_BLOCK
		   : it->size;
}
