/*
 * lwIP's memory in the fuzzer's hand, by the linker as in fuzz_clock.h. It is
 * counted, so that what is left behind is seen; it is bounded as the product's
 * pools are, also where each piece comes from malloc() (SAN=1); and it can be
 * made to fail.
 */
#ifndef FUZZ_LWIP_H
#define FUZZ_LWIP_H

#include <stdbool.h>
#include <stdlib.h>

#include "lwip/apps/mdns_opts.h"
#include "lwip/mem.h"
#include "lwip/memp.h"
#include "lwip/priv/memp_priv.h"
#include "netif/ppp/ppp_opts.h"

static struct {
	unsigned used[MEMP_MAX], packets, heap;
	unsigned in_pool; /* a pool may have its memory from the heap */
	bool few; /* pools that run out soon */
	unsigned fail_after, fail_for; /* allocations; for 0: never */
} under;

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
