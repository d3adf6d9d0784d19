/*
 * Bytes of the multiplexer that iPhones speak over their pair of bulk
 * endpoints (as usbmuxd and netmuxd speak it): a header of 8 bytes (version 1,
 * and every VERSION packet) or 16 (version 2), big endian; in TCP packets 20
 * more, a TCP header without options whose window counts 256 bytes. Pure.
 */
#ifndef MUX_WIRE_H
#define MUX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define MUX_WIRE_HEAD1 8u
#define MUX_WIRE_HEAD2 16u
#define MUX_WIRE_TCP   20u

/* The longest packet that we send, headers included. */
#define MUX_WIRE_SEND_MAX 49152u
/* The longest that a phone may send; usbmuxd has room for no more either. */
#define MUX_WIRE_RECV_MAX 65536u

enum mux_wire_protocol {
	MUX_WIRE_VERSION = 0,
	MUX_WIRE_CONTROL = 1,
	MUX_WIRE_SETUP = 2,
	MUX_WIRE_TCP_DATA = 6
};

enum mux_wire_flags { /* no others are in use: no FIN, no PSH */
	MUX_WIRE_SYN = 0x02,
	MUX_WIRE_RST = 0x04,
	MUX_WIRE_ACK = 0x10
};

struct mux_wire_head {
	uint32_t protocol;
	uint32_t length; /* of the whole packet */
	uint16_t tx_seq, rx_seq; /* of version 2 */
};

struct mux_wire_tcp {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint32_t window; /* bytes; a multiple of 256 up to 65535 * 256 */
};

/* The first 8 bytes of any packet. */
void mux_wire_get_head1(const uint8_t *p, struct mux_wire_head *out);
/* The 8 behind them, of version 2. */
void mux_wire_get_head2(const uint8_t *p, struct mux_wire_head *out);
void mux_wire_get_tcp(const uint8_t *p, struct mux_wire_tcp *out);

/* Writes 8 bytes, or 16 when `version` is 2; tells which. */
size_t mux_wire_put_head(
    uint8_t *p, int version, const struct mux_wire_head *h);
void mux_wire_put_tcp(uint8_t *p, const struct mux_wire_tcp *t);

uint32_t mux_wire_get32(const uint8_t *p);
void mux_wire_put32(uint8_t *p, uint32_t v);

#endif
