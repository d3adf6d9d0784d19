/*
 * For the tests of lib/phone: a stream that plays scripted bytes, in pieces
 * of any size and with pauses, and keeps what was written; and a store in
 * memory whose calls can be told to fail.
 */
#ifndef FAKE_PHONE_H
#define FAKE_PHONE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pl.h"
#include "store.h"
#include "stream.h"

#define FAKE_UDID "00008101-001A2B3C4D5E6F70"

struct fake_bytes {
	uint8_t *data;
	size_t len, cap;
};

static inline void fake_add(struct fake_bytes *b, const void *p, size_t n)
{
	if (b->len + n > b->cap) {
		b->cap = (b->len + n) * 2;
		b->data = realloc(b->data, b->cap);
		if (!b->data)
			abort();
	}
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
}

static inline void fake_u32(struct fake_bytes *b, uint32_t v)
{
	uint8_t p[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };

	fake_add(b, p, 4);
}

static inline void fake_name(struct fake_bytes *b, const char *s)
{
	fake_u32(b, (uint32_t)strlen(s));
	fake_add(b, s, strlen(s));
}

static inline void fake_block(
    struct fake_bytes *b, uint8_t code, const void *p, size_t n)
{
	fake_u32(b, (uint32_t)n + 1);
	fake_add(b, &code, 1);
	fake_add(b, p, n);
}

/* Takes the message. */
static inline void fake_message(struct fake_bytes *b, struct pl *msg)
{
	uint8_t *bytes;
	size_t len;

	if (pl_to_bin(msg, &bytes, &len))
		abort();
	fake_u32(b, (uint32_t)len);
	fake_add(b, bytes, len);
	pl_bytes_free(bytes);
	pl_free(msg);
}

/* ---- the stream ---- */

struct fake_stream {
	struct fake_bytes in, out;
	size_t at;
	size_t piece; /* at most so many bytes a read; 0 = all */
	size_t pause_at; /* once, at this offset, RC_TIMEOUT */
	bool paused;
	bool hang; /* at the end: RC_TIMEOUT for ever, not RC_GONE */
	int closed;
};

static inline enum rc fake_stream_read(
    void *ctx, void *buf, size_t cap, int timeout_ms, size_t *len)
{
	struct fake_stream *f = ctx;
	size_t n = f->in.len - f->at;

	(void)timeout_ms;
	if (f->pause_at && !f->paused && f->at >= f->pause_at) {
		f->paused = true;
		return RC_TIMEOUT;
	}
	if (n == 0)
		return f->hang ? RC_TIMEOUT : RC_GONE;
	if (n > cap)
		n = cap;
	if (f->piece && n > f->piece)
		n = f->piece;
	memcpy(buf, f->in.data + f->at, n);
	f->at += n;
	*len = n;
	return RC_OK;
}

static inline enum rc fake_stream_write(void *ctx, const void *buf, size_t len)
{
	struct fake_stream *f = ctx;

	fake_add(&f->out, buf, len);
	return RC_OK;
}

static inline void fake_stream_close(void *ctx)
{
	struct fake_stream *f = ctx;

	f->closed++;
}

static inline struct stream fake_stream_of(struct fake_stream *f)
{
	static const struct stream_ops ops = { fake_stream_read,
		fake_stream_write, fake_stream_close };

	return (struct stream){ &ops, f };
}

static inline void fake_stream_free(struct fake_stream *f)
{
	free(f->in.data);
	free(f->out.data);
}

/* The n-th plist frame that was written (only where all frames are plists).
 * Gives. */
static inline struct pl *fake_written(const struct fake_stream *f, unsigned n)
{
	size_t at = 0;

	while (at + 4 <= f->out.len) {
		const uint8_t *p = f->out.data + at;
		size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 |
			     (size_t)p[2] << 8 | p[3];
		struct pl *msg;

		if (at + 4 + len > f->out.len)
			return NULL;
		if (n-- == 0)
			return pl_parse(p + 4, len, &msg) ? NULL : msg;
		at += 4 + len;
	}
	return NULL;
}

/* ---- the store ---- */

