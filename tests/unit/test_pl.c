/* Property lists: bounds on hostile ones, types, the form of integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pl.h"

/* A binary list: objects one after the other, 1-byte references. */
struct bin {
	uint8_t data[8192];
	size_t len;
	uint8_t at[256];
	unsigned n;
};

static void bin_begin(struct bin *b)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->data, "bplist00", 8);
	b->len = 8;
}

static void bin_object(struct bin *b, const void *p, size_t n)
{
	b->at[b->n++] = (uint8_t)b->len;
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

static void bin_end(struct bin *b)
{
	size_t table = b->len;

	for (unsigned i = 0; i < b->n; i++)
		b->data[b->len++] = b->at[i];
	b->data[b->len + 6] = 1;
	b->data[b->len + 7] = 1;
	b->data[b->len + 15] = (uint8_t)b->n;
	b->data[b->len + 31] = (uint8_t)table;
	b->len += 32;
}

static enum rc parse(const void *p, size_t n)
{
	struct pl *node = NULL;
	enum rc rc = pl_parse(p, n, &node);

	assert_true((rc == RC_OK) == (node != NULL));
	pl_free(node);
	return rc;
}

static void a_list_that_holds_itself_is_refused(void **state)
{
	struct bin b;

	(void)state;
	bin_begin(&b);
	bin_object(&b, "\xa1\x00", 2);
	bin_end(&b);
	assert_int_equal(parse(b.data, b.len), RC_LIMIT);
}

static void shared_objects_count_each_time(void **state)
{
	struct bin b;

	(void)state;
	/* Nine lists of 14, each of the next one: 14^9 nodes in 300 bytes. */
	bin_begin(&b);
	for (int i = 0; i < 9; i++) {
		uint8_t list[15];

		list[0] = 0xae;
		memset(list + 1, i + 1, 14);
		bin_object(&b, list, sizeof(list));
	}
	bin_object(&b, "\x09", 1);
	bin_end(&b);
	assert_int_equal(parse(b.data, b.len), RC_LIMIT);
}

static void references_and_tables_out_of_range(void **state)
{
	struct bin b;

	(void)state;
	bin_begin(&b);
	bin_object(&b, "\xa1\x07", 2);
	bin_end(&b);
	assert_int_equal(parse(b.data, b.len), RC_PROTO);
	b.data[b.len - 1] = 0xff; /* the table behind the end */
	assert_int_equal(parse(b.data, b.len), RC_PROTO);
	bin_begin(&b);
	bin_object(&b, "\xaf\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10);
	bin_end(&b);
	assert_int_not_equal(parse(b.data, b.len), RC_OK);
	assert_int_equal(parse("bplist00", 8), RC_PROTO);
	assert_int_equal(parse("", 0), RC_PROTO);
	assert_int_equal(parse("no list at all, truly not", 25), RC_PROTO);
}

static void bent_binary_lists_do_no_harm(void **state)
{
	struct pl *dict = pl_new_dict();
	struct pl *list = pl_new_array();
	unsigned seed = 7;
	uint8_t *bytes, *copy;
	size_t len;

	(void)state;
	for (int i = 0; i < 20; i++)
		pl_add(list, pl_new_int(i * 1000));
	pl_set(dict, "list", list);
	pl_set(dict, "text", pl_new_str("words"));
	pl_set(dict, "data", pl_new_data("abc", 3));
	assert_int_equal(pl_to_bin(dict, &bytes, &len), RC_OK);
	for (int i = 0; i < 20000; i++) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, bytes, len);
		for (int k = 0; k <= i % 3; k++) {
			seed = seed * 1103515245u + 12345u;
			copy[(seed >> 8) % len] = (uint8_t)(seed >> 24);
		}
		(void)parse(copy, len);
		free(copy);
	}
	pl_bytes_free(bytes);
	pl_free(dict);
}

static char *nested_xml(const char *junk, int depth)
{
	char *text = malloc(200 + (size_t)depth * (40 + strlen(junk)));
	char *p = text;

	assert_non_null(text);
	p += sprintf(p, "<?xml version=\"1.0\"?><plist version=\"1.0\">");
	for (int i = 0; i < depth; i++)
		p += sprintf(p, "<array>%s", junk);
	for (int i = 0; i < depth; i++)
		p += sprintf(p, "</array>");
	sprintf(p, "</plist>");
	return text;
}

static void check_xml(const char *junk, int depth, enum rc want)
{
	char *text = nested_xml(junk, depth);

	assert_int_equal(parse(text, strlen(text)), want);
	free(text);
}

static void deep_xml_is_refused(void **state)
{
	(void)state;
	check_xml("", 10, RC_OK);
	check_xml("", 200000, RC_LIMIT);
	check_xml("<!-- </array> -->", 100000, RC_LIMIT);
}

