/* Connections on a link: what looks like TCP, on a pipe that loses nothing.
 * See mux.h. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mux.h"
#include "mux_priv.h"

#define LOG_MODULE "mux"

/* --- small packets ------------------------------------------------------------- */

/* False: no buffer is free, try again. */
static bool send_tcp(struct mux *m, const struct mux_wire_tcp *t)
{
	struct mux_tx *tx = mux_take_small(m);
	uint32_t head = mux_head_len(m);

	if (!tx)
		return false;
	mux_wire_put_tcp(tx->data + head, t);
	tx->len = head + MUX_WIRE_TCP;
	mux_emit(m, tx, MUX_WIRE_TCP_DATA);
	return true;
}

static struct mux_wire_tcp tcp_of(const struct mux_conn *c, uint8_t flags)
{
	return (struct mux_wire_tcp){
		.sport = c->sport,
		.dport = c->dport,
		.seq = c->snd_next,
		.ack = flags & MUX_WIRE_SYN ? 0 : c->taken,
		.flags = flags,
		/* Always the same, as usbmuxd has it: how much the phone may
		 * send follows from `ack`. */
		.window = MUX_WINDOW,
	};
}

static bool send_flags(struct mux_conn *c, uint8_t flags)
{
	struct mux_wire_tcp t = tcp_of(c, flags);

	return send_tcp(c->m, &t);
}

/* --- places -------------------------------------------------------------------- */

static struct mux_conn *find(struct mux *m, uint16_t sport, uint16_t dport)
{
	for (unsigned i = 0; i < MUX_CONNS; i++) {
		struct mux_conn *c = &m->conns[i];

		if (c->state != MUX_CONN_FREE && c->sport == sport &&
		    c->dport == dport)
			return c;
	}
	return NULL;
}

static bool port_in_use(const struct mux *m, uint16_t port)
{
	for (unsigned i = 0; i < MUX_CONNS; i++)
		if (m->conns[i].state != MUX_CONN_FREE &&
		    m->conns[i].sport == port)
			return true;
	return false;
}

static uint16_t take_port(struct mux *m)
{
	uint16_t port;

	do {
		port = m->next_port++;
	} while (port == 0 || port_in_use(m, port));
	return port;
}

static void make_free(struct mux_conn *c)
{
	struct mux *m = c->m;

	if (m->target == c)
		m->target = NULL;
	if (c->writing)
		mux_put_back(m, c->writing);
	free(c->ring);
	*c = (struct mux_conn){ .m = m };
}

enum rc mux_connect(struct mux *m, uint16_t port, void *who, int64_t now_ms,
    struct mux_conn **out)
{
	*out = NULL;
	if (!mux_is_ready(m))
		return RC_BUSY;
	m->now_ms = now_ms;
	for (unsigned i = 0; i < MUX_CONNS; i++) {
		struct mux_conn *c = &m->conns[i];

		if (c->state != MUX_CONN_FREE)
			continue;
		c->sport = take_port(m);
		c->dport = port;
		c->state = MUX_CONN_SYN;
		c->who = who;
		c->want_syn = true;
		c->snd_next = c->snd_acked = m->first_seq;
		c->deadline_ms = now_ms + MUX_CONNECT_MS;
		*out = c;
		return RC_OK;
	}
	return RC_BUSY;
}

/* The client hears of it, unless it was the one who left. */
void mux_conn_end(struct mux_conn *c, enum rc rc)
{
	struct mux *m = c->m;
	enum mux_conn_state was = c->state;
	void *who = c->who;

	make_free(c);
	if (was == MUX_CONN_SYN)
		m->ops->opened(m->ctx, who, rc);
	else if (was == MUX_CONN_OPEN || was == MUX_CONN_DYING)
		m->ops->closed(m->ctx, who, rc);
}

/* As above, but the phone has to hear of it first. */
static void leave(struct mux_conn *c, enum rc rc)
{
	struct mux *m = c->m;
	enum mux_conn_state was = c->state;
	void *who = c->who;

	c->state = MUX_CONN_LEFT;
	c->want_rst = true;
	c->who = NULL;
	if (m->target == c)
		m->target = NULL;
	free(c->ring);
	c->ring = NULL;
	c->ring_len = 0;
	m->stats.resets++;
	if (was == MUX_CONN_SYN)
		m->ops->opened(m->ctx, who, rc);
	else
		m->ops->closed(m->ctx, who, rc);
}

