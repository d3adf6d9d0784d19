/*
 * What the box says: one table, from which terminal, page, API and LED are
 * fed (design: words.md). A state has one headline (what is), one sentence
 * (what to do), one LED signal, one line for the ledger. Never a code without
 * words; the number goes in small print after them.
 *
 * Pure functions of the status; `out` buffers are always terminated and cut at
 * a UTF-8 border. Phone names stand as they are: whoever prints HTML escapes.
 */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

#include "status.h"

enum words_severity {
	WORDS_GOOD,
	WORDS_BUSY,
	WORDS_ACT,
	WORDS_BAD
};

struct words {
	const char *id; /* status_state_id() */
	char headline[256];
	char sentence[512];
	char small[160]; /* "MBErrorDomain 208", or "" */
	enum led_pattern led;
	enum words_severity severity;
};

/* A row of the table as it stands there, {placeholders} and all; lasting. */
struct words_row {
	const char *headline, *sentence;
	enum led_pattern led;
};
struct words_row words_row(enum status_state s);

/* The box as a whole: the glance. */
void words_box(const struct status *st, struct words *out);

/* One phone of st->phones. */
void words_phone(const struct status *st, unsigned phone, struct words *out);

/* "480 Mbit/s, it asks for up to 500 mA, the port gives 500 mA"; false: nothing
 * is known of its port. */
bool words_port(const struct status_phone *p, char *out, size_t cap);

/* Something small about this phone that is no trouble; false: nothing. */
bool words_hint(const struct status *st, unsigned phone, struct words *out);

/* One night of st->nights, a ledger line: "backed up: 1,204 new files, 2.1 GB,
 * 12 min". */
void words_night(
    const struct status *st, unsigned night, char *out, size_t cap);

/* "Last safe backup: yesterday, 23:38." or "No backup yet." */
void words_last_good(
    const struct status *st, unsigned phone, char *out, size_t cap);

/* "2.1 GB": powers of ten, as Apple counts. */
void words_bytes(uint64_t bytes, char *out, size_t cap);
/* "1,204" */
void words_count(uint64_t n, char *out, size_t cap);
/* "12 minutes", "40 seconds" */
void words_duration(int64_t seconds, char *out, size_t cap);

/* What the time is known from: "from a phone"; lasting. */
const char *words_clock(enum status_clock clock);
/* "today 23:41", "yesterday 23:38", "Tuesday 23:38", "3 May 2026" in the
 * owner's zone. */
void words_when(int64_t now_at, int64_t at, char *out, size_t cap);
/* The same with another joint between day and clock: "today at 23:41". */
void words_when_joined(
    int64_t now_at, int64_t at, const char *joint, char *out, size_t cap);

/* "Ana's iPhone", "iPhone 15", or "The iPhone" when nothing is known. */
void words_phone_name(const struct status_phone *p, char *out, size_t cap);

/* What a device-link error code means and what helps; false: not in the
 * table (the texts are general then). */
bool words_reason(int mb_code, const char **reason, const char **helps);

/* The LED of a status: a pure function; used to fill st->led. */
enum led_pattern words_led(const struct status *st);

#endif
