/*
 * Which snapshots are kept: rules as restic and borg have them. Pure: times in,
 * verdicts out; no disk, no clock.
 *
 * `daily` = 14 keeps the newest snapshot of each of the last 14 days *that
 * have one*, and so for the other rules; `last` = 3 keeps the last three
 * whatever their dates. While a rule has places left, the oldest snapshot of
 * all keeps one, so that a young vault reaches as far back as it can.
 *
 * A day is a night, from local noon to noon: a backup at 23:50 and the next
 * one at 00:10 two nights later are two days. Weeks begin with the night of
 * Monday.
 *
 * The order of snapshots is that of their ids, never that of their dates: a
 * clock that jumped into the future or back makes one odd period, which costs
 * a place, and no other snapshot its life. A snapshot without a believable
 * date (a box whose clock nobody set) counts as a day of its own.
 *
 * A damaged snapshot never takes a good one's place: where the newest of a
 * period is damaged, the newest good one of it is kept, too.
 */
#ifndef RETENTION_H
#define RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault.h"

#define RETENTION_RULE_MAX 9999 /* of each rule */

struct retention_rules {
	/* 0: the rule keeps nothing. All 0: there are no rules, and nothing
	 * is dropped by them. */
	int last, daily, weekly, monthly, yearly;
};

/* Why a snapshot is kept; a set. Empty: no rule keeps it. */
enum retention_why {
	RETENTION_NEWEST = 1 << 0, /* one of the two newest good ones */
	RETENTION_PINNED = 1 << 1,
	/* newer than the second newest good one: damaged, but perhaps the
	 * only copy of what is new; and what is being committed */
	RETENTION_RECENT = 1 << 2,
	RETENTION_LAST = 1 << 3,
	RETENTION_DAILY = 1 << 4,
	RETENTION_WEEKLY = 1 << 5,
	RETENTION_MONTHLY = 1 << 6,
	RETENTION_YEARLY = 1 << 7,
	RETENTION_NO_RULES = 1 << 8
};

/* Not even the need for room takes these. */
#define RETENTION_FIXED (RETENTION_NEWEST | RETENTION_PINNED | RETENTION_RECENT)

struct retention_item {
	int64_t id;
	int64_t at; /* Unix seconds */
	enum vault_state state;
	bool pinned;
	unsigned why; /* out: set of enum retention_why; 0: to be dropped */
	int64_t period; /* scratch */
};

/*
 * Fills in `why` of each. Items come by id, newest first, without pruned ones.
 * `tz_s`: seconds that the owner's zone is ahead of UTC.
 */
void retention_decide(struct retention_item *items, size_t n,
    const struct retention_rules *rules, int64_t tz_s);

/* "last, daily", or "no rule keeps it". */
void retention_words(unsigned why, char *out, size_t cap);

#endif