void mux_close(struct mux_conn *c)
{
	if (c->writing) {
		mux_put_back(c->m, c->writing);
		c->writing = NULL;
	}
	if (c->m->target == c)
		c->m->target = NULL;
	if (c->state == MUX_CONN_DYING || c->want_syn) {
		make_free(c); /* the phone knows nothing of it (any more) */
		return;
	}
	free(c->ring);
	c->ring = NULL;
	c->ring_len = 0;
	c->state = MUX_CONN_LEFT;
	c->who = NULL;
	c->want_rst = true;
	c->m->stats.resets++;
}

/* --- from the phone ------------------------------------------------------------ */

/* A packet for nobody is answered with a RST; once for many in a row. */
static void remember_stranger(struct mux *m, const struct mux_wire_tcp *t)
{
	struct mux_stranger s = { t->dport, t->sport, t->seq };

	m->stats.unknown++;
	if (t->flags & MUX_WIRE_RST)
		return;
	for (unsigned i = 0; i < m->n_strangers; i++)
		if (m->strangers[i].sport == s.sport &&
		    m->strangers[i].dport == s.dport)
			return;
	if (m->n_strangers < MUX_STRANGERS)
		m->strangers[m->n_strangers++] = s;
}

void mux_conn_strangers(struct mux *m)
{
	while (m->n_strangers) {
		const struct mux_stranger *s =
		    &m->strangers[m->n_strangers - 1];
		struct mux_wire_tcp t = { .sport = s->sport,
			.dport = s->dport,
			.ack = s->ack,
			.flags = MUX_WIRE_RST };

		if (!send_tcp(m, &t))
			return;
		m->n_strangers--;
	}
}

static void take_answer(struct mux_conn *c, const struct mux_wire_tcp *t)
{
	struct mux *m = c->m;

	if (t->flags != (MUX_WIRE_SYN | MUX_WIRE_ACK)) {
		m->wants_text = t->flags & MUX_WIRE_RST; /* says why, perhaps */
		mux_conn_end(c, RC_REFUSED);
		return;
	}
	c->state = MUX_CONN_OPEN;
	c->snd_next++;
	c->snd_acked = c->snd_next;
	c->window = t->window;
	c->rcv_next = c->taken = t->seq + 1;
	c->want_ack = true;
	m->ops->opened(m->ctx, c->who, RC_OK);
}

/* What was never sent can't have come; what was acknowledged stays so. */
static void take_ack(struct mux_conn *c, const struct mux_wire_tcp *t)
{
	uint32_t way = c->snd_next - c->snd_acked;

	if (t->ack - c->snd_acked <= way)
		c->snd_acked = t->ack;
	c->window = t->window;
}

static void take_reset(struct mux_conn *c)
{
	c->m->wants_text = true;
	if (c->ring_len == 0) {
		mux_conn_end(c, RC_OK);
		return;
	}
	c->state = MUX_CONN_DYING;
	c->want_ack = false;
	c->deadline_ms = c->m->now_ms + MUX_FLUSH_MS;
}

void mux_conn_packet(struct mux *m, const struct mux_wire_tcp *t, uint32_t body)
{
	struct mux_conn *c = find(m, t->dport, t->sport);

	if (!c) {
		remember_stranger(m, t);
		return;
	}
	if (c->state == MUX_CONN_LEFT || c->state == MUX_CONN_DYING)
		return;
	if (c->state == MUX_CONN_SYN) {
		/* Nothing was asked yet: an answer to an earlier owner of this
		 * port. */
		if (!c->want_syn)
			take_answer(c, t);
		return;
	}
	if (t->flags & MUX_WIRE_RST) {
		take_reset(c);
		return;
	}
	if (t->flags != MUX_WIRE_ACK) {
		log_info("odd flags end a connection flags=%u", t->flags);
		leave(c, RC_PROTO);
		return;
	}
	take_ack(c, t);
	if (c->rcv_next - c->taken + body > MUX_BACKLOG) {
		log_warn("the phone sends past its window port=%u", c->dport);
		leave(c, RC_LIMIT);
		return;
	}
	c->rcv_next += body;
	if (body)
		m->target = c;
}

static bool keep(struct mux_conn *c, const uint8_t *data, uint32_t len)
{
	uint32_t at, first;

	if (!len)
		return true;
	if (!c->ring)
		c->ring = malloc(MUX_BACKLOG);
	if (!c->ring)
		return false;
	at = (c->ring_at + c->ring_len) % MUX_BACKLOG;
	first = MUX_BACKLOG - at < len ? MUX_BACKLOG - at : len;
	memcpy(c->ring + at, data, first);
	memcpy(c->ring, data + first, len - first);
	c->ring_len += len;
	c->m->stats.buffered_bytes += len;
	return true;
}

