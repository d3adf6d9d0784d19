/* A program of the system, run to its end. */
#ifndef TOOL_H
#define TOOL_H

#include <stddef.h>

#include "rc.h"

#define TOOL_ARGS 24

/*
 * argv[0] is its path; the list ends with NULL. Blocks until it has ended or
 * `timeout_s` is over (then it is killed: RC_TIMEOUT). Its output goes to the
 * log, line by line. `status` is its exit status; RC_BUG: a signal ended it;
 * RC_NOTFOUND: there is no such program.
 */
MUST_CHECK enum rc tool_run(
    const char *const *argv, int timeout_s, int *status);

/* … which reads `len` bytes, at most 4096, from its standard input, and then
 * its end. */
MUST_CHECK enum rc tool_feed(const char *const *argv, int timeout_s,
    const char *input, size_t len, int *status);

#endif
