/*
 * All that a phone says in a backup: the first byte chooses how it arrives,
 * the rest is the stream. The store is checked to see only paths that it may
 * see, and no file may stay open.
 */
#include "fuzz.h"

#include "dlink.h"
#include "fake_phone.h"
#include "log.h"
#include "relpath.h"

#define U FAKE_UDID

static void check_path(const char *path)
{
	size_t n = strlen(U);

	if (strncmp(path, U, n) != 0 || (path[n] != '/' && path[n] != '\0') ||
	    strstr(path, "/../") || strstr(path, "//") ||
	    relpath_check(path, strlen(path)))
		abort();
}

static bool is_full(struct fake_store *s)
{
	for (int i = 0; i < FAKE_ENTRIES - 1; i++)
		if (!s->e[i].used)
			return false;
	return true;
}

static enum rc stat_(void *ctx, const char *path, struct store_stat *out)
{
	check_path(path);
	return fake_stat(ctx, path, out);
}

static enum rc list(void *ctx, const char *path, store_list_fn fn, void *arg)
{
	check_path(path);
	return fake_list(ctx, path, fn, arg);
}

static enum rc make_dir(void *ctx, const char *path)
{
	check_path(path);
	return is_full(ctx) ? RC_NOSPC : fake_make_dir(ctx, path);
}

static enum rc move(void *ctx, const char *from, const char *to)
{
	check_path(from);
	check_path(to);
	return strcmp(from, to) == 0 ? RC_OK : fake_move(ctx, from, to);
}

static enum rc remove_(void *ctx, const char *path)
{
	check_path(path);
	return fake_remove(ctx, path);
}

static enum rc copy(void *ctx, const char *from, const char *to)
{
	check_path(from);
	check_path(to);
	if (strcmp(from, to) == 0)
		return RC_OK;
	return is_full(ctx) ? RC_NOSPC : fake_copy(ctx, from, to);
}

static enum rc create(void *ctx, const char *path, struct store_file **out)
{
	check_path(path);
	return is_full(ctx) ? RC_NOSPC : fake_create(ctx, path, out);
}

static enum rc open_(
    void *ctx, const char *path, struct store_file **out, uint64_t *size)
{
	check_path(path);
	return fake_open(ctx, path, out, size);
}

static struct store store_of(struct fake_store *s)
{
	static struct store_ops ops;

	ops = *fake_store_of(s).ops;
	ops.stat = stat_;
	ops.list = list;
	ops.make_dir = make_dir;
	ops.move = move;
	ops.remove = remove_;
	ops.copy = copy;
	ops.create = create;
	ops.open = open_;
	return (struct store){ &ops, s };
}

static void talk(struct fake_stream *stream, struct fake_store *s)
{
	static const struct dlink_waits waits = { 1000, 1000, 1000 };
	struct store store = store_of(s);
	struct dlink_result result;
	struct dlink *d;

	if (dlink_new(fake_stream_of(stream), &store, U, &waits, NULL, &d))
		return;
	if (dlink_hello(d) == RC_OK && dlink_ask_backup(d, false) == RC_OK &&
	    dlink_serve(d, &result) == RC_OK)
		dlink_bye(d);
	dlink_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fake_stream stream = { .piece = 0 };
	struct fake_store *s = calloc(1, sizeof(*s));

	if (!s || len == 0) {
		free(s);
		return 0;
	}
	log_set_level(LOG_LEVEL_ERROR);
	stream.piece = data[0] % 4 ? data[0] / 4 : 0;
	s->room = 1000000;
	s->freed = 1000;
	/* The disk is full at some byte, in some of the runs. */
	if (data[0] % 4 == 3) {
		s->write_rc = RC_NOSPC;
		s->write_ok = data[0];
	}
	fake_put(s, U, true);
	fake_put_file(s, U "/Status.plist", "x", 1);
	fake_add(&stream.in, data + 1, len - 1);
	talk(&stream, s);
	if (s->open_files != 0)
		abort();
	fake_stream_free(&stream);
	fake_store_free(s);
	return 0;
}
