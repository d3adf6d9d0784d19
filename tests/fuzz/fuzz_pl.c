/* A property list of the phone: bounds, tree, getters, and both ways out. */
#include <stdlib.h>

#include "fuzz.h"
#include "pl.h"
#include "plist_bounds.h"

static enum rc look(void *arg, const struct pl *item)
{
	char text[64];
	int64_t n;

	(void)arg;
	pl_copy_str(item, text, sizeof(text));
	if (pl_int(item, &n) == RC_OK && pl_kind(item) != PL_INT)
		abort();
	if (pl_kind(item) == PL_ARRAY && pl_count(item) > PLIST_NODES_MAX)
		abort();
	return RC_OK;
}

static enum rc look_at_pair(void *arg, const char *key, const struct pl *value)
{
	if (!key)
		abort();
	return look(arg, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pl *tree = NULL, *again = NULL;
	uint8_t *bytes = NULL;
	size_t n = 0;

	if (pl_parse(data, len, &tree))
		return 0;
	(void)!pl_each_item(tree, look, NULL);
	(void)!pl_each_pair(tree, look_at_pair, NULL);
	/* What we made of it is read again, and is of the same kind. */
	if (pl_to_bin(tree, &bytes, &n) == RC_OK &&
	    pl_parse(bytes, n, &again) == RC_OK &&
	    pl_kind(again) != pl_kind(tree))
		abort();
	pl_bytes_free(bytes);
	pl_free(again);
	pl_free(tree);
	return 0;
}
