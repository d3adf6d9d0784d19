#include "wall.h"

#include <time.h>

#define WALL_EPOCH 1767225600 /* 2026-01-01 */

int64_t wall_now(void)
{
	return (int64_t)time(NULL);
}

bool wall_is_set(int64_t at)
{
	return at >= WALL_EPOCH;
}

int wall_minute_of_day(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return 12 * 60;
	return tm.tm_hour * 60 + tm.tm_min;
}

int64_t wall_night_number(int64_t at)
{
	time_t t = (time_t)(at - 12 * 3600);
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return 0;
	return (int64_t)(tm.tm_year + 1900) * 366 + tm.tm_yday;
}
