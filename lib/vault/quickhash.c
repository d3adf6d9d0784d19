#include "quickhash.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

/* Its state has an alignment of its own: XXH3_createState() sees to that. */
struct quickhash *quickhash_new(void)
{
	return (struct quickhash *)XXH3_createState();
}

static XXH3_state_t *state_of(struct quickhash *q)
{
	return (XXH3_state_t *)q;
}

void quickhash_free(struct quickhash *q)
{
	XXH3_freeState(state_of(q));
}

void quickhash_begin(struct quickhash *q)
{
	/* Fails for NULL only. */
	(void)XXH3_64bits_reset(state_of(q));
}

void quickhash_update(struct quickhash *q, const void *data, size_t len)
{
	(void)XXH3_64bits_update(state_of(q), data, len);
}

uint64_t quickhash_final(struct quickhash *q)
{
	return XXH3_64bits_digest(state_of(q));
}
