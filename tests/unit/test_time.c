/* Whom the box believes what time it is: jumps, liars, a restart without
 * power; and what it keeps of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "moment.c" /* firmware is in no archive */
#include "timekeeper.c"
#include "wall.h"

#define BUILT (1790000000LL * SECOND)
#define NOW   (BUILT + 40 * DAY) /* the truth */

static int64_t mono; /* passes by hand */
static int64_t shown; /* what the box's clock shows */

static struct timekeeper box(int64_t clock_ms, int64_t kept_ms,
    enum status_clock kept_source, bool same_boot)
{
	const struct timekeeper_opts o = { true, BUILT, clock_ms, mono, kept_ms,
		kept_source, same_boot };
	struct timekeeper_verdict v;
	struct timekeeper t;

	timekeeper_begin(&t, &o, &v);
	shown = clock_ms + v.delta_ms;
	return t;
}

static struct timekeeper new_box(void)
{
	mono = 5 * SECOND;
	return box(10 * SECOND, 0, STATUS_CLOCK_UNKNOWN, false);
}

static void pass(int64_t ms)
{
	mono += ms;
	shown += ms;
}

static enum timekeeper_act hear(
    struct timekeeper *t, enum status_clock source, int64_t at_ms)
{
	const struct timekeeper_reading r = { source, at_ms, shown, mono };
	struct timekeeper_verdict v;

	timekeeper_hear(t, &r, &v);
	if (v.act == TIMEKEEPER_STEP || v.act == TIMEKEEPER_SLEW)
		shown += v.delta_ms;
	else
		assert_int_equal(v.delta_ms, 0);
	return v.act;
}

static void a_new_box_knows_nothing_and_stands_at_its_build(void **state)
{
	struct timekeeper t = new_box();

	(void)state;
	assert_int_equal(shown, BUILT);
	assert_int_equal(t.source, STATUS_CLOCK_UNKNOWN);
	assert_false(timekeeper_is_known(&t));
}

static void each_better_source_is_taken_and_a_worse_one_is_not(void **state)
{
	struct timekeeper t = new_box();

	(void)state;
	assert_int_equal(hear(&t, STATUS_CLOCK_PHONE, NOW), TIMEKEEPER_STEP);
	assert_int_equal(shown, NOW);
	assert_true(timekeeper_is_known(&t));
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, NOW + 90 * SECOND), TIMEKEEPER_STEP);
	assert_int_equal(t.source, STATUS_CLOCK_SNTP);
	/* Small differences are no news, large ones are told. */
	assert_int_equal(hear(&t, STATUS_CLOCK_PHONE, NOW), TIMEKEEPER_NOTHING);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, NOW + DAY), TIMEKEEPER_REFUSE);
	assert_int_equal(shown, NOW + 90 * SECOND);
}

static void small_steps_are_slewed(void **state)
{
	struct timekeeper t = new_box();

	(void)state;
	hear(&t, STATUS_CLOCK_SNTP, NOW);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown + 19), TIMEKEEPER_NOTHING);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown - 400), TIMEKEEPER_SLEW);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown - 1001), TIMEKEEPER_STEP);
	t = new_box();
	hear(&t, STATUS_CLOCK_PHONE, NOW);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, shown + 1999), TIMEKEEPER_NOTHING);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, shown + 2000), TIMEKEEPER_STEP);
}

static void nothing_before_the_build_or_20_years_after(void **state)
{
	static const int64_t bad[] = { 0, 1, -1, INT64_MIN, INT64_MAX,
		BUILT - 1, BUILT + SPAN + 1 };
	struct timekeeper t = new_box();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (int n = 0; n < 5; n++) {
			assert_int_equal(hear(&t, STATUS_CLOCK_SNTP, bad[i]),
			    TIMEKEEPER_REFUSE);
			assert_int_equal(hear(&t, STATUS_CLOCK_PHONE, bad[i]),
			    TIMEKEEPER_REFUSE);
			pass(HOUR);
		}
	assert_int_equal(t.source, STATUS_CLOCK_UNKNOWN);
	/* A box may lie in a shop for long. */
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, BUILT + SPAN), TIMEKEEPER_STEP);
}

