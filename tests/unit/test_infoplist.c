/* Info.plist: what viewers and Finder need, from whatever the phone told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "infoplist.h"

#define U "00008101-001a2b3c4d5e6f70"

static struct pl *phone_values(void)
{
	struct pl *v = pl_new_dict();

	pl_set(v, "DeviceName", pl_new_str("Zo\xc3\xab's <iPhone> & more"));
	pl_set(v, "ProductType", pl_new_str("iPhone15,4"));
	pl_set(v, "ProductVersion", pl_new_str("18.1"));
	pl_set(v, "BuildVersion", pl_new_str("22B83"));
	pl_set(v, "SerialNumber", pl_new_str("F2LXG0AAAA"));
	pl_set(v, "PhoneNumber", pl_new_int(5)); /* not a string: left out */
	return v;
}

static struct pl *parsed(const struct infoplist *ip)
{
	uint8_t *bytes = NULL;
	size_t len;
	struct pl *out = NULL;

	assert_int_equal(infoplist_xml(ip, &bytes, &len), RC_OK);
	assert_memory_equal(bytes, "<?xml", 5);
	assert_int_equal(pl_parse(bytes, len, &out), RC_OK);
	pl_bytes_free(bytes);
	return out;
}

static void the_keys_that_others_need(void **state)
{
	static const char *const want[] = { "Applications", "Build Version",
		"Device Name", "Display Name", "GUID", "Installed Applications",
		"Last Backup Date", "Product Type", "Product Version",
		"Serial Number", "Target Identifier", "Target Type",
		"Unique Identifier", "iTunes Files", "iTunes Version" };
	struct pl *values = phone_values();
	struct infoplist *ip;
	struct pl *out;

	(void)state;
	assert_int_equal(infoplist_new(U, values, 1700000000, &ip), RC_OK);
	out = parsed(ip);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_non_null(pl_get(out, want[i]));
	assert_true(pl_is_str(
	    pl_get(out, "Device Name"), "Zo\xc3\xab's <iPhone> & more"));
	assert_true(pl_is_str(pl_get(out, "Target Identifier"), U));
	assert_true(pl_is_str(
	    pl_get(out, "Unique Identifier"), "00008101-001A2B3C4D5E6F70"));
	assert_true(pl_is_str(pl_get(out, "iTunes Version"), "10.0.1"));
	assert_null(pl_get(out, "Phone Number"));
	assert_null(pl_get(out, "IMEI"));
	assert_int_equal(pl_kind(pl_get(out, "Last Backup Date")), PL_DATE);
	pl_free(out);
	infoplist_free(ip);
	pl_free(values);
}

static void a_phone_that_tells_nothing(void **state)
{
	struct infoplist *ip;
	struct pl *out;

	(void)state;
	assert_int_equal(infoplist_new(U, NULL, 0, &ip), RC_OK);
	infoplist_itunes(ip, NULL, NULL);
	out = parsed(ip);
	assert_null(pl_get(out, "Device Name"));
	assert_true(pl_is_str(pl_get(out, "Target Type"), "Device"));
	pl_free(out);
	infoplist_free(ip);
}

static struct pl *app(const char *bundle, size_t meta_len)
{
	struct pl *a = pl_new_dict();
	char *meta = calloc(1, meta_len ? meta_len : 1);

	assert_non_null(meta);
	pl_set(a, "CFBundleIdentifier", pl_new_str(bundle));
	if (meta_len) {
		pl_set(a, "ApplicationSINF", pl_new_data("sinf", 4));
		pl_set(a, "iTunesMetadata", pl_new_data(meta, meta_len));
	}
	free(meta);
	return a;
}

static void apps_with_and_without_a_receipt(void **state)
{
	struct pl *a = app("com.example.a", 10);
	struct pl *b = app("com.example.b", 0);
	struct pl *bad = pl_new_dict();
	struct infoplist *ip;
	const struct pl *entry;
	struct pl *out;

	(void)state;
	assert_int_equal(infoplist_new(U, NULL, 0, &ip), RC_OK);
	assert_int_equal(
	    infoplist_app(ip, a, (const uint8_t *)"png", 3), RC_OK);
	assert_int_equal(infoplist_app(ip, b, NULL, 0), RC_OK);
	assert_int_equal(infoplist_app(ip, bad, NULL, 0), RC_PROTO);
	assert_int_equal(
	    infoplist_file(ip, "iTunesPrefs", (const uint8_t *)"x", 1), RC_OK);
	assert_int_equal(
	    infoplist_books(ip, (const uint8_t *)"books", 5), RC_OK);
	out = parsed(ip);
	assert_int_equal(pl_count(pl_get(out, "Installed Applications")), 2);
	assert_int_equal(pl_count(pl_get(out, "Applications")), 1);
	entry = pl_get(pl_get(out, "Applications"), "com.example.a");
	assert_int_equal(pl_kind(pl_get(entry, "PlaceholderIcon")), PL_DATA);
	assert_int_equal(pl_kind(pl_get(entry, "ApplicationSINF")), PL_DATA);
	assert_int_equal(pl_kind(pl_get(entry, "iTunesMetadata")), PL_DATA);
	assert_non_null(pl_get(pl_get(out, "iTunes Files"), "iTunesPrefs"));
	assert_non_null(pl_get(out, "iBooks Data 2"));
	pl_free(out);
	infoplist_free(ip);
	pl_free(a);
	pl_free(b);
	pl_free(bad);
}

static void too_much_is_left_out(void **state)
{
	struct pl *big = app("com.example.big", INFOPLIST_DATA_MAX - 100);
	struct pl *more = app("com.example.more", 200);
	struct pl *small = app("com.example.small", 20);
	struct infoplist *ip;
	struct pl *out;

	(void)state;
	assert_int_equal(infoplist_new(U, NULL, 0, &ip), RC_OK);
	assert_int_equal(infoplist_app(ip, big, NULL, 0), RC_OK);
	assert_int_equal(infoplist_app(ip, more, NULL, 0), RC_LIMIT);
	assert_int_equal(infoplist_app(ip, small, NULL, 0), RC_OK);
	out = parsed(ip);
	assert_int_equal(pl_count(pl_get(out, "Applications")), 2);
	assert_int_equal(pl_count(pl_get(out, "Installed Applications")), 3);
	pl_free(out);
	for (unsigned i = 0; i < INFOPLIST_APPS_MAX; i++) {
		char name[40];
		struct pl *a;

		snprintf(name, sizeof(name), "com.example.n%u", i);
		a = app(name, 0);
		if (infoplist_app(ip, a, NULL, 0)) {
			assert_int_equal(i, INFOPLIST_APPS_MAX - 3);
			pl_free(a);
			break;
		}
		pl_free(a);
	}
	infoplist_free(ip);
	pl_free(big);
	pl_free(more);
	pl_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keys_that_others_need),
		cmocka_unit_test(a_phone_that_tells_nothing),
		cmocka_unit_test(apps_with_and_without_a_receipt),
		cmocka_unit_test(too_much_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
