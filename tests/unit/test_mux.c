/* The host's mux core against a phone that is written here byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"
#include "mux.h"

#define PACKETS 64
#define CLIENTS 80

struct packet { /* what the phone has got */
	struct mux_wire_head head;
	struct mux_wire_tcp tcp;
	uint8_t body[MUX_WIRE_SEND_MAX];
	size_t len; /* of body */
};

struct client {
	int opened, closed;
	enum rc open_rc, close_rc;
	uint8_t got[400000];
	size_t n, room; /* takes no more than room in all */
	bool left;
};

static struct rig {
	struct mux *m;
	int version; /* that the phone speaks, 0 before */
	bool hold; /* transfers stay under way */
	struct mux_tx *held[MUX_TX_BIG + MUX_TX_SMALL];
	unsigned n_held;
	struct packet packets[PACKETS];
	unsigned n;
	uint16_t seq;
	struct client clients[CLIENTS];
	int64_t now;
} r;

static void on_send(void *ctx, struct mux_tx *tx)
{
	struct packet *p = &r.packets[r.n % PACKETS];
	size_t at = r.version == 2 ? 16 : 8;

	(void)ctx;
	r.n++;
	mux_wire_get_head1(tx->data, &p->head);
	assert_int_equal(p->head.length, tx->len);
	if (r.version == 2) {
		mux_wire_get_head2(tx->data + 8, &p->head);
		assert_int_equal(mux_wire_get32(tx->data + 8), 0xfeedface);
	}
	if (p->head.protocol == MUX_WIRE_TCP_DATA) {
		mux_wire_get_tcp(tx->data + at, &p->tcp);
		at += 20;
	}
	p->len = tx->len - at;
	memcpy(p->body, tx->data + at, p->len);
	if (r.hold)
		r.held[r.n_held++] = tx;
	else
		mux_sent(r.m, tx);
}

static void on_ready(void *ctx, int version)
{
	(void)ctx;
	r.version = version;
}

static void on_opened(void *ctx, void *who, enum rc rc)
{
	struct client *c = who;

	(void)ctx;
	c->opened++;
	c->open_rc = rc;
}

static size_t on_deliver(void *ctx, void *who, const uint8_t *data, size_t len)
{
	struct client *c = who;
	size_t n = len < c->room - c->n ? len : c->room - c->n;

	(void)ctx;
	if (c->left)
		return MUX_NOBODY;
	memcpy(c->got + c->n, data, n);
	c->n += n;
	return n;
}

static void on_closed(void *ctx, void *who, enum rc rc)
{
	struct client *c = who;

	(void)ctx;
	c->closed++;
	c->close_rc = rc;
}

static const struct mux_ops ops = { on_send, on_ready, on_opened, on_deliver,
	on_closed };

static const struct packet *last(void)
{
	assert_true(r.n > 0);
	return &r.packets[(r.n - 1) % PACKETS];
}

static enum rc feed(const uint8_t *p, size_t len)
{
	return mux_input(r.m, p, len, r.now);
}

static enum rc turn(void)
{
	return mux_turn(r.m, r.now);
}

/* A packet of the phone. */
static size_t build(uint8_t *p, uint32_t protocol, const void *body, size_t len)
{
	struct mux_wire_head h = {
		.protocol = protocol, .tx_seq = r.seq++, .rx_seq = 77
	};
	size_t head = r.version == 2 ? 16 : 8;

	h.length = (uint32_t)(head + len);
	mux_wire_put_head(p, r.version, &h);
	memcpy(p + head, body, len);
	return head + len;
}

static size_t build_tcp(
    uint8_t *p, const struct mux_wire_tcp *t, const void *body, size_t len)
{
	static uint8_t both[MUX_WIRE_RECV_MAX];

	mux_wire_put_tcp(both, t);
	memcpy(both + 20, body, len);
	return build(p, MUX_WIRE_TCP_DATA, both, 20 + len);
}

static enum rc say(const struct mux_wire_tcp *t, const void *body, size_t len)
{
	static uint8_t p[MUX_WIRE_RECV_MAX + 64];

