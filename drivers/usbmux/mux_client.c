/* Clients of the socket: their requests, their streams. See mux_server.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "mux_server_priv.h"

#define LOG_MODULE "usbmux"

/* --- what it is told ----------------------------------------------------------- */

static void die(struct mux_client *c)
{
	if (c->conn)
		mux_close(c->conn);
	c->conn = NULL;
	c->phone = NULL;
	c->state = MUX_CLIENT_DEAD;
}

static void flush(struct mux_client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->io.fd, c->out + c->out_at,
		    c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			die(c);
			return;
		}
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_at = 0;
	if (c->state == MUX_CLIENT_ENDS)
		die(c);
}

/* Takes r. Whoever leaves too much unread is left. */
static void answer(struct mux_client *c, struct mux_reply r)
{
	size_t left = c->out_len - c->out_at;
	uint8_t *all;

	if (c->state == MUX_CLIENT_DEAD || !r.data ||
	    left + r.len > MUX_CLIENT_OUT) {
		mux_reply_free(&r);
		die(c);
		return;
	}
	if (left == 0) {
		free(c->out);
		c->out = r.data;
		c->out_len = r.len;
		c->out_at = 0;
		flush(c);
		return;
	}
	all = realloc(c->out, c->out_len + r.len);
	if (!all) {
		mux_reply_free(&r);
		die(c);
		return;
	}
	memcpy(all + c->out_len, r.data, r.len);
	c->out = all;
	c->out_len += r.len;
	mux_reply_free(&r);
}

static void result(struct mux_client *c, uint32_t tag, uint32_t code)
{
	answer(c, mux_reply_result(c->is_binary, tag, code));
}

void mux_client_tell_attached(struct mux_client *c, const struct mux_phone *p)
{
	if (c->state == MUX_CLIENT_LISTENS)
		answer(c, mux_reply_attached(c->is_binary, &p->facts, p->id));
}

void mux_client_tell_detached(struct mux_client *c, uint32_t id)
{
	if (c->state == MUX_CLIENT_LISTENS)
		answer(c, mux_reply_detached(c->is_binary, id));
}

void mux_client_tell_paired(struct mux_client *c, uint32_t id)
{
	if (c->state == MUX_CLIENT_LISTENS)
		answer(c, mux_reply_paired(c->is_binary, id));
}

/* --- from the mux core --------------------------------------------------------- */

static void on_send(void *ctx, struct mux_tx *tx)
{
	struct mux_phone *p = ctx;

	p->ops->send(p->port, tx);
}

static void on_opened(void *ctx, void *who, enum rc rc)
{
	struct mux_client *c = who;

	(void)ctx;
	if (!rc) {
		c->state = MUX_CLIENT_STREAMS;
		result(c, c->tag, MUX_REPLY_OK);
		return;
	}
	c->conn = NULL;
	c->phone = NULL;
	c->state = MUX_CLIENT_ASKS;
	result(c, c->tag,
	    rc == RC_GONE ? MUX_REPLY_BAD_DEVICE : MUX_REPLY_REFUSED);
}

