/* UTF-8 from outside, device names, codes and their words, wall time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "digest.h"
#include "model.h"
#include "rc.h"
#include "utf8.h"
#include "wall.h"

static void clean_is(const char *in, const char *want)
{
	char out[64];
	size_t n = utf8_clean(out, sizeof(out), in);

	assert_string_equal(out, want);
	assert_int_equal(n, strlen(want));
}

static void text_is_made_harmless(void **state)
{
	(void)state;
	clean_is("Ana's iPhone", "Ana's iPhone");
	clean_is("J\u00fcrgen \U0001f4f1 \u6f22\u5b57",
	    "J\u00fcrgen \U0001f4f1 \u6f22\u5b57");
	clean_is("a\nb\tc\x7f\x1b[2J", "abc[2J");
	clean_is("a\xc2\x85"
		 "b\u2028c\u202ed\u2066e\ufefff",
	    "abcdef");
	/* Not UTF-8: lone bytes, cut, overlong, surrogate, too large. */
	clean_is("\x80x\xffy", "\ufffdx\ufffdy");
	clean_is("\xe6\xbc", "\ufffd\ufffd");
	clean_is("\xc0\xaf", "\ufffd\ufffd");
	clean_is("\xe0\x80\xaf", "\ufffd\ufffd\ufffd");
	clean_is("\xed\xa0\x80", "\ufffd\ufffd\ufffd");
	clean_is("\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd");
}

static void a_cut_splits_no_character(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(utf8_clean(out, 4, "ab\u00fc"), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(utf8_clean(out, 5, "ab\u00fc"), 4);
	assert_int_equal(utf8_clean(out, 1, "x"), 0);
	assert_int_equal(utf8_clean(out, 0, "x"), 0);
	assert_int_equal(utf8_cut("ab\u00fc", 3), 2);
	assert_int_equal(utf8_cut("ab\u00fc", 4), 4);
	assert_int_equal(utf8_cut("ab\u00fc", 99), 4);
	assert_int_equal(utf8_cut("\U0001f4f1", 3), 0);
}

static void columns(void **state)
{
	(void)state;
	assert_int_equal(utf8_columns(""), 0);
	assert_int_equal(utf8_columns("\u00fcb"), 2);
	assert_int_equal(utf8_columns("\u6f22\U0001f4f1"), 4);
	assert_int_equal(utf8_columns("u\u0308"), 1);
	assert_int_equal(utf8_columns("\xff"), 1);
}

static void random_bytes_give_text(void **state)
{
	unsigned seed = 3;
	char in[40];
	char out[33];
	char again[64];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i + 1 < sizeof(in); i++) {
			seed = seed * 1103515245u + 12345u;
			in[i] = (char)(seed >> 17 | (round & 1 ? 0x80 : 0));
		}
		in[sizeof(in) - 1] = '\0';
		utf8_clean(out, sizeof(out), in);
		/* What is clean stays as it is. */
		utf8_clean(again, sizeof(again), out);
		assert_string_equal(out, again);
	}
}

static void devices_have_names(void **state)
{
	(void)state;
	assert_string_equal(model_name("iPhone15,4"), "iPhone 15");
	assert_string_equal(model_name("iPhone10,3"), "iPhone X");
	assert_string_equal(model_name("iPhone18,1"), "iPhone 17 Pro");
	assert_string_equal(model_name("iPhone99,9"), "iPhone99,9");
	assert_string_equal(model_name(""), "");
}

static void each_code_has_words(void **state)
{
	(void)state;
	for (int i = 0; i < RC_COUNT_; i++)
		assert_string_not_equal(rc_words((enum rc)i), "unknown");
	assert_string_equal(rc_words((enum rc)999), "unknown");
	assert_string_equal(rc_words((enum rc) - 1), "unknown");
	assert_int_equal(rc_from_errno(ENOSPC), RC_NOSPC);
	assert_int_equal(rc_from_errno(EDQUOT), RC_NOSPC);
	assert_int_equal(rc_from_errno(EROFS), RC_READONLY);
	assert_int_equal(rc_from_errno(EIO), RC_IO);
	assert_int_equal(rc_from_errno(12345), RC_IO);
	assert_int_equal(rc_from_errno(0), RC_OK);
}

static void an_evening_and_its_morning_are_one_night(void **state)
{
	int64_t evening = 1795477260; /* 23 November 2026, 23:41 UTC */

	(void)state;
	assert_true(wall_is_set(wall_built()));
	assert_true(wall_built() > 1767225600 - 2 * 86400); /* 2026 */
	assert_false(wall_is_set(wall_built() - 1));
	assert_int_equal(wall_minute_of_day(evening), 23 * 60 + 41);
	assert_int_equal(
	    wall_night_number(evening), wall_night_number(evening + 12 * 3600));
	assert_int_not_equal(
	    wall_night_number(evening), wall_night_number(evening + 13 * 3600));
	assert_int_not_equal(
	    wall_night_number(evening), wall_night_number(evening - 12 * 3600));
}

/* Both stand among BLAKE3's own test vectors; 1,025 bytes cross a chunk. */
static void digests_are_blake3(void **state)
{
	struct digest *d = digest_new();
	uint8_t data[1025], raw[DIGEST_LEN];
	char hex[DIGEST_HEX_LEN + 1];

	(void)state;
	assert_non_null(d);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i % 251);
	digest_begin(d);
	digest_final(d, raw);
	digest_hex(raw, hex);
	assert_string_equal(hex, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc1"
				 "12b7cc9a93cae41f3262");
	digest_begin(d);
	digest_update(d, data, 1000);
	digest_update(d, data + 1000, 25);
	digest_final(d, raw);
	digest_hex(raw, hex);
	assert_string_equal(hex, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1"
				 "ffd97c8cb7fb814b8444");
	digest_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_made_harmless),
		cmocka_unit_test(a_cut_splits_no_character),
		cmocka_unit_test(columns),
		cmocka_unit_test(random_bytes_give_text),
		cmocka_unit_test(devices_have_names),
		cmocka_unit_test(each_code_has_words),
		cmocka_unit_test(digests_are_blake3),
		cmocka_unit_test(an_evening_and_its_morning_are_one_night),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
