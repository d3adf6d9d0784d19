/*
 * What the webhook has not been told yet: lines of the ledger as JSON, oldest
 * first, each with an id that stays the same when it is sent again. It lies in
 * the state folder (webhook.jsonl) and is written anew, whole, with each
 * change: a cut of power costs or repeats one event at most.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "hook.h"
#include "rc.h"
#include "status.h"

#define OUTBOX_MAX 64 /* then the oldest is dropped */

struct outbox;

/* state_dir "": in memory only. What of the file makes no sense is left out.
 * RC_NOMEM, RC_IO: no randomness. */
MUST_CHECK enum rc outbox_open(const char *state_dir, struct outbox **out);
void outbox_close(struct outbox *o); /* NULL is fine */

/* RC_IO and others of the disk: it is told, but not kept. RC_LIMIT: it does
 * not fit into an event. */
MUST_CHECK enum rc outbox_add(
    struct outbox *o, const char *box, const struct status_night *n);

/* The oldest one, signed with the secret ("" not signed); false: none. */
bool outbox_first(
    const struct outbox *o, const char *secret, struct hook_event *out);

/* It is over; any other number is ignored. Codes as above. */
MUST_CHECK enum rc outbox_over(struct outbox *o, uint64_t number);

#endif
