#include "content_bytes.h"

#include <endian.h>
#include <string.h>

#define STEP 0x9E3779B97F4A7C15u /* 2^64 / golden ratio, odd */

/* A counter through two multiplications: no state from word to word, so the
 * processor works on several at a time and any offset is as near as 0. */
static inline uint64_t stir(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

uint64_t content_mix(uint64_t a, uint64_t b)
{
	return stir(stir(a + STEP) ^ (b * STEP + 1));
}

uint64_t content_rng_next(struct content_rng *r)
{
	r->state += STEP;
	return stir(r->state);
}

uint64_t content_rng_below(struct content_rng *r, uint64_t n)
{
	return content_rng_next(r) % n;
}

uint64_t content_bytes_key(uint64_t phone, uint64_t item, uint32_t version)
{
	return content_mix(content_mix(phone, item), version);
}

static void partial(
    uint64_t key, uint64_t word, size_t skip, void *buf, size_t n)
{
	uint64_t v = htole64(stir(key + word * STEP));

	memcpy(buf, (const char *)&v + skip, n);
}

void content_bytes_fill(uint64_t key, uint64_t offset, void *buf, size_t n)
{
	unsigned char *p = buf;
	uint64_t word = offset / 8;
	size_t skip = offset % 8;
	uint64_t z;

	if (skip && n) {
		size_t take = 8 - skip < n ? 8 - skip : n;

		partial(key, word++, skip, p, take);
		p += take;
		n -= take;
	}
	z = key + word * STEP;
	word += n / 8;
	for (; n >= 8; n -= 8, p += 8, z += STEP) {
		uint64_t v = htole64(stir(z));

		memcpy(p, &v, 8);
	}
	if (n)
		partial(key, word, 0, p, n);
}
