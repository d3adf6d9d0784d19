/*
 * Which clock the box believes. Pure: readings come in, verdicts go out; who
 * owns it sets the machine's clock (drivers/clock/wall.h).
 *
 * Whom it believes, the first before the next: SNTP; a phone; a clock that was
 * right when it began (of a chip, or of a box that was only restarted); the
 * last known moment of the run before, which is behind by the time without
 * power. One that comes later in this list is not heard while an earlier one
 * holds.
 *
 * What a reading may do at once:
 *  T1 nothing outside of [built, built + 20 years];
 *  T2 a better source moves the clock by up to a year, back only SNTP;
 *  T3 the same source moves it by up to a day (SNTP) or ten minutes (phone);
 *  T4 what would move it further has to be said three times, ten minutes or
 *     more between each, and each time the same but for a minute.
 * So a liar is told about before it is believed, and one wrong answer is no
 * harm that lasts.
 */
#ifndef TIMEKEEPER_H
#define TIMEKEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* Unix ms *_ms; mono_ms of mono.h. */
struct timekeeper_opts {
	bool may_set; /* else the machine's clock is what it is */
	int64_t built_ms;
	int64_t clock_ms, mono_ms; /* now */
	/* what the last run has left; 0: nothing */
	int64_t kept_ms;
	enum status_clock kept_source;
	bool same_boot; /* the machine has been running since */
};

struct timekeeper_reading {
	enum status_clock source; /* SNTP or PHONE */
	int64_t at_ms; /* what it says */
	int64_t clock_ms, mono_ms; /* ours, at the same moment */
};

enum timekeeper_act {
	TIMEKEEPER_NOTHING, /* it is right already, or not heard */
	TIMEKEEPER_REFUSE, /* worth a line in the log: `why` */
	TIMEKEEPER_SLEW,
	TIMEKEEPER_STEP
};

struct timekeeper_verdict {
	enum timekeeper_act act;
	int64_t delta_ms; /* of SLEW and STEP: to add to the clock */
	const char *why; /* lasting */
	unsigned more; /* REFUSE: so often it has to be said again; 0: never */
};

struct timekeeper {
	bool may_set;
	int64_t first_ms, last_ms; /* T1 */
	enum status_clock source;
	struct timekeeper_doubt {
		unsigned n;
		int64_t at_ms, mono_ms; /* of the newest one */
	} doubts[STATUS_CLOCK_COUNT_];
	int64_t base_ms; /* clock minus mono when last looked at */
};

void timekeeper_begin(struct timekeeper *t, const struct timekeeper_opts *opts,
    struct timekeeper_verdict *out);

/* SLEW and STEP count as done; else timekeeper_failed(). */
void timekeeper_hear(struct timekeeper *t, const struct timekeeper_reading *r,
    struct timekeeper_verdict *out);

/* The clock can't be set: it is left alone from now on. */
void timekeeper_failed(struct timekeeper *t, int64_t clock_ms);

/* Ms by which somebody else has moved the clock since the last look (or the
 * machine slept); 0: it runs as it should. */
int64_t timekeeper_look(
    struct timekeeper *t, int64_t clock_ms, int64_t mono_ms);

/* The clock was moved by us: that is no news. */
void timekeeper_moved(struct timekeeper *t, int64_t clock_ms, int64_t mono_ms);

/* What the clock shows is the time of day. */
bool timekeeper_is_known(const struct timekeeper *t);

#endif
