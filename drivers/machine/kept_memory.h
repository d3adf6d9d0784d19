/*
 * Memory that the machine's device tree sets apart for our log: a node below
 * /reserved-memory with
 *
 *   compatible = "nightstand,log"; reg = <…>; no-map;
 *
 * The kernel leaves it alone (no-map), so it holds after a reset what was in
 * it before. It is mapped uncached, as a device's: whole, aligned words only.
 */
#ifndef KEPT_MEMORY_H
#define KEPT_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define KEPT_MEMORY_MAX                                                        \
	(256 * 1024) /* bytes; a node that wants more is wrong */

struct kept_memory {
	uint64_t start; /* physical, of a page */
	size_t len; /* whole pages */
};

/* As the kernel shows it below `sys` ("/sys"). RC_NOTFOUND: this machine has
 * none; RC_CORRUPT: a node that makes no sense. */
MUST_CHECK enum rc kept_memory_find(const char *sys, struct kept_memory *out);

/* For as long as the process runs. RC_REFUSED: the kernel hands it to nobody,
 * or not to us. */
MUST_CHECK enum rc kept_memory_map(
    const struct kept_memory *m, volatile uint64_t **out);

#endif
