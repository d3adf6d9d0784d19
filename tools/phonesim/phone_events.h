/*
 * What has happened, as lines of text: the last 2,048 are kept, so that one
 * who waits for an event also finds it when it came a moment before.
 * Thread-safe.
 */
#ifndef PHONE_EVENTS_H
#define PHONE_EVENTS_H

#include <stdint.h>

#define PHONE_EVENT_MAX 512 /* longer lines are cut */

struct phone_events;

struct phone_events *phone_events_new(void);
void phone_events_free(struct phone_events *e);
void phone_events_add(struct phone_events *e, const char *line);
/* The number of the next event to come: a cursor that skips the past. */
uint64_t phone_events_now(struct phone_events *e);
/*
 * The first line at or after *cursor that contains `text` (NULL: any) goes to
 * out; *cursor moves behind it. 0, 1 when ms passed (< 0: no end), -1 when the
 * events were closed.
 */
int phone_events_wait(struct phone_events *e, uint64_t *cursor,
    const char *text, int ms, char out[PHONE_EVENT_MAX]);
/* Wakes all who wait, for good. */
void phone_events_close(struct phone_events *e);

#endif