	return feed(p, build_tcp(p, t, body, len));
}

static void start(uint32_t first_seq)
{
	memset(&r, 0, sizeof(r));
	for (unsigned i = 0; i < CLIENTS; i++)
		r.clients[i].room = sizeof(r.clients[i].got);
	assert_int_equal(mux_new(&ops, NULL, 0, first_seq, &r.m), RC_OK);
	assert_int_equal(turn(), RC_OK);
}

static enum rc answer_version(uint32_t major)
{
	uint8_t p[20] = { 0 };

	p[7] = 20;
	p[11] = (uint8_t)major;
	return feed(p, 20);
}

static void begin(int version, uint32_t first_seq)
{
	start(first_seq);
	assert_int_equal(r.n, 1);
	assert_int_equal(answer_version((uint32_t)version), RC_OK);
	assert_int_equal(turn(), RC_OK);
}

static int finish(void **state)
{
	(void)state;
	for (unsigned i = 0; i < r.n_held; i++)
		mux_sent(r.m, r.held[i]);
	if (r.m)
		mux_shut(r.m);
	mux_free(r.m);
	r.m = NULL;
	return 0;
}

/* The phone's words on a connection: from its port to ours. */
static struct mux_wire_tcp word(uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct mux_wire_tcp){ .sport = 62078,
		.dport = 1,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.window = 131072 };
}

static struct mux_conn *open_conn(struct client *c, uint32_t isn)
{
	struct mux_wire_tcp t = word(MUX_WIRE_SYN | MUX_WIRE_ACK, isn, 0);
	struct mux_conn *conn = NULL;

	assert_int_equal(mux_connect(r.m, 62078, c, r.now, &conn), RC_OK);
	assert_int_equal(turn(), RC_OK);
	t.dport = last()->tcp.sport;
	t.ack = last()->tcp.seq + 1;
	assert_int_equal(last()->tcp.flags, MUX_WIRE_SYN);
	assert_int_equal(last()->tcp.window, 131072);
	assert_int_equal(say(&t, "", 0), RC_OK);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(c->opened, 1);
	assert_int_equal(c->open_rc, RC_OK);
	assert_int_equal(last()->tcp.flags, MUX_WIRE_ACK);
	assert_int_equal(last()->tcp.ack, isn + 1);
	return conn;
}

/* --- versions ------------------------------------------------------------------ */

static void version_goes_first_with_a_short_header(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(r.n, 1);
	assert_int_equal(last()->head.protocol, MUX_WIRE_VERSION);
	assert_int_equal(last()->head.length, 20);
	assert_int_equal(mux_wire_get32(last()->body), 2);
	assert_false(mux_is_ready(r.m));
}

static void version_2_sends_setup_and_counts(void **state)
{
	(void)state;
	begin(2, 0);
	assert_true(mux_is_ready(r.m));
	assert_int_equal(last()->head.protocol, MUX_WIRE_SETUP);
	assert_int_equal(last()->head.length, 17);
	assert_int_equal(last()->body[0], 7);
	assert_int_equal(last()->head.tx_seq, 0);
	assert_int_equal(last()->head.rx_seq, 0xffff);
	open_conn(&r.clients[0], 0);
	/* SETUP 0, SYN 1, ACK 2; the phone's own field comes back. */
	assert_int_equal(last()->head.tx_seq, 2);
	assert_int_equal(last()->head.rx_seq, 77);
}

static void version_1_has_short_headers_and_no_setup(void **state)
{
	(void)state;
	begin(1, 0);
	assert_true(mux_is_ready(r.m));
	assert_int_equal(r.n, 1);
	open_conn(&r.clients[0], 0);
	assert_int_equal(last()->head.length, 28);
}

static void other_versions_break_the_link(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(answer_version(3), RC_PROTO);
	assert_int_equal(answer_version(2), RC_PROTO); /* it stays so */
	assert_false(mux_is_ready(r.m));
}

