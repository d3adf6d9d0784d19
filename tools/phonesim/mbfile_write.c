/*
 * Emits the archive by hand, a row in about a microsecond: Manifest.db may
 * have a million. The objects stand in the order in which CoreFoundation
 * flattens them (a container, its keys, its values), equal integers are
 * stored once, except Size, which is of another type on the phone.
 */
#include <string.h>

#include "mbfile.h"

#define MAX_OBJECTS 80
#define MAX_PAIRS   16
#define NO_REF      0xFF

struct out {
	uint8_t *buf;
	size_t len, cap;
	uint32_t offset[MAX_OBJECTS];
	unsigned n;
	bool bad;
};

static void put(struct out *o, const void *d, size_t n)
{
	if (o->bad || n > o->cap - o->len) {
		o->bad = true;
		return;
	}
	memcpy(o->buf + o->len, d, n);
	o->len += n;
}

static void put_byte(struct out *o, unsigned v)
{
	uint8_t b = (uint8_t)v;

	put(o, &b, 1);
}

static void put_be(struct out *o, uint64_t v, unsigned bytes)
{
	while (bytes--)
		put_byte(o, (unsigned)(v >> (8 * bytes)) & 0xFF);
}

/* Opens the next object; its number. */
static unsigned object(struct out *o)
{
	if (o->n == MAX_OBJECTS) {
		o->bad = true;
		return 0;
	}
	o->offset[o->n] = (uint32_t)o->len;
	return o->n++;
}

/* The power of two of the bytes that v needs. */
static unsigned width(uint64_t v)
{
	return v <= 0xFF ? 0 : v <= 0xFFFF ? 1 : v <= 0xFFFFFFFF ? 2 : 3;
}

static void put_int(struct out *o, int64_t v)
{
	unsigned w = v < 0 ? 3 : width((uint64_t)v);

	object(o);
	put_byte(o, 0x10 | w);
	put_be(o, (uint64_t)v, 1u << w);
}

static void put_uid(struct out *o, unsigned v)
{
	object(o);
	put_byte(o, 0x80);
	put_byte(o, v);
}

static void put_head(struct out *o, unsigned kind, size_t n)
{
	unsigned w;

	if (n < 15) {
		put_byte(o, kind | (unsigned)n);
		return;
	}
	w = width(n);
	put_byte(o, kind | 15);
	put_byte(o, 0x10 | w);
	put_be(o, n, 1u << w);
}

static void put_data(struct out *o, const void *d, size_t n)
{
	object(o);
	put_head(o, 0x40, n);
	put(o, d, n);
}

static void put_ascii(struct out *o, const char *s)
{
	size_t n = strlen(s);

	object(o);
	put_head(o, 0x50, n);
	put(o, s, n);
}

/* One character of UTF-8; -1 when it is none. */
static int32_t next_char(const unsigned char **s)
{
	const unsigned char *p = *s;
	int more = p[0] < 0x80 ? 0 : p[0] >= 0xF0 ? 3 : p[0] >= 0xE0 ? 2 : 1;
	int32_t c = more ? p[0] & (0x3F >> more) : p[0];

	if (p[0] >= 0xF8 || (p[0] >= 0x80 && p[0] < 0xC0))
		return -1;
	for (int i = 1; i <= more; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return -1;
		c = c << 6 | (p[i] & 0x3F);
	}
	*s += more + 1;
	return c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? -1 : c;
}

static void put_utf16(struct out *o, int32_t c)
{
	if (c >= 0x10000) {
		c -= 0x10000;
		put_be(o, 0xD800u | (uint32_t)c >> 10, 2);
		put_be(o, 0xDC00u | ((uint32_t)c & 0x3FF), 2);
	} else {
		put_be(o, (uint32_t)c, 2);
	}
}

static void put_string(struct out *o, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t units = 0;
	bool ascii = true;

	while (*p) {
		int32_t c = next_char(&p);

		if (c < 0) {
			o->bad = true;
			return;
		}
		ascii = ascii && c < 0x80;
		units += c >= 0x10000 ? 2 : 1;
	}
	if (ascii) {
		put_ascii(o, s);
		return;
	}
	object(o);
	put_head(o, 0x60, units);
	for (p = (const unsigned char *)s; *p;)
		put_utf16(o, next_char(&p));
}

/* ---- the MBFile dictionary ---- */

struct pairs {
	const char *key[MAX_PAIRS];
	int64_t value[MAX_PAIRS];
	enum {
		PAIR_INT,
		PAIR_SIZE,
		PAIR_UID
	} kind[MAX_PAIRS];
	unsigned n;
};

