#include "cipher.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct cipher_hash {
	EVP_MD_CTX *ctx;
};

/* OpenSSL's contexts are used under their own names inside; outside they are
 * opaque, so that no header here pulls OpenSSL in. */
struct cipher_cbc {
	EVP_CIPHER_CTX *ctx;
};

struct cipher_hash *cipher_hash_new(size_t digest_len)
{
	struct cipher_hash *h = calloc(1, sizeof(*h));
	const EVP_MD *md =
	    digest_len == CIPHER_SHA1 ? EVP_sha1() : EVP_sha256();

	if (!h)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, md, NULL) != 1) {
		cipher_hash_free(h);
		return NULL;
	}
	return h;
}

int cipher_hash_add(struct cipher_hash *h, const void *d, size_t n)
{
	return EVP_DigestUpdate(h->ctx, d, n) == 1 ? 0 : -1;
}

int cipher_hash_end(struct cipher_hash *h, uint8_t *out)
{
	if (EVP_DigestFinal_ex(h->ctx, out, NULL) != 1)
		return -1;
	return EVP_DigestInit_ex(h->ctx, NULL, NULL) == 1 ? 0 : -1;
}

void cipher_hash_free(struct cipher_hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void cipher_hex(const uint8_t *d, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[d[i] >> 4];
		out[2 * i + 1] = digits[d[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int cipher_unhex(const char *s, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(s[2 * i]);
		int lo = hi < 0 ? -1 : hex_digit(s[2 * i + 1]);

		if (lo < 0)
			return -1;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return s[2 * n] ? -1 : 0;
}

int cipher_wrap(const uint8_t kek[CIPHER_KEY], const uint8_t key[CIPHER_KEY],
    uint8_t out[CIPHER_WRAPPED])
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	uint8_t tmp[CIPHER_WRAPPED + CIPHER_BLOCK];
	int n = 0, rc = -1;

	if (!x)
		return -1;
	EVP_CIPHER_CTX_set_flags(x, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_EncryptInit_ex(x, EVP_aes_256_wrap(), NULL, kek, NULL) != 1 ||
	    EVP_EncryptUpdate(x, tmp, &n, key, CIPHER_KEY) != 1 ||
	    n != CIPHER_WRAPPED)
		goto out;
	memcpy(out, tmp, CIPHER_WRAPPED);
	rc = 0;
out:
	EVP_CIPHER_CTX_free(x);
	return rc;
}

int cipher_unwrap(const uint8_t kek[CIPHER_KEY],
    const uint8_t in[CIPHER_WRAPPED], uint8_t out[CIPHER_KEY])
{
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	uint8_t tmp[CIPHER_WRAPPED + CIPHER_BLOCK];
	int n = 0, rc = -1;

	if (!x)
		return -1;
	EVP_CIPHER_CTX_set_flags(x, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_DecryptInit_ex(x, EVP_aes_256_wrap(), NULL, kek, NULL) != 1 ||
	    EVP_DecryptUpdate(x, tmp, &n, in, CIPHER_WRAPPED) != 1 ||
	    n != CIPHER_KEY)
		goto out;
	memcpy(out, tmp, CIPHER_KEY);
	rc = 0;
out:
	EVP_CIPHER_CTX_free(x);
	return rc;
}

int cipher_password(
    const char *pw, const struct cipher_rounds *r, uint8_t out[CIPHER_KEY])
{
	uint8_t first[CIPHER_KEY];
	size_t len = strlen(pw);

	if (len > INT32_MAX || r->dpsl_len > INT32_MAX ||
	    r->salt_len > INT32_MAX || r->dpic > INT32_MAX ||
	    r->iter > INT32_MAX || r->iter == 0)
		return -1;
	if (r->dpic) {
		if (PKCS5_PBKDF2_HMAC(pw, (int)len, r->dpsl, (int)r->dpsl_len,
			(int)r->dpic, EVP_sha256(), CIPHER_KEY, first) != 1)
			return -1;
		pw = (const char *)first;
		len = CIPHER_KEY;
	}
	return PKCS5_PBKDF2_HMAC(pw, (int)len, r->salt, (int)r->salt_len,
		   (int)r->iter, EVP_sha1(), CIPHER_KEY, out) == 1
		   ? 0
		   : -1;
}

int cipher_x25519_public(const uint8_t key[32], uint8_t out[32])
{
	EVP_PKEY *k =
	    EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key, 32);
	size_t n = 32;
	int ok = k && EVP_PKEY_get_raw_public_key(k, out, &n) == 1 && n == 32;

	EVP_PKEY_free(k);
	return ok ? 0 : -1;
}

struct cipher_cbc *cipher_cbc_new(const uint8_t key[CIPHER_KEY], int encrypt)
{
	static const uint8_t iv[CIPHER_BLOCK];
	struct cipher_cbc *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->ctx = EVP_CIPHER_CTX_new();
	if (!x->ctx || EVP_CipherInit_ex(x->ctx, EVP_aes_256_cbc(), NULL, key,
			   iv, encrypt ? 1 : 0) != 1) {
		cipher_cbc_free(x);
		return NULL;
	}
	return x;
}

long cipher_cbc_step(struct cipher_cbc *x, const void *in, size_t n, void *out)
{
	int got = 0;

	if (n > INT32_MAX - CIPHER_BLOCK ||
	    EVP_CipherUpdate(x->ctx, out, &got, in, (int)n) != 1)
		return -1;
	return got;
}

long cipher_cbc_end(struct cipher_cbc *x, void *out)
{
	int got = 0;

	return EVP_CipherFinal_ex(x->ctx, out, &got) == 1 ? got : -1;
}

void cipher_cbc_free(struct cipher_cbc *x)
{
	if (!x)
		return;
	EVP_CIPHER_CTX_free(x->ctx);
	free(x);
}