static void one_lie_by_years_is_not_believed_three_are(void **state)
{
	struct timekeeper t = new_box();
	int64_t lie = 10 * YEAR;

	(void)state;
	hear(&t, STATUS_CLOCK_SNTP, NOW);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown + lie), TIMEKEEPER_REFUSE);
	pass(HOUR);
	/* The truth between them makes nothing of it. */
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown), TIMEKEEPER_NOTHING);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hear(&t, STATUS_CLOCK_SNTP, shown + lie),
		    TIMEKEEPER_REFUSE);
		/* Said again at once, it is the same saying. */
		for (int n = 0; n < 10; n++)
			assert_int_equal(
			    hear(&t, STATUS_CLOCK_SNTP, shown + lie),
			    TIMEKEEPER_REFUSE);
		pass(HOUR);
	}
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown + lie), TIMEKEEPER_STEP);
	/* And the way back is the same. */
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown - lie), TIMEKEEPER_REFUSE);
	pass(HOUR);
	hear(&t, STATUS_CLOCK_SNTP, shown - lie);
	pass(HOUR);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, shown - lie), TIMEKEEPER_STEP);
	assert_int_equal(shown, NOW + 5 * HOUR);
}

static void lies_that_differ_are_never_believed(void **state)
{
	struct timekeeper t = new_box();

	(void)state;
	hear(&t, STATUS_CLOCK_SNTP, NOW);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(
		    hear(&t, STATUS_CLOCK_SNTP, shown + (2 + i % 9) * YEAR),
		    TIMEKEEPER_REFUSE);
		pass(HOUR);
	}
}

static void a_phone_does_not_turn_the_clock_back(void **state)
{
	struct timekeeper t;

	(void)state;
	mono = SECOND;
	t = box(10 * SECOND, NOW, STATUS_CLOCK_SNTP, false);
	assert_int_equal(shown, NOW);
	assert_int_equal(t.source, STATUS_CLOCK_KEPT);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, NOW - DAY), TIMEKEEPER_REFUSE);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, NOW + 2 * YEAR), TIMEKEEPER_REFUSE);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, NOW + DAY), TIMEKEEPER_STEP);
	/* Another phone. */
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_PHONE, NOW + 2 * DAY), TIMEKEEPER_REFUSE);
	/* A time server mends what a phone has made. */
	assert_int_equal(hear(&t, STATUS_CLOCK_SNTP, NOW), TIMEKEEPER_STEP);
	assert_int_equal(shown, NOW);
}

static void what_ran_on_is_as_good_as_before(void **state)
{
	struct timekeeper t;

	(void)state;
	mono = 99 * DAY;
	/* Only the program began anew. */
	t = box(NOW, NOW - HOUR, STATUS_CLOCK_SNTP, true);
	assert_int_equal(shown, NOW);
	assert_int_equal(t.source, STATUS_CLOCK_SNTP);
	t = box(NOW, NOW - HOUR, STATUS_CLOCK_KEPT, true);
	assert_false(timekeeper_is_known(&t));
	/* The power was away, and a chip has kept the time. */
	t = box(NOW, NOW - HOUR, STATUS_CLOCK_SNTP, false);
	assert_int_equal(t.source, STATUS_CLOCK_SYSTEM);
	/* A chip whose battery is empty. */
	t = box(NOW - 2 * HOUR, NOW - HOUR, STATUS_CLOCK_SNTP, false);
	assert_int_equal(t.source, STATUS_CLOCK_KEPT);
	assert_int_equal(shown, NOW - HOUR);
	t = box(BUILT + SPAN + DAY, NOW, STATUS_CLOCK_SNTP, false);
	assert_int_equal(shown, NOW);
	/* What was kept makes no sense: it is left. */
	t = box(SECOND, BUILT - YEAR, STATUS_CLOCK_SNTP, false);
	assert_int_equal(shown, BUILT);
	assert_int_equal(t.source, STATUS_CLOCK_UNKNOWN);
	t = box(SECOND, BUILT + 30 * YEAR, STATUS_CLOCK_SNTP, true);
	assert_int_equal(shown, BUILT);
}

