/* When a phone is asked: on plug, a day later, never at three in the morning,
 * and not for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy.c" /* firmware is in no archive */

#define MINUTE 60000LL
#define HOUR   (60 * MINUTE)

static const struct policy rules = { 24, 3, 10, 60, 360 };

static struct policy_now at(int64_t ms, int minute)
{
	struct policy_now now = { ms, true, minute, 100, false };

	return now;
}

static struct policy_phone never(void)
{
	struct policy_phone ph = { .good_age_s = -1 };

	return ph;
}

static void quiet_hours(void **state)
{
	struct policy over_midnight = rules;
	struct policy_now now = at(0, 3 * 60);

	(void)state;
	assert_true(policy_is_quiet(&rules, &now));
	now.minute = 59;
	assert_false(policy_is_quiet(&rules, &now));
	now.minute = 60;
	assert_true(policy_is_quiet(&rules, &now));
	now.minute = 360;
	assert_false(policy_is_quiet(&rules, &now));
	over_midnight.quiet_from = 23 * 60;
	now.minute = 30;
	assert_true(policy_is_quiet(&over_midnight, &now));
	now.minute = 12 * 60;
	assert_false(policy_is_quiet(&over_midnight, &now));
	/* A box whose clock was never set knows no hours. */
	now = at(0, 3 * 60);
	now.clock_is_set = false;
	assert_false(policy_is_quiet(&rules, &now));
	/* It may be three in the morning: it is known soon. */
	now.clock_is_awaited = true;
	assert_true(policy_is_quiet(&rules, &now));
	now.clock_is_set = true;
	now.minute = 12 * 60;
	assert_false(policy_is_quiet(&rules, &now));
	over_midnight.quiet_to = over_midnight.quiet_from;
	now = at(0, over_midnight.quiet_from);
	assert_false(policy_is_quiet(&over_midnight, &now));
}

static void a_plug_is_asked_for_at_any_hour(void **state)
{
	struct policy_phone ph = never();
	struct policy_now night = at(HOUR, 3 * 60);

	(void)state;
	ph.is_fresh = true;
	assert_true(policy_may_start(&rules, &ph, &night));
	ph.is_fresh = false;
	assert_false(policy_may_start(&rules, &ph, &night));
	/* What was there before the box is not asked out of the blue. */
	assert_true(policy_is_fresh(&ph, false));
	assert_false(policy_is_fresh(&ph, true));
}

static void a_loose_cable_at_night_wakes_nobody_for_long(void **state)
{
	struct policy_phone ph = never();
	struct policy_now night = at(HOUR, 3 * 60);
	unsigned asked = 0;

	(void)state;
	assert_false(policy_is_loose(&rules, &night, 0));
	assert_false(
	    policy_is_loose(&rules, &night, night.ms - POLICY_LOOSE_MS));
	for (int i = 0; i < 100; i++) {
		assert_true(policy_is_loose(&rules, &night, night.ms - 5000));
		ph.loose++;
		asked += policy_is_fresh(&ph, false);
	}
	assert_int_equal(asked, POLICY_LOOSE);
	night.minute = 22 * 60;
	assert_false(policy_is_loose(&rules, &night, night.ms - 5000));
}

static void a_day_later_it_is_due_again(void **state)
{
	struct policy_phone ph = never();
	struct policy_now now = at(30 * HOUR, 22 * 60);

	(void)state;
	ph.good_ms = ph.tried_ms = 6 * HOUR + 1;
	ph.good_age_s = 0;
	assert_false(policy_may_start(&rules, &ph, &now));
	assert_int_equal(policy_again_ms(&rules, &ph, &now), MINUTE);
	now.ms++;
	assert_true(policy_may_start(&rules, &ph, &now));
	now.minute = 2 * 60;
	assert_false(policy_may_start(&rules, &ph, &now));
	/* What the vault knew from before the box began counts. */
	ph.good_ms = now.ms;
	ph.tried_ms = 0;
	ph.good_age_s = 23 * 3600;
	now.minute = 22 * 60;
	assert_false(policy_may_start(&rules, &ph, &now));
	ph.good_age_s = 24 * 3600;
	assert_true(policy_may_start(&rules, &ph, &now));
}

static void a_failure_is_not_asked_for_every_minute(void **state)
{
	struct policy_phone ph = never();
	struct policy_now now = at(HOUR, 22 * 60);

	(void)state;
	ph.good_ms = 1;
	ph.good_age_s = 5 * 86400;
	ph.tried_ms = now.ms - MINUTE;
	assert_false(policy_may_start(&rules, &ph, &now));
	assert_int_equal(
	    policy_again_ms(&rules, &ph, &now), 24 * HOUR - MINUTE);
	now.ms += 24 * HOUR;
	assert_true(policy_may_start(&rules, &ph, &now));
}

static void only_on_plug_when_told_so(void **state)
{
	struct policy plug = rules;
	struct policy_phone ph = never();
	struct policy_now now = at(1000 * HOUR, 22 * 60);

	(void)state;
	plug.again_hours = 0;
	ph.good_ms = ph.tried_ms = 1;
	ph.good_age_s = 0;
	assert_false(policy_may_start(&plug, &ph, &now));
	assert_int_equal(policy_again_ms(&plug, &ph, &now), 0);
}

static void asking_again_is_bounded(void **state)
{
	struct policy_phone ph = never();
	struct policy_now now = at(HOUR, 22 * 60);
	unsigned asked = 0;

	(void)state;
	ph.night = now.night;
	ph.asks = 1; /* the plug's own */
	while (asked < 50 && policy_may_ask(&rules, &ph, &now)) {
		asked++;
		ph.asks++;
	}
	assert_int_equal(asked, 3);
	/* A new night, a new chance; never in the quiet hours. */
	now.night++;
	assert_true(policy_may_ask(&rules, &ph, &now));
	now.minute = 3 * 60;
	assert_false(policy_may_ask(&rules, &ph, &now));
	ph.is_fresh = true;
	assert_true(policy_may_ask(&rules, &ph, &now));
}

static void retries_are_bounded_and_slow_down(void **state)
{
	struct policy_phone ph = never();
	struct policy_now now = at(10 * HOUR, 3 * 60);
	int64_t last = 0;
	unsigned n = 0;

	(void)state;
	for (ph.retries = 1; policy_may_retry(&ph); ph.retries++) {
		assert_true(policy_retry_ms(&ph) > last);
		last = policy_retry_ms(&ph);
		n++;
	}
	assert_int_equal(n, POLICY_RETRIES);
	ph.retries = 1;
	ph.broken = POLICY_BROKEN + 1;
	assert_false(policy_may_retry(&ph));
	/* At three in the morning only while whoever plugged it in is up. */
	ph.plugged_ms = now.ms - 5 * MINUTE;
	assert_true(policy_may_retry_now(&rules, &ph, &now));
	ph.plugged_ms = now.ms - 3 * HOUR;
	assert_false(policy_may_retry_now(&rules, &ph, &now));
	now.minute = 23 * 60;
	assert_true(policy_may_retry_now(&rules, &ph, &now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_hours),
		cmocka_unit_test(a_plug_is_asked_for_at_any_hour),
		cmocka_unit_test(a_loose_cable_at_night_wakes_nobody_for_long),
		cmocka_unit_test(a_day_later_it_is_due_again),
		cmocka_unit_test(a_failure_is_not_asked_for_every_minute),
		cmocka_unit_test(only_on_plug_when_told_so),
		cmocka_unit_test(asking_again_is_bounded),
		cmocka_unit_test(retries_are_bounded_and_slow_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
