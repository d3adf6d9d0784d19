/*
 * notification_proxy (protocols.md 5.8): a client posts names and observes
 * names; what the phone posts reaches those who observe it. Posts come from
 * other threads, so they queue up and an eventfd wakes the client's thread:
 * TLS allows one thread a stream.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link.h"
#include "phone_private.h"
#include "pl.h"

#define NP_NAMES_MAX 256

struct np_client {
	struct np_client *next;
	int wake;
	char *observed[NP_NAMES_MAX]; /* (L) */
	size_t observed_n; /* (L) */
	char *queue[NP_NAMES_MAX]; /* (L) */
	size_t queue_n; /* (L) */
};

void phone_notify(struct phone *ph, const char *name)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&ph->lock);
	for (struct np_client *c = ph->p->np; c; c = c->next) {
		size_t i = 0;

		while (i < c->observed_n && strcmp(c->observed[i], name) != 0)
			i++;
		if (i == c->observed_n || c->queue_n == NP_NAMES_MAX)
			continue;
		c->queue[c->queue_n] = strdup(name);
		if (c->queue[c->queue_n] &&
		    write(c->wake, &one, sizeof(one)) == sizeof(one))
			c->queue_n++;
	}
	pthread_mutex_unlock(&ph->lock);
	phone_event(ph, "notify %s", name);
}

static void np_observe(struct phone *ph, struct np_client *c, const char *name)
{
	pthread_mutex_lock(&ph->lock);
	if (c->observed_n < NP_NAMES_MAX) {
		c->observed[c->observed_n] = strdup(name);
		if (c->observed[c->observed_n])
			c->observed_n++;
	}
	pthread_mutex_unlock(&ph->lock);
}

static int np_say(struct link *l, const char *command, const char *name)
{
	plist_t d = plist_new_dict();

	pl_set_str(d, "Command", command);
	if (name)
		pl_set_str(d, "Name", name);
	return pl_send_xml(l, d);
}

/* Sends what has queued up. */
static int np_relay(struct phone *ph, struct np_client *c, struct link *l)
{
	char *names[NP_NAMES_MAX];
	uint64_t count;
	size_t n;
	int rc = 0;

	pthread_mutex_lock(&ph->lock);
	n = c->queue_n;
	memcpy(names, c->queue, n * sizeof(*names));
	c->queue_n = 0;
	if (n > 0 && read(c->wake, &count, sizeof(count)) < 0)
		rc = -1;
	pthread_mutex_unlock(&ph->lock);
	for (size_t i = 0; i < n; i++) {
		if (!rc)
			rc = np_say(l, "RelayNotification", names[i]);
		free(names[i]);
	}
	return rc;
}

static int np_command(struct phone *ph, struct np_client *c, struct link *l)
{
	const char *command, *name;
	plist_t req = NULL;
	int rc = 0;

	if (pl_recv(l, &req))
		return -1;
	command = pl_str(req, "Command");
	name = pl_str(req, "Name");
	if (!command) {
		rc = -1;
	} else if (strcmp(command, "Shutdown") == 0) {
		/* The client closes first; else its close_notify would meet
		 * a closed socket. */
		if (!np_say(l, "ProxyDeath", NULL))
			link_wait(l, -1, 1000);
		rc = -1;
	} else if (name && strcmp(command, "ObserveNotification") == 0) {
		np_observe(ph, c, name);
	} else if (name && strcmp(command, "PostNotification") == 0) {
		phone_notify(ph, name);
	}
	plist_free(req);
	return rc;
}

static void np_leave(struct phone *ph, struct np_client *c)
{
	struct np_client **at;

	pthread_mutex_lock(&ph->lock);
	at = &ph->p->np;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_mutex_unlock(&ph->lock);
	for (size_t i = 0; i < c->observed_n; i++)
		free(c->observed[i]);
	for (size_t i = 0; i < c->queue_n; i++)
		free(c->queue[i]);
	close(c->wake);
	free(c);
}

void np_serve(struct phone *ph, struct link *l)
{
	struct np_client *c = calloc(1, sizeof(*c));
	int got, rc = 0;

	if (!c)
		return;
	c->wake = eventfd(0, EFD_CLOEXEC);
	if (c->wake < 0) {
		free(c);
		return;
	}
	pthread_mutex_lock(&ph->lock);
	c->next = ph->p->np;
	ph->p->np = c;
	pthread_mutex_unlock(&ph->lock);
	while (!rc) {
		got = link_wait(l, c->wake, -1);
		rc = got < 0 ? -1 : 0;
		if (!rc && got & LINK_OTHER)
			rc = np_relay(ph, c, l);
		if (!rc && got & LINK_READABLE)
			rc = np_command(ph, c, l);
	}
	np_leave(ph, c);
}
