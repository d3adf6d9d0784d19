#include "retention.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S  86400
#define NOON_S 43200
/* Dates before this are of a clock that nobody had set (no box is older), and
 * dates after it are no dates. */
#define DATE_MIN   1577836800 /* 2020-01-01 */
#define DATE_MAX   253402214400 /* 9999-12-31 */
#define WEEK_SHIFT 3 /* 1970-01-01 was a Thursday */

static bool is_whole(const struct retention_item *it)
{
	return it->state == VAULT_GOOD;
}

/* Good and damaged ones; the others are never touched. */
static bool counts(const struct retention_item *it)
{
	return it->state == VAULT_GOOD || it->state == VAULT_DAMAGED;
}

/* Rounds down, for dates before 1970, too. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/*
 * The period of an item, as a number that only items of the same one share.
 * Without a date a night stands for a day; those numbers are below zero.
 */
static int64_t period_of(
    const struct retention_item *it, enum retention_why rule, int64_t tz_s)
{
	bool dated = it->at >= DATE_MIN && it->at <= DATE_MAX;
	time_t at = dated ? (time_t)(it->at + tz_s - NOON_S) : 0;
	int64_t day = dated ? floor_div(at, DAY_S) : it->id;
	struct tm tm = { 0 };
	int64_t month, year;

	if (dated && !gmtime_r(&at, &tm))
		return -day;
	month = dated ? tm.tm_year * 12 + tm.tm_mon : day / 30;
	year = dated ? tm.tm_year : day / 365;
	if (rule == RETENTION_WEEKLY)
		day = (day + WEEK_SHIFT) / 7;
	else if (rule == RETENTION_MONTHLY)
		day = month;
	else if (rule == RETENTION_YEARLY)
		day = year;
	return dated ? day : -1 - day;
}

/* The first item after `i` that is of the same period and whole; n: none. */
static size_t next_whole(const struct retention_item *items, size_t n, size_t i)
{
	int64_t period = items[i].period;

	do
		i++;
	while (i < n && !(is_whole(&items[i]) && items[i].period == period));
	return i;
}

/* Has a newer item the period of item `i`? Then that one stands for it. */
static bool is_seen(const struct retention_item *items, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (counts(&items[k]) && items[k].period == items[i].period)
			return true;
	return false;
}

/* Comparing each with each is cheap: a few hundred items at most a night. */
static void keep_periods(struct retention_item *items, size_t n,
    enum retention_why rule, int places, int64_t tz_s)
{
	size_t oldest = n;

	for (size_t i = 0; i < n; i++)
		items[i].period = period_of(&items[i], rule, tz_s);
	for (size_t i = 0; i < n && places > 0; i++) {
		size_t whole;

		if (!counts(&items[i]))
			continue;
		if (is_whole(&items[i]))
			oldest = i;
		if (is_seen(items, i))
			continue;
		places--;
		items[i].why |= rule;
		if (is_whole(&items[i]))
			continue;
		whole = next_whole(items, n, i);
		if (whole < n)
			items[whole].why |= rule;
	}
	if (places > 0 && oldest < n)
		items[oldest].why |= rule;
}

static void keep_last(struct retention_item *items, size_t n, int places)
{
	for (size_t i = 0; i < n && places > 0; i++)
		if (is_whole(&items[i])) {
			items[i].why |= RETENTION_LAST;
			places--;
		}
}

/* What no rule and no want of room may touch. */
static void keep_fixed(struct retention_item *items, size_t n)
{
	unsigned whole = 0;

	for (size_t i = 0; i < n; i++) {
		items[i].why = items[i].pinned ? RETENTION_PINNED : 0;
		if (is_whole(&items[i])) {
			if (whole < 2)
				items[i].why |= RETENTION_NEWEST;
			whole++;
		} else if (whole < 2 || !counts(&items[i])) {
			items[i].why |= RETENTION_RECENT;
		}
	}
}

void retention_decide(struct retention_item *items, size_t n,
    const struct retention_rules *rules, int64_t tz_s)
{
	bool any = rules->last > 0 || rules->daily > 0 || rules->weekly > 0 ||
		   rules->monthly > 0 || rules->yearly > 0;

	keep_fixed(items, n);
	keep_last(items, n, rules->last);
	keep_periods(items, n, RETENTION_DAILY, rules->daily, tz_s);
	keep_periods(items, n, RETENTION_WEEKLY, rules->weekly, tz_s);
	keep_periods(items, n, RETENTION_MONTHLY, rules->monthly, tz_s);
	keep_periods(items, n, RETENTION_YEARLY, rules->yearly, tz_s);
	for (size_t i = 0; !any && i < n; i++)
		items[i].why |= RETENTION_NO_RULES;
}

void retention_words(unsigned why, char *out, size_t cap)
{
	static const struct {
		enum retention_why bit;
		const char *word;
	} names[] = {
		{ RETENTION_NEWEST, "newest" },
		{ RETENTION_PINNED, "pinned" },
		{ RETENTION_RECENT, "too new to go" },
		{ RETENTION_LAST, "last" },
		{ RETENTION_DAILY, "daily" },
		{ RETENTION_WEEKLY, "weekly" },
		{ RETENTION_MONTHLY, "monthly" },
		{ RETENTION_YEARLY, "yearly" },
		{ RETENTION_NO_RULES, "there are no rules" },
	};
	size_t len = 0;

	snprintf(out, cap, "%s", why ? "" : "no rule keeps it");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(why & names[i].bit) || len >= cap)
			continue;
		snprintf(out + len, cap - len, "%s%s", len ? ", " : "",
		    names[i].word);
		len += strlen(out + len);
	}
}
