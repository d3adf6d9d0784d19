/*
 * Binary lists may share objects (a "billion laughs" of a few hundred bytes)
 * or nest a million deep; XML may nest. Both are counted as they would be
 * expanded.
 */
#include <string.h>

#include "plist_bounds.h"

struct bin {
	const uint8_t *data;
	size_t len;
	uint64_t n_objects, top, table;
	unsigned offset_size, ref_size;
	uint32_t nodes;
};

static uint64_t be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static enum rc bin_trailer(struct bin *b)
{
	const uint8_t *t;

	if (b->len < 8 + 1 + 1 + 32)
		return RC_PROTO;
	t = b->data + b->len - 32;
	b->offset_size = t[6];
	b->ref_size = t[7];
	b->n_objects = be(t + 8, 8);
	b->top = be(t + 16, 8);
	b->table = be(t + 24, 8);
	if (b->offset_size < 1 || b->offset_size > 8 || b->ref_size < 1 ||
	    b->ref_size > 8)
		return RC_PROTO;
	if (b->table < 9 || b->table > b->len - 32 || b->n_objects == 0 ||
	    b->n_objects > (b->len - 32 - b->table) / b->offset_size ||
	    b->top >= b->n_objects)
		return RC_PROTO;
	return RC_OK;
}

/* The count of a container; *at moves behind it to the first reference. */
static enum rc bin_count(const struct bin *b, uint64_t *at, uint64_t *count)
{
	uint8_t marker = b->data[*at];
	unsigned n;

	(*at)++;
	*count = marker & 0x0f;
	if (*count != 0x0f)
		return RC_OK;
	if (*at >= b->table || (b->data[*at] & 0xf0) != 0x10)
		return RC_PROTO;
	n = 1u << (b->data[*at] & 0x0f);
	(*at)++;
	if (n > 8 || n > b->table - *at)
		return RC_PROTO;
	*count = be(b->data + *at, n);
	*at += n;
	return RC_OK;
}

/* A text with a NUL, or a key that is no text, makes libplist 2.2 abort. */
static enum rc bin_text(const struct bin *b, uint64_t at)
{
	unsigned unit = (b->data[at] & 0xf0) == 0x60 ? 2 : 1;
	uint64_t count;
	enum rc rc = bin_count(b, &at, &count);

	if (rc)
		return rc;
	if (count > (b->table - at) / unit)
		return RC_PROTO;
	for (uint64_t i = 0; i < count; i++)
		if (be(b->data + at + i * unit, unit) == 0)
			return RC_PROTO;
	return RC_OK;
}

static enum rc bin_node(
    struct bin *b, uint64_t ref, unsigned depth, bool is_key)
{
	uint64_t at, count, keys = 0;
	enum rc rc;

	if (ref >= b->n_objects)
		return RC_PROTO;
	if (depth > PLIST_DEPTH_MAX || ++b->nodes > PLIST_NODES_MAX)
		return RC_LIMIT;
	at = be(b->data + b->table + ref * b->offset_size, b->offset_size);
	if (at < 8 || at >= b->table)
		return RC_PROTO;
	switch (b->data[at] & 0xf0) {
	case 0x50:
	case 0x60:
		return bin_text(b, at);
	case 0xa0:
	case 0xc0:
	case 0xd0:
		break;
	default: /* a leaf; libplist checks its length */
		return is_key ? RC_PROTO : RC_OK;
	}
	if (is_key)
		return RC_PROTO;
	ref = b->data[at] & 0xf0;
	rc = bin_count(b, &at, &count);
	if (rc)
		return rc;
	if (count > PLIST_NODES_MAX)
		return RC_LIMIT;
	if (ref == 0xd0) {
		keys = count;
		count *= 2; /* keys, then values */
	}
	if (count > (b->table - at) / b->ref_size)
		return RC_PROTO;
	for (uint64_t i = 0; i < count; i++) {
		rc =
		    bin_node(b, be(b->data + at + i * b->ref_size, b->ref_size),
			depth + 1, i < keys);
		if (rc)
			return rc;
	}
	return RC_OK;
}

/* Does the tag at p (behind '<') open or close something that holds nodes? */
static int xml_step(const char *p, size_t left)
{
	int sign = 1;

	if (left && *p == '/') {
		sign = -1;
		p++;
		left--;
	}
	if ((left >= 4 && memcmp(p, "dict", 4) == 0) ||
	    (left >= 5 && memcmp(p, "array", 5) == 0) ||
	    (left >= 5 && memcmp(p, "plist", 5) == 0))
		return sign;
	return 0;
}

/* What stands in a comment or in CDATA opens and closes nothing. Moves *p
 * behind it; RC_PROTO when it has no end. */
static enum rc xml_skip(const char **p, const char *end)
{
	static const struct {
		const char *open, *close;
	} kinds[] = { { "!--", "-->" }, { "![CDATA[", "]]>" } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].open);
		const char *q;

		if ((size_t)(end - *p) < n || memcmp(*p, kinds[i].open, n) != 0)
			continue;
		q = memmem(*p + n, (size_t)(end - *p) - n, kinds[i].close, 3);
		if (!q)
			return RC_PROTO;
		*p = q + 3;
		break;
	}
	return RC_OK;
}

static enum rc xml_check(const char *text, size_t len)
{
	const char *end = text + len;
	uint32_t tags = 0;
	int depth = 0;

	while (len > 0 && text[len - 1] == '\0')
		len--; /* some programs write one behind the end */
	if (memchr(text, '\0', len))
		return RC_PROTO;
	end = text + len;

	for (const char *p = text;
	     (p = memchr(p, '<', (size_t)(end - p))) != NULL;) {
		p++;
		if (++tags > 2 * PLIST_NODES_MAX)
			return RC_LIMIT;
		/* An entity declared here would be expanded there. */
		if ((size_t)(end - p) >= 7 && memcmp(p, "!ENTITY", 7) == 0)
			return RC_PROTO;
		if (xml_skip(&p, end))
			return RC_PROTO;
		depth += xml_step(p, (size_t)(end - p));
		if (depth > PLIST_DEPTH_MAX)
			return RC_LIMIT;
		if (depth < 0)
			return RC_PROTO;
	}
	return tags ? RC_OK : RC_PROTO;
}

enum rc plist_bounds_check(const void *data, size_t len)
{
	struct bin b = { .data = data, .len = len };
	enum rc rc;

	if (len < 8)
		return RC_PROTO;
	if (memcmp(data, "bplist00", 8) != 0)
		return xml_check(data, len);
	rc = bin_trailer(&b);
	if (rc)
		return rc;
	return bin_node(&b, b.top, 0, false);
}
