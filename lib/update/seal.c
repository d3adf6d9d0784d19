#include "seal.h"

#include <openssl/evp.h>

struct seal_hash; /* libcrypto's, under our name */

static EVP_MD_CTX *of(struct seal_hash *h)
{
	return (EVP_MD_CTX *)h;
}

enum rc seal_hash_begin(struct seal_hash *h)
{
	return EVP_DigestInit_ex(of(h), EVP_sha256(), NULL) == 1 ? RC_OK
								 : RC_BUG;
}

struct seal_hash *seal_hash_new(void)
{
	struct seal_hash *h = (struct seal_hash *)EVP_MD_CTX_new();

	if (h && seal_hash_begin(h)) {
		seal_hash_free(h);
		return NULL;
	}
	return h;
}

void seal_hash_free(struct seal_hash *h)
{
	EVP_MD_CTX_free(of(h));
}

enum rc seal_hash_add(struct seal_hash *h, const void *data, size_t len)
{
	return EVP_DigestUpdate(of(h), data, len) == 1 ? RC_OK : RC_BUG;
}

enum rc seal_hash_end(struct seal_hash *h, uint8_t out[SEAL_HASH])
{
	return EVP_DigestFinal_ex(of(h), out, NULL) == 1 ? RC_OK : RC_BUG;
}

bool seal_is_signed(const void *data, size_t len,
    const uint8_t signature[SEAL_SIGNATURE], const uint8_t key[SEAL_KEY])
{
	EVP_PKEY *k =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, SEAL_KEY);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1;

	/* One call: 1 is yes, all else is no. */
	good = good &&
	       EVP_DigestVerify(c, signature, SEAL_SIGNATURE, data, len) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return good;
}
