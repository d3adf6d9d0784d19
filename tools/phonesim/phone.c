/*
 * One phone: made, plugged, unplugged. An unplug ends every link at once; the
 * threads behind them may need a moment to notice, so a plug counts up and a
 * thread of an earlier plug stays "unplugged" for itself (phone_alive).
 */
#include "phone.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "afc_tree.h"
#include "content.h"
#include "link.h"
#include "mono.h"
#include "phone_events.h"
#include "phone_options.h"
#include "phone_private.h"
#include "phone_set.h"
#define LOG_MODULE "phonesim"
#include "log.h"

static _Thread_local uint64_t phone_my_plug; /* 0: not a service's thread */

void phone_thread_enter(uint64_t plug)
{
	phone_my_plug = plug;
}

bool phone_alive(struct phone *ph)
{
	return ph->plugged &&
	       (phone_my_plug == 0 || phone_my_plug == ph->p->plug);
}

bool phone_is_plugged(struct phone *ph)
{
	bool alive;

	pthread_mutex_lock(&ph->lock);
	alive = phone_alive(ph);
	pthread_mutex_unlock(&ph->lock);
	return alive;
}

bool phone_is_protected(struct phone *ph)
{
	return ph->locked && ph->passcode_set;
}

void phone_wait_until(struct phone *ph, int64_t end_ms)
{
	struct timespec ts = {
		.tv_sec = end_ms / 1000,
		.tv_nsec = end_ms % 1000 * 1000000,
	};

	pthread_cond_timedwait(&ph->changed, &ph->lock, &ts);
}

int phone_sleep(struct phone *ph, int ms)
{
	int64_t end = mono_ms() + ms;
	bool alive;

	pthread_mutex_lock(&ph->lock);
	while ((alive = phone_alive(ph)) && mono_ms() < end)
		phone_wait_until(ph, end);
	pthread_mutex_unlock(&ph->lock);
	return alive ? 0 : -1;
}

/* --- links ----------------------------------------------------------------
 */

int phone_link_add(struct phone *ph, struct link *l)
{
	int rc = -1;

	pthread_mutex_lock(&ph->lock);
	if (phone_alive(ph)) {
		for (int i = 0; i < PHONE_LINKS_MAX; i++) {
			if (ph->p->links[i])
				continue;
			ph->p->links[i] = l;
			rc = 0;
			break;
		}
	}
	pthread_mutex_unlock(&ph->lock);
	return rc;
}

void phone_link_remove(struct phone *ph, struct link *l)
{
	pthread_mutex_lock(&ph->lock);
	for (int i = 0; i < PHONE_LINKS_MAX; i++)
		if (ph->p->links[i] == l)
			ph->p->links[i] = NULL;
	pthread_mutex_unlock(&ph->lock);
}

static void phone_wait_threads(struct phone *ph)
{
	pthread_mutex_lock(&ph->lock);
	while (ph->p->threads > 0)
		pthread_cond_wait(&ph->changed, &ph->lock);
	pthread_mutex_unlock(&ph->lock);
}

/* --- plug and unplug ------------------------------------------------------
 */

int phone_plug(struct phone *ph)
{
	int id;

	pthread_mutex_lock(&ph->lock);
	if (ph->plugged || ph->p->is_closing) {
		pthread_mutex_unlock(&ph->lock);
		return -1;
	}
	pthread_mutex_unlock(&ph->lock);
	/* The last visit's services must be gone from the phone's disk. */
	phone_wait_threads(ph);
	id = phone_set_next_id(ph->p->set);
	pthread_mutex_lock(&ph->lock);
	ph->p->plug++;
	ph->p->device_id = id;
	ph->plugged = true;
	if (ph->p->trust == TRUST_DENIED)
		ph->p->trust = TRUST_NONE; /* it asks again after a replug */
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	phone_event(ph, "attached id=%d", id);
	phone_set_told(ph->p->set, ph, id, true);
	return 0;
}

int phone_unplug(struct phone *ph)
{
	struct phone_private *p = ph->p;
	int id;

	pthread_mutex_lock(&ph->lock);
	if (!ph->plugged) {
		pthread_mutex_unlock(&ph->lock);
		return -1;
	}
	id = p->device_id;
	p->device_id = 0;
	ph->plugged = false;
	for (int i = 0; i < PHONE_LINKS_MAX; i++)
		if (p->links[i])
			link_kill(p->links[i]);
	memset(p->ports, 0, sizeof(p->ports));
	atomic_store(&p->cut_after, -1);
	atomic_store(&p->silent_until, 0);
	if (p->trust == TRUST_OPEN)
		p->trust = TRUST_NONE;
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	phone_event(ph, "detached id=%d", id);
	phone_set_told(p->set, ph, id, false);
	return 0;
}

static void *phone_reboot_thread(void *arg)
{
	struct phone *ph = arg;
	int64_t end;

	pthread_mutex_lock(&ph->lock);
	end = mono_ms() + ph->p->reboot_ms;
	while (!ph->p->is_closing && mono_ms() < end)
		phone_wait_until(ph, end);
	pthread_mutex_unlock(&ph->lock);
	phone_plug(ph);
	pthread_mutex_lock(&ph->lock);
	ph->p->reboots--;
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	return NULL;
}

