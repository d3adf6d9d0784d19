/*
 * A store in memory that only sees what it may see: each path is checked once
 * more, with other means than the engine's, and the run ends when one is bad.
 */
#ifndef FUZZ_STORE_H
#define FUZZ_STORE_H

#include "dlink.h"
#include "fake_phone.h"

#define U FAKE_UDID

static inline void check_path(const char *path)
{
	size_t n = strlen(U), part = 0;

	if (strncmp(path, U, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		abort();
	for (const char *p = path;; p++) {
		if (*p != '/' && *p != '\0') {
			part++;
			continue;
		}
		if (part == 0 || part > 255 ||
		    (part <= 2 && strncmp(p - part, "..", part) == 0))
			abort();
		if (*p == '\0')
			break;
		part = 0;
	}
}

/* One entry stays free, so that a copy finds room. */
static inline bool is_full(struct fake_store *s)
{
	for (int i = 0; i < FAKE_ENTRIES - 1; i++)
		if (!s->e[i].used)
			return false;
	return true;
}

static inline enum rc checked_stat(
    void *ctx, const char *path, struct store_stat *out)
{
	check_path(path);
	return fake_stat(ctx, path, out);
}

static inline enum rc checked_list(
    void *ctx, const char *path, store_list_fn fn, void *arg)
{
	check_path(path);
	return fake_list(ctx, path, fn, arg);
}

static inline enum rc checked_make_dir(void *ctx, const char *path)
{
	check_path(path);
	return is_full(ctx) ? RC_NOSPC : fake_make_dir(ctx, path);
}

static inline enum rc checked_move(void *ctx, const char *from, const char *to)
{
	check_path(from);
	check_path(to);
	return strcmp(from, to) == 0 ? RC_OK : fake_move(ctx, from, to);
}

static inline enum rc checked_remove(void *ctx, const char *path)
{
	check_path(path);
	return fake_remove(ctx, path);
}

static inline enum rc checked_copy(void *ctx, const char *from, const char *to)
{
	check_path(from);
	check_path(to);
	if (strcmp(from, to) == 0)
		return RC_OK;
	return is_full(ctx) ? RC_NOSPC : fake_copy(ctx, from, to);
}

static inline enum rc checked_create(
    void *ctx, const char *path, struct store_file **out)
{
	check_path(path);
	return is_full(ctx) ? RC_NOSPC : fake_create(ctx, path, out);
}

static inline enum rc checked_open(
    void *ctx, const char *path, struct store_file **out, uint64_t *size)
{
	check_path(path);
	return fake_open(ctx, path, out, size);
}

static inline struct store checked_store(struct fake_store *s)
{
	static struct store_ops ops;

	ops = *fake_store_of(s).ops;
	ops.stat = checked_stat;
	ops.list = checked_list;
	ops.make_dir = checked_make_dir;
	ops.move = checked_move;
	ops.remove = checked_remove;
	ops.copy = checked_copy;
	ops.create = checked_create;
	ops.open = checked_open;
	return (struct store){ &ops, s };
}

/* What holds of a talk however it went. */
static inline void check_result(const struct dlink_result *r)
{
	if (!memchr(r->text, '\0', sizeof(r->text)) ||
	    !memchr(r->status_state, '\0', sizeof(r->status_state)))
		abort();
	/* "finished" decides how a night is judged. */
	if (r->finished != (strcmp(r->status_state, "finished") == 0))
		abort();
}

/* `how` says how the bytes arrive and whether the disk is full at some one;
 * the rest is the stream. `said` gets what the host sent, unless NULL. */
static inline void fuzz_talk(
    uint8_t how, const uint8_t *data, size_t len, struct fake_bytes *said)
{
	static const struct dlink_waits waits = { 1000, 1000, 1000 };
	struct fake_stream stream = { .piece = how % 4 ? how / 4 : 0 };
	struct fake_store *s = calloc(1, sizeof(*s));
	struct dlink_result result;
	struct store store;
	struct dlink *d;

	if (!s)
		return;
	store = checked_store(s);
	s->room = 1000000;
	s->freed = 1000;
	if (how % 4 == 3) {
		s->write_rc = RC_NOSPC;
		s->write_ok = how;
	}
	fake_put(s, U, true);
	fake_put_file(s, U "/Status.plist", "x", 1);
	fake_add(&stream.in, data, len);
	if (dlink_new(fake_stream_of(&stream), &store, U, &waits, NULL, &d) ==
	    RC_OK) {
		if (dlink_hello(d) == RC_OK &&
		    dlink_ask_backup(d, false) == RC_OK) {
			if (dlink_serve(d, &result) == RC_OK)
				dlink_bye(d);
			check_result(&result);
		}
		dlink_free(d);
	}
	if (s->open_files != 0 || stream.closed != 1)
		abort();
	if (said)
		fake_add(said, stream.out.data, stream.out.len);
	fake_stream_free(&stream);
	fake_store_free(s);
}

#endif
