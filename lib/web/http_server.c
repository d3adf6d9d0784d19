/*
 * A callback of lwIP never ends its own connection: it marks, and tick()
 * reaps. A connection whose answer is not acknowledged whole is not closed
 * but aborted, as lwIP sends documents from where they lie.
 */
#include "http_server.h"

#include <string.h>

#include "lwip/altcp.h"
#include "lwip/altcp_tcp.h"
#include "lwip/tcp.h"

#include "http_places.h"
#include "mono.h"

/* An answer that stalls this long may be given up when all places are taken.
 */
#define STALLED_MS 2000
#define BACKLOG    32
/* Segments, which may be of one byte, that wait until the peer takes an
 * answer. All that come in have room for 256, and a window is 35,000 bytes:
 * one client that sends and does not read could hold them all. */
#define WAITING_MOST 8

/* When lwIP's places run out, a newcomer, who has the listener's priority,
 * pushes out who has less: what is closed already, never what is served. */
#define PRIO_SERVED (TCP_PRIO_NORMAL + 1)
#define PRIO_ENDED  TCP_PRIO_MIN

struct slot {
	struct http_server *server;
	struct altcp_pcb *pcb; /* NULL: free */
	ip_addr_t from;
	struct pbuf *in; /* what waits for the answer before it */
	bool hoards; /* more than that: it is to be cut */
	bool peer_done; /* it said that it sends no more */
	struct http_conn conn;
};

struct http_server {
	const struct http_site *site;
	struct altcp_pcb *listener;
	bool by_address;
	struct slot slots[HTTP_SERVER_CONNS];
};

static struct http_server the_server; /* lwIP's state is global as well */

/* --- one connection ------------------------------------------------------- */

static void forget(struct slot *s)
{
	if (s->in)
		pbuf_free(s->in);
	s->in = NULL;
	http_conn_fini(&s->conn);
	s->pcb = NULL;
}

static struct altcp_pcb *detach(struct slot *s)
{
	struct altcp_pcb *pcb = s->pcb;

	altcp_arg(pcb, NULL);
	altcp_recv(pcb, NULL);
	altcp_sent(pcb, NULL);
	altcp_err(pcb, NULL);
	return pcb;
}

static void cut(struct slot *s)
{
	struct altcp_pcb *pcb = detach(s);

	/* abort first: it lets go of the document's bytes */
	altcp_abort(pcb);
	forget(s);
}

static void end(struct slot *s)
{
	struct altcp_pcb *pcb = detach(s);

	altcp_setprio(pcb, PRIO_ENDED);
	if (altcp_close(pcb) != ERR_OK)
		altcp_abort(pcb);
	forget(s);
}

/* Readers of the oldest document go when a new one needs its place. */
static void make_room(struct http_server *s)
{
	const struct http_site *site = s->site;
	const struct http_doc *doc;
	bool found = true;

	while (found && (doc = site->crowded(site->ctx))) {
		found = false;
		for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++) {
			struct slot *slot = &s->slots[i];

			if (!slot->pcb || slot->conn.doc != doc)
				continue;
			cut(slot);
			found = true;
		}
	}
}

static void push(struct slot *s)
{
	struct http_piece piece;
	bool lasting;

	while (http_conn_peek(&s->conn, &piece, &lasting)) {
		size_t room = altcp_sndbuf(s->pcb);
		size_t len = piece.len < room ? piece.len : room;
		u8_t flags = lasting ? 0 : TCP_WRITE_FLAG_COPY;

		if (s->conn.total - s->conn.queued > len)
			flags |= TCP_WRITE_FLAG_MORE;
		if (!len || altcp_write(s->pcb, piece.data, (u16_t)len,
				flags) != ERR_OK)
			break; /* sent() or the next tick goes on */
		http_conn_queued(&s->conn, len);
	}
	altcp_output(s->pcb);
}

static void pull(struct slot *s)
{
	int64_t now = mono_ms();

	while (s->in) {
		size_t used;

		used =
		    http_conn_feed(&s->conn, s->in->payload, s->in->len, now);
		if (!used)
			break; /* an answer is going out */
		altcp_recved(s->pcb, (u16_t)used);
		s->in = pbuf_free_header(s->in, (u16_t)used);
	}
	push(s);
}

/* --- lwIP's callbacks ----------------------------------------------------- */

static err_t on_recv(
    void *arg, struct altcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct slot *s = arg;

	(void)pcb;
	(void)err;
	if (!p) {
		s->peer_done = true;
		return ERR_OK;
	}
	if (s->hoards) {
		pbuf_free(p);
		return ERR_OK;
	}
	if (s->in)
		pbuf_cat(s->in, p);
	else
		s->in = p;
	pull(s);
	s->hoards = s->in && pbuf_clen(s->in) > WAITING_MOST;
	return ERR_OK;
}

static err_t on_sent(void *arg, struct altcp_pcb *pcb, u16_t len)
{
	struct slot *s = arg;

	(void)pcb;
	http_conn_acked(&s->conn, len, mono_ms());
	pull(s);
	return ERR_OK;
}

static void on_err(void *arg, err_t err)
{
	(void)err; /* the pcb is gone already */
	if (arg)
		forget(arg);
}

static struct http_place place_of(
    const struct slot *s, int64_t now, const ip_addr_t *from)
{
	const struct http_conn *c = &s->conn;

	return (struct http_place){
		.taken = s->pcb,
		.same = ip_addr_eq(&s->from, from),
		.idle =
		    c->state == HTTP_CONN_IDLE || c->state == HTTP_CONN_HEAD,
		.stalled = c->state == HTTP_CONN_REPLY &&
			   now - c->moved_ms > STALLED_MS,
		.moved_ms = c->moved_ms,
	};
}

static struct slot *find_slot(struct http_server *s, const ip_addr_t *from)
{
	struct http_place places[HTTP_SERVER_CONNS];
	int64_t now = mono_ms();
	int i;

	for (i = 0; i < HTTP_SERVER_CONNS; i++)
		places[i] = place_of(&s->slots[i], now, from);
	i = http_places_pick(places, HTTP_SERVER_CONNS, s->by_address);
	if (i < 0)
		return NULL;
	if (s->slots[i].pcb)
		cut(&s->slots[i]);
	return &s->slots[i];
}

static void say_busy(struct altcp_pcb *pcb)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n"
				   "Retry-After: 2\r\n"
				   "Content-Length: 0\r\n"
				   "Connection: close\r\n\r\n";

	if (altcp_write(pcb, busy, sizeof(busy) - 1, 0) == ERR_OK)
		altcp_output(pcb);
}

static void name_peer(struct slot *s)
{
	ip_addr_t *ip = altcp_get_ip(s->pcb, 0);

	if (!ip || !ipaddr_ntoa_r(ip, s->conn.peer, sizeof(s->conn.peer)))
		strcpy(s->conn.peer, "?");
}

static err_t on_accept(void *arg, struct altcp_pcb *pcb, err_t err)
{
	struct http_server *s = arg;
	struct slot *slot;
	ip_addr_t from;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	from = *altcp_get_ip(pcb, 0);
	slot = find_slot(s, &from);
	if (!slot) {
		say_busy(pcb);
		altcp_setprio(pcb, PRIO_ENDED);
		return altcp_close(pcb);
	}
	memset(slot, 0, sizeof(*slot));
	slot->server = s;
	slot->pcb = pcb;
	slot->from = from;
	http_conn_init(&slot->conn, s->site, mono_ms());
	name_peer(slot);
	altcp_setprio(pcb, PRIO_SERVED);
	altcp_nagle_disable(pcb);
	altcp_arg(pcb, slot);
	altcp_recv(pcb, on_recv);
	altcp_sent(pcb, on_sent);
	altcp_err(pcb, on_err);
	return ERR_OK;
}

/* --- the server ----------------------------------------------------------- */

enum rc http_server_open(
    const struct http_site *site, uint16_t port, struct http_server **out)
{
	struct http_server *s = &the_server;
	struct altcp_pcb *pcb, *listener;

	memset(s, 0, sizeof(*s));
	s->site = site;
	pcb = altcp_tcp_new_ip_type(IPADDR_TYPE_ANY);
	if (!pcb)
		return RC_NOMEM;
	if (altcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK) {
		altcp_close(pcb);
		return RC_BUSY;
	}
	listener = altcp_listen_with_backlog(pcb, BACKLOG);
	if (!listener) {
		altcp_close(pcb);
		return RC_NOMEM;
	}
	altcp_arg(listener, s);
	altcp_accept(listener, on_accept);
	s->listener = listener;
	*out = s;
	return RC_OK;
}

void http_server_limit_addresses(struct http_server *s)
{
	s->by_address = true;
}

/* altcp_close() of lwIP 2.2.1 takes a listener for a connection, and reads
 * beyond its end; so what is below it goes first. */
static void stop_listening(struct altcp_pcb *listener)
{
	struct altcp_pcb *lowest = listener;

	while (lowest->inner_conn)
		lowest = lowest->inner_conn;
	tcp_close(lowest->state);
	lowest->state = NULL;
	altcp_close(listener);
}

void http_server_close(struct http_server *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++) {
		if (s->slots[i].pcb)
			cut(&s->slots[i]);
	}
	stop_listening(s->listener);
}

static void bound_streams(struct http_server *s)
{
	struct slot *oldest;
	unsigned n;

	do {
		oldest = NULL;
		n = 0;
		for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++) {
			struct slot *slot = &s->slots[i];

			if (!slot->pcb || !slot->conn.stream)
				continue;
			n++;
			if (!oldest ||
			    slot->conn.state_ms < oldest->conn.state_ms)
				oldest = slot;
		}
		if (n > HTTP_SERVER_STREAMS)
			cut(oldest);
	} while (n > HTTP_SERVER_STREAMS);
}

static void tick_slot(struct slot *s, int64_t now_ms)
{
	enum http_conn_verdict verdict = http_conn_tick(&s->conn, now_ms);
	enum http_conn_state state = s->conn.state;

	if (s->peer_done && verdict == HTTP_CONN_KEEP &&
	    state != HTTP_CONN_REPLY)
		verdict = state == HTTP_CONN_STREAM && s->conn.total
			      ? HTTP_CONN_ABORT
			      : HTTP_CONN_CLOSE;
	if (s->hoards)
		verdict = HTTP_CONN_ABORT;
	switch (verdict) {
	case HTTP_CONN_KEEP:
		pull(s);
		break;
	case HTTP_CONN_CLOSE:
		end(s);
		break;
	case HTTP_CONN_ABORT:
		cut(s);
		break;
	}
}

void http_server_tick(struct http_server *s, int64_t now_ms)
{
	bound_streams(s);
	for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++) {
		if (s->slots[i].pcb)
			make_room(s); /* it may be its reader */
		if (s->slots[i].pcb)
			tick_slot(&s->slots[i], now_ms);
	}
}

int http_server_sleep(const struct http_server *s, int64_t now_ms, int ms)
{
	for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++) {
		if (!s->slots[i].pcb)
			continue;
		if (ms > 1000)
			ms = 1000; /* deadlines are seconds */
		ms = http_conn_sleep(&s->slots[i].conn, now_ms, ms);
	}
	return ms;
}

unsigned http_server_streams(const struct http_server *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++)
		n += s->slots[i].pcb && s->slots[i].conn.stream;
	return n;
}