#define FAKE_ENTRIES 64

struct fake_entry {
	char path[1100];
	bool used, dir;
	struct fake_bytes data;
};

struct fake_store {
	struct fake_entry e[FAKE_ENTRIES];
	enum rc create_rc, write_rc, finish_rc, read_rc, move_rc;
	uint64_t write_ok; /* bytes that fit before write_rc */
	uint64_t room, freed; /* free_space, the first purge */
	uint64_t freed_then; /* … and the later ones */
	uint64_t purge_want; /* of the first call */
	unsigned purges;
	unsigned confirms;
	enum rc confirm_rc; /* what they get */
	unsigned creates, discards, open_files;
	size_t shrink_to; /* reads end here when > 0 */
};

struct store_file {
	struct fake_store *s;
	struct fake_entry *entry; /* read */
	char path[1100];
	struct fake_bytes data;
	size_t at;
};

static inline struct fake_entry *fake_find(
    struct fake_store *s, const char *path)
{
	for (int i = 0; i < FAKE_ENTRIES; i++)
		if (s->e[i].used && strcmp(s->e[i].path, path) == 0)
			return &s->e[i];
	return NULL;
}

static inline struct fake_entry *fake_put(
    struct fake_store *s, const char *path, bool dir)
{
	struct fake_entry *e = fake_find(s, path);

	for (int i = 0; !e && i < FAKE_ENTRIES; i++)
		if (!s->e[i].used)
			e = &s->e[i];
	if (!e)
		abort();
	e->used = true;
	e->dir = dir;
	e->data.len = 0;
	snprintf(e->path, sizeof(e->path), "%s", path);
	return e;
}

static inline void fake_put_file(
    struct fake_store *s, const char *path, const void *p, size_t n)
{
	fake_add(&fake_put(s, path, false)->data, p, n);
}

static inline enum rc fake_stat(
    void *ctx, const char *path, struct store_stat *out)
{
	struct fake_entry *e = fake_find(ctx, path);

	if (!e)
		return RC_NOTFOUND;
	out->kind = e->dir ? STORE_DIR : STORE_FILE;
	out->size = e->data.len;
	out->mtime = 1700000000;
	return RC_OK;
}

static inline enum rc fake_list(
    void *ctx, const char *path, store_list_fn fn, void *arg)
{
	struct fake_store *s = ctx;
	size_t n = strlen(path);

	if (!fake_find(s, path))
		return RC_NOTFOUND;
	for (int i = 0; i < FAKE_ENTRIES; i++) {
		struct fake_entry *e = &s->e[i];
		struct store_stat st = { STORE_FILE, 0, 1700000000 };
		enum rc rc;

		if (!e->used || strncmp(e->path, path, n) != 0 ||
		    e->path[n] != '/' || strchr(e->path + n + 1, '/'))
			continue;
		st.kind = e->dir ? STORE_DIR : STORE_FILE;
		st.size = e->data.len;
		rc = fn(arg, e->path + n + 1, &st);
		if (rc)
			return rc;
	}
	return RC_OK;
}

static inline enum rc fake_make_dir(void *ctx, const char *path)
{
	if (fake_find(ctx, path))
		return RC_EXISTS;
	fake_put(ctx, path, true);
	return RC_OK;
}

static inline enum rc fake_move(void *ctx, const char *from, const char *to)
{
	struct fake_store *s = ctx;
	struct fake_entry *e = fake_find(s, from);
	struct fake_entry *old = fake_find(s, to);

	if (s->move_rc)
		return s->move_rc;
	if (!e)
		return RC_NOTFOUND;
	if (old)
		old->used = false;
	snprintf(e->path, sizeof(e->path), "%s", to);
	return RC_OK;
}

static inline enum rc fake_remove(void *ctx, const char *path)
{
	struct fake_store *s = ctx;
	size_t n = strlen(path);

	if (!fake_find(s, path))
		return RC_NOTFOUND;
	for (int i = 0; i < FAKE_ENTRIES; i++)
		if (s->e[i].used && strncmp(s->e[i].path, path, n) == 0 &&
		    (s->e[i].path[n] == '\0' || s->e[i].path[n] == '/'))
			s->e[i].used = false;
	return RC_OK;
}

