/* Paths from outside: none leaves its root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "relpath.h"

#define UDID "00008120-0010BD9489E70017"

static enum rc check(const char *path)
{
	return relpath_check(path, strlen(path));
}

static enum rc below(const char *path)
{
	return relpath_check_below(path, strlen(path), UDID);
}

static void plain_paths_pass(void **state)
{
	(void)state;
	assert_int_equal(check("a"), RC_OK);
	assert_int_equal(check("a/b.c/..d/e..."), RC_OK);
	assert_int_equal(check("J\u00fcrgen/\U0001f4f1"), RC_OK);
	assert_int_equal(below(UDID), RC_OK);
	assert_int_equal(below(UDID "/Snapshot/ab/abcdef"), RC_OK);
}

static void what_could_leave_the_root_is_refused(void **state)
{
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".",
		"..", "./a", "a/.", "a/..", "a/../b", "a/./b", "../a", "a\nb",
		"a\x7f", "a\\b", "\x01", "\xff", "ab\xc3", "\xc3(",
		"a/\xe2\x82", "abcdefgh\xf0\x9f\x93", "\xed\xa0\x80",
		"\xc0\xaf" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(check(bad[i]), RC_REFUSED);
	assert_int_equal(relpath_check("a\0b", 3), RC_REFUSED);
	assert_int_equal(relpath_check("a\0", 2), RC_REFUSED);
}

static void what_is_not_the_phones_own_is_refused(void **state)
{
	(void)state;
	assert_int_equal(below("other/a"), RC_REFUSED);
	assert_int_equal(below(UDID "x/a"), RC_REFUSED);
	assert_int_equal(below(UDID "/../x"), RC_REFUSED);
	assert_int_equal(below("00008120"), RC_REFUSED);
	assert_int_equal(below(""), RC_REFUSED);
}

static void lengths_are_bounded(void **state)
{
	char path[LIMIT_DL_PATH + 2];

	(void)state;
	memset(path, 'a', sizeof(path));
	assert_int_equal(relpath_check(path, 255), RC_OK);
	assert_int_equal(relpath_check(path, 256), RC_LIMIT);
	for (size_t i = 200; i < sizeof(path); i += 200)
		path[i] = '/';
	assert_int_equal(relpath_check(path, LIMIT_DL_PATH), RC_OK);
	assert_int_equal(relpath_check(path, LIMIT_DL_PATH + 1), RC_LIMIT);
}

static void udids(void **state)
{
	(void)state;
	assert_int_equal(relpath_check_udid(UDID), RC_OK);
	assert_int_equal(
	    relpath_check_udid("0123456789abcdefABCDEF012345678901234567"),
	    RC_OK);
	assert_int_equal(relpath_check_udid(""), RC_REFUSED);
	assert_int_equal(relpath_check_udid(UDID "0"), RC_REFUSED);
	assert_int_equal(
	    relpath_check_udid("0123456789abcdefABCDEF01234567890123456"),
	    RC_REFUSED);
	assert_int_equal(
	    relpath_check_udid("00008120_0010BD9489E70017"), RC_REFUSED);
	assert_int_equal(relpath_check_udid("../../etc"), RC_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_paths_pass),
		cmocka_unit_test(what_could_leave_the_root_is_refused),
		cmocka_unit_test(what_is_not_the_phones_own_is_refused),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(udids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
