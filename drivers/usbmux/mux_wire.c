#include "mux_wire.h"

#include <string.h>

#define MAGIC_TO_PHONE 0xfeedfaceu /* what comes back is not looked at */
#define WORDS_OF_TCP   5u

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint32_t mux_wire_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

void mux_wire_put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

void mux_wire_get_head1(const uint8_t *p, struct mux_wire_head *out)
{
	out->protocol = mux_wire_get32(p);
	out->length = mux_wire_get32(p + 4);
	out->tx_seq = out->rx_seq = 0;
}

void mux_wire_get_head2(const uint8_t *p, struct mux_wire_head *out)
{
	out->tx_seq = get16(p + 4);
	out->rx_seq = get16(p + 6);
}

void mux_wire_get_tcp(const uint8_t *p, struct mux_wire_tcp *out)
{
	out->sport = get16(p);
	out->dport = get16(p + 2);
	out->seq = mux_wire_get32(p + 4);
	out->ack = mux_wire_get32(p + 8);
	out->flags = p[13];
	out->window = (uint32_t)get16(p + 14) << 8;
}

size_t mux_wire_put_head(uint8_t *p, int version, const struct mux_wire_head *h)
{
	mux_wire_put32(p, h->protocol);
	mux_wire_put32(p + 4, h->length);
	if (version < 2)
		return MUX_WIRE_HEAD1;
	mux_wire_put32(p + 8, MAGIC_TO_PHONE);
	put16(p + 12, h->tx_seq);
	put16(p + 14, h->rx_seq);
	return MUX_WIRE_HEAD2;
}

void mux_wire_put_tcp(uint8_t *p, const struct mux_wire_tcp *t)
{
	memset(p, 0, MUX_WIRE_TCP); /* checksum and urgent pointer stay 0 */
	put16(p, t->sport);
	put16(p + 2, t->dport);
	mux_wire_put32(p + 4, t->seq);
	mux_wire_put32(p + 8, t->ack);
	p[12] = WORDS_OF_TCP << 4;
	p[13] = t->flags;
	put16(p + 14, t->window >> 8);
}