static void pair(struct pairs *p, const char *key, int kind, int64_t v)
{
	p->key[p->n] = key;
	p->kind[p->n] = kind == 0 ? PAIR_INT : kind == 1 ? PAIR_SIZE : PAIR_UID;
	p->value[p->n++] = v;
}

/* Places in $objects: $null, MBFile, path, then what there is. */
struct slots {
	unsigned digest, key, key_class, xattrs, target, mb_class, n;
};

static struct slots slots_of(const struct mbfile *m)
{
	struct slots s = { 0 };

	s.n = 3;
	if (m->digest)
		s.digest = s.n++;
	if (m->key) {
		s.key = s.n++;
		s.key_class = s.n++;
	}
	if (m->xattrs)
		s.xattrs = s.n++;
	if (m->target)
		s.target = s.n++;
	s.mb_class = s.n++;
	return s;
}

static void pairs_end(
    struct pairs *p, const struct mbfile *m, const struct slots *s)
{
	pair(p, "Size", PAIR_SIZE, (int64_t)m->size);
	if (!m->key && !m->digest)
		pair(p, "InodeNumber", PAIR_INT, (int64_t)m->inode);
	pair(p, "Mode", PAIR_INT, m->mode);
	pair(p, "UserID", PAIR_INT, m->uid);
	if (m->digest)
		pair(p, "Digest", PAIR_UID, s->digest);
	if (m->key || m->digest)
		pair(p, "InodeNumber", PAIR_INT, (int64_t)m->inode);
	if (!m->digest)
		pair(p, "ProtectionClass", PAIR_INT, m->pclass);
}

/* The order of keys is that of the phone's hash table: it depends on which
 * keys there are. */
static void pairs_of(
    struct pairs *p, const struct mbfile *m, const struct slots *s)
{
	p->n = 0;
	pair(p, "LastModified", PAIR_INT, m->mtime);
	if (m->digest)
		pair(p, "ProtectionClass", PAIR_INT, m->pclass);
	pair(p, "Flags", PAIR_INT, m->flags);
	if (m->xattrs && !m->digest)
		pair(p, "ExtendedAttributes", PAIR_UID, s->xattrs);
	pair(p, "GroupID", PAIR_INT, m->gid);
	if (m->xattrs && m->digest)
		pair(p, "ExtendedAttributes", PAIR_UID, s->xattrs);
	if (m->target)
		pair(p, "Target", PAIR_UID, s->target);
	pair(p, "$class", PAIR_UID, s->mb_class);
	pair(p, "LastStatusChange", PAIR_INT, m->ctime);
	pair(p, "RelativePath", PAIR_UID, 2);
	pair(p, "Birth", PAIR_INT, m->birth);
	if (m->key)
		pair(p, "EncryptionKey", PAIR_UID, s->key);
	pairs_end(p, m, s);
}

static unsigned same_as(const struct pairs *p, unsigned i, const uint8_t *refs)
{
	if (p->kind[i] != PAIR_INT)
		return NO_REF;
	for (unsigned k = 0; k < i; k++)
		if (p->kind[k] == PAIR_INT && p->value[k] == p->value[i])
			return refs[k];
	return NO_REF;
}

/* Writes the dictionary, its keys and its values; the number of the key
 * "$class", which the others share. */
static unsigned put_pairs(struct out *o, const struct pairs *p)
{
	uint8_t refs[MAX_PAIRS];
	bool is_new[MAX_PAIRS];
	unsigned first = object(o) + 1, next = first + p->n, cls = 0;

	put_head(o, 0xD0, p->n);
	for (unsigned i = 0; i < p->n; i++)
		put_byte(o, first + i);
	for (unsigned i = 0; i < p->n; i++) {
		unsigned old = same_as(p, i, refs);

		is_new[i] = old == NO_REF;
		refs[i] = (uint8_t)(is_new[i] ? next++ : old);
		put_byte(o, refs[i]);
	}
	for (unsigned i = 0; i < p->n; i++) {
		if (!strcmp(p->key[i], "$class"))
			cls = first + i;
		put_ascii(o, p->key[i]);
	}
	for (unsigned i = 0; i < p->n; i++) {
		if (!is_new[i])
			continue;
		if (p->kind[i] == PAIR_UID)
			put_uid(o, (unsigned)p->value[i]);
		else
			put_int(o, p->value[i]);
	}
	return cls;
}

/* ---- the other objects ---- */

struct shared { /* numbers of objects that are used twice */
	unsigned cls, classname, classes, nsobject;
};

static void put_dict2(
    struct out *o, unsigned k1, unsigned k2, unsigned v1, unsigned v2)
{
	object(o);
	put_byte(o, 0xD2);
	put_byte(o, k1);
	put_byte(o, k2);
	put_byte(o, v1);
	put_byte(o, v2);
}

