/*
 * Frames that lwIP must not see, and those that it must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nic_guard.h"

struct frame {
	uint8_t b[256];
	size_t len;
};

static void add(struct frame *f, const void *p, size_t n)
{
	memcpy(f->b + f->len, p, n);
	f->len += n;
}

static struct frame ether(uint16_t type)
{
	struct frame f = { .len = 14 };

	f.b[12] = (uint8_t)(type >> 8);
	f.b[13] = (uint8_t)type;
	return f;
}

/* IPv4, TCP with these options (a multiple of four bytes). */
static struct frame tcp4(const void *options, size_t n)
{
	struct frame f = ether(0x0800);
	uint8_t ip[20] = { 0x45, 0, 0, (uint8_t)(40 + n), 0, 0, 0, 0, 64, 6 };
	uint8_t tcp[20] = { [12] = (uint8_t)((20 + n) / 4 << 4) };

	add(&f, ip, sizeof(ip));
	add(&f, tcp, sizeof(tcp));
	add(&f, options, n);
	return f;
}

/* IPv6, ICMPv6 of that type with a body behind its four bytes. */
static struct frame icmp6(uint8_t type, const void *body, size_t n)
{
	struct frame f = ether(0x86dd);
	uint8_t ip[40] = { 0x60, 0, 0, 0, 0, (uint8_t)(4 + n), 58, 255 };
	uint8_t icmp[4] = { type };

	add(&f, ip, sizeof(ip));
	add(&f, icmp, sizeof(icmp));
	add(&f, body, n);
	return f;
}

#define PASSES(f)  assert_true(nic_guard_passes((f).b, (f).len))
#define DROPPED(f) assert_false(nic_guard_passes((f).b, (f).len))

static void tcp_options(void **state)
{
	struct frame f;

	(void)state;
	f = tcp4("", 0);
	PASSES(f);
	f = tcp4("\x02\x04\x05\xb4\x01\x03\x03\x07", 8);
	PASSES(f);
	f = tcp4("\x01\x01\x01\x00", 4); /* the end in the last byte */
	PASSES(f);
	f = tcp4("\x00\xff\xff\xff", 4); /* nothing counts behind the end */
	PASSES(f);
	f = tcp4("\x02\x00\x05\xb4", 4); /* a length of zero: for ever */
	DROPPED(f);
	f = tcp4("\x02\x05\x05\xb4", 4); /* one byte too long */
	DROPPED(f);
	f = tcp4("\x01\x01\x01\x02", 4); /* no length */
	DROPPED(f);
	f = tcp4("\x08\xff\x01\x01", 4);
	DROPPED(f);
}

static void neighbour_options(void **state)
{
	uint8_t body[64] = { 0 };
	struct frame f;

	(void)state;
	body[20] = 1; /* source link-layer address, eight bytes */
	body[21] = 1;
	f = icmp6(135, body, 28);
	PASSES(f);
	f = icmp6(135, body, 20);
	PASSES(f);
	f = icmp6(135, body, 19); /* not even its fixed part */
	DROPPED(f);
	f = icmp6(135, body, 27); /* half an option */
	DROPPED(f);
	body[21] = 0;
	f = icmp6(135, body, 28);
	DROPPED(f);
	body[21] = 2;
	f = icmp6(135, body, 28);
	DROPPED(f);
	f = icmp6(128, body, 12); /* a ping has no options */
	PASSES(f);
}

static void headers(void **state)
{
	struct frame f = tcp4("", 0);

	(void)state;
	f.b[14] = 0x44; /* a header of 16 bytes */
	DROPPED(f);
	f = tcp4("", 0);
	f.b[17] = 60; /* longer than the frame */
	DROPPED(f);
	f = tcp4("", 0);
	f.b[20] = 0x20; /* more fragments */
	DROPPED(f);
	f = tcp4("", 0);
	f.b[20] = 0x40; /* don't fragment */
	PASSES(f);
	f = tcp4("", 0);
	f.b[14 + 20 + 12] = 0x40; /* a TCP header of 16 bytes */
	DROPPED(f);
	f = icmp6(128, "12345678", 8);
	f.b[14 + 6] = 43; /* routing header */
	DROPPED(f);
	f = icmp6(128, "12345678", 8);
	f.b[14 + 5] = 200; /* longer than the frame */
	DROPPED(f);
	f = ether(0x0806);
	PASSES(f); /* ARP is padded elsewhere */
	f.len = 13;
	DROPPED(f);
}

/* Each frame cut at each byte: nothing is read beyond (sanitizers look). */
static void cut_frames(void **state)
{
	uint8_t body[28] = { [20] = 1, [21] = 1 };
	struct frame all[3];

	(void)state;
	all[0] = tcp4("\x02\x04\x05\xb4", 4);
	all[1] = icmp6(135, body, sizeof(body));
	all[2] = icmp6(134, body, 20);
	for (unsigned i = 0; i < 3; i++)
		for (size_t n = 0; n < all[i].len; n++) {
			uint8_t *copy = test_malloc(n ? n : 1);

			memcpy(copy, all[i].b, n);
			assert_false(nic_guard_passes(copy, n));
			test_free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_options),
		cmocka_unit_test(neighbour_options),
		cmocka_unit_test(headers),
		cmocka_unit_test(cut_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
