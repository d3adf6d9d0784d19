/*
 * Segments that were joined, cut again as a kernel or a network chip cuts them
 * (by code of this test), are the ones that went in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include "lwip/init.h"
#include "lwip/pbuf.h"

#include "nic_gather.h"

#define ACK 0x10
#define PSH 0x08
#define FIN 0x01

struct frame {
	uint8_t bytes[1514];
	size_t len;
};

static struct nic_gather g;

/* --- making frames ---------------------------------------------------------------- */

static void put(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned checksum(unsigned long sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += (unsigned long)p[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)(~sum & 0xffff);
}

static void seal(struct frame *f, bool v6)
{
	uint8_t *ip = f->bytes + 14, *tcp = ip + (v6 ? 40 : 20);
	size_t left = f->len - (size_t)(tcp - f->bytes);
	unsigned long pseudo = 6 + left;

	if (v6) {
		put(ip + 4, (unsigned)left);
		pseudo += ~checksum(0, ip + 8, 32) & 0xffff;
	} else {
		put(ip + 2, (unsigned)(f->len - 14));
		put(ip + 10, 0);
		put(ip + 10, checksum(0, ip, 20));
		pseudo += ~checksum(0, ip + 12, 8) & 0xffff;
	}
	put(tcp + 16, 0);
	put(tcp + 16, checksum(pseudo, tcp, left));
}

/* The i-th segment of a stream that begins at `seq`. */
static struct frame make(
    bool v6, uint32_t seq, unsigned id, size_t len, unsigned flags)
{
	struct frame f = { .len = (v6 ? 74 : 54) + len };
	uint8_t *ip = f.bytes + 14, *tcp = ip + (v6 ? 40 : 20);

	memcpy(f.bytes, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	put(f.bytes + 12, v6 ? 0x86dd : 0x0800);
	if (v6) {
		ip[0] = 0x60;
		ip[6] = 6;
		ip[7] = 255;
		memset(ip + 8, 0xfd, 32);
	} else {
		ip[0] = 0x45;
		put(ip + 4, id);
		ip[8] = 255;
		ip[9] = 6;
		memcpy(ip + 12, "\xc0\xa8\1\2\xc0\xa8\1\3", 8);
	}
	put(tcp, 443);
	put(tcp + 2, 50000);
	put(tcp + 4, seq >> 16);
	put(tcp + 6, seq & 0xffff);
	put(tcp + 8, 77);
	tcp[12] = 0x50;
	tcp[13] = (uint8_t)flags;
	put(tcp + 14, 35040);
	for (size_t i = 0; i < len; i++)
		tcp[20 + i] = (uint8_t)(seq + i * 13);
	seal(&f, v6);
	return f;
}

/* Headers in one piece, the payload in another, as lwIP has it. */
static bool add(const struct frame *f)
{
	size_t head = f->len < 60 ? f->len : 60;
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)head, PBUF_RAM);
	struct pbuf *rest = NULL;
	bool taken;

	assert_non_null(p);
	memcpy(p->payload, f->bytes, head);
	if (head < f->len) {
		rest = pbuf_alloc(PBUF_RAW, (u16_t)(f->len - head), PBUF_RAM);
		assert_non_null(rest);
		memcpy(rest->payload, f->bytes + head, f->len - head);
		pbuf_cat(p, rest);
	}
	taken = nic_gather_add(&g, p);
	pbuf_free(p);
	return taken;
}

/* --- cutting them again -------------------------------------------------------------- */

/* What the kernel builds the checksums of the pieces upon. */
static void assert_pseudo_sum(size_t len, bool v6)
{
	const uint8_t *ip = g.frame + 14, *tcp = ip + (v6 ? 40 : 20);
	unsigned long sum = 6 + len - (size_t)(tcp - g.frame);

	sum += ~checksum(0, ip + (v6 ? 8 : 12), v6 ? 32 : 8) & 0xffff;
	assert_int_equal(
	    tcp[16] << 8 | tcp[17], ~checksum(sum, tcp, 0) & 0xffff);
}

static unsigned cut(struct frame *out, unsigned cap)
{
	struct virtio_net_hdr h;
	size_t len = nic_gather_take(&g, &h), at, head;
	bool v6 = h.gso_type == VIRTIO_NET_HDR_GSO_TCPV6;
	unsigned n = 0;

	assert_int_equal(g.len, 0);
	if (h.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		assert_int_equal(h.flags, 0);
		out[0].len = len;
		memcpy(out[0].bytes, g.frame, len);
		return 1;
	}
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.csum_start, v6 ? 54 : 34);
	assert_int_equal(h.csum_offset, 16);
	assert_pseudo_sum(len, v6);
	head = h.hdr_len;
	for (at = head; at < len; at += h.gso_size, n++) {
		struct frame *f = &out[n];
		size_t part = len - at < h.gso_size ? len - at : h.gso_size;
		uint8_t *tcp = f->bytes + h.csum_start;
		uint32_t seq;

		assert_true(n < cap);
		memcpy(f->bytes, g.frame, head);
		memcpy(f->bytes + head, g.frame + at, part);
		f->len = head + part;
		seq = ((uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 |
			  (uint32_t)tcp[6] << 8 | tcp[7]) +
		      (uint32_t)(at - head);
		put(tcp + 4, seq >> 16);
		put(tcp + 6, seq & 0xffff);
		if (!v6)
			put(f->bytes + 18,
			    (unsigned)(g.frame[18] << 8 | g.frame[19]) + n);
		if (at + h.gso_size < len)
			tcp[13] &= (uint8_t)~PSH;
		seal(f, v6);
	}
	return n;
}

