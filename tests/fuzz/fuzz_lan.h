/*
 * A cable with neighbours at its other end: frames wait here until the box
 * takes them, sums are made right where the fuzzer could not guess them, and
 * what the box sends is looked at, byte by byte, without a line of lwIP's.
 *
 * Seventeen neighbours: 10.77.0.100+N and fe80::100+N, each with one TCP
 * connection a family, from port 40000+N to port 80. Their answers to ARP,
 * neighbour discovery and DHCP can be switched off.
 */
#ifndef FUZZ_LAN_H
#define FUZZ_LAN_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define LAN_PEERS   17
#define LAN_HONEST  16 /* is not the input's */
#define LAN_WAITING 64
#define LAN_HEARD   65536 /* bytes of a connection that are compared */
#define LAN_PORT    40000

#define ETHER    14
#define IP4_HEAD 20
#define IP6_HEAD 40
#define TCP_HEAD 20
#define UDP_HEAD 8

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

static const uint8_t lan_mac[6] = { 2, 0, 0, 0, 0, 9 };

struct frame {
	size_t len;
	uint8_t b[2048];
};

struct talk { /* one TCP connection, as the neighbour sees it */
	uint32_t next; /* of ours */
	uint32_t isn, heard; /* the box's; how far it came in order */
	bool answered;
	size_t n;
	uint8_t bytes[LAN_HEARD];
};

static struct lan {
	struct frame waiting[LAN_WAITING];
	unsigned first, count;
	struct talk talks[2][LAN_PEERS]; /* IPv4, IPv6 */
	bool mends, helps, serves, acks; /* sums, ARP and ND, DHCP, TCP */
	bool link, deaf; /* deaf: sending fails */
	uint32_t had[8]; /* IPv4 addresses of the box, 0 among them */
	uint8_t xid[4];
	unsigned taken, chatter; /* frames in; frames out that are not TCP */
} lan;

static inline void must(bool so)
{
	if (!so)
		abort();
}

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* --- sums ----------------------------------------------------------------- */

static inline uint32_t add16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += get16(p + i);
	return n & 1 ? sum + ((uint32_t)p[n - 1] << 8) : sum;
}

static inline uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Over the part of an IP packet that lies behind its header. */
static inline uint16_t inner_sum(
    const uint8_t *ip, uint8_t proto, const uint8_t *p, size_t n)
{
	uint32_t sum = add16((uint32_t)n + proto, p, n);

	return fold(
	    ip[0] >> 4 == 4 ? add16(sum, ip + 12, 8) : add16(sum, ip + 8, 32));
}

static inline void mend4(uint8_t *ip, size_t n)
{
	size_t head = n >= IP4_HEAD ? (ip[0] & 15u) * 4u : 0;
	size_t end;

	if (head < IP4_HEAD || head > n)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, fold(add16(0, ip, head)));
	end = get16(ip + 2);
	if (end > n || end < head + 8 || (ip[9] != 1 && ip[9] != 2))
		return;
	put16(ip + head + 2, 0);
	put16(ip + head + 2, fold(add16(0, ip + head, end - head)));
}

static inline void mend6(uint8_t *ip, size_t n)
{
	size_t at = IP6_HEAD, end;
	uint8_t next;

	if (n < IP6_HEAD)
		return;
	end = IP6_HEAD + get16(ip + 4);
	next = ip[6];
	if (next == 0 && n >= IP6_HEAD + 8) {
		next = ip[IP6_HEAD];
		at += (ip[IP6_HEAD + 1] + 1u) * 8;
	}
	if (next != 58 || end > n || end < at + 4)
		return;
	put16(ip + at + 2, 0);
	put16(ip + at + 2, inner_sum(ip, next, ip + at, end - at));
}

/* --- from the neighbours -------------------------------------------------- */

static inline struct frame *new_frame(void)
{
	static struct frame lost; /* the cable is full */
	struct frame *f = &lost;

	if (lan.count < LAN_WAITING)
		f = &lan.waiting[(lan.first + lan.count++) % LAN_WAITING];
	memset(f, 0, sizeof(*f));
	return f;
}