static void entities_are_refused(void **state)
{
	static const char text[] =
	    "<?xml version=\"1.0\"?><!DOCTYPE plist [<!ENTITY a \"aaaa\">]>"
	    "<plist><string>&a;</string></plist>";

	(void)state;
	assert_int_equal(parse(text, sizeof(text) - 1), RC_PROTO);
}

/* Vector A.5: both forms are minus thirteen; ours is the short one. */
static void negative_integers(void **state)
{
	static const uint8_t short_form[] = { 0x13, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xf3 };
	static const uint8_t long_form[] = { 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf3 };
	struct bin b;
	struct pl *node;
	uint8_t *bytes;
	size_t len;
	int64_t v;

	(void)state;
	node = pl_new_int(-13);
	assert_int_equal(pl_to_bin(node, &bytes, &len), RC_OK);
	assert_memory_equal(bytes + 8, short_form, sizeof(short_form));
	pl_bytes_free(bytes);
	assert_int_equal(pl_int(node, &v), RC_OK);
	assert_int_equal(v, -13);
	pl_free(node);
	bin_begin(&b);
	bin_object(&b, long_form, sizeof(long_form));
	bin_end(&b);
	assert_int_equal(pl_parse(b.data, b.len, &node), RC_OK);
	assert_int_equal(pl_int(node, &v), RC_OK);
	assert_int_equal((int32_t)v, -13);
	pl_free(node);
}

static void large_integers(void **state)
{
	struct pl *node = pl_new_int(6000000000000);
	uint8_t *bytes;
	size_t len;
	int64_t v;

	(void)state;
	assert_int_equal(pl_to_bin(node, &bytes, &len), RC_OK);
	pl_free(node);
	assert_int_equal(pl_parse(bytes, len, &node), RC_OK);
	assert_int_equal(pl_int(node, &v), RC_OK);
	assert_int_equal(v, 6000000000000);
	pl_free(node);
	pl_bytes_free(bytes);
}

static void getters_check_types(void **state)
{
	struct pl *dict = pl_new_dict();
	const char *s;
	const uint8_t *p;
	size_t n;
	int64_t v;
	double d;

	(void)state;
	pl_set(dict, "one", pl_new_int(1));
	pl_set(dict, "text", pl_new_str("x"));
	pl_set(dict, "yes", pl_new_bool(true));
	pl_set(dict, "real", pl_new_real(2.5));
	assert_int_equal(pl_str(pl_get(dict, "one"), &s), RC_PROTO);
	assert_int_equal(pl_str(pl_get(dict, "none"), &s), RC_NOTFOUND);
	assert_int_equal(pl_int(pl_get(dict, "text"), &v), RC_PROTO);
	assert_int_equal(pl_data(pl_get(dict, "text"), &p, &n), RC_PROTO);
	assert_int_equal(pl_real(pl_get(dict, "one"), &d), RC_OK);
	assert_true(d > 0.9 && d < 1.1);
	assert_int_equal(pl_real(pl_get(dict, "text"), &d), RC_PROTO);
	/* RequiresEncryption is an integer on real phones. */
	assert_true(pl_truth(pl_get(dict, "one"), false));
	assert_true(pl_truth(pl_get(dict, "yes"), false));
	assert_true(pl_truth(pl_get(dict, "none"), true));
	assert_null(pl_get(pl_get(dict, "one"), "x"));
	assert_null(pl_at(dict, 0));
	assert_int_equal(pl_count(NULL), 0);
	assert_int_equal(pl_kind(pl_get(dict, "real")), PL_REAL);
	pl_free(dict);
}

static void strings_are_cut_at_a_character(void **state)
{
	struct pl *node = pl_new_str("Zo\xc3\xab");
	char buf[5], small[4];

	(void)state;
	pl_copy_str(node, buf, sizeof(buf));
	assert_string_equal(buf, "Zo\xc3\xab");
	pl_copy_str(node, small, sizeof(small));
	assert_string_equal(small, "Zo");
	pl_copy_str(NULL, buf, sizeof(buf));
	assert_string_equal(buf, "");
	pl_free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_holds_itself_is_refused),
		cmocka_unit_test(shared_objects_count_each_time),
		cmocka_unit_test(references_and_tables_out_of_range),
		cmocka_unit_test(bent_binary_lists_do_no_harm),
		cmocka_unit_test(deep_xml_is_refused),
		cmocka_unit_test(entities_are_refused),
		cmocka_unit_test(negative_integers),
		cmocka_unit_test(large_integers),
		cmocka_unit_test(getters_check_types),
		cmocka_unit_test(strings_are_cut_at_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
