/* Time zones: from the files of a PC; names that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "zone.h"

static void names_that_are_none(void **state)
{
	static const char *const none[] = { "", "/etc/passwd",
		"../zoneinfo/UTC", "Europe/../../passwd", "Europe", "No/Such",
		"a b", "UTC\n" };
	char rule[80];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(zone_rule(none[i], rule, sizeof(rule)));
	assert_false(zone_use("No/Such"));
}

static void local_time_follows(void **state)
{
	const time_t summer = 1751371200; /* 2025-07-01 12:00 UTC */
	const time_t winter = 1735732800; /* 2025-01-01 12:00 UTC */
	char rule[80], tiny[4];
	struct tm tm;

	(void)state;
	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
		skip();
	assert_true(zone_rule("Europe/Berlin", rule, sizeof(rule)));
	assert_string_equal(rule, "CET-1CEST,M3.5.0,M10.5.0/3");
	assert_false(zone_rule("Europe/Berlin", tiny, sizeof(tiny)));
	assert_true(zone_use("Europe/Berlin"));
	assert_non_null(localtime_r(&summer, &tm));
	assert_int_equal(tm.tm_hour, 14);
	assert_non_null(localtime_r(&winter, &tm));
	assert_int_equal(tm.tm_hour, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(local_time_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
