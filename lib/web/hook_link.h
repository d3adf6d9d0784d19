/*
 * Tells the owner's webhook one event at a time, over lwIP: its name is looked
 * up, a connection made, the request sent, the head of the answer read. What
 * fails is tried again, after 5 s, 10 s … an hour. Redirections are not
 * followed. Not encrypted: for a receiver in the same house.
 */
#ifndef HOOK_LINK_H
#define HOOK_LINK_H

#include <stdint.h>

#include "hook.h"
#include "rc.h"

/* So often somebody may answer with anything but 2xx; then the event is let
 * go: the next ones may be more welcome. (No answer is no such time.) */
#define HOOK_LINK_REFUSALS 12

struct hook_link;

/* Copies. RC_NOMEM. */
MUST_CHECK enum rc hook_link_open(
    const struct hook_target *target, struct hook_link **out);
void hook_link_close(struct hook_link *l); /* NULL is fine */

/* Copies; takes the place of one that is still to be told. */
void hook_link_tell(struct hook_link *l, const struct hook_event *ev);

/* In each turn of the loop. has_address: there is a network to go out on. */
void hook_link_tick(struct hook_link *l, bool has_address, int64_t now_ms);

/* The event that is over since: taken, or let go. */
bool hook_link_take_over(struct hook_link *l, uint64_t *number, bool *taken);

#endif
