#include "keybag.h"

#include <string.h>

#define WRAP_DEVICE   1u
#define WRAP_PASSWORD 2u

/* ---- numbers out of a secret ---- */

struct source {
	struct cipher_hash *h;
	const uint8_t *secret;
	uint32_t n;
	bool bad;
};

/* Up to 32 bytes, others at each call. */
static void draw(struct source *s, uint8_t *out, size_t n)
{
	uint8_t d[CIPHER_SHA256];

	s->n++;
	if (cipher_hash_add(s->h, s->secret, CIPHER_KEY) ||
	    cipher_hash_add(s->h, &s->n, sizeof(s->n)) ||
	    cipher_hash_end(s->h, d)) {
		s->bad = true;
		return;
	}
	memcpy(out, d, n);
}

static void draw_header(struct keybag *b, struct source *s)
{
	b->vers = 5;
	b->type = 1; /* of a backup */
	b->dpwt = 1;
	b->salt_len = b->dpsl_len = 20;
	draw(s, b->uuid, 16);
	draw(s, b->salt, 20);
	draw(s, b->dpsl, 20);
}

/* Classes 1 to 4 are of files, 6 to 11 of the keychain, of which the last
 * three never leave the device: their keys are wrapped with its own, too. */
static int make_class(struct keybag_class *c, uint32_t clas, struct source *s)
{
	memset(c, 0, sizeof(*c));
	c->clas = clas;
	c->wrap = WRAP_PASSWORD | (clas >= 9 ? WRAP_DEVICE : 0);
	c->ktyp = clas == 2 ? 1 : 0;
	draw(s, c->uuid, 16);
	draw(s, c->key, CIPHER_KEY);
	if (clas == 2) {
		c->has_pbky = true;
		return cipher_x25519_public(c->key, c->pbky);
	}
	return 0;
}

static int seal(struct keybag *b, const uint8_t kek[CIPHER_KEY],
    const uint8_t hmac[CIPHER_KEY])
{
	for (unsigned i = 0; i < b->n; i++) {
		struct keybag_class *c = &b->classes[i];

		if (cipher_wrap(kek, c->key, c->wpky))
			return -1;
		c->has_wpky = true;
	}
	return cipher_wrap(kek, hmac, b->hmck);
}

static int derive(
    const struct keybag *b, const char *pw, uint8_t out[CIPHER_KEY])
{
	struct cipher_rounds r = { .dpsl = b->dpsl,
		.dpsl_len = b->dpsl_len,
		.dpic = b->dpic,
		.salt = b->salt,
		.salt_len = b->salt_len,
		.iter = b->iter };

	return cipher_password(pw, &r, out);
}

int keybag_make(struct keybag *b, const uint8_t secret[CIPHER_KEY],
    const char *pw, uint32_t dpic, uint32_t iter)
{
	struct source s = { .secret = secret };
	uint8_t kek[CIPHER_KEY], hmac[CIPHER_KEY];
	int rc = -1;

	s.h = cipher_hash_new(CIPHER_SHA256);
	if (!s.h)
		return -1;
	memset(b, 0, sizeof(*b));
	b->dpic = dpic ? dpic : KEYBAG_DPIC;
	b->iter = iter ? iter : KEYBAG_ITER;
	draw_header(b, &s);
	draw(&s, kek, sizeof(kek));
	draw(&s, hmac, sizeof(hmac));
	for (uint32_t i = 0; i < KEYBAG_CLASSES; i++)
		if (make_class(&b->classes[i], i + 1, &s))
			goto out;
	b->n = KEYBAG_CLASSES;
	if (s.bad || (pw && derive(b, pw, kek)) || seal(b, kek, hmac))
		goto out;
	b->open = true;
	rc = 0;
out:
	cipher_hash_free(s.h);
	return rc;
}

/* ---- writing ---- */

struct out {
	uint8_t *buf;
	size_t len, cap;
	bool bad;
};

static void be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t rd32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void tag(struct out *o, const char *name, const void *d, size_t n)
{
	if (o->bad || n + 8 > o->cap - o->len) {
		o->bad = true;
		return;
	}
	memcpy(o->buf + o->len, name, 4);
	be32(o->buf + o->len + 4, (uint32_t)n);
	memcpy(o->buf + o->len + 8, d, n);
	o->len += n + 8;
}

static void tag_int(struct out *o, const char *name, uint32_t v)
{
	uint8_t d[4];

	be32(d, v);
	tag(o, name, d, 4);
}

static void write_class(struct out *o, const struct keybag_class *c)
{
	tag(o, "UUID", c->uuid, 16);
	tag_int(o, "CLAS", c->clas);
	tag_int(o, "WRAP", c->wrap);
	tag_int(o, "KTYP", c->ktyp);
	if (c->has_wpky)
		tag(o, "WPKY", c->wpky, CIPHER_WRAPPED);
	if (c->has_pbky)
		tag(o, "PBKY", c->pbky, 32);
}