static void a_pc_keeps_its_own(void **state)
{
	const struct timekeeper_opts o = { .built_ms = BUILT, .clock_ms = NOW };
	struct timekeeper_verdict v;
	struct timekeeper t;

	(void)state;
	mono = 0;
	shown = NOW;
	timekeeper_begin(&t, &o, &v);
	assert_int_equal(v.act, TIMEKEEPER_NOTHING);
	assert_int_equal(t.source, STATUS_CLOCK_SYSTEM);
	assert_int_equal(
	    hear(&t, STATUS_CLOCK_SNTP, NOW + DAY), TIMEKEEPER_NOTHING);
	assert_int_equal(t.source, STATUS_CLOCK_SYSTEM);
	/* Set to 1970 by somebody, and back. */
	assert_int_equal(timekeeper_look(&t, NOW + 1500, 1000), 0);
	assert_true(timekeeper_look(&t, 5, 2000) < -YEAR);
	assert_false(timekeeper_is_known(&t));
	assert_true(timekeeper_look(&t, NOW, 3000) > YEAR);
	assert_true(timekeeper_is_known(&t));
}

static void a_clock_that_cant_be_set_is_left_alone(void **state)
{
	struct timekeeper t = new_box();

	(void)state;
	timekeeper_failed(&t, 10 * SECOND);
	assert_int_equal(t.source, STATUS_CLOCK_UNKNOWN);
	assert_int_equal(hear(&t, STATUS_CLOCK_SNTP, NOW), TIMEKEEPER_NOTHING);
	assert_false(timekeeper_is_known(&t));
}

/* --- what is kept ---------------------------------------------------------------- */

static char dir[64];

static void write_line(const char *line)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/clock", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(line, f);
	fclose(f);
}

static void the_moment_comes_back_and_nonsense_does_not(void **state)
{
	static const char *const bad[] = { "", "\n", "x\n", "12\n",
		"0 sntp b\n", "-5 sntp b\n", "99999999999999 sntp b\n",
		"1790000000 moon b\n", "99999999999999999999999999 sntp\n" };
	struct moment m = { 1790000001, STATUS_CLOCK_PHONE, "" }, back;
	char path[128];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-time-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(moment_load(dir, &back), RC_NOTFOUND);
	assert_int_equal(moment_store(dir, &m), RC_OK);
	assert_int_equal(moment_load(dir, &back), RC_OK);
	assert_memory_equal(&m, &back, sizeof(m));
	moment_boot(m.boot);
	assert_int_equal(strlen(m.boot), 36);
	assert_int_equal(moment_store(dir, &m), RC_OK);
	assert_int_equal(moment_load(dir, &back), RC_OK);
	assert_string_equal(m.boot, back.boot);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_line(bad[i]);
		assert_int_equal(moment_load(dir, &back), RC_CORRUPT);
	}
	snprintf(path, sizeof(path), "%s/clock", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_int_not_equal(moment_store(dir, &m), RC_OK);
}

static void a_file_stands_for_the_clock(void **state)
{
	char path[] = "/tmp/test-clock-XXXXXX";
	int fd = mkstemp(path);
	int64_t before = wall_now_ms();

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(wall_use_file("/nonexistent/x"), RC_NOTFOUND);
	assert_int_equal(wall_use_file(path), RC_CORRUPT);
	assert_int_equal(write(fd, "-86400000\n", 10), 10);
	assert_int_equal(wall_use_file(path), RC_OK);
	assert_true(wall_now_ms() < before - 86000000);
	assert_int_equal(wall_step(86400000), RC_OK);
	assert_int_equal(wall_slew(5), RC_OK);
	assert_true(wall_now_ms() >= before + 5);
	assert_true(wall_now_ms() < before + 60000);
	assert_int_equal(wall_use_file(path), RC_OK);
	assert_true(wall_now_ms() >= before + 5);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_new_box_knows_nothing_and_stands_at_its_build),
		cmocka_unit_test(
		    each_better_source_is_taken_and_a_worse_one_is_not),
		cmocka_unit_test(small_steps_are_slewed),
		cmocka_unit_test(nothing_before_the_build_or_20_years_after),
		cmocka_unit_test(one_lie_by_years_is_not_believed_three_are),
		cmocka_unit_test(lies_that_differ_are_never_believed),
		cmocka_unit_test(a_phone_does_not_turn_the_clock_back),
		cmocka_unit_test(what_ran_on_is_as_good_as_before),
		cmocka_unit_test(a_pc_keeps_its_own),
		cmocka_unit_test(a_clock_that_cant_be_set_is_left_alone),
		cmocka_unit_test(the_moment_comes_back_and_nonsense_does_not),
		cmocka_unit_test(a_file_stands_for_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