static void silence_ends_in_a_time_out(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(mux_deadline(r.m), MUX_VERSION_MS);
	r.now = MUX_VERSION_MS - 1;
	assert_int_equal(turn(), RC_OK);
	r.now = MUX_VERSION_MS;
	assert_int_equal(turn(), RC_TIMEOUT);
}

static void patience_may_be_longer(void **state)
{
	(void)state;
	start(0);
	mux_set_patience(r.m, 1000, 10000);
	assert_int_equal(mux_deadline(r.m), 11000);
	r.now = 10999;
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(answer_version(2), RC_OK); /* late, and welcome */
	assert_true(mux_is_ready(r.m));
	r.now = 11000;
	assert_int_equal(turn(), RC_OK);
}

static void a_second_version_changes_nothing(void **state)
{
	uint8_t p[64];
	uint8_t body[12] = { 0, 0, 0, 1 };

	(void)state;
	begin(2, 0);
	assert_int_equal(feed(p, build(p, MUX_WIRE_VERSION, body, 12)), RC_OK);
	open_conn(&r.clients[0], 0);
}

/* --- framing ------------------------------------------------------------------- */

static void packets_come_in_pieces_of_any_size(void **state)
{
	static uint8_t p[3 * 1024];
	uint8_t body[700];

	(void)state;
	for (size_t piece = 1; piece < 900; piece += piece < 40 ? 1 : 97) {
		struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
		size_t len = 0;

		begin(2, 0);
		open_conn(&r.clients[0], 0);
		for (size_t i = 0; i < sizeof(body); i++)
			body[i] = (uint8_t)(i * 7);
		for (int k = 0; k < 3; k++) {
			len += build_tcp(p + len, &t, body, sizeof(body));
			t.seq += sizeof(body);
		}
		for (size_t at = 0; at < len; at += piece)
			assert_int_equal(
			    feed(p + at, piece < len - at ? piece : len - at),
			    RC_OK);
		assert_int_equal(r.clients[0].n, 2100);
		for (size_t i = 0; i < 2100; i++)
			assert_int_equal(
			    r.clients[0].got[i], (uint8_t)(i % 700 * 7));
		finish(NULL);
	}
}

static void lengths_that_no_phone_sends_break_the_link(void **state)
{
	static const uint32_t wrong[] = { 0, 7, 15, 35, 65537, 0xffffffff };
	uint8_t p[36] = { 0, 0, 0, MUX_WIRE_TCP_DATA };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin(2, 0);
		mux_wire_put32(p + 4, wrong[i]);
		assert_int_equal(feed(p, sizeof(p)), RC_PROTO);
		finish(NULL);
	}
}

static void unknown_protocols_and_control_are_passed_over(void **state)
{
	uint8_t p[600], text[400];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[0] = 3;
	begin(2, 0);
	assert_int_equal(feed(p, build(p, 9, text, 400)), RC_OK);
	assert_int_equal(feed(p, build(p, MUX_WIRE_CONTROL, text, 400)), RC_OK);
	assert_int_equal(feed(p, build(p, MUX_WIRE_CONTROL, text, 0)), RC_OK);
	open_conn(&r.clients[0], 0);
}

static void tcp_before_a_version_is_passed_over(void **state)
{
	uint8_t p[64] = { 0, 0, 0, MUX_WIRE_TCP_DATA, 0, 0, 0, 40 };

	(void)state;
	start(0);
	assert_int_equal(feed(p, 40), RC_OK);
	assert_int_equal(answer_version(2), RC_OK);
	assert_true(mux_is_ready(r.m));
}

/* --- connections --------------------------------------------------------------- */

static void no_connection_before_a_version(void **state)
{
	struct mux_conn *c;

	(void)state;
	start(0);
	assert_int_equal(mux_connect(r.m, 1, &r.clients[0], 0, &c), RC_BUSY);
}

