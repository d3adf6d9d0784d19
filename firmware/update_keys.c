#include "update_keys.h"

#include "update_keys_gen.h"

#ifndef NIGHTSTAND_BUILT
#define NIGHTSTAND_BUILT 0
#endif

const struct update_keys *update_keys(void)
{
	return &built_in;
}

uint64_t update_build(void)
{
	return NIGHTSTAND_BUILT;
}