static inline void add(struct frame *f, const void *p, size_t n)
{
	if (n > sizeof(f->b) - f->len)
		n = sizeof(f->b) - f->len;
	if (n)
		memcpy(f->b + f->len, p, n);
	f->len += n;
}

static inline void mend(struct frame *f)
{
	if (!lan.mends || f->len < ETHER)
		return;
	if (get16(f->b + 12) == 0x0800)
		mend4(f->b + ETHER, f->len - ETHER);
	else if (get16(f->b + 12) == 0x86dd)
		mend6(f->b + ETHER, f->len - ETHER);
}

static inline void add_ether(
    struct frame *f, unsigned who, unsigned type, const uint8_t *to)
{
	uint8_t head[ETHER] = { [6] = 2, [11] = (uint8_t)(100 + who) };

	memcpy(head, to, 6);
	put16(head + 12, type);
	add(f, head, sizeof(head));
}

/* Where an IPv4 packet to this address goes. */
static inline void mac4(const uint8_t *ip, uint8_t mac[6])
{
	memcpy(mac, lan_mac, 6);
	if (ip[0] == 255)
		memset(mac, 255, 6);
	else if (ip[0] >= 224)
		memcpy(mac,
		    (uint8_t[]){ 1, 0, 0x5e, ip[1] & 0x7f, ip[2], ip[3] }, 6);
}

static inline void mac6(const uint8_t *ip, uint8_t mac[6])
{
	memcpy(mac, lan_mac, 6);
	if (ip[0] == 255) {
		put16(mac, 0x3333);
		memcpy(mac + 2, ip + 12, 4);
	}
}

static inline void peer4(unsigned who, uint8_t ip[4])
{
	memcpy(ip, (uint8_t[]){ 10, 77, 0, (uint8_t)(100 + who) }, 4);
}

static inline void peer6(unsigned who, uint8_t ip[16])
{
	memset(ip, 0, 16);
	put16(ip, 0xfe80);
	put16(ip + 14, 0x100 + who);
}

/* Headers of a packet with `n` bytes behind them. */
static inline void add_ip4(
    struct frame *f, unsigned who, const uint8_t *to, uint8_t proto, size_t n)
{
	uint8_t ip[IP4_HEAD] = { 0x45, [8] = proto == 17 ? 255 : 64 }, mac[6];

	put16(ip + 2, (unsigned)(IP4_HEAD + n));
	ip[9] = proto;
	peer4(who, ip + 12);
	memcpy(ip + 16, to, 4);
	put16(ip + 10, fold(add16(0, ip, IP4_HEAD)));
	mac4(to, mac);
	add_ether(f, who, 0x0800, mac);
	add(f, ip, sizeof(ip));
}

static inline void add_ip6(
    struct frame *f, unsigned who, const uint8_t *to, uint8_t proto, size_t n)
{
	uint8_t ip[IP6_HEAD] = { 0x60, [7] = 255 }, mac[6];

	put16(ip + 4, (unsigned)n);
	ip[6] = proto;
	peer6(who, ip + 8);
	memcpy(ip + 24, to, 16);
	mac6(to, mac);
	add_ether(f, who, 0x86dd, mac);
	add(f, ip, sizeof(ip));
}

static inline void box6(uint8_t ip[16])
{
	memcpy(ip, netif_ip6_addr(netif_default, 0)->addr, 16);
}

static inline void add_udp(
    struct frame *f, unsigned from, unsigned to, const void *data, size_t n)
{
	uint8_t udp[UDP_HEAD] = { 0 };

	put16(udp, from);
	put16(udp + 2, to);
	put16(udp + 4, (unsigned)(UDP_HEAD + n));
	add(f, udp, sizeof(udp));
	add(f, data, n);
}

struct segment {
	unsigned who;
	bool v6;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t options[40];
	size_t n_options; /* bytes, a multiple of four */
	const uint8_t *data;
	size_t len;
};

