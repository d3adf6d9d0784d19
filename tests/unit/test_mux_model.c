/*
 * Two implementations of the multiplexer that share no line, the box's and the
 * simulated phone's, with a cable between them that is slow, quick or stuck by
 * lot: streams both ways, windows at their edges, sequence numbers that wrap,
 * connections that end in the middle. The phone's side is strict; what it
 * finds wrong ends the test. NIGHTSTAND_SEED and NIGHTSTAND_RUNS choose.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"
#include "mux.h"
/* The phone's side, whole; what it stands on is below. */
#include "usb_mux.c"

#define CONNS    6
#define STREAM   600000u /* bytes each way, at most */
#define MAX_OUT  512
#define ROUNDS   400000
#define REFUSING 99

struct front_conn {
	unsigned i;
};

struct side { /* of one connection */
	uint32_t sent, got, goal;
};

struct pair {
	struct mux_conn *conn; /* NULL: not open (any more) */
	int service; /* the service's end; -1 */
	bool opened, is_over;
	struct side host, phone; /* what each has sent and got */
	bool phone_hangs_up; /* after its goal, else the client */
};

static struct model {
	uint64_t dice;
	struct mux *mux;
	struct usb_mux *dev;
	struct pair pairs[CONNS];
	struct mux_tx *cable[MUX_TX_BIG + MUX_TX_SMALL];
	unsigned n_cable;
	int64_t now;
	unsigned host_errors, refused;
} w;

/* --- what the phone's side stands on ------------------------------------------- */

void phone_event(struct phone *ph, const char *fmt, ...)
{
	va_list ap;
	char line[256];

	(void)ph;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!strstr(line, "host error"))
		return;
	fprintf(stderr, "%s\n", line);
	w.host_errors++;
}

int64_t phone_knob(struct phone *ph, const char *name, int64_t def)
{
	(void)ph;
	(void)name;
	return def;
}

struct front_conn *front_connect(struct phone *ph, uint16_t port)
{
	struct front_conn *f;

	(void)ph;
	if (port == REFUSING)
		return NULL;
	f = calloc(1, sizeof(*f));
	f->i = port - 1u;
	return f;
}

void front_start(struct front_conn *c, int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	w.pairs[c->i].service = fd;
	free(c);
}

void front_drop(struct front_conn *c)
{
	free(c);
}

/* --- lots ----------------------------------------------------------------------- */

static uint32_t lot(uint32_t below)
{
	w.dice ^= w.dice << 13;
	w.dice ^= w.dice >> 7;
	w.dice ^= w.dice << 17;
	return (uint32_t)(w.dice >> 16) % below;
}

/* Small, large or just at a border. */
static uint32_t some(uint32_t most)
{
	static const uint32_t edges[] = { 1, 476, 477, 512, 16384, 49116, 32768,
		65536 };
	uint32_t n;

	switch (lot(3)) {
	case 0:
		n = edges[lot(8)];
		break;
	case 1:
		n = 1 + lot(64);
		break;
	default:
		n = 1 + lot(most);
		break;
	}
	return n < most ? n : most;
}

/* Byte `at` of the stream of pair i in one direction. */
static uint8_t byte_of(unsigned i, int dir, uint32_t at)
{
	return (
	    uint8_t)((at * 2654435761u >> 13) + i * 37 + (unsigned)dir * 91);
}

static void fill(uint8_t *p, unsigned i, int dir, uint32_t at, size_t n)
{
	for (size_t k = 0; k < n; k++)
		p[k] = byte_of(i, dir, at + (uint32_t)k);
}

static void look(const uint8_t *p, unsigned i, int dir, uint32_t at, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (p[k] != byte_of(i, dir, at + (uint32_t)k))
			fail_msg(
			    "pair %u dir %d byte %u", i, dir, at + (uint32_t)k);
}

/* --- the host's ops -------------------------------------------------------------- */

static unsigned index_of(const struct pair *p)
{
	return (unsigned)(p - w.pairs);
}

static void on_send(void *ctx, struct mux_tx *tx)
{
	(void)ctx;
	w.cable[w.n_cable++] = tx;
}

static void on_ready(void *ctx, int version)
{
	(void)ctx;
	assert_int_equal(version, 2);
}

static void on_opened(void *ctx, void *who, enum rc rc)
{
	struct pair *p = who;

	(void)ctx;
	if (!p) {
		assert_int_equal(rc, RC_REFUSED);
		w.refused++;
		return;
	}
	assert_int_equal(rc, RC_OK);
	p->opened = true;
}

static size_t on_deliver(void *ctx, void *who, const uint8_t *data, size_t len)
{
	struct pair *p = who;
	size_t n = lot(4) ? len : lot((uint32_t)len + 1);

	(void)ctx;
	if (lot(5) == 0)
		n = 0;
	look(data, index_of(p), 1, p->host.got, n);
	p->host.got += (uint32_t)n;
	return n;
}

