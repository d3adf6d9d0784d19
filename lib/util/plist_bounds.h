/*
 * The bounds of a property list, found without building it: what libplist
 * (recursive, happy to expand shared objects, and with assertions that a
 * hostile list reaches) must never be shown. Both doors to libplist ask here
 * first: lib/phone/pl.c and lib/vault/plistread.c.
 */
#ifndef PLIST_BOUNDS_H
#define PLIST_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

/* Real messages have 4 levels and at most some thousand nodes. */
#define PLIST_DEPTH_MAX 32
#define PLIST_NODES_MAX 1000000u

/*
 * Binary or XML.
 *
 * RC_PROTO not a property list, or a text in it holds a NUL, or a key is no
 * text · RC_LIMIT too deep or too many nodes
 */
MUST_CHECK enum rc plist_bounds_check(const void *data, size_t len);

#endif
