/* Wall time. A small box has no battery: until somebody has told it the time
 * it must neither speak of dates nor keep quiet hours. */
#ifndef WALL_H
#define WALL_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"

/* Unix seconds, and milliseconds. */
int64_t wall_now(void);
int64_t wall_now_ms(void);

/* When this program was built, a day less: Unix seconds. It can't be earlier
 * now. */
int64_t wall_built(void);

/* False: the clock stands before this program was built. Pure. */
bool wall_is_set(int64_t at);

/*
 * Puts a file in the place of the machine's clock, in this process: it holds
 * how many milliseconds that clock is ahead of the machine's, and follows when
 * it is set. For trials: nothing of the machine is changed. RC_NOTFOUND,
 * RC_CORRUPT, RC_IO.
 */
MUST_CHECK enum rc wall_use_file(const char *path);

/* Sets the clock by a step. RC_READONLY: it may not; RC_IO. */
MUST_CHECK enum rc wall_step(int64_t delta_ms);

/* Lets it run a little faster or slower until delta is made up, 0.5 ms in
 * each second; a file is set at once. Codes as above. */
MUST_CHECK enum rc wall_slew(int64_t delta_ms);

/* Minutes since local midnight, 0..1439. */
int wall_minute_of_day(int64_t at);

/* A number that grows by one each local noon, so that an evening and the
 * morning after it are one night. */
int64_t wall_night_number(int64_t at);

#endif
