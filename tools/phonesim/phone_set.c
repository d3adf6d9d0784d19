/* All phones; see phone_set.h. */
#include "phone_set.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "phone_events.h"
#include "phone_private.h"

struct phone_set {
	char dir[400];
	struct phone_events *events;
	pthread_mutex_t lock; /* phones, count, watcher */
	struct phone *phones[PHONE_SET_MAX];
	size_t count;
	atomic_int next_id;
	struct {
		phone_set_fn fn;
		void *ctx;
	} watchers[PHONE_SET_WATCHERS]; /* fn NULL: free */
};

struct phone_set *phone_set_new(const char *dir)
{
	struct phone_set *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	atomic_init(&s->next_id, 1);
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	s->events = phone_events_new();
	if (!s->events || strlen(dir) >= sizeof(s->dir) ||
	    (mkdir(dir, 0755) && errno != EEXIST)) {
		fprintf(stderr, "phonesim: can't use the folder %s: %s\n", dir,
		    strerror(errno));
		phone_events_free(s->events);
		free(s);
		return NULL;
	}
	return s;
}

void phone_set_free(struct phone_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		phone_close(s->phones[i]);
	for (size_t i = 0; i < s->count; i++)
		phone_free(s->phones[i]);
	phone_events_free(s->events);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct phone *phone_set_add(
    struct phone_set *s, const char *opts, char *err, size_t cap)
{
	struct phone *ph = phone_new(s, opts, err, cap);
	bool is_full, plug;

	if (!ph)
		return NULL;
	plug = ph->plugged;
	ph->plugged = false;
	pthread_mutex_lock(&s->lock);
	is_full = s->count == PHONE_SET_MAX;
	if (!is_full)
		s->phones[s->count++] = ph;
	pthread_mutex_unlock(&s->lock);
	if (is_full) {
		snprintf(err, cap, "no room for more phones");
		phone_free(ph);
		return NULL;
	}
	if (plug)
		phone_plug(ph);
	return ph;
}

/* Equal but for case and dashes. */
static bool set_same_udid(const char *a, const char *b)
{
	for (;; a++, b++) {
		while (*a == '-')
			a++;
		while (*b == '-')
			b++;
		if (!*a || !*b)
			return *a == *b;
		if (strncasecmp(a, b, 1) != 0)
			return false;
	}
}

struct phone *phone_set_find(struct phone_set *s, const char *selector)
{
	struct phone *found = NULL;

	pthread_mutex_lock(&s->lock);
	if (!selector && s->count == 1)
		found = s->phones[0];
	for (size_t i = 0; selector && i < s->count && !found; i++)
		if (set_same_udid(s->phones[i]->id.udid, selector) ||
		    strcmp(s->phones[i]->id.name, selector) == 0)
			found = s->phones[i];
	pthread_mutex_unlock(&s->lock);
	return found;
}

struct phone *phone_set_at(struct phone_set *s, size_t i)
{
	struct phone *ph;

	pthread_mutex_lock(&s->lock);
	ph = i < s->count ? s->phones[i] : NULL;
	pthread_mutex_unlock(&s->lock);
	return ph;
}

struct phone *phone_set_by_id(struct phone_set *s, int device_id)
{
	struct phone *ph;

	for (size_t i = 0; (ph = phone_set_at(s, i)); i++) {
		int id;

		pthread_mutex_lock(&ph->lock);
		id = ph->plugged ? ph->p->device_id : 0;
		pthread_mutex_unlock(&ph->lock);
		if (id == device_id && id > 0)
			return ph;
	}
	return NULL;
}

void phone_set_watch(struct phone_set *s, phone_set_fn fn, void *ctx)
{
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < PHONE_SET_WATCHERS; i++) {
		if (s->watchers[i].fn)
			continue;
		s->watchers[i].fn = fn;
		s->watchers[i].ctx = ctx;
		break;
	}
	pthread_mutex_unlock(&s->lock);
}

void phone_set_unwatch(struct phone_set *s, void *ctx)
{
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < PHONE_SET_WATCHERS; i++)
		if (s->watchers[i].ctx == ctx)
			s->watchers[i].fn = NULL;
	pthread_mutex_unlock(&s->lock);
}

const char *phone_set_dir(struct phone_set *s)
{
	return s->dir;
}

struct phone_events *phone_set_events(struct phone_set *s)
{
	return s->events;
}

int phone_set_next_id(struct phone_set *s)
{
	return atomic_fetch_add(&s->next_id, 1);
}

void phone_set_told(struct phone_set *s, struct phone *ph, int id, bool is_here)
{
	for (int i = 0; i < PHONE_SET_WATCHERS; i++) {
		phone_set_fn fn;
		void *ctx;

		pthread_mutex_lock(&s->lock);
		fn = s->watchers[i].fn;
		ctx = s->watchers[i].ctx;
		pthread_mutex_unlock(&s->lock);
		if (fn)
			fn(ctx, ph, id, is_here);
	}
}
