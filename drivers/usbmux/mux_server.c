/* Phones, and the socket at which clients come in. See mux_server.h. */
#include "mux_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "mux_server_priv.h"

#define LOG_MODULE "usbmux"

/* --- phones -------------------------------------------------------------------- */

struct mux_phone *mux_server_phone(struct mux_server *s, uint32_t id)
{
	for (unsigned i = 0; i < MUX_SERVER_PHONES; i++) {
		struct mux_phone *p = &s->phones[i];

		if (p->in_use && p->is_shown && !p->is_gone && p->id == id)
			return p;
	}
	return NULL;
}

void mux_server_ready(void *phone, int version)
{
	struct mux_phone *p = phone;

	log_note("a phone is there udid=%s product=%04x version=%d",
	    p->facts.udid, p->facts.product_id, version);
	p->is_shown = true;
	if (p->ops->ready)
		p->ops->ready(p->port);
	for (struct mux_client *c = p->s->clients; c; c = c->next)
		mux_client_tell_attached(c, p);
	p->s->fn(p->s->ctx, p->facts.udid, true);
}

enum rc mux_server_attach(struct mux_server *s, const struct mux_facts *facts,
    const struct mux_port_ops *ops, void *port, struct mux_phone **out)
{
	*out = NULL;
	for (unsigned i = 0; i < MUX_SERVER_PHONES; i++) {
		struct mux_phone *p = &s->phones[i];
		enum rc rc;

		if (p->in_use)
			continue;
		*p = (struct mux_phone){ .s = s,
			.facts = *facts,
			.id = s->next_id,
			.ops = ops,
			.port = port };
		rc = mux_new(&mux_client_ops, p, mono_ms(), 0, &p->mux);
		if (rc)
			return rc;
		if (facts->patience_ms)
			mux_set_patience(p->mux, mono_ms(), facts->patience_ms);
		s->next_id++;
		p->in_use = true;
		*out = p;
		return RC_OK;
	}
	log_warn("more than %u phones: one is left alone", MUX_SERVER_PHONES);
	return RC_LIMIT;
}

void mux_server_input(struct mux_phone *p, const uint8_t *data, size_t len)
{
	enum rc rc;

	if (p->is_gone || p->broken)
		return;
	rc = mux_input(p->mux, data, len, mono_ms());
	if (rc)
		p->broken = rc;
}

void mux_server_sent(struct mux_phone *p, struct mux_tx *tx)
{
	mux_sent(p->mux, tx);
}

void mux_server_detach(struct mux_phone *p)
{
	struct mux_stats st;

	if (p->is_gone)
		return;
	p->is_gone = true;
	mux_shut(p->mux);
	mux_get_stats(p->mux, &st);
	if (!p->is_shown)
		return;
	log_info("a phone is gone udid=%s in=%llu out=%llu packets=%llu/%llu "
		 "acks=%llu buffered=%llu resets=%llu",
	    p->facts.udid, (unsigned long long)st.in_bytes,
	    (unsigned long long)st.out_bytes, (unsigned long long)st.in_packets,
	    (unsigned long long)st.out_packets,
	    (unsigned long long)st.bare_acks,
	    (unsigned long long)st.buffered_bytes,
	    (unsigned long long)st.resets);
	for (struct mux_client *c = p->s->clients; c; c = c->next)
		mux_client_tell_detached(c, p->id);
	p->s->fn(p->s->ctx, p->facts.udid, false);
}

void mux_server_forget(struct mux_phone *p)
{
	mux_server_detach(p);
	mux_free(p->mux);
	*p = (struct mux_phone){ 0 };
}

static void phone_turn(struct mux_phone *p, int64_t now)
{
	enum rc rc = p->broken;

	if (p->is_gone)
		return;
	if (!rc)
		rc = mux_turn(p->mux, now);
	if (!rc)
		return;
	/* Asked again and again it is no news. */
	log_write(p->facts.patience_ms ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
	    LOG_MODULE, "the link to a phone is of no use udid=%s: %s",
	    p->facts.udid,
	    rc == RC_TIMEOUT ? "it does not answer" : rc_words(rc));
	mux_server_detach(p);
	p->ops->broken(p->port, rc);
}

/* --- the socket ---------------------------------------------------------------- */

static void on_accept(void *ctx, uint32_t events)
{
	struct mux_server *s = ctx;
	int fd =
	    accept4(s->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (s->n_clients >= MUX_SERVER_CLIENTS) {
		log_warn("too many clients: one is sent away");
		close(fd);
		return;
	}
	mux_client_new(s, fd);
}

static enum rc open_listen(struct mux_server *s, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return RC_LIMIT;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	snprintf(s->path, sizeof(s->path), "%s", path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rc_from_errno(errno);
	/* Nobody may knock before the mode is right. */
	if (fchmod(fd, 0600) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    chmod(path, 0600) != 0 || listen(fd, 64) != 0) {
		enum rc rc = rc_from_errno(errno);

		log_error("no socket at %s: %s", path, strerror(errno));
		close(fd);
		return rc;
	}
	s->listen = (struct mux_loop_fd){ .fd = fd, .fn = on_accept, .ctx = s };
	return mux_loop_add(s->loop, &s->listen, EPOLLIN);
}

enum rc mux_server_new(struct mux_loop *loop, struct mux_records *records,
    const char *path, mux_server_fn fn, void *ctx, struct mux_server **out)
{
	struct mux_server *s = calloc(1, sizeof(*s));
	enum rc rc;

	*out = NULL;
	if (!s)
		return RC_NOMEM;
	s->loop = loop;
	s->records = records;
	s->fn = fn;
	s->ctx = ctx;
	s->next_id = 1;
	s->listen.fd = -1;
	rc = open_listen(s, path);
	if (rc) {
		mux_server_free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void mux_server_free(struct mux_server *s)
{
	if (!s)
		return;
	while (s->clients) {
		struct mux_client *c = s->clients;

		s->clients = c->next;
		mux_client_free(c);
	}
	if (s->listen.fd >= 0) {
		mux_loop_remove(s->loop, &s->listen);
		close(s->listen.fd);
		unlink(s->path);
	}
	free(s);
}

static void reap_clients(struct mux_server *s)
{
	struct mux_client **at = &s->clients;

	while (*at) {
		struct mux_client *c = *at;

		if (c->state == MUX_CLIENT_DEAD) {
			*at = c->next;
			s->n_clients--;
			mux_client_free(c);
			continue;
		}
		mux_client_settle(c);
		at = &c->next;
	}
}

int64_t mux_server_turn(struct mux_server *s)
{
	int64_t now = mono_ms();
	int64_t best = INT64_MAX;

	for (unsigned i = 0; i < MUX_SERVER_PHONES; i++)
		if (s->phones[i].in_use)
			phone_turn(&s->phones[i], now);
	reap_clients(s);
	for (unsigned i = 0; i < MUX_SERVER_PHONES; i++) {
		int64_t at;

		if (!s->phones[i].in_use || s->phones[i].is_gone)
			continue;
		at = mux_deadline(s->phones[i].mux);
		if (at < best)
			best = at;
	}
	/* At the limit nobody is accepted; they wait in the backlog. */
	mux_loop_want(s->loop, &s->listen,
	    s->n_clients < MUX_SERVER_CLIENTS ? EPOLLIN : 0);
	return best;
}
