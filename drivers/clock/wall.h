/* Wall time. A small box has no battery: until somebody has set its clock it
 * must neither speak of dates nor keep quiet hours. */
#ifndef WALL_H
#define WALL_H

#include <stdbool.h>
#include <stdint.h>

/* Unix seconds. */
int64_t wall_now(void);

/* False: the clock stands before this program was written. Pure. */
bool wall_is_set(int64_t at);

/* Minutes since local midnight, 0..1439. */
int wall_minute_of_day(int64_t at);

/* A number that grows by one each local noon, so that an evening and the
 * morning after it are one night. */
int64_t wall_night_number(int64_t at);

#endif