static inline enum rc fake_copy(void *ctx, const char *from, const char *to)
{
	struct fake_entry *e = fake_find(ctx, from);

	if (!e)
		return RC_NOTFOUND;
	fake_put_file(ctx, to, e->data.data, e->data.len);
	return RC_OK;
}

static inline enum rc fake_create(
    void *ctx, const char *path, struct store_file **out)
{
	struct fake_store *s = ctx;

	s->creates++;
	if (s->create_rc)
		return s->create_rc;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		abort();
	(*out)->s = s;
	snprintf((*out)->path, sizeof((*out)->path), "%s", path);
	s->open_files++;
	return RC_OK;
}

static inline enum rc fake_write(
    struct store_file *f, const void *data, size_t len)
{
	if (f->s->write_rc && f->data.len + len > f->s->write_ok)
		return f->s->write_rc;
	fake_add(&f->data, data, len);
	return RC_OK;
}

static inline void fake_drop(struct store_file *f)
{
	f->s->open_files--;
	free(f->data.data);
	free(f);
}

static inline enum rc fake_finish(struct store_file *f)
{
	enum rc rc = f->s->finish_rc;

	if (!rc)
		fake_put_file(f->s, f->path, f->data.data, f->data.len);
	fake_drop(f);
	return rc;
}

static inline void fake_discard(struct store_file *f)
{
	if (!f)
		return;
	f->s->discards++;
	fake_drop(f);
}

static inline enum rc fake_open(
    void *ctx, const char *path, struct store_file **out, uint64_t *size)
{
	struct fake_store *s = ctx;
	struct fake_entry *e = fake_find(s, path);

	if (!e)
		return RC_NOTFOUND;
	if (e->dir)
		return RC_ISDIR;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		abort();
	(*out)->s = s;
	(*out)->entry = e;
	*size = e->data.len;
	s->open_files++;
	return RC_OK;
}

static inline enum rc fake_read(
    struct store_file *f, void *buf, size_t cap, size_t *len)
{
	size_t end = f->entry->data.len;
	size_t n;

	if (f->s->read_rc && f->at > 0)
		return f->s->read_rc;
	if (f->s->shrink_to && end > f->s->shrink_to)
		end = f->s->shrink_to;
	n = end - f->at < cap ? end - f->at : cap;
	if (n)
		memcpy(buf, f->entry->data.data + f->at, n);
	f->at += n;
	*len = n;
	return RC_OK;
}

static inline void fake_close(struct store_file *f)
{
	if (f)
		fake_drop(f);
}

static inline enum rc fake_free_space(void *ctx, uint64_t *out)
{
	*out = ((struct fake_store *)ctx)->room;
	return RC_OK;
}

static inline enum rc fake_purge(void *ctx, uint64_t want, uint64_t *freed)
{
	struct fake_store *s = ctx;

	if (s->purges++ == 0)
		s->purge_want = want;
	*freed = s->purges == 1 ? s->freed : s->freed_then;
	return RC_OK;
}

static inline enum rc fake_confirm(void *ctx)
{
	struct fake_store *s = ctx;

	s->confirms++;
	return s->confirm_rc;
}

static inline struct store fake_store_of(struct fake_store *s)
{
	static const struct store_ops ops = { .stat = fake_stat,
		.list = fake_list,
		.make_dir = fake_make_dir,
		.move = fake_move,
		.remove = fake_remove,
		.copy = fake_copy,
		.create = fake_create,
		.write = fake_write,
		.finish = fake_finish,
		.discard = fake_discard,
		.open = fake_open,
		.read = fake_read,
		.close = fake_close,
		.free_space = fake_free_space,
		.purge = fake_purge,
		.confirm = fake_confirm };

	return (struct store){ &ops, s };
}

static inline void fake_store_free(struct fake_store *s)
{
	for (int i = 0; i < FAKE_ENTRIES; i++)
		free(s->e[i].data.data);
	free(s);
}

#endif
