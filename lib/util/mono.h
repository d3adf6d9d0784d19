/*
 * Monotonic time, for deadlines and durations. Wall time (int64_t, Unix
 * seconds, names end in _at) is for people only.
 */
#ifndef MONO_H
#define MONO_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since some fixed point; never steps back. */
static inline int64_t mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif
