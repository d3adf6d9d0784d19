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
#include "tls_turns.h"

/* An answer that stalls this long may be given up when all places are taken.
 */
#define STALLED_MS 2000
#define BACKLOG    32
/* Segments, which may be of one byte, that wait until the peer takes an
 * answer. All that come in have room for 256, and a window is 35,000 bytes:
 * one client that sends and does not read could hold them all. */
#define WAITING_MOST 8
/* … and of an upload, while the card is slower than the network: a window of
 * whole ones. */
#define WAITING_UPLOAD 64

/* When lwIP's places run out, a newcomer, who has the listener's priority,
 * pushes out who has less: what is closed already, never what is served. */
#define PRIO_SERVED (TCP_PRIO_NORMAL + 1)
#define PRIO_ENDED  TCP_PRIO_MIN

/* Among those who wait for the turn of their handshake. */
struct rank {
	int debt_ms; /* how often its address came (http_places.h) */
	uint64_t number; /* as at a counter; 0: it does not wait */
};

struct slot {
	struct http_server *server;
	struct altcp_pcb *pcb; /* NULL: free */
	ip_addr_t from;
	struct rank rank;
	struct pbuf *in; /* what waits for the answer before it */
	struct tls *tls; /* NULL: in clear */
	bool shakes; /* its handshake has begun: */
	int64_t shakes_ms;
	bool broken; /* what it sends is no TLS any more */
	char plain[2048]; /* decrypted, and not taken yet: */
	size_t plain_at, plain_len;
	size_t plain_out; /* encrypted, and not acknowledged */
	size_t cipher_out; /* given to lwIP, and not acknowledged */
	bool hoards; /* more than that: it is to be cut */
	bool peer_done; /* it said that it sends no more */
	struct http_conn conn;
};