static void a_port_without_listener_refuses(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_RST, 0, 1);
	struct mux_conn *c;

	(void)state;
	begin(2, 0);
	assert_int_equal(mux_connect(r.m, 62078, &r.clients[0], 0, &c), RC_OK);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(say(&t, "no service\n", 11), RC_OK);
	assert_int_equal(r.clients[0].opened, 1);
	assert_int_equal(r.clients[0].open_rc, RC_REFUSED);
	r.n = 0;
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.n, 0); /* a RST is not answered */
}

static void a_port_that_is_silent_times_out(void **state)
{
	struct mux_conn *c;

	(void)state;
	begin(2, 0);
	assert_int_equal(mux_connect(r.m, 62078, &r.clients[0], 5, &c), RC_OK);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(mux_deadline(r.m), 5 + MUX_CONNECT_MS);
	r.now = 5 + MUX_CONNECT_MS;
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.clients[0].open_rc, RC_TIMEOUT);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(last()->tcp.flags, MUX_WIRE_RST);
	assert_int_equal(mux_deadline(r.m), INT64_MAX);
}

static void places_run_out_and_come_back(void **state)
{
	struct mux_conn *c[MUX_CONNS], *more;

	(void)state;
	begin(2, 0);
	for (unsigned i = 0; i < MUX_CONNS; i++)
		c[i] = open_conn(&r.clients[i], 0);
	assert_int_equal(
	    mux_connect(r.m, 1, &r.clients[70], 0, &more), RC_BUSY);
	mux_close(c[5]);
	assert_int_equal(
	    mux_connect(r.m, 1, &r.clients[70], 0, &more), RC_BUSY);
	assert_int_equal(turn(), RC_OK); /* the RST leaves */
	assert_int_equal(mux_connect(r.m, 1, &r.clients[70], 0, &more), RC_OK);
	mux_shut(r.m);
	for (unsigned i = 0; i < MUX_CONNS; i++)
		assert_int_equal(r.clients[i].closed, i != 5);
	assert_int_equal(r.clients[70].open_rc, RC_GONE);
}

static void source_ports_are_not_used_twice(void **state)
{
	struct mux_conn *first, *c;

	(void)state;
	begin(2, 0);
	first = open_conn(&r.clients[0], 0);
	assert_int_equal(last()->tcp.sport, 1);
	for (unsigned i = 0; i < 65534; i++) {
		assert_int_equal(
		    mux_connect(r.m, 2, &r.clients[1], 0, &c), RC_OK);
		assert_int_equal(turn(), RC_OK);
		assert_int_not_equal(last()->tcp.sport, 0);
		assert_int_not_equal(last()->tcp.sport, 1);
		mux_close(c);
		assert_int_equal(turn(), RC_OK);
	}
	assert_int_equal(mux_connect(r.m, 2, &r.clients[1], 0, &c), RC_OK);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(last()->tcp.sport, 2); /* 0 and 1 are left out */
	(void)first;
}

static void packets_for_nobody_get_one_reset(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1000, 1);

	(void)state;
	begin(2, 0);
	r.n = 0;
	for (int i = 0; i < 100; i++)
		assert_int_equal(say(&t, "abc", 3), RC_OK);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.n, 1);
	assert_int_equal(last()->tcp.flags, MUX_WIRE_RST);
	assert_int_equal(last()->tcp.sport, 1);
	assert_int_equal(last()->tcp.dport, 62078);
	assert_int_equal(last()->tcp.ack, 1000);
	assert_int_equal(last()->tcp.seq, 0);
	assert_int_equal(last()->tcp.window, 0);
}

static void odd_flags_end_a_connection(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK | 0x01, 1, 1);

	(void)state;
	begin(2, 0);
	open_conn(&r.clients[0], 0);
	assert_int_equal(say(&t, "abc", 3), RC_OK);
	assert_int_equal(r.clients[0].closed, 1);
	assert_int_equal(r.clients[0].close_rc, RC_PROTO);
	assert_int_equal(r.clients[0].n, 0);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(last()->tcp.flags, MUX_WIRE_RST);
}

/* --- to the phone -------------------------------------------------------------- */