/* The key as NSMutableData, and that class; their numbers go to refs[0, 1]. */
static void put_key(struct out *o, const uint8_t *key, unsigned uid,
    struct shared *sh, uint8_t *refs)
{
	unsigned n = o->n;

	refs[0] = (uint8_t)n;
	put_dict2(o, n + 1, sh->cls, n + 2, n + 3);
	put_ascii(o, "NS.data");
	put_data(o, key, MBFILE_KEY);
	put_uid(o, uid);
	n = o->n;
	refs[1] = (uint8_t)n;
	put_dict2(o, n + 1, n + 2, n + 3, n + 4);
	sh->classname = n + 1;
	sh->classes = n + 2;
	sh->nsobject = n + 7;
	put_ascii(o, "$classname");
	put_ascii(o, "$classes");
	put_ascii(o, "NSMutableData");
	object(o);
	put_byte(o, 0xA3);
	put_byte(o, n + 5);
	put_byte(o, n + 6);
	put_byte(o, n + 7);
	put_ascii(o, "NSMutableData");
	put_ascii(o, "NSData");
	put_ascii(o, "NSObject");
}

/* The class MBFile; shares what the class before it has written. */
static unsigned put_class(struct out *o, const struct shared *sh)
{
	unsigned n = o->n, name;

	if (sh->classname) {
		put_dict2(o, sh->classname, sh->classes, n + 1, n + 2);
		name = n + 1;
	} else {
		put_dict2(o, n + 1, n + 2, n + 3, n + 4);
		put_ascii(o, "$classname");
		put_ascii(o, "$classes");
		name = n + 3;
	}
	put_ascii(o, "MBFile");
	object(o);
	put_byte(o, 0xA2);
	put_byte(o, name);
	put_byte(o, sh->classname ? sh->nsobject : name + 2);
	if (!sh->classname)
		put_ascii(o, "NSObject");
	return n;
}

/* Header, the outer dictionary and everything up to the array $objects;
 * the place of the array's references. */
static size_t put_preamble(struct out *o, unsigned count)
{
	static const uint8_t top[] = { 0xD4, 1, 2, 3, 4, 5, 6, 7, 10 };
	static const uint8_t root[] = { 0xD1, 8, 9 };
	size_t refs;

	put(o, "bplist00", 8);
	object(o);
	put(o, top, sizeof(top));
	put_ascii(o, "$version");
	put_ascii(o, "$archiver");
	put_ascii(o, "$top");
	put_ascii(o, "$objects");
	put_int(o, 100000);
	put_ascii(o, "NSKeyedArchiver");
	object(o);
	put(o, root, sizeof(root));
	put_ascii(o, "root");
	put_uid(o, 1);
	object(o);
	put_head(o, 0xA0, count);
	refs = o->len;
	for (unsigned i = 0; i < count; i++)
		put_byte(o, 0);
	put_ascii(o, "$null");
	return refs;
}

static void put_trailer(struct out *o)
{
	size_t table = o->len;
	unsigned bytes = 1u << width(table);

	for (unsigned i = 0; i < o->n; i++)
		put_be(o, o->offset[i], bytes);
	put_be(o, 0, 6);
	put_byte(o, bytes);
	put_byte(o, 1);
	put_be(o, o->n, 8);
	put_be(o, 0, 8);
	put_be(o, table, 8);
}

size_t mbfile_write(const struct mbfile *m, uint8_t *buf, size_t cap)
{
	struct out o = { .buf = buf, .cap = cap };
	struct slots s = slots_of(m);
	struct shared sh = { 0 };
	struct pairs p;
	uint8_t refs[8] = { 11, 12 };
	size_t at = put_preamble(&o, s.n);

	pairs_of(&p, m, &s);
	sh.cls = put_pairs(&o, &p);
	refs[2] = (uint8_t)o.n;
	put_string(&o, m->path);
	if (m->digest) {
		refs[s.digest] = (uint8_t)o.n;
		put_data(&o, m->digest, MBFILE_DIGEST);
	}
	if (m->key)
		put_key(&o, m->key, s.key_class, &sh, refs + s.key);
	if (m->xattrs) {
		refs[s.xattrs] = (uint8_t)o.n;
		put_data(&o, m->xattrs, m->xattrs_len);
	}
	if (m->target) {
		refs[s.target] = (uint8_t)o.n;
		put_string(&o, m->target);
	}
	refs[s.mb_class] = (uint8_t)put_class(&o, &sh);
	put_trailer(&o);
	if (o.bad)
		return 0;
	memcpy(buf + at, refs, s.n);
	return o.len;
}