/* Straight out of the transfer into the client's socket. */
static size_t on_deliver(void *ctx, void *who, const uint8_t *data, size_t len)
{
	struct mux_client *c = who;
	ssize_t n;

	(void)ctx;
	if (c->out_len)
		return 0; /* the answer to Connect goes first */
	do
		n = send(c->io.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return MUX_NOBODY;
	return n < 0 ? 0 : (size_t)n;
}

static void on_closed(void *ctx, void *who, enum rc rc)
{
	struct mux_client *c = who;

	(void)ctx;
	(void)rc;
	c->conn = NULL;
	c->state = c->out_len ? MUX_CLIENT_ENDS : MUX_CLIENT_DEAD;
}

const struct mux_ops mux_client_ops = { on_send, mux_server_ready, on_opened,
	on_deliver, on_closed };

/* --- requests ------------------------------------------------------------------ */

static void do_list(struct mux_client *c, uint32_t tag)
{
	const struct mux_facts *facts[MUX_SERVER_PHONES];
	uint32_t ids[MUX_SERVER_PHONES];
	size_t n = 0;

	for (unsigned i = 0; i < MUX_SERVER_PHONES; i++) {
		const struct mux_phone *p = &c->s->phones[i];

		if (!p->in_use || !p->is_shown || p->is_gone)
			continue;
		facts[n] = &p->facts;
		ids[n++] = p->id;
	}
	answer(c, mux_reply_devices(tag, facts, ids, n));
}

static void do_listen(struct mux_client *c, uint32_t tag)
{
	result(c, tag, MUX_REPLY_OK);
	if (c->state != MUX_CLIENT_ASKS)
		return;
	c->state = MUX_CLIENT_LISTENS;
	for (unsigned i = 0; i < MUX_SERVER_PHONES; i++) {
		const struct mux_phone *p = &c->s->phones[i];

		if (p->in_use && p->is_shown && !p->is_gone)
			mux_client_tell_attached(c, p);
	}
}

static void do_listeners(struct mux_client *c, uint32_t tag)
{
	struct mux_reply_listener l[MUX_SERVER_CLIENTS];
	size_t n = 0;

	for (struct mux_client *k = c->s->clients; k; k = k->next)
		if (k->state == MUX_CLIENT_LISTENS && n < MUX_SERVER_CLIENTS)
			l[n++] =
			    (struct mux_reply_listener){ k->prog, k->bundle };
	answer(c, mux_reply_listeners(tag, l, n));
}

static void do_connect(struct mux_client *c, const struct mux_request *r)
{
	struct mux_phone *p =
	    r->has_device ? mux_server_phone(c->s, r->device_id) : NULL;

	if (!p || !r->has_port) {
		result(c, r->tag,
		    p ? MUX_REPLY_BAD_COMMAND : MUX_REPLY_BAD_DEVICE);
		return;
	}
	if (mux_connect(p->mux, r->port, c, mono_ms(), &c->conn)) {
		log_warn(
		    "no place for one more connection udid=%s", p->facts.udid);
		result(c, r->tag, MUX_REPLY_REFUSED);
		return;
	}
	c->phone = p;
	c->tag = r->tag;
	c->state = MUX_CLIENT_CONNECTS;
}

static uint32_t errno_of(enum rc rc)
{
	if (!rc)
		return 0;
	return rc == RC_NOTFOUND ? ENOENT : EIO;
}

static void do_buid(struct mux_client *c, uint32_t tag)
{
	char buid[MUX_RECORDS_BUID];
	enum rc rc = mux_records_buid(c->s->records, buid);

	if (rc)
		result(c, tag, errno_of(rc));
	else
		answer(c, mux_reply_buid(tag, buid));
}

static void do_read(struct mux_client *c, const struct mux_request *r)
{
	uint8_t *data = NULL;
	size_t len = 0;
	enum rc rc = RC_OK;

	if (!r->udid[0]) {
		result(c, r->tag, EINVAL);
		return;
	}
	rc = mux_records_read(c->s->records, r->udid, &data, &len);
	if (rc) /* one that can't be read is as none: it is made anew */
		result(c, r->tag, ENOENT);
	else
		answer(c, mux_reply_record(r->tag, data, len));
	free(data);
}

static void do_save(struct mux_client *c, const struct mux_request *r)
{
	const struct mux_phone *p =
	    r->has_device ? mux_server_phone(c->s, r->device_id) : NULL;
	enum rc rc;

	if (!r->udid[0] || !r->record) {
		result(c, r->tag, EINVAL);
		return;
	}
	rc = mux_records_save(c->s->records, r->udid, r->record, r->record_len);
	result(c, r->tag, rc ? ENOENT : 0);
	if (rc || !p || strcmp(p->facts.udid, r->udid) != 0)
		return;
	for (struct mux_client *k = c->s->clients; k; k = k->next)
		mux_client_tell_paired(k, p->id);
}

static void do_delete(struct mux_client *c, const struct mux_request *r)
{
	if (!r->udid[0])
		result(c, r->tag, EINVAL);
	else
		result(c, r->tag,
		    errno_of(mux_records_delete(c->s->records, r->udid)));
}

static void do_request(struct mux_client *c, const struct mux_request *r)
{
	snprintf(c->prog, sizeof(c->prog), "%s", r->prog);
	snprintf(c->bundle, sizeof(c->bundle), "%s", r->bundle);
	switch (r->kind) {
	case MUX_REQUEST_LIST_DEVICES:
		do_list(c, r->tag);
		return;
	case MUX_REQUEST_LISTEN:
		do_listen(c, r->tag);
		return;
	case MUX_REQUEST_CONNECT:
		do_connect(c, r);
		return;
	case MUX_REQUEST_READ_BUID:
		do_buid(c, r->tag);
		return;
	case MUX_REQUEST_READ_RECORD:
		do_read(c, r);
		return;
	case MUX_REQUEST_SAVE_RECORD:
		do_save(c, r);
		return;
	case MUX_REQUEST_DELETE_RECORD:
		do_delete(c, r);
		return;
	case MUX_REQUEST_LIST_LISTENERS:
		do_listeners(c, r->tag);
		return;
	case MUX_REQUEST_UNKNOWN:
		break;
	}
	result(c, r->tag, MUX_REPLY_BAD_COMMAND);
}

static void take_message(struct mux_client *c, const uint8_t *msg, size_t len)
{
	struct mux_request r;
	enum rc rc = mux_request_parse(msg, len, &r);

	c->is_binary = r.is_binary;
	if (rc == RC_UNSUPPORTED) {
		result(c, r.tag, MUX_REPLY_BAD_VERSION);
	} else if (!rc && c->state == MUX_CLIENT_LISTENS) {
		result(c, r.tag, MUX_REPLY_BAD_COMMAND);
		if (c->out_len)
			c->state = MUX_CLIENT_ENDS;
		else
			die(c);
	} else if (!rc) {
		do_request(c, &r);
	}
	mux_request_free(&r);
}

/* --- its socket ---------------------------------------------------------------- */

/* Bytes read; 0: none are there; -1: it is gone. Never more than this request
 * has: what follows a Connect is the phone's. */
static ssize_t receive(struct mux_client *c, uint8_t *p, size_t cap)
{
	ssize_t n;

	do
		n = recv(c->io.fd, p, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	return n < 0 && errno == EAGAIN ? 0 : -1;
}

static void read_head(struct mux_client *c)
{
	ssize_t n =
	    receive(c, c->head + c->in_have, MUX_REQUEST_HEAD - c->in_have);

	if (n < 0) {
		die(c);
		return;
	}
	c->in_have += (uint32_t)n;
	if (c->in_have < MUX_REQUEST_HEAD)
		return;
	if (mux_request_len(c->head, &c->in_len)) {
		die(c);
		return;
	}
	c->in = malloc(c->in_len);
	if (!c->in)
		die(c);
	else
		memcpy(c->in, c->head, MUX_REQUEST_HEAD);
}

static void read_request(struct mux_client *c)
{
	uint8_t *msg;

	if (!c->in)
		read_head(c);
	if (!c->in || c->state == MUX_CLIENT_DEAD)
		return;
	if (c->in_have < c->in_len) {
		ssize_t n =
		    receive(c, c->in + c->in_have, c->in_len - c->in_have);

		if (n < 0) {
			die(c);
			return;
		}
		c->in_have += (uint32_t)n;
	}
	if (c->in_have < c->in_len)
		return;
	msg = c->in;
	c->in = NULL;
	c->in_have = 0;
	take_message(c, msg, c->in_len);
	free(msg);
}

/* Straight out of the client's socket into the transfer. */
static void read_stream(struct mux_client *c)
{
	size_t cap = 0;
	uint8_t *p = mux_write_begin(c->conn, &cap);
	ssize_t n;

	if (!p)
		return;
	n = receive(c, p, cap);
	mux_write_end(c->conn, n > 0 ? (size_t)n : 0);
	if (n < 0)
		die(c);
}

static void on_writable(struct mux_client *c)
{
	if (c->out_len)
		flush(c);
	if (c->state == MUX_CLIENT_STREAMS && !c->out_len)
		mux_drain(c->conn, mono_ms());
}

static void on_event(void *ctx, uint32_t events)
{
	struct mux_client *c = ctx;

	if (c->state == MUX_CLIENT_DEAD)
		return;
	if (events & EPOLLOUT)
		on_writable(c);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
		return;
	switch (c->state) {
	case MUX_CLIENT_ASKS:
	case MUX_CLIENT_LISTENS:
		read_request(c);
		return;
	case MUX_CLIENT_STREAMS:
		read_stream(c);
		return;
	case MUX_CLIENT_CONNECTS:
	case MUX_CLIENT_ENDS:
		die(c); /* only a hang-up is waited for */
		return;
	case MUX_CLIENT_DEAD:
		return;
	}
}

void mux_client_settle(struct mux_client *c)
{
	uint32_t want = c->out_len ? (uint32_t)EPOLLOUT : 0;

	switch (c->state) {
	case MUX_CLIENT_ASKS:
	case MUX_CLIENT_LISTENS:
		want |= EPOLLIN;
		break;
	case MUX_CLIENT_CONNECTS:
	case MUX_CLIENT_ENDS:
		want |= EPOLLRDHUP;
		break;
	case MUX_CLIENT_STREAMS:
		if (mux_may_write(c->conn))
			want |= EPOLLIN;
		if (mux_has_backlog(c->conn))
			want |= EPOLLOUT;
		break;
	case MUX_CLIENT_DEAD:
		return;
	}
	mux_loop_want(c->s->loop, &c->io, want);
}

void mux_client_new(struct mux_server *s, int fd)
{
	struct mux_client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->s = s;
	c->io = (struct mux_loop_fd){ .fd = fd, .fn = on_event, .ctx = c };
	if (mux_loop_add(s->loop, &c->io, EPOLLIN)) {
		close(fd);
		free(c);
		return;
	}
	c->next = s->clients;
	s->clients = c;
	s->n_clients++;
}

void mux_client_free(struct mux_client *c)
{
	mux_loop_remove(c->s->loop, &c->io);
	close(c->io.fd);
	free(c->in);
	free(c->out);
	free(c);
}
