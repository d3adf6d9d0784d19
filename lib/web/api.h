/*
 * The status as JSON: all of struct status and the words for it. Names and
 * ids in it are stable; README.md lists them.
 */
#ifndef API_H
#define API_H

#include <stddef.h>

#include "rc.h"
#include "status.h"

/* Writes one line, terminated; *out_len without the NUL. RC_LIMIT: `cap` is
 * too small; RC_NOMEM. */
MUST_CHECK enum rc api_status(
    const struct status *st, char *buf, size_t cap, size_t *out_len);

/* "good", "busy", "act", "bad". */
const char *api_severity(unsigned severity);

#endif
