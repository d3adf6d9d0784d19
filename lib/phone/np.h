/*
 * com.apple.mobile.notification_proxy over a stream of our own (framed XML
 * lists, protocols.md 5.8). The library's client reads in a thread that sleeps
 * a second between two looks; here the session looks whenever it ticks.
 */
#ifndef NP_H
#define NP_H

#include "rc.h"
#include "stream.h"

struct np;

/* Takes the stream, also when it fails. RC_NOMEM. */
MUST_CHECK enum rc np_new(struct stream stream, struct np **out);
void np_free(struct np *np); /* NULL is fine */

MUST_CHECK enum rc np_observe(struct np *np, const char *name);
MUST_CHECK enum rc np_post(struct np *np, const char *name);

/* Calls fn for each notification that is there; does not wait. RC_OK, or
 * why there will be no more. */
MUST_CHECK enum rc np_poll(
    struct np *np, void (*fn)(void *arg, const char *name), void *arg);

#endif
