/*
 * What lwIP stands on, in the fuzzer's hand: the clock, chance and memory.
 * The linker puts these functions in the place of the real ones (Makefile,
 * --wrap), so the product knows nothing of it. Memory is counted, so that what
 * is left behind is seen; it is bounded as the product's pools are, also where
 * each piece comes from malloc() (SAN=1), and it can be made to fail.
 */
#ifndef FUZZ_LWIP_H
#define FUZZ_LWIP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lwip/apps/mdns_opts.h"
#include "lwip/mem.h"
#include "lwip/memp.h"
#include "lwip/priv/memp_priv.h"
#include "netif/ppp/ppp_opts.h"

static struct {
	int64_t ms; /* never steps back, as lwIP's timers stay */
	uint32_t chance;
	unsigned used[MEMP_MAX], packets, heap;
	unsigned in_pool; /* a pool may have its memory from the heap */
	bool few; /* pools that run out soon */
	unsigned fail_after, fail_for; /* allocations; for 0: never */
} under = { .ms = 1000000 };

/* --- time and chance ------------------------------------------------------ */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
time_t __wrap_time(time_t *out);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = under.ms / 1000;
	ts->tv_nsec = under.ms % 1000 * 1000000;
	return 0;
}

time_t __wrap_time(time_t *out)
{
	time_t t = 1700000000 + under.ms / 1000;

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
			under.chance = under.chance * 1103515245 + 12345;
		at[i] = len <= 8 ? (uint8_t)(under.chance >> 16) : 5;
	}
	return (ssize_t)len;
}

/* --- memory --------------------------------------------------------------- */

void *__real_memp_malloc(memp_t type);
void __real_memp_free(memp_t type, void *mem);
void *__real_memp_malloc_pool(const struct memp_desc *desc);
void __real_memp_free_pool(const struct memp_desc *desc, void *mem);
void *__real_mem_malloc(mem_size_t size);
void *__real_mem_calloc(mem_size_t count, mem_size_t size);
void __real_mem_free(void *mem);
void *__wrap_memp_malloc(memp_t type);
void __wrap_memp_free(memp_t type, void *mem);
void *__wrap_memp_malloc_pool(const struct memp_desc *desc);
void __wrap_memp_free_pool(const struct memp_desc *desc, void *mem);
void *__wrap_mem_malloc(mem_size_t size);
void *__wrap_mem_calloc(mem_size_t count, mem_size_t size);
void __wrap_mem_free(void *mem);

static const unsigned under_most[] = {
#define LWIP_MEMPOOL(name, num, size, desc) num,
#include "lwip/priv/memp_std.h"
};

static inline unsigned under_most_of(memp_t type)
{
	if (!under.few)
		return under_most[type];
	switch ((int)type) {
	case MEMP_TCP_PCB:
	case MEMP_ALTCP_PCB:
		return 6;
	case MEMP_PBUF_POOL:
	case MEMP_PBUF:
	case MEMP_TCP_SEG:
		return 10;
	default:
		return under_most[type];
	}
}

static inline bool under_fails(void)
{
	if (!under.fail_for)
		return false;
	if (under.fail_after) {
		under.fail_after--;
		return false;
	}
	under.fail_for--;
	return true;
}

/* A timer that finds no place ends the program (an assertion of lwIP's), so
 * none is made to fail; but their number is bounded. */
void *__wrap_memp_malloc(memp_t type)
{
	void *mem;

	if (under.used[type] >= under_most_of(type) ||
	    (type != MEMP_SYS_TIMEOUT && under_fails()))
		return NULL;
	under.in_pool++;
	mem = __real_memp_malloc(type);
	under.in_pool--;
	under.used[type] += mem != NULL;
	return mem;
}

void __wrap_memp_free(memp_t type, void *mem)
{
	if (mem && !under.used[type]--)
		abort();
	__real_memp_free(type, mem);
}

/* There is one such pool, of mDNS, for packets. */
void *__wrap_memp_malloc_pool(const struct memp_desc *desc)
{
	void *mem;

	if (under.packets == MDNS_MAX_STORED_PKTS || under_fails())
		return NULL;
	under.in_pool++;
	mem = __real_memp_malloc_pool(desc);
	under.in_pool--;
	under.packets += mem != NULL;
	return mem;
}

void __wrap_memp_free_pool(const struct memp_desc *desc, void *mem)
{
	if (mem && !under.packets--)
		abort();
	__real_memp_free_pool(desc, mem);
}

void *__wrap_mem_malloc(mem_size_t size)
{
	void *mem =
	    !under.in_pool && under_fails() ? NULL : __real_mem_malloc(size);

	under.heap += mem != NULL;
	return mem;
}

void *__wrap_mem_calloc(mem_size_t count, mem_size_t size)
{
	void *mem = under_fails() ? NULL : __real_mem_calloc(count, size);

	under.heap += mem != NULL;
	return mem;
}

void __wrap_mem_free(void *mem)
{
	if (mem && !under.heap--)
		abort();
	__real_mem_free(mem);
}

#endif