static void put(struct mux_conn *c, size_t want, size_t *out)
{
	size_t cap = 0;
	uint8_t *p = mux_write_begin(c, &cap);

	*out = 0;
	if (!p)
		return;
	*out = want < cap ? want : cap;
	memset(p, 'x', *out);
	mux_write_end(c, *out);
}

static void writes_stop_at_the_phones_window(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct mux_conn *c;
	size_t sum = 0, n;

	(void)state;
	begin(2, 0);
	c = open_conn(&r.clients[0], 0);
	do {
		put(c, 1u << 20, &n);
		sum += n;
		if (n)
			assert_in_range(last()->head.length, 37, 49152);
	} while (n);
	assert_int_equal(sum, 131072);
	assert_false(mux_may_write(c));
	/* What was never sent can't be acknowledged. */
	t.ack = 1 + 131073;
	assert_int_equal(say(&t, "", 0), RC_OK);
	assert_false(mux_may_write(c));
	t.ack = 1 + 1000;
	assert_int_equal(say(&t, "", 0), RC_OK);
	put(c, 1u << 20, &n);
	assert_int_equal(n, 1000);
	/* A window that shrinks below what is under way. */
	t.ack = 1 + 131072;
	t.window = 512;
	assert_int_equal(say(&t, "", 0), RC_OK);
	assert_false(mux_may_write(c));
	t.ack = 1 + 132072;
	assert_int_equal(say(&t, "", 0), RC_OK);
	put(c, 1u << 20, &n);
	assert_int_equal(n, 512);
}

static void sequence_numbers_wrap(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 0xfffffff1, 0);
	struct mux_conn *c;
	size_t n;

	(void)state;
	begin(2, 0xffffff00);
	c = open_conn(&r.clients[0], 0xfffffff0);
	put(c, 300, &n);
	assert_int_equal(last()->tcp.seq, 0xffffff01);
	put(c, 1u << 20, &n);
	assert_int_equal(last()->tcp.seq, 0xffffff01 + 300);
	put(c, 1u << 20, &n);
	put(c, 1u << 20, &n);
	assert_false(mux_may_write(c));
	/* The next byte is past the end, what is acknowledged is not yet. */
	t.seq = 0xfffffff1;
	t.ack = 0xffffff01 + 100u;
	assert_int_equal(say(&t, "", 0), RC_OK);
	put(c, 1u << 20, &n);
	assert_int_equal(n, 100);
	assert_false(mux_may_write(c));
	t.ack = 0xffffff01 + 131072u + 100;
	assert_int_equal(
	    say(&t, "0123456789abcdef0123456789abcdef", 32), RC_OK);
	assert_true(mux_may_write(c));
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(last()->tcp.ack, 0x11);
	assert_int_equal(r.clients[0].n, 32);
}

static void transfers_under_way_hold_writers_back(void **state)
{
	struct mux_conn *c;
	size_t n;

	(void)state;
	begin(2, 0);
	c = open_conn(&r.clients[0], 0);
	r.hold = true;
	for (unsigned i = 0; i < MUX_TX_BIG; i++) {
		put(c, 10, &n);
		assert_int_equal(n, 10);
	}
	assert_false(mux_may_write(c));
	r.n_held--;
	mux_sent(r.m, r.held[r.n_held]);
	assert_true(mux_may_write(c));
}

static void small_packets_wait_for_a_buffer(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct mux_conn *c;
	unsigned n;

	(void)state;
	begin(2, 0);
	c = open_conn(&r.clients[0], 0);
	r.hold = true;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(say(&t, "a", 1), RC_OK);
		t.seq++;
		assert_int_equal(turn(), RC_OK);
	}
	assert_int_equal(r.n_held, MUX_TX_SMALL);
	mux_close(c);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.n_held, MUX_TX_SMALL);
	n = r.n_held;
	r.n_held = 0;
	for (unsigned i = 0; i < n; i++)
		mux_sent(r.m, r.held[i]);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.n_held, 1);
	assert_int_equal(last()->tcp.flags, MUX_WIRE_RST);
}

