/* The phone's multiplexer; see usb_mux.h. */
#include "usb_mux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front_connect.h"
#include "phone.h"

#define WINDOW    131072u
#define PAYLOAD   32768u /* the most that old hosts take */
#define TRANSFER  65536u
#define QUEUE_MAX 4 /* packets of data that wait for the host to read */

enum {
	VERSION = 0,
	CONTROL = 1,
	SETUP = 2,
	TCP = 6
};
enum {
	SYN = 2,
	RST = 4,
	ACK = 16
};

struct packet {
	struct packet *next;
	size_t len, at;
	bool is_data, needs_empty;
	uint8_t bytes[];
};

struct conn {
	bool in_use;
	uint16_t host, port;
	uint32_t snd, una; /* next byte to the host; what it has */
	uint32_t host_window;
	uint32_t rcv, taken; /* next byte of the host; what the service took */
	bool owes_ack;
	int fd; /* our end of the service's stream */
	uint8_t *wait; /* of the host, not taken yet */
	uint32_t wait_n;
};

struct usb_mux {
	struct phone *ph;
	uint32_t isn;
	bool v2, has_setup;
	bool may_be_shut; /* restricted while it is locked */
	uint16_t tx, host_tx; /* counters of packets */
	uint8_t in[TRANSFER];
	size_t in_n;
	struct packet *first, **last;
	int data_n; /* packets of data in the queue */
	struct conn conns[USB_MUX_CONNS];
	uint8_t polled[USB_MUX_CONNS];
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void be32_put(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void be16_put(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void host_error(struct usb_mux *m, const char *what)
{
	phone_event(m->ph, "usb host error: %s", what);
}

/* --- to the host ----------------------------------------------------------
 */

/* Room for a packet with `body` bytes behind the mux header. */
static struct packet *packet_new(struct usb_mux *m, size_t body, bool v2)
{
	size_t head = v2 ? 16 : 8;
	struct packet *p = calloc(1, sizeof(*p) + head + body);

	(void)m;
	if (p)
		p->len = head + body;
	return p;
}

static void packet_send(struct usb_mux *m, struct packet *p, uint32_t protocol)
{
	be32_put(p->bytes, protocol);
	be32_put(p->bytes + 4, (uint32_t)p->len);
	if (protocol != VERSION && m->v2) {
		be32_put(p->bytes + 8, 0xfacefaceu);
		be16_put(p->bytes + 12, m->tx++);
		be16_put(p->bytes + 14, m->host_tx);
	}
	p->needs_empty = p->len % USB_MUX_PACKET == 0;
	m->data_n += p->is_data;
	*m->last = p;
	m->last = &p->next;
}

static uint8_t *tcp_of(struct usb_mux *m, struct packet *p)
{
	return p->bytes + (m->v2 ? 16 : 8);
}

static void tcp_fill(uint8_t *t, const struct conn *c, uint8_t flags)
{
	be16_put(t, c->port);
	be16_put(t + 2, c->host);
	be32_put(t + 4, c->snd);
	be32_put(t + 8, c->taken);
	t[12] = 5 << 4;
	t[13] = flags;
	be16_put(t + 14, WINDOW >> 8);
}

static void tcp_send(
    struct usb_mux *m, const struct conn *c, uint8_t flags, const char *text)
{
	struct packet *p = packet_new(m, 20 + strlen(text), m->v2);

	if (!p)
		return;
	tcp_fill(tcp_of(m, p), c, flags);
	memcpy(tcp_of(m, p) + 20, text, strlen(text));
	packet_send(m, p, TCP);
}

/* Also when the host asks: it may have sent all that it may and wait for this,
 * and then nothing else happens here. */
static void send_acks(struct usb_mux *m)
{
	for (int i = 0; i < USB_MUX_CONNS; i++) {
		struct conn *c = &m->conns[i];

		if (!c->in_use || !c->owes_ack)
			continue;
		c->owes_ack = false;
		tcp_send(m, c, ACK, "");
	}
}

void usb_mux_restrict(struct usb_mux *m)
{
	m->may_be_shut = true;
}

bool usb_mux_is_restricted(const struct usb_mux *m)
{
	bool is_shut;

	if (!m->may_be_shut)
		return false;
	pthread_mutex_lock(&m->ph->lock);
	is_shut = m->ph->locked && m->ph->passcode_set;
	pthread_mutex_unlock(&m->ph->lock);
	return is_shut;
}

ssize_t usb_mux_in(struct usb_mux *m, uint8_t *buf, size_t cap)
{
	struct packet *p;
	size_t n;

	if (usb_mux_is_restricted(m))
		return -1;
	send_acks(m);
	p = m->first;
	if (!p)
		return -1;
	n = p->len - p->at < cap ? p->len - p->at : cap;
	memcpy(buf, p->bytes + p->at, n);
	p->at += n;
	/* A transfer ends by a short USB packet, if need be by an empty one.
	 * That one ends this request, unless the request is full already. */
	if (p->at < p->len || (p->needs_empty && n > 0 && n == cap))
		return (ssize_t)n;
	m->first = p->next;
	if (!m->first)
		m->last = &m->first;
	m->data_n -= p->is_data;
	free(p);
	return (ssize_t)n;
}

bool usb_mux_has_in(const struct usb_mux *m)
{
	bool has = m->first != NULL;

	if (usb_mux_is_restricted(m))
		return false;
	for (int i = 0; i < USB_MUX_CONNS && !has; i++)
		has = m->conns[i].in_use && m->conns[i].owes_ack;
	return has;
}

/* --- connections ----------------------------------------------------------
 */

static struct conn *conn_find(struct usb_mux *m, uint16_t host, uint16_t port)
{
	for (int i = 0; i < USB_MUX_CONNS; i++)
		if (m->conns[i].in_use && m->conns[i].host == host &&
		    m->conns[i].port == port)
			return &m->conns[i];
	return NULL;
}

static void conn_free(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->wait);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

static void conn_reset(struct usb_mux *m, struct conn *c)
{
	tcp_send(m, c, RST, "");
	conn_free(c);
}

/* The service gets one end of a pair, we keep the other. */
static int conn_start(struct conn *c, struct front_conn *f)
{
	int room = (int)WINDOW, pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		front_drop(f);
		return -1;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	c->fd = pair[0];
	front_start(f, pair[1]);
	return 0;
}

static void conn_open(struct usb_mux *m, const struct conn *want)
{
	struct front_conn *f = front_connect(m->ph, want->port);
	struct conn *c = NULL;

	for (int i = 0; f && !c && i < USB_MUX_CONNS; i++)
		if (!m->conns[i].in_use)
			c = &m->conns[i];
	if (!c) {
		if (f)
			front_drop(f);
		tcp_send(m, want, RST, "no service\n");
		return;
	}
	*c = *want;
	c->in_use = true;
	c->wait = malloc(WINDOW);
	if (!c->wait || conn_start(c, f)) {
		conn_reset(m, c);
		return;
	}
	tcp_send(m, c, SYN | ACK, "");
	c->snd++;
	c->una = c->snd;
}

/* What the service does not take now waits; it is not acknowledged. */
static void conn_push(struct usb_mux *m, struct conn *c)
{
	while (c->wait_n > 0) {
		ssize_t k = send(c->fd, c->wait, c->wait_n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return;
		if (k <= 0) {
			conn_reset(m, c); /* the service has ended */
			return;
		}
		c->wait_n -= (uint32_t)k;
		memmove(c->wait, c->wait + k, c->wait_n);
		c->taken += (uint32_t)k;
		c->owes_ack = true;
	}
}

/* One packet of what the service has written. */
static void conn_pull(struct usb_mux *m, struct conn *c)
{
	uint32_t way = c->snd - c->una;
	uint32_t may = c->host_window > way ? c->host_window - way : 0;
	struct packet *p;
	ssize_t k;

	if (may > PAYLOAD)
		may = PAYLOAD;
	if (may == 0 || m->data_n >= QUEUE_MAX)
		return;
	p = packet_new(m, 20 + may, m->v2);
	if (!p)
		return;
	k = recv(c->fd, tcp_of(m, p) + 20, may, 0);
	if (k <= 0) {
		free(p);
		if (k == 0 || (errno != EAGAIN && errno != EINTR))
			conn_reset(m, c);
		return;
	}
	p->len -= may - (uint32_t)k;
	p->is_data = true;
	tcp_fill(tcp_of(m, p), c, ACK);
	c->snd += (uint32_t)k;
	c->owes_ack = false;
	packet_send(m, p, TCP);
}

size_t usb_mux_poll(struct usb_mux *m, struct pollfd *fds)
{
	size_t n = 0;

	for (int i = 0; i < USB_MUX_CONNS; i++) {
		const struct conn *c = &m->conns[i];
		short events = 0;

		if (!c->in_use)
			continue;
		if (c->wait_n > 0)
			events |= POLLOUT;
		if (c->host_window > c->snd - c->una && m->data_n < QUEUE_MAX)
			events |= POLLIN;
		if (!events)
			continue; /* a hang-up has to wait, too */
		m->polled[n] = (uint8_t)i;
		fds[n++] = (struct pollfd){ .fd = c->fd, .events = events };
	}
	return n;
}

void usb_mux_turn(struct usb_mux *m, const struct pollfd *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conn *c = &m->conns[m->polled[i]];

		if (c->in_use && (fds[i].revents & POLLOUT))
			conn_push(m, c);
		if (c->in_use && (fds[i].revents & (POLLIN | POLLHUP)))
			conn_pull(m, c);
	}
	send_acks(m);
}

/* --- from the host --------------------------------------------------------
 */

static void conn_data(
    struct usb_mux *m, struct conn *c, const uint8_t *data, uint32_t len)
{
	if (len > WINDOW - c->wait_n) {
		host_error(m, "sent past the window");
		conn_reset(m, c);
		return;
	}
	memcpy(c->wait + c->wait_n, data, len);
	c->wait_n += len;
	c->rcv += len;
	conn_push(m, c);
}

static void conn_packet(
    struct usb_mux *m, struct conn *c, const uint8_t *t, uint32_t len)
{
	uint32_t ack = be32(t + 8);

	if (t[13] & RST) {
		conn_free(c);
		return;
	}
	if (t[13] != ACK || t[12] != 5 << 4) {
		host_error(m, "odd flags or header");
		conn_reset(m, c);
		return;
	}
	if (be32(t + 4) != c->rcv)
		host_error(m, "a gap in its sequence");
	if (ack - c->una > c->snd - c->una)
		host_error(m, "acknowledges what was not sent");
	else
		c->una = ack;
	c->host_window = (uint32_t)be16(t + 14) << 8;
	if (len > 20)
		conn_data(m, c, t + 20, len - 20);
}

static void tcp_packet(struct usb_mux *m, const uint8_t *t, uint32_t len)
{
	struct conn *c, want = { .fd = -1 };

	if (len < 20) {
		host_error(m, "a TCP packet without its header");
		return;
	}
	c = conn_find(m, be16(t), be16(t + 2));
	if (c) {
		conn_packet(m, c, t, len);
		return;
	}
	if (t[13] & RST)
		return;
	want.host = be16(t);
	want.port = be16(t + 2);
	want.snd = want.una = m->isn;
	want.rcv = want.taken = be32(t + 4) + 1;
	want.host_window = (uint32_t)be16(t + 14) << 8;
	if (t[13] == SYN)
		conn_open(m, &want);
	else
		tcp_send(m, &want, RST, "");
}

static void version_packet(struct usb_mux *m, const uint8_t *body, size_t len)
{
	struct packet *p;
	bool v2;

	if (len != 12 || be32(body) < 1) {
		host_error(m, "an odd VERSION");
		return;
	}
	if (phone_knob(m->ph, "usb_silent", 0))
		return; /* locked for an hour, say */
	/* A new host on the same cable begins anew. */
	for (int i = 0; i < USB_MUX_CONNS; i++)
		if (m->conns[i].in_use)
			conn_free(&m->conns[i]);
	v2 = be32(body) >= 2;
	p = packet_new(m, 12, false);
	if (!p)
		return;
	be32_put(p->bytes + 8, v2 ? 2 : 1);
	m->v2 = v2;
	m->has_setup = false;
	m->tx = 0;
	packet_send(m, p, VERSION);
	phone_event(m->ph, "usb multiplexer version %d", v2 ? 2 : 1);
}

/* Numbers of version 2, in the order in which they must come. */
static void head2(struct usb_mux *m, const uint8_t *p, uint32_t protocol)
{
	uint16_t seq = be16(p + 12);

	if (be32(p + 8) != 0xfeedfaceu)
		host_error(m, "wrong magic");
	if (protocol == SETUP)
		m->has_setup = true;
	else if (!m->has_setup)
		host_error(m, "no SETUP first");
	else if (seq != (uint16_t)(m->host_tx + 1))
		host_error(m, "its packets are not counted");
	m->host_tx = seq;
}

static int packet_take(struct usb_mux *m)
{
	uint32_t protocol, len, head = m->v2 ? 16 : 8;

	if (m->in_n < 8)
		return -1;
	protocol = be32(m->in);
	len = be32(m->in + 4);
	if (len != m->in_n)
		return -1;
	if (protocol == VERSION) {
		version_packet(m, m->in + 8, len - 8);
		return 0;
	}
	if (len < head)
		return -1;
	if (m->v2)
		head2(m, m->in, protocol);
	if (protocol == TCP)
		tcp_packet(m, m->in + head, len - head);
	else if (protocol != SETUP || len != head + 1 || m->in[head] != 7)
		host_error(m, "an unknown packet");
	return 0;
}

int usb_mux_out(struct usb_mux *m, const uint8_t *data, size_t len)
{
	int rc = 0;

	if (len > sizeof(m->in) - m->in_n) {
		host_error(m, "a transfer without an end");
		return -1;
	}
	memcpy(m->in + m->in_n, data, len);
	m->in_n += len;
	if (len % USB_MUX_PACKET == 0 && len > 0)
		return 0; /* it goes on, or an empty packet ends it */
	if (m->in_n > 0)
		rc = packet_take(m);
	m->in_n = 0;
	if (rc)
		host_error(m, "a transfer that is not one packet");
	return rc;
}

struct usb_mux *usb_mux_new(struct phone *ph, uint32_t isn)
{
	struct usb_mux *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->ph = ph;
	m->isn = isn;
	m->last = &m->first;
	for (int i = 0; i < USB_MUX_CONNS; i++)
		m->conns[i].fd = -1;
	return m;
}

void usb_mux_free(struct usb_mux *m)
{
	if (!m)
		return;
	for (int i = 0; i < USB_MUX_CONNS; i++)
		if (m->conns[i].in_use)
			conn_free(&m->conns[i]);
	while (m->first) {
		struct packet *p = m->first;

		m->first = p->next;
		free(p);
	}
	free(m);
}