static void assert_same(const struct frame *a, const struct frame *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->bytes, b->bytes, a->len);
}

/* --- tests ------------------------------------------------------------------------------ */

static int empty(void **state)
{
	(void)state;
	memset(&g, 0, sizeof(g));
	return 0;
}

static void a_page_is_one_frame(void **state)
{
	static struct frame in[32], out[32];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint32_t seq = 0xfffff000; /* it wraps on the way */

		for (unsigned i = 0; i < 15; i++) {
			size_t len = i == 14 ? 777 : 1440;

			in[i] = make(
			    v6, seq, 100 + i, len, i == 14 ? ACK | PSH : ACK);
			seq += (uint32_t)len;
			assert_true(add(&in[i]));
		}
		assert_int_equal(cut(out, 32), 15);
		for (unsigned i = 0; i < 15; i++)
			assert_same(&in[i], &out[i]);
	}
}

static void one_alone_is_as_it_was(void **state)
{
	struct frame in = make(false, 1, 1, 100, ACK | PSH), out[1];

	(void)state;
	assert_true(add(&in));
	assert_int_equal(cut(out, 1), 1);
	assert_same(&in, &out[0]);
}

/* After it nothing can follow: all but the last have one length. */
static void a_shorter_one_is_the_last(void **state)
{
	struct frame f;

	(void)state;
	f = make(false, 0, 1, 1000, ACK);
	assert_true(add(&f));
	f = make(false, 1000, 2, 999, ACK);
	assert_true(add(&f));
	f = make(false, 1999, 3, 999, ACK);
	assert_false(add(&f));
}

static void what_does_not_follow_is_left_out(void **state)
{
	struct frame first = make(false, 0, 1, 1000, ACK), f;

	(void)state;
	assert_true(add(&first));
	f = make(false, 999, 2, 1000, ACK); /* sent again */
	assert_false(add(&f));
	f = make(false, 1001, 2, 1000, ACK);
	assert_false(add(&f));
	f = make(false, 1000, 2, 1001, ACK); /* longer */
	assert_false(add(&f));
	f = make(false, 1000, 2, 1000, ACK | FIN);
	assert_false(add(&f));
	f = make(false, 1000, 2, 0, ACK); /* no data */
	assert_false(add(&f));
	f = make(true, 1000, 2, 1000, ACK);
	assert_false(add(&f));
	/* another connection, window, acknowledgement, receiver */
	for (unsigned at = 0; at < 4; at++) {
		static const unsigned places[] = { 37, 48, 45, 5 };

		f = make(false, 1000, 2, 1000, ACK);
		f.bytes[places[at]] ^= 1;
		assert_false(add(&f));
	}
	f = make(false, 1000, 2, 1000, ACK);
	assert_true(add(&f));
}

static void what_is_no_tcp_never_waits(void **state)
{
	struct frame f = make(false, 0, 1, 500, ACK);

	(void)state;
	f.bytes[23] = 17; /* UDP */
	assert_false(add(&f));
	f = make(false, 0, 1, 500, ACK);
	f.bytes[14] = 0x46; /* options of IP */
	assert_false(add(&f));
	f = make(false, 0, 1, 500, ACK);
	f.bytes[46] = 0x40; /* a TCP header that is too short */
	assert_false(add(&f));
	f.bytes[46] = 0xf0;
	f.len = 54 + 30;
	assert_false(add(&f)); /* … and one that is longer than all */
	for (size_t len = 1; len < 60; len++) {
		f.len = len;
		assert_false(add(&f));
	}
	assert_int_equal(g.len, 0);
}

static void it_ends_where_a_packet_must(void **state)
{
	uint32_t seq = 0;
	unsigned n = 0;
	struct frame f;

	(void)state;
	for (;; n++, seq += 1460) {
		f = make(false, seq, n, 1460, ACK);
		if (!add(&f))
			break;
		assert_true(n < 100);
	}
	assert_int_equal(n, (65535 - 40) / 1460);
	assert_int_equal(g.len, 54 + n * 1460);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_page_is_one_frame, empty),
		cmocka_unit_test_setup(one_alone_is_as_it_was, empty),
		cmocka_unit_test_setup(a_shorter_one_is_the_last, empty),
		cmocka_unit_test_setup(what_does_not_follow_is_left_out, empty),
		cmocka_unit_test_setup(what_is_no_tcp_never_waits, empty),
		cmocka_unit_test_setup(it_ends_where_a_packet_must, empty),
	};

	lwip_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