struct http_server {
	const struct http_site *site;
	struct altcp_pcb *listener, *tls_listener; /* NULL: none */
	const struct tls_identity *identity;
	struct tls_turns turns;
	struct http_askers askers;
	uint64_t came; /* the last number that was given out */
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
	tls_free(s->tls);
	s->tls = NULL;
	s->pcb = NULL;
	explicit_bzero(s->plain, sizeof(s->plain));
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

static void push_cipher(struct slot *s);

static void end(struct slot *s)
{
	struct altcp_pcb *pcb = detach(s);

	if (s->tls) {
		tls_end(s->tls);
		push_cipher(s);
	}

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

/* True: all of it is on its way. */
static bool push_waiting(struct slot *s)
{
	const void *data;
	size_t len;

	while ((len = tls_peek(s->tls, &data)) > 0) {
		size_t room = altcp_sndbuf(s->pcb);

		if (len > room)
			len = room;
		if (!len || altcp_write(s->pcb, data, (u16_t)len,
				TCP_WRITE_FLAG_COPY) != ERR_OK)
			return false;
		tls_sent(s->tls, len);
		s->cipher_out += len;
	}
	return true;
}

static void push_cipher(struct slot *s)
{
	struct http_piece piece;
	bool lasting;

	while (push_waiting(s) && http_conn_peek(&s->conn, &piece, &lasting)) {
		size_t n = tls_write(s->tls, piece.data, piece.len);

		if (!n)
			break;
		http_conn_queued(&s->conn, n);
		s->plain_out += n;
	}
	altcp_output(s->pcb);
}

static void push(struct slot *s)
{
	struct http_piece piece;
	bool lasting;

	if (s->tls) {
		push_cipher(s);
		return;
	}

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

/* The same for the same address; two may share one, and then their turns. */
static uint64_t number_of(const ip_addr_t *ip)
{
	uint64_t n = 1;

	if (IP_IS_V4(ip))
		return ip4_addr_get_u32(ip_2_ip4(ip));
	for (unsigned i = 0; i < 4; i++)
		n = n * 0x9e3779b97f4a7c15u + ip_2_ip6(ip)->addr[i];
	return n;
}

static bool take_turn(struct slot *s, int64_t now)
{
	struct http_server *server = s->server;

	s->shakes = tls_turns_take(
	    &server->turns, number_of(&s->from), server->by_address, now);
	if (!s->shakes)
		return false;
	s->rank.number = 0;
	s->shakes_ms = now;
	return true;
}

static bool is_before(const struct rank *a, const struct rank *b)
{
	return a->debt_ms != b->debt_ms ? a->debt_ms < b->debt_ms
					: a->number < b->number;
}

/* Who is next: whose address comes the least often, then who came first. A
 * crowd that comes back and back leaves turns for who comes once. */
static struct slot *next_waiting(struct http_server *s, const struct rank *past)
{
	struct slot *found = NULL;

	for (unsigned i = 0; i < HTTP_SERVER_CONNS; i++) {
		struct slot *slot = &s->slots[i];

		if (slot->pcb && slot->rank.number &&
		    (!past || is_before(past, &slot->rank)) &&
		    (!found || is_before(&slot->rank, &found->rank)))
			found = slot;
	}
	return found;
}

static void give_turns(struct http_server *s, int64_t now)
{
	struct slot *slot = next_waiting(s, NULL);

	while (slot && tls_turns_any(&s->turns, now)) {
		struct rank past = slot->rank;

		take_turn(slot, now); /* or its address has had its share */
		slot = next_waiting(s, &past);
	}
}

/* Bytes that cost nothing go on; with the end of the hello it is somebody's
 * turn. */
static bool may_shake(struct slot *s, int64_t now)
{
	struct http_server *server = s->server;

	if (s->shakes ||
	    !tls_completes_hello(s->tls, s->in->payload, s->in->len))
		return true;
	if (s->rank.number)
		return false;
	if (!next_waiting(server, NULL) && take_turn(s, now))
		return true;
	s->rank.number = ++server->came;
	return false;
}

/* False: an answer is going out, and what came waits for its end. */
static bool give_plain(struct slot *s, int64_t now)
{
	while (s->plain_len) {
		size_t used = http_conn_feed(
		    &s->conn, s->plain + s->plain_at, s->plain_len, now);

		if (!used)
			return false;
		s->plain_at += used;
		s->plain_len -= used;
	}
	explicit_bzero(s->plain, s->plain_at); /* forms with secrets */
	s->plain_at = 0;
	s->plain_len = tls_read(s->tls, s->plain, sizeof(s->plain));
	return true;
}

static void pull_cipher(struct slot *s, int64_t now)
{
	enum rc rc;

	for (;;) {
		if (!give_plain(s, now))
			return;
		if (s->plain_len)
			continue;
		if (!s->in || s->broken || !may_shake(s, now))
			return;
		rc = tls_feed(s->tls, s->in->payload, s->in->len);
		altcp_recved(s->pcb, s->in->len);
		s->in = pbuf_free_header(s->in, s->in->len);
		s->broken = rc == RC_PROTO;
		s->peer_done |= rc == RC_GONE;
	}
}

static void pull(struct slot *s)
{
	int64_t now = mono_ms();

	if (s->tls) {
		pull_cipher(s, now);
		push(s);
		return;
	}

	while (s->in) {
		size_t used;

		used =
		    http_conn_feed(&s->conn, s->in->payload, s->in->len, now);
		if (!used)
			break; /* an answer is going out */
		explicit_bzero(s->in->payload, used); /* as below TLS */
		altcp_recved(s->pcb, (u16_t)used);
		s->in = pbuf_free_header(s->in, (u16_t)used);
	}
	push(s);
}

/* --- lwIP's callbacks ----------------------------------------------------- */

static unsigned waiting_most(const struct slot *s)
{
	return s->conn.state == HTTP_CONN_BODY ? WAITING_UPLOAD : WAITING_MOST;
}

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
	s->hoards = s->in && pbuf_clen(s->in) > waiting_most(s);
	return ERR_OK;
}

/* How many plain bytes that stands for. An answer counts as taken with the last
 * byte of its last record only. */
static u16_t plain_acked(struct slot *s, u16_t len)
{
	const void *data;
	size_t n = len;

	s->cipher_out -= len < s->cipher_out ? len : s->cipher_out;
	if (n > s->plain_out || (!s->cipher_out && !tls_peek(s->tls, &data)))
		n = s->plain_out;
	if (n && n == s->plain_out && s->cipher_out)
		n--;
	s->plain_out -= n;
	return (u16_t)n;
}

static err_t on_sent(void *arg, struct altcp_pcb *pcb, u16_t len)
{
	struct slot *s = arg;

	(void)pcb;
	if (s->tls)
		len = plain_acked(s, len);
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

/* It asks for nothing: neither for a turn, nor has it just had one, which was
 * dear. */
static bool is_idle(const struct slot *s, int64_t now)
{
	return !s->rank.number &&
	       (!s->shakes || now - s->shakes_ms > HTTP_PLACES_NEW) &&
	       (s->conn.state == HTTP_CONN_IDLE ||
		   s->conn.state == HTTP_CONN_HEAD ||
		   s->conn.state == HTTP_CONN_OVER);
}

static struct http_place place_of(
    const struct slot *s, int64_t now, const ip_addr_t *from)
{
	const struct http_conn *c = &s->conn;

	return (struct http_place){
		.taken = s->pcb,
		.same = ip_addr_eq(&s->from, from),
		.address = number_of(&s->from),
		.idle = is_idle(s, now),
		.stalled = c->state == HTTP_CONN_REPLY &&
			   now - c->moved_ms > STALLED_MS,
		.waits = s->rank.number != 0,
		.debt_ms = s->rank.debt_ms,
		.moved_ms = c->moved_ms,
	};
}

static struct slot *find_slot(
    struct http_server *s, const ip_addr_t *from, int debt_ms)
{
	struct http_place places[HTTP_SERVER_CONNS];
	struct http_asker asker = { s->by_address, debt_ms, mono_ms() };
	int i;

	for (i = 0; i < HTTP_SERVER_CONNS; i++)
		places[i] = place_of(&s->slots[i], asker.now_ms, from);
	i = http_places_pick(places, HTTP_SERVER_CONNS, &asker);
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

static err_t take_in(struct http_server *s, struct altcp_pcb *pcb, bool secure)
{
	ip_addr_t from = *altcp_get_ip(pcb, 0);
	int debt_ms = s->by_address ? http_askers_add(&s->askers,
					  number_of(&from), mono_ms())
				    : 0;
	struct slot *slot = find_slot(s, &from, debt_ms);
	struct tls *tls = NULL;

	if (!slot || (secure && tls_new(s->identity, &tls))) {
		if (!secure)
			say_busy(pcb);
		altcp_setprio(pcb, PRIO_ENDED);
		return altcp_close(pcb);
	}
	memset(slot, 0, sizeof(*slot));
	slot->server = s;
	slot->pcb = pcb;
	slot->from = from;
	slot->rank.debt_ms = debt_ms;
	slot->tls = tls;
	http_conn_init(&slot->conn, s->site, mono_ms());
	slot->conn.secure = secure;
	name_peer(slot);
	altcp_setprio(pcb, PRIO_SERVED);
	altcp_nagle_disable(pcb);
	altcp_arg(pcb, slot);
	altcp_recv(pcb, on_recv);
	altcp_sent(pcb, on_sent);
	altcp_err(pcb, on_err);
	return ERR_OK;
}

static err_t on_accept(void *arg, struct altcp_pcb *pcb, err_t err)
{
	return err != ERR_OK || !pcb ? ERR_VAL : take_in(arg, pcb, false);
}

static err_t on_accept_tls(void *arg, struct altcp_pcb *pcb, err_t err)
{
	return err != ERR_OK || !pcb ? ERR_VAL : take_in(arg, pcb, true);
}

/* --- the server ----------------------------------------------------------- */

static enum rc listen_at(struct http_server *s, uint16_t port,
    altcp_accept_fn accept, struct altcp_pcb **out)
{
	struct altcp_pcb *pcb = altcp_tcp_new_ip_type(IPADDR_TYPE_ANY);
	struct altcp_pcb *listener;

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
	altcp_accept(listener, accept);
	*out = listener;
	return RC_OK;
}

enum rc http_server_open(
    const struct http_site *site, uint16_t port, struct http_server **out)
{
	struct http_server *s = &the_server;
	enum rc rc;

	memset(s, 0, sizeof(*s));
	s->site = site;
	rc = listen_at(s, port, on_accept, &s->listener);
	if (!rc)
		*out = s;
	return rc;
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

enum rc http_server_add_tls(
    struct http_server *s, uint16_t port, const struct tls_identity *id)
{
	/* A connection keeps the identity that it began with. */
	s->identity = id;
	return s->tls_listener
		   ? RC_OK
		   : listen_at(s, port, on_accept_tls, &s->tls_listener);
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
	if (s->tls_listener)
		stop_listening(s->tls_listener);
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

/* An upload whose end is here already, and that is not done with it. */
static bool is_taken_still(const struct slot *s)
{
	return s->conn.state == HTTP_CONN_BODY &&
	       (s->in || s->plain_len || !s->conn.body_left);
}

static void tick_slot(struct slot *s, int64_t now_ms)
{
	enum http_conn_verdict verdict = http_conn_tick(&s->conn, now_ms);
	enum http_conn_state state = s->conn.state;

	if (s->peer_done && verdict == HTTP_CONN_KEEP &&
	    state != HTTP_CONN_REPLY && !is_taken_still(s))
		verdict = state == HTTP_CONN_STREAM && s->conn.total
			      ? HTTP_CONN_ABORT
			      : HTTP_CONN_CLOSE;
	if (s->broken && verdict == HTTP_CONN_KEEP)
		verdict = HTTP_CONN_CLOSE; /* with its alert */
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
	give_turns(s, now_ms);
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
		if (s->slots[i].rank.number && ms > TLS_TURNS_MS)
			ms = TLS_TURNS_MS;
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