static void nothing_read_gives_the_buffer_back(void **state)
{
	struct mux_conn *c;
	size_t cap;

	(void)state;
	begin(2, 0);
	c = open_conn(&r.clients[0], 0);
	for (unsigned i = 0; i < 3 * MUX_TX_BIG; i++) {
		assert_non_null(mux_write_begin(c, &cap));
		assert_null(mux_write_begin(c, &cap));
		mux_write_end(c, 0);
	}
	assert_non_null(mux_write_begin(c, &cap));
	mux_close(c); /* in between */
	assert_int_equal(turn(), RC_OK);
}

/* --- from the phone ------------------------------------------------------------ */

static void a_client_that_does_not_read_stops_only_itself(void **state)
{
	static uint8_t body[32768];
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct client *a = &r.clients[0], *b = &r.clients[1];
	struct mux_conn *slow;

	(void)state;
	begin(2, 0);
	slow = open_conn(a, 0);
	open_conn(b, 0);
	a->room = 1000;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i >> 8 ^ i);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(say(&t, body, sizeof(body)), RC_OK);
		t.seq += sizeof(body);
	}
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(last()->tcp.ack, 1 + 1000);
	assert_true(mux_has_backlog(slow));
	t = word(MUX_WIRE_ACK, 1, 1);
	t.dport = 2;
	assert_int_equal(say(&t, "abc", 3), RC_OK);
	assert_int_equal(b->n, 3);
	assert_int_equal(turn(), RC_OK);
	a->room = 5000;
	mux_drain(slow, r.now);
	assert_int_equal(a->n, 5000);
	a->room = sizeof(a->got);
	mux_drain(slow, r.now);
	assert_int_equal(a->n, 131072);
	for (size_t i = 0; i < a->n; i++)
		assert_int_equal(a->got[i], body[i % sizeof(body)]);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(last()->tcp.ack, 1 + 131072);
	assert_false(mux_has_backlog(slow));
}

static void the_backlog_turns_round(void **state)
{
	static uint8_t body[30011];
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct client *a = &r.clients[0];
	struct mux_conn *c;
	size_t sent = 0;

	(void)state;
	begin(2, 0);
	c = open_conn(a, 0);
	a->room = 0;
	while (sent + sizeof(body) < sizeof(a->got)) {
		for (size_t i = 0; i < sizeof(body); i++)
			body[i] = (uint8_t)((sent + i) * 31 >> 3);
		assert_int_equal(say(&t, body, sizeof(body)), RC_OK);
		t.seq += sizeof(body);
		sent += sizeof(body);
		if (sent - a->n > 100000) {
			a->room = a->n + 77777;
			mux_drain(c, r.now);
		}
	}
	a->room = sizeof(a->got);
	mux_drain(c, r.now);
	assert_int_equal(a->n, sent);
	for (size_t i = 0; i < sent; i++)
		assert_int_equal(a->got[i], (uint8_t)(i * 31 >> 3));
}

static void a_phone_that_ignores_the_window_loses_the_connection(void **state)
{
	static uint8_t body[32768];
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct client *a = &r.clients[0];

	(void)state;
	begin(2, 0);
	open_conn(a, 0);
	a->room = 0;
	for (int i = 0; i < 6; i++) {
		assert_int_equal(say(&t, body, sizeof(body)), RC_OK);
		t.seq += sizeof(body);
		assert_int_equal(a->closed, 0);
	}
	assert_int_equal(say(&t, body, 1), RC_OK);
	assert_int_equal(a->closed, 1);
	assert_int_equal(a->close_rc, RC_LIMIT);
}

static void a_reset_still_delivers_what_came_before(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct client *a = &r.clients[0];
	struct mux_conn *c;

	(void)state;
	begin(2, 0);
	c = open_conn(a, 0);
	a->room = 2;
	assert_int_equal(say(&t, "abcdef", 6), RC_OK);
	t = word(MUX_WIRE_RST, 7, 1);
	assert_int_equal(say(&t, "", 0), RC_OK);
	assert_int_equal(a->closed, 0);
	a->room = 4;
	r.now = 900;
	mux_drain(c, r.now);
	r.now = 1800; /* it goes on, so it may take more than a second */
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(a->closed, 0);
	a->room = 100;
	mux_drain(c, r.now);
	assert_int_equal(a->closed, 1);
	assert_int_equal(a->close_rc, RC_OK);
	assert_memory_equal(a->got, "abcdef", 6);
}

