/*
 * An update file whose signature holds (else nothing of it is read), and the
 * sector of the slots: whatever is taken stays within its bounds, is the same
 * in pieces of any size, and prints to what is taken again.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "seal.h"
#include "slots.h"

/* Who fuzzes has the key. */
#define seal_is_signed(data, len, signature, key)                              \
	((void)(data), (void)(len), (void)(signature), (void)(key), true)
#include "update_file.c"
#undef seal_is_signed

static const struct update_keys keys = { .n = 1 };

struct seen {
	unsigned opened, closed;
	uint64_t bytes, of_part;
};

static enum rc on_begin(void *ctx, const struct update_head *h)
{
	uint64_t sum = 0;

	(void)ctx;
	if (!h->n_parts || h->n_parts > UPDATE_PARTS)
		abort();
	for (unsigned i = 0; i < h->n_parts; i++) {
		const char *name = h->parts[i].name;

		if (strnlen(name, UPDATE_NAME) == UPDATE_NAME || !name[0] ||
		    strchr(name, '/') || name[0] == '.')
			abort();
		sum += h->parts[i].bytes;
	}
	if (sum != h->bytes || sum > UPDATE_BYTES_MAX)
		abort();
	return RC_OK;
}

static enum rc on_open(void *ctx, const struct update_part *part)
{
	struct seen *s = ctx;

	if (s->opened++ != s->closed)
		abort();
	s->of_part = part->bytes;
	return RC_OK;
}

static enum rc on_write(void *ctx, const void *data, size_t len)
{
	struct seen *s = ctx;

	(void)data;
	if (len > s->of_part)
		abort();
	s->of_part -= len;
	s->bytes += len;
	return RC_OK;
}

static enum rc on_close(void *ctx, const struct update_part *part)
{
	struct seen *s = ctx;

	(void)part;
	if (s->of_part || ++s->closed != s->opened)
		abort();
	return RC_OK;
}

static enum rc play(
    const uint8_t *data, size_t len, size_t piece, struct seen *s)
{
	const struct update_sink sink = { s, on_begin, on_open, on_write,
		on_close };
	static struct update_take t;
	size_t n;

	memset(s, 0, sizeof(*s));
	if (update_take_begin(&t, &keys, &sink))
		abort();
	for (size_t at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (update_take_feed(&t, data + at, n))
			break;
	}
	return update_take_end(&t);
}

static void check_sector(const uint8_t *data, size_t len)
{
	char text[SLOTS_SIZE], again[SLOTS_SIZE];
	struct slots s, same;

	memset(text, ' ', sizeof(text));
	memcpy(text, data, len < sizeof(text) ? len : sizeof(text));
	if (slots_read(text, sizeof(text), &s))
		return;
	slots_print(&s, again);
	if ((s.boot != 'a' && s.boot != 'b') ||
	    slots_read(again, sizeof(again), &same) ||
	    memcmp(&s, &same, sizeof(s)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen whole, pieces;

	if (len > 0 && data[0] == 'o') {
		check_sector(data, len);
		return 0;
	}
	if (play(data, len, len ? len : 1, &whole) !=
		play(data, len, 7, &pieces) ||
	    memcmp(&whole, &pieces, sizeof(whole)) != 0)
		abort();
	return 0;
}