size_t keybag_write(const struct keybag *b, uint8_t *buf, size_t cap)
{
	struct out o = { .buf = buf, .cap = cap };

	tag_int(&o, "VERS", b->vers);
	tag_int(&o, "TYPE", b->type);
	tag(&o, "UUID", b->uuid, 16);
	tag(&o, "HMCK", b->hmck, CIPHER_WRAPPED);
	tag_int(&o, "WRAP", b->wrap);
	tag(&o, "SALT", b->salt, b->salt_len);
	tag_int(&o, "ITER", b->iter);
	tag_int(&o, "DPWT", b->dpwt);
	tag_int(&o, "DPIC", b->dpic);
	tag(&o, "DPSL", b->dpsl, b->dpsl_len);
	for (unsigned i = 0; i < b->n; i++)
		write_class(&o, &b->classes[i]);
	return o.bad ? 0 : o.len;
}

/* ---- reading ---- */

struct field {
	const uint8_t *tag, *d;
	size_t n;
};

static bool is(const struct field *f, const char *name, size_t n)
{
	return !memcmp(f->tag, name, 4) && f->n == n;
}

static bool is_salt(const struct field *f, const char *name)
{
	return !memcmp(f->tag, name, 4) && f->n > 0 && f->n <= KEYBAG_MAX_SALT;
}

static void read_header(struct keybag *b, const struct field *f, bool *named)
{
	if (is(f, "VERS", 4))
		b->vers = rd32(f->d);
	else if (is(f, "TYPE", 4))
		b->type = rd32(f->d);
	else if (is(f, "WRAP", 4))
		b->wrap = rd32(f->d);
	else if (is(f, "ITER", 4))
		b->iter = rd32(f->d);
	else if (is(f, "DPWT", 4))
		b->dpwt = rd32(f->d);
	else if (is(f, "DPIC", 4))
		b->dpic = rd32(f->d);
	else if (is(f, "HMCK", CIPHER_WRAPPED))
		memcpy(b->hmck, f->d, CIPHER_WRAPPED);
	else if (is_salt(f, "SALT"))
		memcpy(b->salt, f->d, b->salt_len = f->n);
	else if (is_salt(f, "DPSL"))
		memcpy(b->dpsl, f->d, b->dpsl_len = f->n);
	else if (is(f, "UUID", 16)) {
		memcpy(b->uuid, f->d, 16);
		*named = true;
	}
}

static void read_class(struct keybag_class *c, const struct field *f)
{
	if (is(f, "CLAS", 4))
		c->clas = rd32(f->d);
	else if (is(f, "WRAP", 4))
		c->wrap = rd32(f->d);
	else if (is(f, "KTYP", 4))
		c->ktyp = rd32(f->d);
	else if (is(f, "WPKY", CIPHER_WRAPPED)) {
		memcpy(c->wpky, f->d, CIPHER_WRAPPED);
		c->has_wpky = true;
	} else if (is(f, "PBKY", 32)) {
		memcpy(c->pbky, f->d, 32);
		c->has_pbky = true;
	}
}

int keybag_read(struct keybag *b, const uint8_t *d, size_t n)
{
	struct keybag_class *c = NULL;
	bool named = false;

	memset(b, 0, sizeof(*b));
	while (n >= 8) {
		struct field f = { .tag = d, .d = d + 8, .n = rd32(d + 4) };

		if (f.n > n - 8)
			return -1;
		if (named && is(&f, "UUID", 16)) {
			if (b->n == KEYBAG_CLASSES)
				return -1;
			c = &b->classes[b->n++];
			memcpy(c->uuid, f.d, 16);
		} else if (c) {
			read_class(c, &f);
		} else {
			read_header(b, &f, &named);
		}
		d += f.n + 8;
		n -= f.n + 8;
	}
	return n == 0 && b->n && b->iter && b->iter <= KEYBAG_MAX_ITERS &&
		       b->dpic <= KEYBAG_MAX_ITERS && b->salt_len
		   ? 0
		   : -1;
}

int keybag_unlock(struct keybag *b, const char *pw)
{
	uint8_t kek[CIPHER_KEY];

	if (derive(b, pw, kek))
		return -1;
	for (unsigned i = 0; i < b->n; i++) {
		struct keybag_class *c = &b->classes[i];

		if (!(c->wrap & WRAP_PASSWORD) || !c->has_wpky)
			continue;
		if (cipher_unwrap(kek, c->wpky, c->key))
			return -1;
		b->open = true;
	}
	return b->open ? 0 : -1;
}

const uint8_t *keybag_key(const struct keybag *b, uint32_t clas)
{
	if (!b->open)
		return NULL;
	for (unsigned i = 0; i < b->n; i++)
		if (b->classes[i].clas == clas && b->classes[i].has_wpky)
			return b->classes[i].key;
	return NULL;
}

int keybag_wrap(const struct keybag *b, uint32_t clas,
    const uint8_t key[CIPHER_KEY], uint8_t out[KEYBAG_CLASSED])
{
	const uint8_t *kek = keybag_key(b, clas);

	if (!kek)
		return -1;
	out[0] = (uint8_t)clas;
	out[1] = (uint8_t)(clas >> 8);
	out[2] = (uint8_t)(clas >> 16);
	out[3] = (uint8_t)(clas >> 24);
	return cipher_wrap(kek, key, out + 4);
}

int keybag_unwrap(const struct keybag *b, const uint8_t in[KEYBAG_CLASSED],
    uint8_t key[CIPHER_KEY])
{
	uint32_t clas = (uint32_t)in[0] | (uint32_t)in[1] << 8 |
			(uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
	const uint8_t *kek = keybag_key(b, clas);

	return kek ? cipher_unwrap(kek, in + 4, key) : -1;
}
