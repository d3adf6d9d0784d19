#include "nic_gather.h"

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "lwip/pbuf.h"

#define ETHERNET 14
#define IPV4     20 /* lwIP sends no options */
#define IPV6     40
#define TCP_MIN  20
#define SUM_AT   16 /* of the checksum in a TCP header */
#define FIN      0x01
#define SYN      0x02
#define RST      0x04
#define PSH      0x08
#define URG      0x20

struct heads {
	uint8_t bytes[NIC_GATHER_HEADS];
	size_t len; /* of all of them */
	size_t ip; /* of the IP header */
	size_t payload;
	uint32_t seq;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Length of the IP header when TCP comes right behind it, else 0. */
static size_t ip_header(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETHERNET;

	if (get16(frame + 12) == 0x0800 && ip[0] == 0x45 && ip[9] == 6)
		return IPV4;
	if (get16(frame + 12) == 0x86dd && ip[0] >> 4 == 6 && ip[6] == 6)
		return IPV6;
	return 0;
}

/* False: no data segment that may be joined. */
static bool read_heads(const struct pbuf *p, struct heads *h)
{
	size_t got, tcp;

	memset(h, 0, sizeof(*h));
	got = pbuf_copy_partial(p, h->bytes, sizeof(h->bytes), 0);
	if (got < ETHERNET + IPV4 + TCP_MIN)
		return false;
	h->ip = ip_header(h->bytes);
	tcp = ETHERNET + h->ip;
	if (!h->ip || got < tcp + TCP_MIN)
		return false;
	h->len = tcp + (size_t)(h->bytes[tcp + 12] >> 4) * 4;
	if (h->len < tcp + TCP_MIN || h->len >= p->tot_len)
		return false;
	if (h->bytes[tcp + 13] & (FIN | SYN | RST | URG))
		return false;
	h->payload = p->tot_len - h->len;
	h->seq = get32(h->bytes + tcp + 4);
	return true;
}

/* What differs from segment to segment is as if it were not there. */
static void blank(uint8_t *frame, size_t ip)
{
	uint8_t *tcp = frame + ETHERNET + ip;

	if (ip == IPV4) {
		put16(frame + ETHERNET + 2, 0); /* length */
		put16(frame + ETHERNET + 4, 0); /* id */
		put16(frame + ETHERNET + 10, 0); /* checksum */
	} else {
		put16(frame + ETHERNET + 4, 0);
	}
	memset(tcp + 4, 0, 4); /* sequence number */
	tcp[13] &= (uint8_t)~PSH;
	put16(tcp + SUM_AT, 0);
}

static bool goes_with(const struct nic_gather *g, const struct heads *h)
{
	uint8_t a[NIC_GATHER_HEADS], b[NIC_GATHER_HEADS];

	if (g->closed || h->len != g->head || h->seq != g->next ||
	    h->payload > g->mss ||
	    g->len + h->payload >
		(h->ip == IPV4 ? NIC_GATHER_MAX : NIC_GATHER_MAX - IPV6))
		return false;
	memcpy(a, g->frame, h->len);
	memcpy(b, h->bytes, h->len);
	blank(a, h->ip);
	blank(b, h->ip);
	return memcmp(a, b, h->len) == 0;
}

bool nic_gather_add(struct nic_gather *g, const struct pbuf *p)
{
	struct heads h;

	if (!read_heads(p, &h))
		return false;
	if (g->len && !goes_with(g, &h))
		return false;
	if (!g->len) {
		memcpy(g->frame, h.bytes, h.len);
		g->len = g->head = h.len;
		g->mss = h.payload;
		g->segments = 0;
		g->closed = false;
	}
	pbuf_copy_partial(p, g->frame + g->len, (u16_t)h.payload, (u16_t)h.len);
	g->frame[ETHERNET + h.ip + 13] |= h.bytes[ETHERNET + h.ip + 13] & PSH;
	g->len += h.payload;
	g->next = h.seq + (uint32_t)h.payload;
	g->closed = h.payload < g->mss;
	g->segments++;
	return true;
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += get16(p + i);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Lengths of the whole, and of TCP's checksum the part that the kernel builds
 * upon: that of the pseudo header. Returns where TCP begins. */
static size_t mend_heads(struct nic_gather *g)
{
	uint8_t *ip = g->frame + ETHERNET;
	bool v4 = get16(g->frame + 12) == 0x0800;
	size_t tcp = ETHERNET + (v4 ? IPV4 : IPV6);
	uint32_t sum = 6 + (uint32_t)(g->len - tcp);

	if (v4) {
		put16(ip + 2, g->len - ETHERNET);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~fold(sum16(0, ip, IPV4)));
		sum = sum16(sum, ip + 12, 8);
	} else {
		put16(ip + 4, g->len - tcp);
		sum = sum16(sum, ip + 8, 32);
	}
	put16(g->frame + tcp + SUM_AT, fold(sum));
	return tcp;
}

size_t nic_gather_take(struct nic_gather *g, struct virtio_net_hdr *h)
{
	size_t len = g->len;

	memset(h, 0, sizeof(*h));
	if (g->segments > 1) {
		size_t tcp = mend_heads(g);

		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = (uint16_t)tcp;
		h->csum_offset = SUM_AT;
		h->gso_type = tcp == ETHERNET + IPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
						     : VIRTIO_NET_HDR_GSO_TCPV6;
		h->gso_size = (uint16_t)g->mss;
		h->hdr_len = (uint16_t)g->head;
	}
	g->len = 0;
	return len;
}