void phone_reboot(struct phone *ph, int ms)
{
	pthread_t t;

	phone_event(ph, "reboot");
	phone_unplug(ph);
	pthread_mutex_lock(&ph->lock);
	ph->p->reboot_ms = ms;
	ph->p->reboots++;
	pthread_mutex_unlock(&ph->lock);
	if (!pthread_create(&t, NULL, phone_reboot_thread, ph)) {
		pthread_detach(t);
		return;
	}
	pthread_mutex_lock(&ph->lock);
	ph->p->reboots--;
	pthread_mutex_unlock(&ph->lock);
}

void phone_close(struct phone *ph)
{
	pthread_mutex_lock(&ph->lock);
	ph->p->is_closing = true;
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	phone_unplug(ph);
	pthread_mutex_lock(&ph->lock);
	while (ph->p->threads > 0 || ph->p->reboots > 0)
		pthread_cond_wait(&ph->changed, &ph->lock);
	pthread_mutex_unlock(&ph->lock);
}

/* --- events and counters --------------------------------------------------
 */

void phone_event(struct phone *ph, const char *fmt, ...)
{
	char text[PHONE_EVENT_MAX - 64], line[PHONE_EVENT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *s = text; *s; s++)
		if (*s == '\n' || *s == '\r')
			*s = ' ';
	if (strncmp(text, "backup end", 10) == 0 ||
	    strncmp(text, "restore end", 11) == 0) {
		pthread_mutex_lock(&ph->p->stats);
		snprintf(
		    ph->p->outcome, sizeof(ph->p->outcome), "%.255s", text);
		pthread_mutex_unlock(&ph->p->stats);
	}
	snprintf(line, sizeof(line), "%s %s", ph->id.udid, text);
	log_info("%s", line);
	phone_events_add(phone_set_events(ph->p->set), line);
}

void phone_count(struct phone *ph, const char *name, uint64_t add)
{
	struct phone_counter *c = ph->p->counters;
	size_t max = sizeof(ph->p->counters) / sizeof(*c);

	pthread_mutex_lock(&ph->p->stats);
	for (size_t i = 0; i < max; i++) {
		if (c[i].name[0] && strcmp(c[i].name, name) != 0)
			continue;
		snprintf(c[i].name, sizeof(c[i].name), "%s", name);
		c[i].value += add;
		break;
	}
	pthread_mutex_unlock(&ph->p->stats);
}

/* --- made and freed -------------------------------------------------------
 */

static void phone_locks_init(struct phone *ph)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&ph->lock, NULL);
	pthread_mutex_init(&ph->p->stats, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ph->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static int phone_fill(struct phone *ph, const char *opts, char *err, size_t cap)
{
	struct phone_options o;

	if (phone_options_parse(opts, &o, err, cap))
		return -1;
	phone_options_apply(ph, &o);
	if (phone_set_find(ph->p->set, ph->id.udid)) {
		snprintf(err, cap, "%s is there already", ph->id.udid);
		return -1;
	}
	snprintf(ph->dir, sizeof(ph->dir), "%s/%s", phone_set_dir(ph->p->set),
	    ph->id.udid);
	if (mkdir(ph->dir, 0755) && errno != EEXIST) {
		snprintf(
		    err, cap, "can't make %s: %s", ph->dir, strerror(errno));
		return -1;
	}
	if (phone_store_open(ph)) {
		snprintf(err, cap, "can't open the state in %s", ph->dir);
		return -1;
	}
	ph->content = content_open(ph->dir, &o.plan);
	if (!ph->content)
		snprintf(err, cap, "can't open the content in %s", ph->dir);
	return ph->content ? 0 : -1;
}

struct phone *phone_new(
    struct phone_set *set, const char *opts, char *err, size_t cap)
{
	struct phone *ph = calloc(1, sizeof(*ph));

	if (ph)
		ph->p = calloc(1, sizeof(*ph->p));
	if (!ph || !ph->p) {
		free(ph);
		snprintf(err, cap, "no memory");
		return NULL;
	}
	ph->p->set = set;
	ph->p->next_port = 49152;
	atomic_init(&ph->p->cut_after, -1);
	phone_locks_init(ph);
	ph->p->afc = afc_tree_new();
	phone_count(ph, "files_uploaded", 0);
	phone_count(ph, "bytes_uploaded", 0);
	if (!ph->p->afc || phone_fill(ph, opts, err, cap)) {
		phone_free(ph);
		return NULL;
	}
	return ph;
}

void phone_free(struct phone *ph)
{
	if (!ph)
		return;
	if (ph->content)
		content_close(ph->content);
	afc_tree_free(ph->p->afc);
	phone_fault_free(ph);
	plist_free(ph->p->values);
	EVP_PKEY_free(ph->p->key);
	pthread_cond_destroy(&ph->changed);
	pthread_mutex_destroy(&ph->p->stats);
	pthread_mutex_destroy(&ph->lock);
	free(ph->p);
	free(ph);
}
