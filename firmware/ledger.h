/*
 * The nights, one line of JSON each, in the box's own storage: how each ended,
 * also those on which nothing happened. It outlives restarts and power cuts:
 * lines are appended and synced, and a line that was cut is left out.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "status.h"

struct ledger;

/* Reads what is there. dir "" = kept in memory only. RC_NOTFOUND: no such
 * folder and it can't be made. A damaged file is read as far as it makes
 * sense. */
MUST_CHECK enum rc ledger_open(const char *dir, struct ledger **out);
void ledger_close(struct ledger *l); /* NULL is fine */

/*
 * Adds a night. One that says the same of the same phone as the newest line,
 * a few hours later, takes that line's place in what is shown (three missed
 * passcodes in one evening are one news). Its time is never before the newest
 * line's, wherever the clock stands.
 * RC_IO, RC_NOSPC: shown until the restart, but not written.
 */
MUST_CHECK enum rc ledger_add(
    struct ledger *l, const struct status_night *night);

/* The newest nights, newest first; returns how many. */
uint32_t ledger_newest(
    const struct ledger *l, struct status_night *out, uint32_t cap);

/* The newest line about a phone's backups, or NULL; not what a scrub says. */
const struct status_night *ledger_last_of(
    const struct ledger *l, const char *udid);

/* When a pass over all backups of this phone found them whole; 0: not that the
 * lines still tell. */
int64_t ledger_read_again_at(const struct ledger *l, const char *udid);

/* One line as it is written, without its end; and back. For tests. */
MUST_CHECK enum rc ledger_format(
    const struct status_night *n, char *out, size_t cap);
MUST_CHECK enum rc ledger_parse(const char *line, struct status_night *out);

#endif
