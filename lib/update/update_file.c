#include "update_file.h"

#include <string.h>

#define SIGNED    (UPDATE_HEAD - SEAL_SIGNATURE)
#define PARTS_AT  128
#define PART_SIZE 96

static const char magic[] = "nightstand-upd1\n";

_Static_assert(PARTS_AT + UPDATE_PARTS * PART_SIZE <= SIGNED, "they fit");

static uint64_t number(const uint8_t *at, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | at[n];
	return v;
}

static bool is_zero(const uint8_t *at, size_t len)
{
	while (len--)
		if (*at++)
			return false;
	return true;
}

/* A text of small letters, digits, '-' and '.', zero behind it. */
static bool text(const uint8_t *at, size_t cap, char *out)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	size_t len = strnlen((const char *)at, cap);

	if (!len || len == cap || at[0] == '.' ||
	    !is_zero(at + len, cap - len) ||
	    strspn((const char *)at, fine) != len)
		return false;
	memcpy(out, at, cap);
	return true;
}

/* What a slot may hold; no name leads out of it. */
static bool is_part_name(const char *name)
{
	size_t len = strlen(name);

	return !strcmp(name, "kernel8.img") || !strcmp(name, "initrd.img") ||
	       !strcmp(name, "cmdline.txt") ||
	       (len > 4 && !strcmp(name + len - 4, ".dtb"));
}

static bool has_part(const struct update_head *h, const char *name)
{
	for (unsigned i = 0; i < h->n_parts; i++)
		if (!strcmp(h->parts[i].name, name))
			return true;
	return false;
}

static enum rc read_part(const uint8_t *at, struct update_head *h)
{
	struct update_part part;

	if (!text(at, UPDATE_NAME, part.name) || !is_part_name(part.name) ||
	    has_part(h, part.name) || !is_zero(at + 72, PART_SIZE - 72))
		return RC_PROTO;
	part.bytes = number(at + 32, 8);
	memcpy(part.sha256, at + 40, SEAL_HASH);
	if (!part.bytes)
		return RC_PROTO;
	if (part.bytes > UPDATE_BYTES_MAX - h->bytes)
		return RC_LIMIT;
	h->bytes += part.bytes;
	h->parts[h->n_parts++] = part;
	return RC_OK;
}

static bool is_signed(const uint8_t *head, const struct update_keys *keys)
{
	for (unsigned i = 0; i < keys->n && i < UPDATE_KEYS; i++)
		if (seal_is_signed(head, SIGNED, head + SIGNED, keys->keys[i]))
			return true;
	return false;
}

enum rc update_head_read(const uint8_t head[UPDATE_HEAD],
    const struct update_keys *keys, struct update_head *out)
{
	uint64_t n = number(head + 16, 4);
	enum rc rc = RC_OK;

	memset(out, 0, sizeof(*out));
	if (memcmp(head, magic, sizeof(magic) - 1) != 0)
		return RC_PROTO;
	if (!is_signed(head, keys))
		return RC_UNTRUSTED;
	out->build = number(head + 24, 8);
	if (n < 1 || n > UPDATE_PARTS || !is_zero(head + 20, 4) ||
	    !text(head + 32, sizeof(out->board), out->board) ||
	    !text(head + 48, sizeof(out->version), out->version) ||
	    !is_zero(head + 80, PARTS_AT - 80))
		return RC_PROTO;
	for (unsigned i = 0; !rc && i < n; i++)
		rc = read_part(head + PARTS_AT + i * PART_SIZE, out);
	if (rc)
		return rc;
	n = PARTS_AT + n * PART_SIZE;
	if (!is_zero(head + n, SIGNED - n) || !has_part(out, "kernel8.img") ||
	    !has_part(out, "initrd.img"))
		return RC_PROTO;
	return RC_OK;
}

/* --- as it comes ------------------------------------------------------------------ */

enum rc update_take_begin(struct update_take *t, const struct update_keys *keys,
    const struct update_sink *sink)
{
	memset(t, 0, sizeof(*t));
	t->keys = keys;
	t->sink = sink;
	t->hash = seal_hash_new();
	t->rc = t->hash ? RC_OK : RC_NOMEM;
	return t->rc;
}

static enum rc open_part(struct update_take *t)
{
	const struct update_part *p = &t->head.parts[t->part];
	enum rc rc = seal_hash_begin(t->hash);

	t->left = p->bytes;
	return rc ? rc : t->sink->open(t->sink->ctx, p);
}

static enum rc close_part(struct update_take *t)
{
	const struct update_part *p = &t->head.parts[t->part];
	uint8_t hash[SEAL_HASH];
	enum rc rc = seal_hash_end(t->hash, hash);

	if (!rc && memcmp(hash, p->sha256, SEAL_HASH) != 0)
		rc = RC_CORRUPT;
	if (!rc)
		rc = t->sink->close(t->sink->ctx, p);
	if (!rc && ++t->part < t->head.n_parts)
		rc = open_part(t);
	return rc;
}

static enum rc head_came(struct update_take *t)
{
	enum rc rc = update_head_read(t->raw, t->keys, &t->head);

	if (!rc)
		rc = t->sink->begin(t->sink->ctx, &t->head);
	return rc ? rc : open_part(t);
}

/* Takes some of it, at least one byte; *used says how much. */
static enum rc take(
    struct update_take *t, const uint8_t *data, size_t len, size_t *used)
{
	enum rc rc;

	if (t->at < UPDATE_HEAD) {
		*used = UPDATE_HEAD - (size_t)t->at;
		if (*used > len)
			*used = len;
		memcpy(t->raw + t->at, data, *used);
		t->at += *used;
		return t->at == UPDATE_HEAD ? head_came(t) : RC_OK;
	}
	if (t->part == t->head.n_parts)
		return RC_PROTO; /* more than was said */
	*used = len < t->left ? len : (size_t)t->left;
	rc = seal_hash_add(t->hash, data, *used);
	if (!rc)
		rc = t->sink->write(t->sink->ctx, data, *used);
	t->at += *used;
	t->left -= *used;
	return rc || t->left ? rc : close_part(t);
}

enum rc update_take_feed(struct update_take *t, const uint8_t *data, size_t len)
{
	size_t used = 0;

	while (!t->rc && len) {
		t->rc = take(t, data, len, &used);
		data += used;
		len -= used;
	}
	return t->rc;
}

enum rc update_take_end(struct update_take *t)
{
	seal_hash_free(t->hash);
	t->hash = NULL;
	if (!t->rc && (t->at < UPDATE_HEAD || t->part < t->head.n_parts))
		t->rc = RC_PROTO;
	return t->rc;
}
