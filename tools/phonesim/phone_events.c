/* The ring of events; see phone_events.h. */
#include "phone_events.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RING 2048

struct phone_events {
	pthread_mutex_t lock;
	pthread_cond_t added;
	bool closed;
	uint64_t next;
	char line[RING][PHONE_EVENT_MAX];
};

struct phone_events *phone_events_new(void)
{
	struct phone_events *e = calloc(1, sizeof(*e));
	pthread_condattr_t attr;

	if (!e)
		return NULL;
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->added, &attr);
	pthread_condattr_destroy(&attr);
	return e;
}

void phone_events_free(struct phone_events *e)
{
	if (!e)
		return;
	pthread_cond_destroy(&e->added);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void phone_events_add(struct phone_events *e, const char *line)
{
	pthread_mutex_lock(&e->lock);
	snprintf(e->line[e->next % RING], PHONE_EVENT_MAX, "%s", line);
	e->next++;
	pthread_cond_broadcast(&e->added);
	pthread_mutex_unlock(&e->lock);
}

uint64_t phone_events_now(struct phone_events *e)
{
	uint64_t n;

	pthread_mutex_lock(&e->lock);
	n = e->next;
	pthread_mutex_unlock(&e->lock);
	return n;
}

/* Looks at what is there; true when found. */
static bool events_scan(struct phone_events *e, uint64_t *cursor,
    const char *text, char out[PHONE_EVENT_MAX])
{
	if (e->next > RING && *cursor < e->next - RING)
		*cursor = e->next - RING;
	while (*cursor < e->next) {
		const char *line = e->line[*cursor % RING];

		++*cursor;
		if (!text || strstr(line, text)) {
			snprintf(out, PHONE_EVENT_MAX, "%s", line);
			return true;
		}
	}
	return false;
}

int phone_events_wait(struct phone_events *e, uint64_t *cursor,
    const char *text, int ms, char out[PHONE_EVENT_MAX])
{
	uint64_t from = *cursor;
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	if (ms > 0) {
		end.tv_sec += ms / 1000;
		end.tv_nsec += ms % 1000 * 1000000l;
		if (end.tv_nsec >= 1000000000l) {
			end.tv_sec++;
			end.tv_nsec -= 1000000000l;
		}
	}
	pthread_mutex_lock(&e->lock);
	for (;;) {
		if (events_scan(e, cursor, text, out)) {
			rc = 0;
			break;
		}
		rc = e->closed ? -1 : rc ? 1 : 0;
		if (rc)
			break;
		if (ms < 0)
			pthread_cond_wait(&e->added, &e->lock);
		else
			rc = pthread_cond_timedwait(&e->added, &e->lock, &end);
	}
	if (rc)
		*cursor = from; /* the past may be asked for something else */
	pthread_mutex_unlock(&e->lock);
	return rc;
}

void phone_events_close(struct phone_events *e)
{
	pthread_mutex_lock(&e->lock);
	e->closed = true;
	pthread_cond_broadcast(&e->added);
	pthread_mutex_unlock(&e->lock);
}
