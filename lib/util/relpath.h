/*
 * A path below a root, checked once where it comes in; after that it can be
 * joined to the root without a further look.
 */
#ifndef RELPATH_H
#define RELPATH_H

#include <stddef.h>

#include "rc.h"

/*
 * Accepts `len` bytes at `path` when they form a relative path of plain
 * components: not empty, not absolute, no empty, "." or ".." component, no
 * NUL or other control byte, no trailing slash, at most LIMIT_DL_PATH bytes,
 * components at most 255 bytes.
 *
 * RC_REFUSED  the path could leave the root or can't be a file name
 * RC_LIMIT    too long
 */
MUST_CHECK enum rc relpath_check(const char *path, size_t len);

/*
 * As above, and the first component must be `top` (the phone's UDID); the
 * bare `top` is accepted.
 */
MUST_CHECK enum rc relpath_check_below(
    const char *path, size_t len, const char *top);

/* 40 hex digits, or 8 hex digits, a dash and 16 hex digits; nothing else
 * may become a folder's name. */
MUST_CHECK enum rc relpath_check_udid(const char *udid);

#endif
