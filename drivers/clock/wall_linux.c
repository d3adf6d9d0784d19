#include "wall.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "log.h"

#define LOG_MODULE "clock"

#ifndef NIGHTSTAND_BUILT
#define NIGHTSTAND_BUILT 1767225600 /* 2026-01-01 */
#endif
#define DAY_S 86400
/* Of a file; beyond that it is none of ours. */
#define AHEAD_MAX_MS (100LL * 366 * DAY_S * 1000)

/* The clock of this process: there is one. */
static struct {
	char path[256]; /* "": the machine's */
	int64_t ahead_ms;
} file;

/* --- reading ------------------------------------------------------------------- */

static int64_t machine_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t wall_now_ms(void)
{
	return machine_ms() + file.ahead_ms;
}

int64_t wall_now(void)
{
	return wall_now_ms() / 1000;
}

int64_t wall_built(void)
{
	return NIGHTSTAND_BUILT - DAY_S;
}

bool wall_is_set(int64_t at)
{
	return at >= wall_built();
}

/* --- setting ------------------------------------------------------------------- */

enum rc wall_use_file(const char *path)
{
	long long ahead;
	FILE *f = fopen(path, "re");
	int n;

	if (!f)
		return errno == ENOENT ? RC_NOTFOUND : RC_IO;
	n = fscanf(f, "%lld", &ahead);
	fclose(f);
	if (n != 1 || ahead < -AHEAD_MAX_MS || ahead > AHEAD_MAX_MS ||
	    strlen(path) >= sizeof(file.path))
		return RC_CORRUPT;
	snprintf(file.path, sizeof(file.path), "%s", path);
	file.ahead_ms = ahead;
	return RC_OK;
}

static enum rc set_file(int64_t delta_ms)
{
	FILE *f = fopen(file.path, "we");
	bool ok;

	if (!f)
		return rc_from_errno(errno);
	file.ahead_ms += delta_ms;
	ok = fprintf(f, "%lld\n", (long long)file.ahead_ms) > 0;
	return fclose(f) == 0 && ok ? RC_OK : RC_IO;
}

static enum rc rc_of_clock(const char *what)
{
	enum rc rc = errno == EPERM ? RC_READONLY : RC_IO;

	log_error("the clock can't be %s: %s", what, strerror(errno));
	return rc;
}

enum rc wall_step(int64_t delta_ms)
{
	struct timespec ts;
	int64_t to;

	if (file.path[0])
		return set_file(delta_ms);
	clock_gettime(CLOCK_REALTIME, &ts);
	to = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + delta_ms;
	if (to < 0)
		return RC_BUG;
	ts.tv_sec = (time_t)(to / 1000);
	ts.tv_nsec = (long)(to % 1000) * 1000000;
	return clock_settime(CLOCK_REALTIME, &ts) ? rc_of_clock("set") : RC_OK;
}

enum rc wall_slew(int64_t delta_ms)
{
	/* The sign stands with both. */
	const struct timeval tv = { .tv_sec = (time_t)(delta_ms / 1000),
		.tv_usec = (suseconds_t)(delta_ms % 1000) * 1000 };

	if (file.path[0])
		return set_file(delta_ms);
	return adjtime(&tv, NULL) ? rc_of_clock("slewed") : RC_OK;
}

/* --- the day ------------------------------------------------------------------- */

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
