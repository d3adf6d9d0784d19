#include <string.h>

#include "mbfile.h"

#define TRAILER     32
#define MAX_OBJECTS 4096
#define MAX_ENTRIES 64

struct plist {
	const uint8_t *p;
	size_t n; /* bytes of objects: up to the offset table */
	const uint8_t *table;
	unsigned off_size, ref_size;
	uint64_t count, top;
};

struct obj { /* one object, its header taken off */
	unsigned kind; /* high nibble of the marker */
	uint64_t len; /* bytes, characters or entries; ints: bytes */
	const uint8_t *p;
};

static uint64_t be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static int plist_open(struct plist *l, const uint8_t *p, size_t n)
{
	const uint8_t *t;
	uint64_t table;

	if (n < 8 + TRAILER || memcmp(p, "bplist00", 8) != 0)
		return -1;
	t = p + n - TRAILER;
	l->p = p;
	l->off_size = t[6];
	l->ref_size = t[7];
	l->count = be(t + 8, 8);
	l->top = be(t + 16, 8);
	table = be(t + 24, 8);
	if (l->off_size < 1 || l->off_size > 8 || l->ref_size < 1 ||
	    l->ref_size > 8 || l->count < 1 || l->count > MAX_OBJECTS ||
	    table < 8 || table > n - TRAILER ||
	    l->count * l->off_size > n - TRAILER - table)
		return -1;
	l->table = p + table;
	l->n = table;
	return 0;
}

/* Lengths of 15 and more follow as an integer object. */
static int long_length(const struct plist *l, uint64_t *at, uint64_t *len)
{
	unsigned bytes;

	if (*at >= l->n || l->p[*at] >> 4 != 1 || (l->p[*at] & 15) > 3)
		return -1;
	bytes = 1u << (l->p[*at] & 15);
	if (bytes > l->n - *at - 1)
		return -1;
	*len = be(l->p + *at + 1, bytes);
	*at += 1 + bytes;
	return 0;
}

/* Bytes that an object's body takes; UINT64_MAX for what can't be. */
static uint64_t body_size(const struct plist *l, const struct obj *o)
{
	switch (o->kind) {
	case 0x0:
		return 0;
	case 0x1:
	case 0x4:
	case 0x5:
	case 0x8:
		return o->len;
	case 0x6:
		return o->len > l->n ? UINT64_MAX : o->len * 2;
	case 0xA:
		return o->len > MAX_ENTRIES ? UINT64_MAX : o->len * l->ref_size;
	case 0xD:
		return o->len > MAX_ENTRIES ? UINT64_MAX
					    : o->len * 2 * l->ref_size;
	default:
		return UINT64_MAX;
	}
}

static int obj_get(const struct plist *l, uint64_t ref, struct obj *o)
{
	uint64_t at;
	unsigned low;

	if (ref >= l->count)
		return -1;
	at = be(l->table + ref * l->off_size, l->off_size);
	if (at < 8 || at >= l->n)
		return -1;
	o->kind = l->p[at] >> 4;
	low = l->p[at++] & 15;
	o->len = low;
	if (o->kind == 1)
		o->len = low > 4 ? UINT64_MAX : (uint64_t)1 << low;
	else if (o->kind == 8)
		o->len = low + 1;
	else if (o->kind && low == 15 && long_length(l, &at, &o->len))
		return -1;
	o->p = l->p + at;
	return body_size(l, o) <= l->n - at ? 0 : -1;
}

/* Element i of an array, or of a dictionary's keys and then values. */
static int obj_entry(
    const struct plist *l, const struct obj *o, uint64_t i, struct obj *out)
{
	return obj_get(l, be(o->p + i * l->ref_size, l->ref_size), out);
}

static int dict_get(const struct plist *l, const struct obj *d, const char *key,
    struct obj *out)
{
	struct obj k;
	size_t n = strlen(key);

	if (d->kind != 0xD)
		return -1;
	for (uint64_t i = 0; i < d->len; i++) {
		if (obj_entry(l, d, i, &k))
			return -1;
		if (k.kind == 5 && k.len == n && !memcmp(k.p, key, n))
			return obj_entry(l, d, d->len + i, out);
	}
	return -1;
}

/* Integers of up to 8 bytes are signed when 8 long, as everywhere in plists;
 * of 16 bytes the low half counts. */
static int obj_int(const struct obj *o, int64_t *v)
{
	if (o->kind != 1 || o->len > 16)
		return -1;
	if (o->len == 16)
		*v = (int64_t)be(o->p + 8, 8);
	else
		*v = (int64_t)be(o->p, (unsigned)o->len);
	return 0;
}

