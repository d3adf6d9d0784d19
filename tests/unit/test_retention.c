/*
 * Which snapshots the rules keep: tables, and properties of some thousand
 * random vaults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "retention.h"

#define DAY    86400
#define SUNDAY 1767484800 /* 4 January 2026, 00:00 UTC */
#define MAX    400

struct vault {
	struct retention_item it[MAX];
	size_t n;
};

/* Newest first, as the catalogue gives them. */
static void add(struct vault *v, int64_t at, enum vault_state state)
{
	assert_true(v->n < MAX);
	memmove(&v->it[1], &v->it[0], v->n * sizeof(v->it[0]));
	v->n++;
	v->it[0] = (struct retention_item){
		.id = v->n > 1 ? v->it[1].id + 1 : 1, .at = at, .state = state
	};
}

static void decide(
    struct vault *v, const struct retention_rules *r, int64_t tz_s)
{
	retention_decide(v->it, v->n, r, tz_s);
}

static unsigned why(const struct vault *v, int64_t id)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->it[i].id == id)
			return v->it[i].why;
	fail_msg("no snapshot %lld", (long long)id);
	return 0;
}

static unsigned count_kept(const struct vault *v)
{
	unsigned n = 0;

	for (size_t i = 0; i < v->n; i++)
		n += v->it[i].why != 0;
	return n;
}

/* Removes what was dropped. */
static void drop(struct vault *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		if (v->it[i].why)
			v->it[n++] = v->it[i];
	v->n = n;
}

/* A night at 23:00 UTC on each of `days` days from `from` on. */
static void nightly(struct vault *v, int64_t from, unsigned days)
{
	for (unsigned i = 0; i < days; i++)
		add(v, from + (int64_t)i * DAY + 23 * 3600, VAULT_GOOD);
}