static inline void send_segment(const struct segment *s)
{
	uint8_t tcp[TCP_HEAD] = { 0 }, to[16];
	size_t n = TCP_HEAD + s->n_options + s->len;
	struct frame *f = new_frame();

	if (s->v6) {
		box6(to);
		add_ip6(f, s->who, to, 6, n);
	} else {
		memcpy(to, netif_ip4_addr(netif_default), 4);
		add_ip4(f, s->who, to, 6, n);
	}
	put16(tcp, LAN_PORT + s->who);
	put16(tcp + 2, 80);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)((TCP_HEAD + s->n_options) / 4 << 4);
	tcp[13] = s->flags;
	put16(tcp + 14, s->window);
	add(f, tcp, sizeof(tcp));
	add(f, s->options, s->n_options);
	add(f, s->data, s->len);
}

/* What stands in the connection now, and the neighbour's view moves on. */
static inline struct segment segment_of(unsigned who, bool v6, uint8_t flags)
{
	struct talk *t = &lan.talks[v6][who];
	struct segment s = {
		.who = who, .v6 = v6, .flags = flags, .window = 65535
	};

	if (flags & TCP_SYN)
		t->next = 1000 * (who + 1);
	s.seq = t->next;
	s.ack = flags & TCP_ACK ? t->heard : 0;
	return s;
}

static inline void moved_on(const struct segment *s)
{
	lan.talks[s->v6][s->who].next +=
	    (uint32_t)s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/* --- what the box sends --------------------------------------------------- */

static inline bool is_ours6(const uint8_t *ip)
{
	static const uint8_t none[16];

	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (!memcmp(ip, netif_ip6_addr(netif_default, i)->addr, 16))
			return true;
	return !memcmp(ip, none, 16);
}

/* A byte that was sent once is the same whenever it is sent again, and the
 * first ones are those of HTTP. */
static inline void hear(
    struct talk *t, const uint8_t *data, size_t n, uint32_t offset)
{
	static const char first[] = "HTTP/1.1 ";
	size_t again;

	if (offset > t->n)
		return;
	if (n > LAN_HEARD - offset)
		n = LAN_HEARD - offset;
	again = t->n - offset < n ? t->n - offset : n;
	must(!memcmp(t->bytes + offset, data, again));
	memcpy(t->bytes + offset, data, n);
	if (offset + n > t->n)
		t->n = offset + n;
	must(!memcmp(t->bytes, first,
	    t->n < sizeof(first) - 1 ? t->n : sizeof(first) - 1));
}

static inline void look_at_tcp(
    const uint8_t *ip, bool v6, const uint8_t *tcp, size_t n)
{
	unsigned who = n >= TCP_HEAD ? get16(tcp + 2) - LAN_PORT : LAN_PEERS;
	uint8_t flags = tcp[13];
	struct segment ack;
	struct talk *t;
	size_t head;
	uint32_t seq, len;

	must(n >= TCP_HEAD && inner_sum(ip, 6, tcp, n) == 0);
	head = (tcp[12] >> 4) * 4u;
	must(head >= TCP_HEAD && head <= n && n - head <= 1460);
	must(!(flags & TCP_SYN) || (flags & TCP_ACK));
	must(!(flags & TCP_SYN) || !(flags & (TCP_FIN | TCP_RST)));
	must(!(flags & TCP_RST) || n == head);
	if (who >= LAN_PEERS || (flags & TCP_RST) || get16(tcp) != 80)
		return;
	t = &lan.talks[v6][who];
	seq = get32(tcp + 4);
	len = (uint32_t)(n - head);
	if (flags & TCP_SYN) {
		/* Also with the number of the one before, if no millisecond
		 * has passed. Before its SYN is taken nothing was said. */
		t->n = 0;
		t->answered = true;
		t->isn = seq;
		t->heard = seq + 1;
	} else if (t->answered) {
		hear(t, tcp + head, len, seq - t->isn - 1);
		len += !!(flags & TCP_FIN);
		if ((int32_t)(t->heard - seq) >= 0 &&
		    (int32_t)(seq + len - t->heard) > 0)
			t->heard = seq + len;
	}
	if (!lan.acks || (!len && !(flags & TCP_SYN)))
		return;
	ack = segment_of(who, v6, TCP_ACK);
	send_segment(&ack);
}

static inline const uint8_t *dhcp_option(
    const uint8_t *p, const uint8_t *end, uint8_t code)
{
	while (p + 1 < end && *p != 255) {
		if (*p == 0) {
			p++;
			continue;
		}
		must(p + 2 + p[1] <= end);
		if (*p == code)
			return p;
		p += 2 + p[1];
	}
	must(p < end && *p == 255);
	return NULL;
}

/* A BOOTP reply that bears the box's last number. */
static inline void send_dhcp(uint8_t lease, const void *options, size_t n)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	uint8_t m[240] = { 2, 1, 6 };
	struct frame *f = new_frame();

	memcpy(m + 4, lan.xid, 4);
	memcpy(m + 16, (uint8_t[]){ 10, 77, 0, lease }, 4);
	memcpy(m + 28, lan_mac, 6);
	put32(m + 236, 0x63825363);
	add_ip4(f, 0, all, 17, UDP_HEAD + sizeof(m) + n);
	add_udp(f, 67, 68, m, sizeof(m));
	put16(f->b + ETHER + IP4_HEAD + 4, (unsigned)(UDP_HEAD + 240 + n));
	add(f, options, n);
}

