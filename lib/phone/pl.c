#include "pl.h"

#include <plist/plist.h>
#include <stdlib.h>
#include <string.h>

#include "plist_bounds.h"

/* From 2.3 on PLIST_UINT is a macro (for PLIST_INT), before it was an enum
 * value: the one thing by which a compiler can tell. */
#ifdef PLIST_UINT
#define PL_SIGNED_LIBPLIST
#endif

#define APPLE_EPOCH 978307200 /* 2001-01-01 as Unix time */

/* libplist never takes const; it does not write to what it only reads. */
static plist_t raw(const struct pl *node)
{
	return (plist_t)(uintptr_t)node;
}

enum rc pl_parse(const void *data, size_t len, struct pl **out)
{
	plist_t node = NULL;
	enum rc rc;

	*out = NULL;
	if (len > UINT32_MAX)
		return RC_LIMIT;
	rc = plist_bounds_check(data, len);
	if (rc)
		return rc;
	if (memcmp(data, "bplist00", 8) == 0)
		plist_from_bin(data, (uint32_t)len, &node);
	else
		plist_from_xml(data, (uint32_t)len, &node);
	if (!node)
		return RC_PROTO;
	*out = node;
	return RC_OK;
}

void pl_free(struct pl *node)
{
	if (node)
		plist_free(node);
}

enum rc pl_to_bin(const struct pl *node, uint8_t **out, size_t *len)
{
	char *bytes = NULL;
	uint32_t n = 0;

	plist_to_bin(raw(node), &bytes, &n);
	if (!bytes)
		return RC_NOMEM;
	*out = (uint8_t *)bytes;
	*len = n;
	return RC_OK;
}

enum rc pl_to_xml(const struct pl *node, uint8_t **out, size_t *len)
{
	char *bytes = NULL;
	uint32_t n = 0;

	plist_to_xml(raw(node), &bytes, &n);
	if (!bytes)
		return RC_NOMEM;
	*out = (uint8_t *)bytes;
	*len = n;
	return RC_OK;
}

void pl_bytes_free(uint8_t *bytes)
{
	if (!bytes)
		return;
#ifdef PL_SIGNED_LIBPLIST
	plist_mem_free(bytes);
#else
	plist_to_xml_free((char *)bytes); /* and of plist_to_bin(), too */
#endif
}

enum pl_kind pl_kind(const struct pl *node)
{
	plist_type type;

	if (!node)
		return PL_NONE;
	type = plist_get_node_type(raw(node));
	if (type == PLIST_BOOLEAN)
		return PL_BOOL;
	if (type == PLIST_UINT)
		return PL_INT;
	if (type == PLIST_REAL)
		return PL_REAL;
	if (type == PLIST_STRING)
		return PL_STRING;
	if (type == PLIST_DATA)
		return PL_DATA;
	if (type == PLIST_DATE)
		return PL_DATE;
	if (type == PLIST_ARRAY)
		return PL_ARRAY;
	if (type == PLIST_DICT)
		return PL_DICT;
	return PL_OTHER;
}

uint32_t pl_count(const struct pl *node)
{
	switch (pl_kind(node)) {
	case PL_ARRAY:
		return plist_array_get_size(raw(node));
	case PL_DICT:
		return plist_dict_get_size(raw(node));
	case PL_NONE:
	case PL_BOOL:
	case PL_INT:
	case PL_REAL:
	case PL_STRING:
	case PL_DATA:
	case PL_DATE:
	case PL_OTHER:
		break;
	}
	return 0;
}

const struct pl *pl_at(const struct pl *array, uint32_t i)
{
	if (pl_kind(array) != PL_ARRAY || i >= pl_count(array))
		return NULL;
	return plist_array_get_item(raw(array), i);
}

const struct pl *pl_get(const struct pl *dict, const char *key)
{
	if (pl_kind(dict) != PL_DICT)
		return NULL;
	return plist_dict_get_item(raw(dict), key);
}

static enum rc want(const struct pl *node, enum pl_kind kind)
{
	if (!node)
		return RC_NOTFOUND;
	return pl_kind(node) == kind ? RC_OK : RC_PROTO;
}

enum rc pl_str(const struct pl *node, const char **out)
{
	enum rc rc = want(node, PL_STRING);

	*out = rc ? NULL : plist_get_string_ptr(raw(node), NULL);
	if (!rc && !*out)
		return RC_PROTO;
	return rc;
}

enum rc pl_int(const struct pl *node, int64_t *out)
{
	enum rc rc = want(node, PL_INT);
	uint64_t v = 0;