static int dict_int(
    const struct plist *l, const struct obj *d, const char *key, int64_t *v)
{
	struct obj o;

	return dict_get(l, d, key, &o) ? -1 : obj_int(&o, v);
}

/* Follows a UID into $objects. */
static int follow(const struct plist *l, const struct obj *objects,
    const struct obj *uid, struct obj *out)
{
	uint64_t i;

	if (uid->kind != 8 || uid->len > 8)
		return -1;
	i = be(uid->p, (unsigned)uid->len);
	return i < objects->len ? obj_entry(l, objects, i, out) : -1;
}

/* Data behind a UID: plain, or inside an NSData's dictionary. 1 found, 0 no
 * such key, -1 of a wrong kind or size. */
static int dict_data(const struct plist *l, const struct obj *objects,
    const struct obj *d, const char *key, size_t want, const uint8_t **out)
{
	struct obj o;

	if (dict_get(l, d, key, &o))
		return 0;
	if (o.kind == 8 && follow(l, objects, &o, &o))
		return -1;
	if (o.kind == 0xD) {
		struct obj in;

		if (dict_get(l, &o, "NS.data", &in))
			return -1;
		if (in.kind == 8 && follow(l, objects, &in, &in))
			return -1;
		o = in;
	}
	if (o.kind != 4 || o.len != want)
		return -1;
	*out = o.p;
	return 1;
}

static size_t utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

static int from_utf16(const uint8_t *p, uint64_t n, char *out, size_t cap)
{
	size_t len = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint32_t c = (uint32_t)be(p + 2 * i, 2);

		if (c >= 0xD800 && c < 0xDC00 && i + 1 < n) {
			uint32_t low = (uint32_t)be(p + 2 * ++i, 2);

			c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
		}
		if (c == 0 || (c >= 0xD800 && c < 0xE000) || len + 5 > cap)
			return -1;
		len += utf8(c, out + len);
	}
	out[len] = '\0';
	return 0;
}

static int obj_string(const struct obj *o, char *out, size_t cap)
{
	if (o->kind == 6)
		return from_utf16(o->p, o->len, out, cap);
	if (o->kind != 5 || o->len >= cap || memchr(o->p, 0, o->len))
		return -1;
	memcpy(out, o->p, o->len);
	out[o->len] = '\0';
	return 0;
}

static int read_numbers(
    const struct plist *l, const struct obj *d, struct mbfile *m)
{
	int64_t size = 0, inode = 0, mode = 0, pclass = 0, flags = 0;

	if (dict_int(l, d, "Size", &size) || size < 0 ||
	    dict_int(l, d, "Mode", &mode) || mode < 0 || mode > 0xFFFF ||
	    dict_int(l, d, "LastModified", &m->mtime) ||
	    dict_int(l, d, "ProtectionClass", &pclass) || pclass < 0 ||
	    pclass > 11)
		return -1;
	/* writers of restores leave these out */
	if (dict_int(l, d, "LastStatusChange", &m->ctime))
		m->ctime = m->mtime;
	if (dict_int(l, d, "Birth", &m->birth))
		m->birth = m->mtime;
	if (dict_int(l, d, "UserID", &m->uid))
		m->uid = 501;
	if (dict_int(l, d, "GroupID", &m->gid))
		m->gid = 501;
	if (!dict_int(l, d, "InodeNumber", &inode))
		m->inode = (uint64_t)inode;
	if (!dict_int(l, d, "Flags", &flags))
		m->flags = (int)(flags & 0xFFFF);
	m->size = (uint64_t)size;
	m->mode = (uint32_t)mode;
	m->pclass = (int)pclass;
	return 0;
}

int mbfile_read(const uint8_t *blob, size_t n, struct mbfile *out,
    char *strings, size_t cap)
{
	struct plist l;
	struct obj top, objects, o, d;

	memset(out, 0, sizeof(*out));
	if (plist_open(&l, blob, n) || obj_get(&l, l.top, &top) ||
	    dict_get(&l, &top, "$objects", &objects) || objects.kind != 0xA ||
	    dict_get(&l, &top, "$top", &o) || dict_get(&l, &o, "root", &o) ||
	    follow(&l, &objects, &o, &d) || d.kind != 0xD)
		return -1;
	if (read_numbers(&l, &d, out))
		return -1;
	if (dict_data(
		&l, &objects, &d, "EncryptionKey", MBFILE_KEY, &out->key) < 0 ||
	    dict_data(&l, &objects, &d, "Digest", MBFILE_DIGEST, &out->digest) <
		0)
		return -1;
	if (!dict_get(&l, &d, "Target", &o)) {
		if (follow(&l, &objects, &o, &o) ||
		    obj_string(&o, strings, cap))
			return -1;
		out->target = strings;
	}
	return 0;
}
