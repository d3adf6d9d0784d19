/* A connection becomes a service; see front_connect.h. */
#include "front_connect.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "link.h"
#include "phone_private.h"

struct front_conn {
	struct phone *ph;
	struct phone_port port;
	uint64_t plug;
	int fd;
};

struct front_conn *front_connect(struct phone *ph, uint16_t port)
{
	struct front_conn *c = calloc(1, sizeof(*c));
	struct phone_private *p = ph->p;
	bool found = false;

	if (!c)
		return NULL;
	c->ph = ph;
	c->fd = -1;
	pthread_mutex_lock(&ph->lock);
	c->plug = p->plug;
	if (ph->plugged && port == LOCKDOWN_PORT) {
		c->port.fn = lockdown_serve;
		c->port.name = "lockdownd";
		found = true;
	}
	for (int i = 0; ph->plugged && port && i < PHONE_PORTS_MAX; i++) {
		if (found || p->ports[i].port != port)
			continue;
		c->port = p->ports[i];
		p->ports[i].port = 0; /* one connection each */
		found = true;
	}
	pthread_mutex_unlock(&ph->lock);
	if (!found) {
		free(c);
		return NULL;
	}
	return c;
}

void front_drop(struct front_conn *c)
{
	free(c);
}

static void *front_thread(void *arg)
{
	struct front_conn *c = arg;
	struct phone *ph = c->ph;
	struct link *l;

	phone_thread_enter(c->plug);
	l = link_new(ph, c->fd);
	if (l && (!c->port.tls || link_start_tls(l, c->port.host_id) == 0))
		c->port.fn(ph, l);
	link_free(l);
	free(c);
	/* Once this thread is not counted, the process may end before the
	 * thread does: what OpenSSL keeps for it has to go now. */
	OPENSSL_thread_stop();
	pthread_mutex_lock(&ph->lock);
	ph->p->threads--;
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	return NULL;
}

void front_start(struct front_conn *c, int fd)
{
	struct phone *ph = c->ph;
	pthread_t t;

	c->fd = fd;
	pthread_mutex_lock(&ph->lock);
	ph->p->threads++;
	pthread_mutex_unlock(&ph->lock);
	if (!pthread_create(&t, NULL, front_thread, c)) {
		pthread_detach(t);
		return;
	}
	pthread_mutex_lock(&ph->lock);
	ph->p->threads--;
	pthread_mutex_unlock(&ph->lock);
	link_free(link_new(ph, fd)); /* closes it */
	free(c);
}
