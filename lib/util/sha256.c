#include "sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

struct sha256 {
	EVP_MD_CTX *ctx;
	EVP_MD *md; /* fetched once: a lookup by name is slow in OpenSSL 3 */
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!h->ctx || !h->md) {
		sha256_free(h);
		return NULL;
	}
	return h;
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

enum rc sha256_begin(struct sha256 *h)
{
	return EVP_DigestInit_ex(h->ctx, h->md, NULL) == 1 ? RC_OK : RC_NOMEM;
}

enum rc sha256_update(struct sha256 *h, const void *data, size_t len)
{
	return EVP_DigestUpdate(h->ctx, data, len) == 1 ? RC_OK : RC_BUG;
}

enum rc sha256_final(struct sha256 *h, uint8_t out[SHA256_LEN])
{
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(h->ctx, out, &n) != 1 || n != SHA256_LEN)
		return RC_BUG;
	return RC_OK;
}

void sha256_hex(const uint8_t sha[SHA256_LEN], char out[SHA256_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_LEN; i++) {
		out[2 * i] = digits[sha[i] >> 4];
		out[2 * i + 1] = digits[sha[i] & 15];
	}
	out[SHA256_HEX_LEN] = '\0';
}

enum rc sha1_of(const void *data, size_t len, uint8_t out[SHA1_LEN])
{
	return SHA1(data, len, out) ? RC_OK : RC_BUG;
}
