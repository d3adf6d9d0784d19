#include "keybag.h"

#include <string.h>

#include <openssl/evp.h>

#define TAG_LEN          4
#define HEAD_LEN         8 /* tag, length */
#define KEY_LEN          32
#define UNDER_A_PASSWORD 2u /* a bit of WRAP */

/* One field: tag, big-endian length, value. */
struct field {
	const uint8_t *tag, *value;
	size_t len;
};

struct scan {
	const uint8_t *at;
	size_t left;
	bool is_broken;
};

/* What a class has said so far. */
struct class_seen {
	bool has_begun;
	uint32_t wrap;
	const uint8_t *wrapped; /* NULL: not yet */
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static bool next_field(struct scan *s, struct field *out)
{
	if (s->left == 0)
		return false;
	if (s->left < HEAD_LEN || be32(s->at + TAG_LEN) > s->left - HEAD_LEN) {
		s->is_broken = true;
		return false;
	}
	out->tag = s->at;
	out->len = be32(s->at + TAG_LEN);
	out->value = s->at + HEAD_LEN;
	s->at += HEAD_LEN + out->len;
	s->left -= HEAD_LEN + out->len;
	return true;
}

static bool is_tag(const struct field *f, const char *tag)
{
	return memcmp(f->tag, tag, TAG_LEN) == 0;
}

static bool take_number(const struct field *f, uint32_t *out)
{
	if (f->len != 4)
		return false;
	*out = be32(f->value);
	return true;
}

static bool take_salt(
    const struct field *f, uint8_t out[KEYBAG_SALT_MAX], size_t *len)
{
	if (f->len == 0 || f->len > KEYBAG_SALT_MAX)
		return false;
	memcpy(out, f->value, f->len);
	*len = f->len;
	return true;
}

static bool take_header(struct keybag *b, const struct field *f)
{
	if (is_tag(f, "SALT"))
		return take_salt(f, b->salt, &b->salt_len);
	if (is_tag(f, "ITER"))
		return take_number(f, &b->iters);
	if (is_tag(f, "DPSL"))
		return take_salt(f, b->first_salt, &b->first_salt_len);
	if (is_tag(f, "DPIC"))
		return take_number(f, &b->first_iters);
	return true;
}

static bool take_class(struct class_seen *c, const struct field *f)
{
	if (is_tag(f, "WRAP"))
		return take_number(f, &c->wrap);
	if (is_tag(f, "WPKY") && f->len == KEYBAG_WRAPPED)
		c->wrapped = f->value;
	return true;
}

/* The first `UUID` is the bag's own, each later one begins a class. */
static enum rc read_fields(
    struct keybag *b, struct scan *s, const uint8_t **wrapped)
{
	struct class_seen c = { .has_begun = false };
	unsigned uuids = 0;
	struct field f;
	bool ok = true;

	while (ok && !*wrapped && next_field(s, &f)) {
		if (is_tag(&f, "UUID") && ++uuids > 1)
			c = (struct class_seen){ .has_begun = true };
		else
			ok = c.has_begun ? take_class(&c, &f)
					 : take_header(b, &f);
		if (c.wrapped && (c.wrap & UNDER_A_PASSWORD))
			*wrapped = c.wrapped;
	}
	return ok && !s->is_broken && *wrapped ? RC_OK : RC_CORRUPT;
}

enum rc keybag_read(const void *data, size_t len, struct keybag *out)
{
	struct scan s = { .at = data, .left = len };
	const uint8_t *wrapped = NULL;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	if (len > KEYBAG_MAX)
		return RC_CORRUPT;
	rc = read_fields(out, &s, &wrapped);
	if (rc)
		return rc;
	if (!out->salt_len || !out->iters ||
	    !out->first_salt_len != !out->first_iters)
		return RC_CORRUPT;
	if (out->iters > KEYBAG_ITERS_MAX ||
	    out->first_iters > KEYBAG_ITERS_MAX)
		return RC_LIMIT;
	memcpy(out->wrapped, wrapped, sizeof(out->wrapped));
	return RC_OK;
}

/* The key that the class keys are wrapped with. */
static bool derive(
    const struct keybag *b, const char *password, uint8_t out[KEY_LEN])
{
	uint8_t first[KEY_LEN];
	const char *word = password;
	size_t len = strlen(password);
	bool ok = true;

	if (b->first_iters) {
		ok = PKCS5_PBKDF2_HMAC(word, (int)len, b->first_salt,
			 (int)b->first_salt_len, (int)b->first_iters,
			 EVP_sha256(), KEY_LEN, first) == 1;
		word = (const char *)first;
		len = sizeof(first);
	}
	ok = ok && PKCS5_PBKDF2_HMAC(word, (int)len, b->salt, (int)b->salt_len,
		       (int)b->iters, EVP_sha1(), KEY_LEN, out) == 1;
	explicit_bzero(first, sizeof(first));
	return ok;
}

/* RFC 3394 tells a wrong key by its check value. */
static enum rc unwrap(const struct keybag *b, const uint8_t key[KEY_LEN])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t plain[KEYBAG_WRAPPED + 8];
	int len = 0;
	enum rc rc = RC_NOMEM;

	if (ctx) {
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		if (EVP_DecryptInit_ex(
			ctx, EVP_aes_256_wrap(), NULL, key, NULL) == 1)
			rc = EVP_DecryptUpdate(ctx, plain, &len, b->wrapped,
				 KEYBAG_WRAPPED) == 1 &&
				     len == KEY_LEN
				 ? RC_OK
				 : RC_REFUSED;
	}
	EVP_CIPHER_CTX_free(ctx);
	explicit_bzero(plain, sizeof(plain));
	return rc;
}

enum rc keybag_try(const struct keybag *bag, const char *password)
{
	uint8_t key[KEY_LEN];
	enum rc rc = derive(bag, password, key) ? unwrap(bag, key) : RC_NOMEM;

	explicit_bzero(key, sizeof(key));
	return rc;
}
