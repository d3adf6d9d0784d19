#include "mbfile.h"

#include <string.h>

#define TRAILER 32
#define HEADER  8

enum tag {
	TAG_INT = 0x1,
	TAG_DATA = 0x4,
	TAG_ASCII = 0x5,
	TAG_UID = 0x8,
	TAG_ARRAY = 0xa,
	TAG_DICT = 0xd
};

/* The whole list; positions are checked against `table`, the end of the
 * objects. */
struct bp {
	const uint8_t *p;
	size_t table; /* where the offset table begins */
	uint64_t count; /* objects */
	unsigned off_size, ref_size;
};

/* One object: for arrays and dictionaries `n` counts elements, else bytes. */
struct obj {
	unsigned tag;
	uint64_t n;
	size_t at; /* of the content */
};

static uint64_t be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

static bool bp_init(struct bp *b, const uint8_t *p, size_t len, uint64_t *top)
{
	const uint8_t *t;
	uint64_t table;

	if (len < HEADER + TRAILER || memcmp(p, "bplist00", HEADER) != 0)
		return false;
	t = p + len - TRAILER;
	b->p = p;
	b->off_size = t[6];
	b->ref_size = t[7];
	b->count = be(t + 8, 8);
	*top = be(t + 16, 8);
	table = be(t + 24, 8);
	if (b->off_size < 1 || b->off_size > 8 || b->ref_size < 1 ||
	    b->ref_size > 8)
		return false;
	if (table < HEADER || table > len - TRAILER)
		return false;
	b->table = (size_t)table;
	return b->count > 0 &&
	       b->count <= (len - TRAILER - b->table) / b->off_size;
}

/* Bytes that an element of this kind takes in the object. */
static bool content_size(const struct bp *b, struct obj *o)
{
	uint64_t room = b->table - o->at;
	unsigned unit = 1;

	if (o->tag == TAG_ARRAY)
		unit = b->ref_size;
	else if (o->tag == TAG_DICT)
		unit = 2 * b->ref_size;
	return o->n <= room / unit;
}

/* A count of 15 or more stands in an integer after the marker. */
static bool long_count(const struct bp *b, struct obj *o)
{
	unsigned size;

	if (o->at >= b->table || b->p[o->at] >> 4 != TAG_INT)
		return false;
	size = 1u << (b->p[o->at] & 15);
	if (size > 8 || b->table - o->at - 1 < size)
		return false;
	o->n = be(b->p + o->at + 1, size);
	o->at += 1 + size;
	return true;
}

static bool bp_get(const struct bp *b, uint64_t index, struct obj *o)
{
	uint64_t at;
	unsigned low;

	if (index >= b->count)
		return false;
	at = be(b->p + b->table + index * b->off_size, b->off_size);
	if (at < HEADER || at >= b->table)
		return false;
	o->at = (size_t)at + 1;
	o->tag = b->p[at] >> 4;
	low = b->p[at] & 15;
	switch (o->tag) {
	case TAG_INT:
		if (low > 4)
			return false;
		o->n = 1u << low;
		break;
	case TAG_UID:
		o->n = low + 1;
		break;
	default:
		o->n = low;
		if (low == 15 && o->tag >= TAG_DATA && !long_count(b, o))
			return false;
	}
	return content_size(b, o);
}

/* Element `i` of an array, or key i / value n + i of a dictionary. */
static bool element(
    const struct bp *b, const struct obj *o, uint64_t i, struct obj *out)
{
	return bp_get(b, be(b->p + o->at + i * b->ref_size, b->ref_size), out);
}

static bool is_text(const struct bp *b, const struct obj *o, const char *text)
{
	size_t n = strlen(text);

	return o->tag == TAG_ASCII && o->n == n &&
	       memcmp(b->p + o->at, text, n) == 0;
}

static bool dict_get(const struct bp *b, const struct obj *dict,
    const char *key, struct obj *out)
{
	struct obj k;

	if (dict->tag != TAG_DICT)
		return false;
	for (uint64_t i = 0; i < dict->n; i++) {
		if (!element(b, dict, i, &k))
			return false;
		if (is_text(b, &k, key))
			return element(b, dict, dict->n + i, out);
	}
	return false;
}