static void on_closed(void *ctx, void *who, enum rc rc)
{
	struct pair *p = who;

	(void)ctx;
	p->conn = NULL;
	p->is_over = true;
	if (rc != RC_OK)
		fail_msg("pair %u closed: %s", index_of(p), rc_words(rc));
}

static const struct mux_ops ops = { on_send, on_ready, on_opened, on_deliver,
	on_closed };

/* --- steps ----------------------------------------------------------------------- */

/* The oldest transfer reaches the phone, in USB packets or in one. */
static void step_cable_out(void)
{
	struct mux_tx *tx = w.cable[0];
	size_t at = 0;

	if (!w.n_cable)
		return;
	while (at < tx->len) {
		size_t n = lot(2) ? tx->len - at : MAX_OUT * (1 + lot(8));

		n = n < tx->len - at ? n : tx->len - at;
		assert_int_equal(usb_mux_out(w.dev, tx->data + at, n), 0);
		at += n;
	}
	if (tx->len % MAX_OUT == 0)
		assert_int_equal(usb_mux_out(w.dev, tx->data, 0), 0);
	w.n_cable--;
	memmove(w.cable, w.cable + 1, w.n_cable * sizeof(w.cable[0]));
	mux_sent(w.mux, tx);
}

static void step_cable_in(void)
{
	static uint8_t buf[65536];
	size_t cap = MAX_OUT * (1 + (size_t)lot(128));
	ssize_t n = usb_mux_in(w.dev, buf, lot(2) ? 16384 : cap);

	if (n >= 0)
		assert_int_equal(
		    mux_input(w.mux, buf, (size_t)n, w.now), RC_OK);
}

static void step_phone(void)
{
	struct pollfd fds[USB_MUX_CONNS];
	size_t n = usb_mux_poll(w.dev, fds);

	poll(fds, n, 0);
	usb_mux_turn(w.dev, fds, n);
}

static void step_client(struct pair *p)
{
	unsigned i = index_of(p);
	size_t cap = 0;
	uint8_t *to;
	uint32_t n;

	if (!p->conn || !p->opened)
		return;
	if (mux_has_backlog(p->conn) && lot(3) == 0)
		mux_drain(p->conn, w.now);
	if (!p->conn || p->host.sent == p->host.goal)
		return;
	to = mux_write_begin(p->conn, &cap);
	if (!to)
		return;
	n = lot(8) ? some(p->host.goal - p->host.sent) : 0;
	n = n < cap ? n : (uint32_t)cap;
	fill(to, i, 0, p->host.sent, n);
	p->host.sent += n;
	mux_write_end(p->conn, n);
}

static void step_service(struct pair *p)
{
	static uint8_t buf[65536];
	unsigned i = index_of(p);
	ssize_t k;

	if (p->service < 0)
		return;
	if (lot(2)) {
		k = recv(p->service, buf, some(sizeof(buf)), 0);
		if (k > 0) {
			look(buf, i, 0, p->phone.got, (size_t)k);
			p->phone.got += (uint32_t)k;
		}
	}
	if (lot(2) && p->phone.sent < p->phone.goal) {
		uint32_t n = some(p->phone.goal - p->phone.sent);

		n = n < sizeof(buf) ? n : (uint32_t)sizeof(buf);
		fill(buf, i, 1, p->phone.sent, n);
		k = send(p->service, buf, n, MSG_NOSIGNAL);
		if (k > 0)
			p->phone.sent += (uint32_t)k;
	}
}

static bool is_done(const struct pair *p)
{
	return p->host.sent == p->host.goal && p->phone.got == p->host.goal &&
	       p->phone.sent == p->phone.goal && p->host.got == p->phone.goal;
}

/* Whoever is to, hangs up once all is across. */
static void hang_up(struct pair *p)
{
	if (!is_done(p))
		return;
	if (p->phone_hangs_up && p->service >= 0) {
		close(p->service);
		p->service = -1;
	} else if (!p->phone_hangs_up && p->conn) {
		mux_close(p->conn);
		p->conn = NULL;
		p->is_over = true;
	}
}

static void open_pair(unsigned i)
{
	struct pair *p = &w.pairs[i];

	if (p->service >= 0)
		close(p->service);
	*p = (struct pair){ .service = -1, .phone_hangs_up = lot(2) };
	p->host.goal = lot(3) ? lot(STREAM) : 0;
	p->phone.goal = lot(STREAM) + 1;
	assert_int_equal(
	    mux_connect(w.mux, (uint16_t)(i + 1), p, w.now, &p->conn), RC_OK);
}