/* How many the client took; it may be gone, and the connection with it:
 * false. */
static bool offer(
    struct mux_conn *c, const uint8_t *data, uint32_t len, uint32_t *took)
{
	size_t n = c->m->ops->deliver(c->m->ctx, c->who, data, len);

	if (n == MUX_NOBODY) {
		if (c->state == MUX_CONN_DYING)
			mux_conn_end(c, RC_GONE);
		else
			leave(c, RC_GONE);
		return false;
	}
	*took = n < len ? (uint32_t)n : len;
	c->taken += *took;
	if (*took)
		c->want_ack = true;
	return true;
}

void mux_conn_body(struct mux_conn *c, const uint8_t *data, uint32_t len)
{
	uint32_t took = 0;

	if (c->ring_len == 0 && !offer(c, data, len, &took))
		return;
	if (!keep(c, data + took, len - took)) {
		log_error("no memory for what a client does not read");
		leave(c, RC_NOMEM);
	}
}

bool mux_has_backlog(const struct mux_conn *c)
{
	return c->ring_len != 0;
}

void mux_drain(struct mux_conn *c, int64_t now_ms)
{
	c->m->now_ms = now_ms;
	while (c->ring_len) {
		uint32_t whole = MUX_BACKLOG - c->ring_at;
		uint32_t len = c->ring_len < whole ? c->ring_len : whole;
		uint32_t took = 0;

		if (!offer(c, c->ring + c->ring_at, len, &took))
			return;
		c->ring_at = (c->ring_at + took) % MUX_BACKLOG;
		c->ring_len -= took;
		if (took)
			c->deadline_ms = now_ms + MUX_FLUSH_MS;
		if (took < len)
			return;
	}
	c->ring_at = 0;
	if (c->state == MUX_CONN_DYING)
		mux_conn_end(c, RC_OK);
}

/* --- to the phone -------------------------------------------------------------- */

static uint32_t room(const struct mux_conn *c)
{
	uint32_t way = c->snd_next - c->snd_acked;
	uint32_t most = MUX_WIRE_SEND_MAX - mux_head_len(c->m) - MUX_WIRE_TCP;
	uint32_t left = c->window > way ? c->window - way : 0;

	return left < most ? left : most;
}

bool mux_may_write(const struct mux_conn *c)
{
	return c->state == MUX_CONN_OPEN && !c->writing && c->m->free_big &&
	       !c->m->is_shut && room(c) > 0;
}

uint8_t *mux_write_begin(struct mux_conn *c, size_t *cap)
{
	struct mux *m = c->m;

	if (!mux_may_write(c))
		return NULL;
	c->writing = m->free_big;
	m->free_big = c->writing->next;
	*cap = room(c);
	return c->writing->data + mux_head_len(m) + MUX_WIRE_TCP;
}

void mux_write_end(struct mux_conn *c, size_t len)
{
	struct mux_tx *tx = c->writing;
	struct mux_wire_tcp t = tcp_of(c, MUX_WIRE_ACK);
	uint32_t head = mux_head_len(c->m);

	if (!tx)
		return;
	c->writing = NULL;
	if (len == 0) {
		mux_put_back(c->m, tx);
		return;
	}
	mux_wire_put_tcp(tx->data + head, &t);
	tx->len = head + MUX_WIRE_TCP + len;
	c->snd_next += (uint32_t)len;
	c->want_ack = false; /* it is in this one */
	mux_emit(c->m, tx, MUX_WIRE_TCP_DATA);
}

/* --- what is due --------------------------------------------------------------- */

void mux_conn_turn(struct mux_conn *c)
{
	struct mux *m = c->m;

	if (c->want_syn && send_flags(c, MUX_WIRE_SYN))
		c->want_syn = false;
	if (c->state == MUX_CONN_OPEN && c->want_ack &&
	    send_flags(c, MUX_WIRE_ACK)) {
		c->want_ack = false;
		m->stats.bare_acks++;
	}
	if (c->state == MUX_CONN_LEFT && send_flags(c, MUX_WIRE_RST)) {
		make_free(c);
		return;
	}
	if (m->now_ms < c->deadline_ms)
		return;
	if (c->state == MUX_CONN_SYN && c->want_syn)
		mux_conn_end(c, RC_TIMEOUT);
	else if (c->state == MUX_CONN_SYN)
		leave(c, RC_TIMEOUT);
	else if (c->state == MUX_CONN_DYING)
		mux_conn_end(c, RC_TIMEOUT);
}