static void each_rule_keeps_its_periods(void **state)
{
	static const struct {
		struct retention_rules rules;
		unsigned kept; /* of 60 nights from Sunday, 4 January on */
		int64_t some[6], gone; /* ids */
	} rows[] = {
		{ { .last = 1 }, 2, { 60, 59 }, 58 },
		{ { .last = 5 }, 5, { 60, 56 }, 55 },
		/* the oldest keeps a place only while there are free ones */
		{ { .daily = 7 }, 7, { 60, 54 }, 53 },
		{ { .daily = 100 }, 60, { 60, 1 }, 0 },
		/* 60 = Wed 4 March; Sundays are 57, 50, 43, … 1 */
		{ { .weekly = 3 }, 4, { 60, 59, 57, 50 }, 1 },
		{ { .weekly = 100 }, 11, { 60, 59, 57, 50, 8, 1 }, 2 },
		/* 31 January = 28, 28 February = 56 */
		{ { .monthly = 2 }, 3, { 60, 59, 56 }, 28 },
		{ { .monthly = 24 }, 5, { 60, 59, 56, 28, 1 }, 2 },
		{ { .yearly = 10 }, 3, { 60, 59, 1 }, 2 },
		{ { .last = 3,
		      .daily = 14,
		      .weekly = 8,
		      .monthly = 24,
		      .yearly = 10 },
		    21, { 60, 47, 43, 28, 15, 1 }, 46 },
		{ { 0 }, 60, { 1, 60 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vault v = { .n = 0 };

		nightly(&v, SUNDAY, 60);
		decide(&v, &rows[i].rules, 0);
		if (count_kept(&v) != rows[i].kept)
			fail_msg("row %zu: %u kept", i, count_kept(&v));
		for (size_t k = 0; k < 6 && rows[i].some[k]; k++)
			if (!why(&v, rows[i].some[k]))
				fail_msg("row %zu: %lld is gone", i,
				    (long long)rows[i].some[k]);
		if (rows[i].gone && why(&v, rows[i].gone))
			fail_msg(
			    "row %zu: %lld stays", i, (long long)rows[i].gone);
	}
}

static void the_reasons_are_told(void **state)
{
	struct retention_rules r = { .last = 1, .daily = 2, .monthly = 1 };
	struct vault v = { .n = 0 };
	char text[120];

	(void)state;
	nightly(&v, SUNDAY, 4);
	v.it[3].pinned = true;
	decide(&v, &r, 0);
	retention_words(why(&v, 4), text, sizeof(text));
	assert_string_equal(text, "newest, last, daily, monthly");
	retention_words(why(&v, 3), text, sizeof(text));
	assert_string_equal(text, "newest, daily");
	retention_words(why(&v, 2), text, sizeof(text));
	assert_string_equal(text, "no rule keeps it");
	retention_words(why(&v, 1), text, sizeof(text));
	assert_string_equal(text, "pinned");
	retention_words(why(&v, 4), text, 12);
	assert_int_equal(strlen(text), 11);
}

static void a_night_is_from_noon_to_noon(void **state)
{
	struct retention_rules r = { .daily = 3 };
	struct vault v = { .n = 0 };

	(void)state;
	add(&v, SUNDAY + 13 * 3600, VAULT_GOOD); /* 1 */
	add(&v, SUNDAY + 23 * 3600, VAULT_GOOD); /* 2: same night */
	add(&v, SUNDAY + DAY + 1 * 3600, VAULT_GOOD); /* 3: same night */
	add(&v, SUNDAY + DAY + 23 * 3600, VAULT_GOOD); /* 4 */
	add(&v, SUNDAY + 2 * DAY + 23 * 3600, VAULT_GOOD); /* 5 */
	decide(&v, &r, 0);
	assert_int_equal(why(&v, 1), 0);
	assert_int_equal(why(&v, 2), 0);
	assert_true(why(&v, 3) & RETENTION_DAILY);
	/* Where it is eleven hours later, 13:00 is past midnight and 1:00 past
	 * noon: number 3 is of number 4's night. */
	decide(&v, &r, 11 * 3600);
	assert_int_equal(why(&v, 1), 0);
	assert_true(why(&v, 2) & RETENTION_DAILY);
	assert_int_equal(why(&v, 3), 0);
}

static void a_damaged_one_takes_no_good_ones_place(void **state)
{
	struct retention_rules r = { .daily = 2 };
	struct vault v = { .n = 0 };

	(void)state;
	nightly(&v, SUNDAY, 3); /* 1, 2, 3 */
	add(&v, SUNDAY + 2 * DAY + 24 * 3600,
	    VAULT_DAMAGED); /* 4: night of 3 */
	nightly(&v, SUNDAY + 3 * DAY, 1); /* 5 */
	decide(&v, &r, 0);
	assert_true(why(&v, 3) & RETENTION_DAILY);
	assert_true(why(&v, 4) & RETENTION_DAILY);
	assert_true(why(&v, 4) & RETENTION_RECENT);
	assert_int_equal(why(&v, 2), 0);
	nightly(&v, SUNDAY + 4 * DAY, 2); /* 6, 7 */
	decide(&v, &r, 0);
	assert_int_equal(why(&v, 4), 0);
	/* Alone in its night it stands for it; before two good ones it stays
	 * whatever the rules are. */
	add(&v, SUNDAY + 6 * DAY + 23 * 3600, VAULT_DAMAGED); /* 8 */
	decide(&v, &r, 0);
	assert_int_equal(why(&v, 8), RETENTION_RECENT | RETENTION_DAILY);
}

static void what_is_committed_now_is_left_alone(void **state)
{
	struct retention_rules r = { .last = 1 };
	struct vault v = { .n = 0 };

	(void)state;
	add(&v, SUNDAY, VAULT_COMMITTING);
	nightly(&v, SUNDAY, 4);
	decide(&v, &r, 0);
	assert_int_equal(why(&v, 1), RETENTION_RECENT);
}

/* One night the clock stood in 2037. It costs a place, nothing else. */
static void a_snapshot_of_the_future_costs_a_place(void **state)
{
	struct retention_rules r = { .last = 3, .daily = 14, .yearly = 5 };
	struct vault v = { .n = 0 };

	(void)state;
	nightly(&v, SUNDAY, 30);
	add(&v, 2130000000, VAULT_GOOD); /* 31 */
	nightly(&v, SUNDAY + 31 * DAY, 5); /* 32 to 36 */
	decide(&v, &r, 0);
	assert_true(why(&v, 31) & RETENTION_DAILY);
	for (int64_t id = 23; id <= 36; id++)
		assert_int_not_equal(why(&v, id), 0);
	assert_int_equal(why(&v, 22), 0);
	nightly(&v, SUNDAY + 36 * DAY, 20);
	decide(&v, &r, 0);
	assert_false(why(&v, 31) & RETENTION_DAILY);
}

/* The clock fell back by years: all older ones are of the future now. */
static void a_clock_that_fell_back_drops_nothing_at_once(void **state)
{
	struct retention_rules r = { .last = 3, .daily = 14 };
	struct vault v = { .n = 0 };

	(void)state;
	nightly(&v, SUNDAY, 14);
	add(&v, SUNDAY - 2000 * (int64_t)DAY, VAULT_GOOD); /* 15 */
	decide(&v, &r, 0);
	assert_int_equal(count_kept(&v), 14);
	assert_int_equal(why(&v, 1), 0); /* in whose place 15 is */
	for (int64_t id = 2; id <= 15; id++)
		assert_true(why(&v, id) & RETENTION_DAILY);
}

/* A box without a clock: each night is dated 1970. */
static void without_a_date_a_night_is_a_day(void **state)
{
	struct retention_rules r = { .daily = 5, .monthly = 3 };
	struct vault v = { .n = 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		add(&v, 120, VAULT_GOOD);
	decide(&v, &r, 3600);
	assert_int_equal(count_kept(&v), 5 + 2);
	assert_true(why(&v, 96) & RETENTION_DAILY);
	assert_true(why(&v, 89) & RETENTION_MONTHLY);
	assert_true(why(&v, 59) & RETENTION_MONTHLY);
}

static void odd_dates_end_well(void **state)
{
	static const int64_t odd[] = { INT64_MIN, INT64_MAX, -1, 0,
		253402214400, 253402214401, 1577836800, 1577836799 };
	struct retention_rules r = { 1, 1, 1, 1, 1 };
	struct vault v = { .n = 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		add(&v, odd[i], VAULT_GOOD);
	decide(&v, &r, -12 * 3600);
	assert_true(count_kept(&v) >= 2);
	v.n = 0;
	decide(&v, &r, 0);
}

/* --- properties ----------------------------------------------------------- */

static uint64_t seed;

static unsigned dice(unsigned sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % sides);
}

/* Nights with gaps, several in a day, jumps of the clock, damage and pins. */
static void random_vault(struct vault *v, bool jumps)
{
	int64_t at = SUNDAY + dice(DAY);
	unsigned n = dice(120);

	v->n = 0;
	for (unsigned i = 0; i < n; i++) {
		at += dice(4) ? (int64_t)dice(2 * DAY) : dice(40 * DAY);
		if (jumps && dice(20) == 0)
			at += ((int64_t)dice(4000) - 2000) * DAY;
		add(v, jumps && dice(30) == 0 ? 0 : at,
		    dice(10) ? VAULT_GOOD : VAULT_DAMAGED);
		v->it[0].pinned = dice(25) == 0;
	}
}

static struct retention_rules random_rules(void)
{
	struct retention_rules r = { (int)dice(4), (int)dice(15), (int)dice(9),
		(int)dice(13), (int)dice(4) };

	return r;
}

static void check_kept(const struct vault *v, const struct retention_rules *r)
{
	unsigned good = 0, most = 2;

	for (size_t i = 0; i < v->n; i++) {
		if (v->it[i].pinned)
			assert_true(v->it[i].why & RETENTION_PINNED);
		if (good < 2)
			assert_true(v->it[i].why & RETENTION_FIXED);
		good += v->it[i].state == VAULT_GOOD;
		most += v->it[i].pinned || v->it[i].state == VAULT_DAMAGED;
	}
	if (r->last + r->daily + r->weekly + r->monthly + r->yearly > 0)
		assert_true(count_kept(v) <=
			    most + (unsigned)(r->last + r->daily + r->weekly +
					      r->monthly + r->yearly));
}

static void properties_of_random_vaults(void **state)
{
	struct vault v, again;

	(void)state;
	seed = 20260104;
	for (int i = 0; i < 4000; i++) {
		struct retention_rules r = random_rules();
		int64_t tz = ((int64_t)dice(27) - 12) * 3600;

		random_vault(&v, i % 2);
		decide(&v, &r, tz);
		check_kept(&v, &r);
		/* Idempotent: what is left stays, for the same reasons. */
		drop(&v);
		again = v;
		decide(&again, &r, tz);
		for (size_t k = 0; k < v.n; k++)
			if (again.it[k].why != v.it[k].why)
				fail_msg("vault %d: snapshot %lld %x %x", i,
				    (long long)v.it[k].id, v.it[k].why,
				    again.it[k].why);
	}
}

/* More places never keep less. */
static void a_larger_rule_keeps_no_less(void **state)
{
	struct vault v, more;

	(void)state;
	seed = 77;
	for (int i = 0; i < 2000; i++) {
		struct retention_rules r = random_rules();

		r.last++; /* without any rule all is kept */
		random_vault(&v, i % 2);
		more = v;
		decide(&v, &r, 0);
		r.last++;
		r.daily++;
		r.monthly++;
		decide(&more, &r, 0);
		for (size_t k = 0; k < v.n; k++) {
			/* The oldest of all may lose its free place only to
			 * one that has earned it. */
			if (v.it[k].why && !more.it[k].why)
				fail_msg("vault %d: snapshot %lld", i,
				    (long long)v.it[k].id);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_keeps_its_periods),
		cmocka_unit_test(the_reasons_are_told),
		cmocka_unit_test(a_night_is_from_noon_to_noon),
		cmocka_unit_test(a_damaged_one_takes_no_good_ones_place),
		cmocka_unit_test(what_is_committed_now_is_left_alone),
		cmocka_unit_test(a_snapshot_of_the_future_costs_a_place),
		cmocka_unit_test(a_clock_that_fell_back_drops_nothing_at_once),
		cmocka_unit_test(without_a_date_a_night_is_a_day),
		cmocka_unit_test(odd_dates_end_well),
		cmocka_unit_test(properties_of_random_vaults),
		cmocka_unit_test(a_larger_rule_keeps_no_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
