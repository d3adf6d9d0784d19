#include "digest.h"

#include <blake3.h>
#include <stdlib.h>

_Static_assert(DIGEST_LEN == BLAKE3_OUT_LEN, "the whole of it");

struct digest {
	blake3_hasher hasher;
};

struct digest *digest_new(void)
{
	return malloc(sizeof(struct digest));
}

void digest_free(struct digest *d)
{
	free(d);
}

void digest_begin(struct digest *d)
{
	blake3_hasher_init(&d->hasher);
}

void digest_update(struct digest *d, const void *data, size_t len)
{
	blake3_hasher_update(&d->hasher, data, len);
}

void digest_final(const struct digest *d, uint8_t out[DIGEST_LEN])
{
	blake3_hasher_finalize(&d->hasher, out, DIGEST_LEN);
}

void digest_hex(const uint8_t digest[DIGEST_LEN], char out[DIGEST_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_LEN; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[DIGEST_HEX_LEN] = '\0';
}