static inline void look_at_dhcp(const uint8_t *m, size_t n)
{
	static uint8_t options[] = { 53, 1, 0, 54, 4, 10, 77, 0, 100, 51, 4, 0,
		0, 0, 120, 1, 4, 255, 255, 255, 0, 3, 4, 10, 77, 0, 100, 255 };
	const uint8_t *type;

	must(n >= 241 && m[0] == 1 && get32(m + 236) == 0x63825363);
	must(!memcmp(m + 28, lan_mac, 6));
	memcpy(lan.xid, m + 4, 4);
	type = dhcp_option(m + 240, m + n, 53);
	must(type && type[1] == 1 && type[2] >= 1 && type[2] <= 8);
	if (!lan.serves || (type[2] != 1 && type[2] != 3))
		return;
	options[2] = type[2] == 1 ? 2 : 5;
	send_dhcp(50, options, sizeof(options));
}

static inline void look_at_udp(const uint8_t *ip, const uint8_t *udp, size_t n)
{
	unsigned from = n >= UDP_HEAD ? get16(udp) : 0;

	must(n >= UDP_HEAD && get16(udp + 4) == n);
	must(inner_sum(ip, 17, udp, n) == 0);
	must(from == 5353 || from == 68);
	if (from == 68) {
		must(ip[0] >> 4 == 4 && get16(udp + 2) == 67);
		look_at_dhcp(udp + UDP_HEAD, n - UDP_HEAD);
	} else {
		must(n >= UDP_HEAD + 12 && (udp[UDP_HEAD + 2] & 0x78) == 0);
	}
}

/* A packet that waited for ARP may come from the address before. */
static inline bool has_had(uint32_t address)
{
	uint32_t now = ntohl(ip4_addr_get_u32(netif_ip4_addr(netif_default)));
	size_t most = sizeof(lan.had) / sizeof(lan.had[0]);

	if (now != lan.had[0]) {
		memmove(lan.had + 1, lan.had, (most - 1) * sizeof(now));
		lan.had[0] = now;
	}
	for (size_t i = 0; i < most; i++)
		if (lan.had[i] == address)
			return true;
	return address == 0;
}

static inline void look_at_ip4(const uint8_t *ip, size_t n)
{
	size_t head = n >= IP4_HEAD ? (ip[0] & 15u) * 4u : 0;
	const uint8_t *in = ip + head;

	must(head >= IP4_HEAD && n >= head && get16(ip + 2) == n);
	must(ip[0] >> 4 == 4 && fold(add16(0, ip, head)) == 0);
	must(!(get16(ip + 6) & 0x3fff) && ip[8] > 0);
	must(has_had(get32(ip + 12)));
	must(ip[12] < 224);
	n -= head;
	switch (ip[9]) {
	case 1:
		must(n >= 8 && fold(add16(0, in, n)) == 0);
		must(in[0] == 0 || in[0] == 3);
		must(ip[16] < 224);
		break;
	case 2:
		must(n == 8 && fold(add16(0, in, n)) == 0 && ip[8] == 1);
		break;
	case 6:
		look_at_tcp(ip, false, in, n);
		break;
	case 17:
		look_at_udp(ip, in, n);
		break;
	default:
		must(false);
	}
}

