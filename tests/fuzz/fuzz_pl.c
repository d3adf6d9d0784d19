/* A property list of the phone: bounds, tree, getters, and both ways out. */
#include <stdlib.h>

#include "fuzz.h"
#include "pl.h"
#include "plist_bounds.h"

static enum rc look(void *arg, const struct pl *item);

static enum rc look_at_pair(void *arg, const char *key, const struct pl *value)
{
	if (!key)
		abort();
	return look(arg, value);
}

/* Each getter at each node: it answers for its own kind only. */
static enum rc look(void *arg, const struct pl *item)
{
	enum pl_kind kind = pl_kind(item);
	const uint8_t *bytes;
	const char *str;
	char text[64];
	int64_t n;
	double real;
	size_t len;

	pl_copy_str(item, text, sizeof(text));
	if ((pl_int(item, &n) == RC_OK) != (kind == PL_INT) ||
	    (pl_str(item, &str) == RC_OK) != (kind == PL_STRING) ||
	    /* Of base64 that is none libplist keeps no bytes at all. */
	    (pl_data(item, &bytes, &len) == RC_OK && kind != PL_DATA) ||
	    (pl_real(item, &real) == RC_OK) !=
		(kind == PL_REAL || kind == PL_INT))
		abort();
	if (pl_count(item) > PLIST_NODES_MAX)
		abort();
	(void)!pl_each_item(item, look, arg);
	(void)!pl_each_pair(item, look_at_pair, arg);
	return RC_OK;
}

/* What we write is read again, and is of the same kind (a UID of an archive
 * has no XML form but a dictionary). */
static void check_again(const struct pl *tree, const uint8_t *bytes, size_t n)
{
	struct pl *again = NULL;

	if (pl_parse(bytes, n, &again) == RC_OK && pl_kind(tree) != PL_OTHER &&
	    (pl_kind(again) != pl_kind(tree) ||
		/* a key that stands there twice is one in XML */
		(pl_kind(tree) == PL_ARRAY &&
		    pl_count(again) != pl_count(tree))))
		abort();
	pl_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pl *tree = NULL;
	uint8_t *bytes = NULL;
	size_t n = 0;

	if (pl_parse(data, len, &tree))
		return 0;
	(void)look(NULL, tree);
	if (pl_to_bin(tree, &bytes, &n) == RC_OK)
		check_again(tree, bytes, n);
	pl_bytes_free(bytes);
	bytes = NULL;
	if (pl_to_xml(tree, &bytes, &n) == RC_OK)
		check_again(tree, bytes, n);
	pl_bytes_free(bytes);
	pl_free(tree);
	return 0;
}