	/* The two's complement of a negative one, in every version. */
	if (!rc)
		plist_get_uint_val(raw(node), &v);
	*out = (int64_t)v;
	return rc;
}

enum rc pl_real(const struct pl *node, double *out)
{
	enum rc rc = want(node, PL_REAL);
	int64_t v;

	*out = 0;
	if (!rc) {
		plist_get_real_val(raw(node), out);
		return RC_OK;
	}
	if (pl_int(node, &v))
		return rc;
	*out = (double)v;
	return RC_OK;
}

enum rc pl_data(const struct pl *node, const uint8_t **out, size_t *len)
{
	enum rc rc = want(node, PL_DATA);
	uint64_t n = 0;

	*out = NULL;
	*len = 0;
	if (rc)
		return rc;
	*out = (const uint8_t *)plist_get_data_ptr(raw(node), &n);
	if (!*out)
		return RC_PROTO;
	*len = (size_t)n;
	return RC_OK;
}

bool pl_truth(const struct pl *node, bool def)
{
	uint8_t b = 0;
	int64_t v;

	if (pl_kind(node) == PL_BOOL) {
		plist_get_bool_val(raw(node), &b);
		return b != 0;
	}
	if (pl_int(node, &v))
		return def;
	return v != 0;
}

void pl_copy_str(const struct pl *node, char *buf, size_t cap)
{
	const char *text;
	size_t len;

	buf[0] = '\0';
	if (pl_str(node, &text))
		return;
	len = strlen(text);
	if (len >= cap) {
		len = cap - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(buf, text, len);
	buf[len] = '\0';
}

bool pl_is_str(const struct pl *node, const char *text)
{
	const char *s;

	return pl_str(node, &s) == RC_OK && strcmp(s, text) == 0;
}

enum rc pl_each_item(const struct pl *array, pl_item_fn fn, void *arg)
{
	plist_array_iter iter = NULL;
	enum rc rc = RC_OK;

	if (pl_kind(array) != PL_ARRAY)
		return RC_PROTO;
	plist_array_new_iter(raw(array), &iter);
	while (rc == RC_OK) {
		plist_t item = NULL;

		plist_array_next_item(raw(array), iter, &item);
		if (!item)
			break;
		rc = fn(arg, item);
	}
	free(iter);
	return rc;
}

enum rc pl_each_pair(const struct pl *dict, pl_pair_fn fn, void *arg)
{
	plist_dict_iter iter = NULL;
	enum rc rc = RC_OK;

	if (pl_kind(dict) != PL_DICT)
		return RC_PROTO;
	plist_dict_new_iter(raw(dict), &iter);
	while (rc == RC_OK) {
		plist_t value = NULL;
		char *key = NULL;

		plist_dict_next_item(raw(dict), iter, &key, &value);
		if (key && value)
			rc = fn(arg, key, value);
		free(key);
		if (!value)
			break;
	}
	free(iter);
	return rc;
}

struct pl *pl_new_dict(void)
{
	return plist_new_dict();
}

struct pl *pl_new_array(void)
{
	return plist_new_array();
}

struct pl *pl_new_str(const char *text)
{
	return plist_new_string(text);
}

struct pl *pl_new_int(int64_t v)
{
	/* From 2.3 on an "unsigned" above INT64_MAX is written in 16 bytes;
	 * before, there was no signed one and the same call wrote the 8 bytes
	 * that we want. */
#ifdef PL_SIGNED_LIBPLIST
	return plist_new_int(v);
#else
	return plist_new_uint((uint64_t)v);
#endif
}

struct pl *pl_new_bool(bool v)
{
	return plist_new_bool(v);
}

struct pl *pl_new_real(double v)
{
	return plist_new_real(v);
}

struct pl *pl_new_data(const void *data, size_t len)
{
	return plist_new_data(data, len);
}

struct pl *pl_new_date(int64_t unix_at)
{
	int64_t at = unix_at - APPLE_EPOCH;

	if (at > INT32_MAX)
		at = INT32_MAX;
	if (at < INT32_MIN)
		at = INT32_MIN;
	return plist_new_date((int32_t)at, 0);
}

struct pl *pl_copy(const struct pl *node)
{
	return plist_copy(raw(node));
}

void pl_add(struct pl *array, struct pl *node)
{
	plist_array_append_item(array, node);
}

void pl_set(struct pl *dict, const char *key, struct pl *node)
{
	plist_dict_set_item(dict, key, node);
}

void pl_remove(struct pl *dict, const char *key)
{
	if (pl_get(dict, key))
		plist_dict_remove_item(dict, key);
}
