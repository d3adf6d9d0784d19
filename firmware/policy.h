/*
 * When a phone is asked for a backup. Pure: times come in, verdicts go out.
 *
 * iOS asks for the passcode at every backup, so asking is a thing that wakes
 * people: it happens when somebody is there (the phone was just plugged in),
 * a bounded number of times after that, and not in the quiet hours.
 */
#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* From the config. */
struct policy {
	int again_hours; /* 0: only on plug */
	int ask_again;
	int ask_again_minutes;
	int quiet_from, quiet_to; /* minutes of the day */
};

/* What is known of one phone. Times in ms of mono_ms(); 0: never. */
struct policy_phone {
	bool is_fresh; /* plugged in by a person, not yet asked */
	int64_t plugged_ms;
	int64_t good_ms; /* the last good backup, or when it was learned */
	int64_t good_age_s; /* its age at good_ms; -1: there is none */
	int64_t tried_ms; /* the last session ended */
	int64_t night; /* wall_night_number() of asks */
	unsigned asks; /* unanswered in this night */
	unsigned loose; /* quick replugs in the quiet hours, since a plain plug
			 */
	unsigned retries; /* in a row, since a plug or a good backup */
	unsigned broken; /* the phone called its backup broken, in a row */
};

/* The moment of the question. */
struct policy_now {
	int64_t ms;
	bool clock_is_set; /* without a clock there are no quiet hours */
	int minute; /* of the day */
	int64_t night;
	bool clock_is_awaited; /* the hour may be known soon: as if quiet */
};

/* A replug within this many ms of an unplug in the quiet hours may be a loose
 * cable; after a few of them it is one, and nobody is asked any more. */
#define POLICY_LOOSE_MS (30 * 1000)
#define POLICY_LOOSE    3

/* Transient failures in a row until the box waits for a person. */
#define POLICY_RETRIES 4
/* How often a backup that the phone calls broken is begun anew. */
#define POLICY_BROKEN 2

bool policy_is_quiet(const struct policy *p, const struct policy_now *now);

/* A backup may begin now: fresh, or due, and not in the quiet hours. */
bool policy_may_start(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now);

/* The same after the passcode (or Trust, or an unlock) was not given. */
bool policy_may_ask(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now);

/* A transient failure may be tried again, some time. */
bool policy_may_retry(const struct policy_phone *ph);

/* And now: in the quiet hours only while whoever plugged it in is awake. */
#define POLICY_AWAKE_MS (10 * 60 * 1000)
bool policy_may_retry_now(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now);

/* Ms to wait before that: 5 s, 30 s, 2 min, 10 min. */
int64_t policy_retry_ms(const struct policy_phone *ph);

/* Ms until a phone that stays is due again, counted from the last backup or
 * the last try; 0: never. */
int64_t policy_again_ms(const struct policy *p, const struct policy_phone *ph,
    const struct policy_now *now);

/* In the quiet hours, a moment after an unplug (0: never unplugged). */
bool policy_is_loose(
    const struct policy *p, const struct policy_now *now, int64_t unplugged_ms);

/* Is a plug a person's? ph->loose counts this one. at_start: the phone was
 * there before the box began. */
bool policy_is_fresh(const struct policy_phone *ph, bool at_start);

#endif