static void a_reset_does_not_wait_for_ever(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct client *a = &r.clients[0];

	(void)state;
	begin(2, 0);
	open_conn(a, 0);
	a->room = 2;
	assert_int_equal(say(&t, "abcdef", 6), RC_OK);
	t = word(MUX_WIRE_RST, 7, 1);
	assert_int_equal(say(&t, "", 0), RC_OK);
	assert_int_equal(mux_deadline(r.m), MUX_FLUSH_MS);
	r.now = MUX_FLUSH_MS;
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(a->closed, 1);
	assert_int_equal(a->close_rc, RC_TIMEOUT);
}

static void a_client_may_leave_in_the_middle_of_a_packet(void **state)
{
	uint8_t p[200], body[100] = { 0 };
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	struct client *a = &r.clients[0], *b = &r.clients[1];
	struct mux_conn *c;
	size_t len;

	(void)state;
	begin(2, 0);
	c = open_conn(a, 0);
	open_conn(b, 0);
	len = build_tcp(p, &t, body, sizeof(body));
	assert_int_equal(feed(p, 60), RC_OK);
	assert_int_equal(a->n, 24);
	mux_close(c);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(feed(p + 60, len - 60), RC_OK);
	assert_int_equal(a->n, 24);
	t.dport = 2;
	b->left = true;
	len = build_tcp(p, &t, body, sizeof(body));
	assert_int_equal(feed(p, 60), RC_OK);
	assert_int_equal(b->closed, 1);
	assert_int_equal(feed(p + 60, len - 60), RC_OK);
	assert_int_equal(turn(), RC_OK);
	open_conn(&r.clients[2], 0);
}

static void many_packets_are_acknowledged_once(void **state)
{
	struct mux_wire_tcp t = word(MUX_WIRE_ACK, 1, 1);
	unsigned before;

	(void)state;
	begin(2, 0);
	open_conn(&r.clients[0], 0);
	before = r.n;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(say(&t, "abcd", 4), RC_OK);
		t.seq += 4;
	}
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.n, before + 1);
	assert_int_equal(last()->tcp.ack, 201);
	assert_int_equal(turn(), RC_OK);
	assert_int_equal(r.n, before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, finish)
		T(version_goes_first_with_a_short_header),
		T(version_2_sends_setup_and_counts),
		T(version_1_has_short_headers_and_no_setup),
		T(other_versions_break_the_link),
		T(silence_ends_in_a_time_out),
		T(patience_may_be_longer),
		T(a_second_version_changes_nothing),
		T(packets_come_in_pieces_of_any_size),
		T(lengths_that_no_phone_sends_break_the_link),
		T(unknown_protocols_and_control_are_passed_over),
		T(tcp_before_a_version_is_passed_over),
		T(no_connection_before_a_version),
		T(a_port_without_listener_refuses),
		T(a_port_that_is_silent_times_out),
		T(places_run_out_and_come_back),
		T(source_ports_are_not_used_twice),
		T(packets_for_nobody_get_one_reset),
		T(odd_flags_end_a_connection),
		T(writes_stop_at_the_phones_window),
		T(sequence_numbers_wrap),
		T(transfers_under_way_hold_writers_back),
		T(small_packets_wait_for_a_buffer),
		T(nothing_read_gives_the_buffer_back),
		T(a_client_that_does_not_read_stops_only_itself),
		T(the_backlog_turns_round),
		T(a_phone_that_ignores_the_window_loses_the_connection),
		T(a_reset_still_delivers_what_came_before),
		T(a_reset_does_not_wait_for_ever),
		T(a_client_may_leave_in_the_middle_of_a_packet),
		T(many_packets_are_acknowledged_once),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
