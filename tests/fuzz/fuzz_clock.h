/*
 * Time and chance in the fuzzer's hand. The linker puts these functions in the
 * place of the real ones (Makefile, --wrap): the product knows nothing of it.
 */
#ifndef FUZZ_CLOCK_H
#define FUZZ_CLOCK_H

#include <stdint.h>
#include <sys/random.h>
#include <time.h>

static struct {
	int64_t ms; /* never steps back, as lwIP's timers stay */
	uint32_t chance;
} fuzz_clock = { .ms = 1000000 };

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
time_t __wrap_time(time_t *out);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = fuzz_clock.ms / 1000;
	ts->tv_nsec = fuzz_clock.ms % 1000 * 1000000;
	return 0;
}

time_t __wrap_time(time_t *out)
{
	time_t t = 1700000000 + fuzz_clock.ms / 1000;

	if (out)
		*out = t;
	return t;
}

/* The same for the same input; the key of a process is not of an input. */
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
	uint8_t *at = buf;

	(void)flags;
	for (size_t i = 0; i < len; i++) {
		if (len <= 8)
			fuzz_clock.chance =
			    fuzz_clock.chance * 1103515245 + 12345;
		at[i] = len <= 8 ? (uint8_t)(fuzz_clock.chance >> 16) : 5;
	}
	return (ssize_t)len;
}

#endif