/* Integers of 1, 2 and 4 bytes have no sign, one of 8 bytes has one, one of
 * 16 bytes (a negative number from some writers) ends in such a one. */
static bool int_of(const struct bp *b, const struct obj *o, int64_t *out)
{
	if (o->tag != TAG_INT)
		return false;
	if (o->n == 16)
		*out = (int64_t)be(b->p + o->at + 8, 8);
	else
		*out = (int64_t)be(b->p + o->at, (unsigned)o->n);
	return true;
}

/* What a UID points to; a plain value is passed on. */
static bool deref(const struct bp *b, const struct obj *objects, struct obj *o)
{
	uint64_t i;

	if (o->tag != TAG_UID)
		return true;
	if (o->n > 8)
		return false;
	i = be(b->p + o->at, (unsigned)o->n);
	return i < objects->n && element(b, objects, i, o);
}

/* Plain data, or an NSData object {NS.data: …}: both occur. */
static bool data_of(
    const struct bp *b, const struct obj *objects, struct obj *o)
{
	struct obj inner;

	if (!deref(b, objects, o))
		return false;
	if (o->tag == TAG_DICT) {
		if (!dict_get(b, o, "NS.data", &inner) ||
		    !deref(b, objects, &inner))
			return false;
		*o = inner;
	}
	return o->tag == TAG_DATA;
}

static const struct {
	const char *name;
	size_t at; /* of an int64_t in struct mbfile */
} numbers[] = {
	{ "Size", offsetof(struct mbfile, size) },
	{ "Mode", offsetof(struct mbfile, mode) },
	{ "UserID", offsetof(struct mbfile, uid) },
	{ "GroupID", offsetof(struct mbfile, gid) },
	{ "LastModified", offsetof(struct mbfile, mtime) },
	{ "ProtectionClass", offsetof(struct mbfile, protection_class) },
};

#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static bool take_value(const struct bp *b, const struct obj *objects,
    const struct obj *key, struct obj *val, struct mbfile *out)
{
	int64_t v;

	for (size_t i = 0; i < N_NUMBERS; i++) {
		if (!is_text(b, key, numbers[i].name))
			continue;
		if (!int_of(b, val, &v))
			return false;
		memcpy((char *)out + numbers[i].at, &v, sizeof(v));
		return true;
	}
	if (is_text(b, key, "Digest")) {
		out->has_digest = data_of(b, objects, val) && val->n == 20;
		if (out->has_digest)
			memcpy(out->digest, b->p + val->at, 20);
	} else if (is_text(b, key, "EncryptionKey")) {
		out->has_key = data_of(b, objects, val) && val->n >= 4;
		if (out->has_key)
			out->key_class = (uint32_t)b->p[val->at] |
					 (uint32_t)b->p[val->at + 1] << 8 |
					 (uint32_t)b->p[val->at + 2] << 16 |
					 (uint32_t)b->p[val->at + 3] << 24;
	}
	return true;
}

enum rc mbfile_parse(const void *blob, size_t len, struct mbfile *out)
{
	struct obj root, objects, top, file, key, val;
	uint64_t at;
	struct bp b;

	memset(out, 0, sizeof(*out));
	out->size = -1;
	if (!bp_init(&b, blob, len, &at) || !bp_get(&b, at, &root) ||
	    !dict_get(&b, &root, "$objects", &objects) ||
	    objects.tag != TAG_ARRAY || !dict_get(&b, &root, "$top", &top) ||
	    !dict_get(&b, &top, "root", &file) || !deref(&b, &objects, &file) ||
	    file.tag != TAG_DICT)
		return RC_CORRUPT;
	for (uint64_t i = 0; i < file.n; i++)
		if (!element(&b, &file, i, &key) ||
		    !element(&b, &file, file.n + i, &val) ||
		    !take_value(&b, &objects, &key, &val, out))
			return RC_CORRUPT;
	return out->size >= 0 ? RC_OK : RC_CORRUPT;
}