/* Who of us has this address? LAN_PEERS: none. */
static inline unsigned peer_of6(const uint8_t *ip)
{
	uint8_t first[16];

	peer6(0, first);
	return !memcmp(ip, first, 15) && ip[15] < LAN_PEERS ? ip[15]
							    : LAN_PEERS;
}

static inline void look_at_icmp6(const uint8_t *ip, const uint8_t *in, size_t n)
{
	unsigned who;
	uint8_t na[32] = { 136, [4] = 0x60, [24] = 2, 1, 2, [31] = 100 };
	struct frame *f;

	must(n >= 8 && inner_sum(ip, 58, in, n) == 0);
	must(in[0] == 1 || in[0] == 4 || in[0] == 129 || in[0] == 131 ||
	     in[0] == 132 || in[0] == 133 || in[0] == 135 || in[0] == 136);
	if (in[0] != 135)
		return;
	must(n >= 24);
	who = peer_of6(in + 8);
	if (!lan.helps || who == LAN_PEERS || get32(ip + 8) == 0)
		return;
	memcpy(na + 8, in + 8, 16);
	na[31] = (uint8_t)(na[31] + who);
	f = new_frame();
	add_ip6(f, who, ip + 8, 58, sizeof(na));
	add(f, na, sizeof(na));
	mend6(f->b + ETHER, f->len - ETHER);
}

static inline void look_at_ip6(const uint8_t *ip, size_t n)
{
	const uint8_t *in = ip + IP6_HEAD;
	uint8_t next = n >= IP6_HEAD ? ip[6] : 0;

	must(n >= IP6_HEAD && ip[0] >> 4 == 6);
	must(get16(ip + 4) == n - IP6_HEAD && is_ours6(ip + 8));
	n -= IP6_HEAD;
	if (next == 0) {
		must(n >= 8 && in[1] == 0);
		next = in[0];
		in += 8;
		n -= 8;
	}
	if (next == 58)
		look_at_icmp6(ip, in, n);
	else if (next == 6)
		look_at_tcp(ip, true, in, n);
	else if (next == 17)
		look_at_udp(ip, in, n);
	else
		must(false);
}

static inline void look_at_arp(const uint8_t *arp, size_t n)
{
	unsigned who;
	uint8_t reply[28] = { 0, 1, 8, 0, 6, 4, 0, 2, 2 };
	struct frame *f;

	must(n >= 28 && get32(arp) == 0x00010800 && get16(arp + 4) == 0x0604);
	must(get16(arp + 6) == 1 || get16(arp + 6) == 2);
	must(!memcmp(arp + 8, lan_mac, 6));
	who = get32(arp + 24) - (10u << 24 | 77 << 16 | 100);
	if (!lan.helps || get16(arp + 6) != 1 || who >= LAN_PEERS ||
	    get32(arp + 14) == 0)
		return;
	reply[13] = (uint8_t)(100 + who);
	memcpy(reply + 14, arp + 24, 4);
	memcpy(reply + 18, arp + 8, 10);
	f = new_frame();
	add_ether(f, who, 0x0806, lan_mac);
	add(f, reply, sizeof(reply));
}

static inline void look_at(const uint8_t *b, size_t n)
{
	unsigned type = n >= ETHER ? get16(b + 12) : 0;

	must(n >= ETHER && n <= 1514 && !memcmp(b + 6, lan_mac, 6));
	must(memcmp(b, lan_mac, 6) != 0); /* to itself */
	if (type == 0x0806)
		look_at_arp(b + ETHER, n - ETHER);
	else if (type == 0x0800)
		look_at_ip4(b + ETHER, n - ETHER);
	else if (type == 0x86dd)
		look_at_ip6(b + ETHER, n - ETHER);
	else
		must(false);
	lan.chatter +=
	    type == 0x0806 || b[ETHER + (type == 0x0800 ? 9 : 6)] != 6;
}

#endif