static void step(void)
{
	struct pair *p = &w.pairs[lot(CONNS)];

	switch (lot(7)) {
	case 0:
		step_cable_out();
		break;
	case 1:
		step_cable_in();
		break;
	case 2:
		step_phone();
		break;
	case 3:
		step_client(p);
		break;
	case 4:
		step_service(p);
		break;
	case 5:
		w.now += lot(3);
		assert_int_equal(mux_turn(w.mux, w.now), RC_OK);
		break;
	default:
		hang_up(p);
		break;
	}
	assert_int_equal(w.host_errors, 0);
}

static bool all_over(void)
{
	for (unsigned i = 0; i < CONNS; i++)
		if (!w.pairs[i].is_over)
			return false;
	return true;
}

static void begin(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.dice = seed * 0x9e3779b97f4a7c15ull + 1;
	/* Near the end of the numbers, each side elsewhere. */
	assert_int_equal(
	    mux_new(&ops, NULL, 0, 0u - lot(STREAM), &w.mux), RC_OK);
	w.dev = usb_mux_new(NULL, 0u - lot(STREAM));
	for (unsigned i = 0; i < CONNS; i++)
		w.pairs[i].service = -1;
	for (int i = 0; i < 100 && !mux_is_ready(w.mux); i++) {
		assert_int_equal(mux_turn(w.mux, w.now), RC_OK);
		step_cable_out();
		step_cable_in();
	}
	assert_true(mux_is_ready(w.mux));
}

static void finish(void)
{
	mux_shut(w.mux);
	for (unsigned i = 0; i < w.n_cable; i++)
		mux_sent(w.mux, w.cable[i]);
	mux_free(w.mux);
	usb_mux_free(w.dev);
	for (unsigned i = 0; i < CONNS; i++)
		if (w.pairs[i].service >= 0)
			close(w.pairs[i].service);
}

static unsigned number_of(const char *name, unsigned def)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : def;
}

static void streams_cross_whole(void **state)
{
	unsigned seed = number_of("NIGHTSTAND_SEED", 1);
	unsigned runs = number_of("NIGHTSTAND_RUNS", 25);
	uint64_t bytes = 0, acks = 0, kept = 0;

	(void)state;
	for (unsigned r = 0; r < runs; r++) {
		struct mux_stats st;
		struct mux_conn *c;
		unsigned n;

		begin(seed + r);
		for (unsigned i = 0; i < CONNS; i++)
			open_pair(i);
		assert_int_equal(
		    mux_connect(w.mux, REFUSING, NULL, 0, &c), RC_OK);
		for (n = 0; n < ROUNDS && !all_over(); n++)
			step();
		if (!all_over())
			fail_msg(
			    "seed %u: not over after %u steps", seed + r, n);
		assert_int_equal(w.refused, 1);
		mux_get_stats(w.mux, &st);
		bytes += st.in_bytes + st.out_bytes;
		acks += st.bare_acks;
		kept += st.buffered_bytes;
		finish();
	}
	printf("# %u runs, %llu MB across, %llu bare acks, %llu MB kept for "
	       "slow clients\n",
	    runs, (unsigned long long)bytes / 1000000, (unsigned long long)acks,
	    (unsigned long long)kept / 1000000);
}

/* Either side leaves in the middle, again and again: nothing is left. */
static void ends_in_the_middle_leave_nothing(void **state)
{
	unsigned seed = number_of("NIGHTSTAND_SEED", 1) + 1000;
	unsigned opened = 0;

	(void)state;
	begin(seed);
	for (unsigned i = 0; i < CONNS; i++)
		open_pair(i);
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct pair *p = &w.pairs[lot(CONNS)];

		step();
		if (lot(300))
			continue;
		if (p->conn && p->opened && lot(2)) {
			mux_close(p->conn);
			p->conn = NULL;
			p->is_over = true;
		} else if (p->service >= 0) {
			close(p->service);
			p->service = -1;
		}
		if (p->is_over) {
			open_pair(index_of(p));
			opened++;
		}
	}
	assert_true(opened > 300);
	for (unsigned i = 0; i < CONNS; i++)
		if (w.pairs[i].conn)
			mux_close(w.pairs[i].conn);
	for (unsigned n = 0; n < 1000; n++) {
		assert_int_equal(mux_turn(w.mux, w.now), RC_OK);
		step_cable_out();
		step_cable_in();
		step_phone();
	}
	assert_int_equal(mux_deadline(w.mux), INT64_MAX);
	for (int i = 0; i < USB_MUX_CONNS; i++)
		assert_false(w.dev->conns[i].in_use);
	printf("# %u connections ended in the middle\n", opened);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_cross_whole),
		cmocka_unit_test(ends_in_the_middle_leave_nothing),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
