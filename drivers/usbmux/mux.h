/*
 * The host's side of the multiplexer on one iPhone's bulk endpoints: bytes in,
 * bytes out, the clock by hand; no input or output of its own, no thread.
 * Facts: mux_wire.h and README.md.
 *
 * Invariants:
 *  M1  Memory is fixed: MUX_CONNS places, MUX_TX_BIG + MUX_TX_SMALL buffers to
 *      the phone, and a buffer of MUX_BACKLOG bytes for a connection whose
 *      client does not read. There is no buffer to gather packets in: what a
 *      packet carries is passed on as it comes in.
 *  M2  Between the phone's transfer and the client, and between the client and
 *      the transfer to the phone, a byte is copied by the system call alone;
 *      only what a client does not take at once is copied into its backlog.
 *  M3  What the phone is told to be received (ack) is what the client took. So
 *      a client that does not read stops its own connection and no other.
 *  M4  Nothing small waits in a queue: SYN, ACK and RST are states of a
 *      connection, sent when there is a buffer.
 *  M5  What breaks the framing ends the link (RC_PROTO); what breaks a
 *      connection ends that connection.
 */
#ifndef MUX_H
#define MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mux_wire.h"
#include "rc.h"

#define MUX_CONNS    64u
#define MUX_TX_BIG   8u
#define MUX_TX_SMALL 16u
#define MUX_WINDOW   131072u /* what the phone may have under way */
#define MUX_BACKLOG  (MUX_WINDOW + MUX_WIRE_RECV_MAX)

#define MUX_VERSION_MS 5000 /* a phone answers within 1 ms, or never */
#define MUX_CONNECT_MS 10000
#define MUX_FLUSH_MS   1000 /* for a client to take the rest after a RST */

struct mux;
struct mux_conn;

/* One transfer to the phone. The core lends it by ops.send until it comes back
 * by mux_sent(); `own` is the port's, for its transfer. */
struct mux_tx {
	uint8_t *data;
	size_t len;
	unsigned index; /* below MUX_TX_BIG + MUX_TX_SMALL, never changes */
	struct mux_tx *next; /* the core's */
	void *own;
};

/* Called from within the functions below, on the caller's thread. They may
 * call mux_sent() and nothing else of this header. */
struct mux_ops {
	/* Transfers leave in this order; each is one bulk transfer, with a
	 * packet of no bytes behind it where USB needs one. */
	void (*send)(void *ctx, struct mux_tx *tx);
	/* The phone has agreed on a version: connections may be made. */
	void (*ready)(void *ctx, int version);
	/* Answers mux_connect(): RC_OK, RC_REFUSED by the phone, RC_TIMEOUT,
	 * RC_GONE. On an error the connection is no more; on RC_OK this one
	 * may call mux_close(). */
	void (*opened)(void *ctx, void *who, enum rc rc);
	/* Bytes from the phone, lent for the call. Tells how many were taken;
	 * MUX_NOBODY: the client is gone, close it (`closed` follows). */
	size_t (*deliver)(
	    void *ctx, void *who, const uint8_t *data, size_t len);
	/* An open connection is no more; RC_OK: the phone has ended it and all
	 * was delivered. */
	void (*closed)(void *ctx, void *who, enum rc rc);
};

#define MUX_NOBODY SIZE_MAX

struct mux_stats {
	uint64_t in_bytes, out_bytes, in_packets, out_packets;
	uint64_t bare_acks, resets, unknown, buffered_bytes;
};

/*
 * Makes a link; the first mux_turn() sends VERSION. first_seq is 0; tests let it begin near its
 * end. RC_NOMEM. *ops must live as long as the link.
 */
MUST_CHECK enum rc mux_new(const struct mux_ops *ops, void *ctx, int64_t now_ms,
    uint32_t first_seq, struct mux **out);

/* Waits so long for VERSION, from now on, in place of MUX_VERSION_MS. */
void mux_set_patience(struct mux *m, int64_t now_ms, int64_t ms);

/* The phone is gone: ends all connections (`opened`/`closed` with RC_GONE);
 * nothing is sent from here on. */
void mux_shut(struct mux *m);
/* Frees it, shut or not. Every mux_tx must have come back. NULL is fine. */
void mux_free(struct mux *m);

/*
 * What a bulk transfer has brought, of any length: the pipe is read as a
 * stream, lengths come from the headers. Lent for the call.
 * RC_PROTO: no header, or not one that a phone sends; the link is of no use
 * any more and must be reset or left.
 */
MUST_CHECK enum rc mux_input(
    struct mux *m, const uint8_t *data, size_t len, int64_t now_ms);

/* A transfer is over, well or not. */
void mux_sent(struct mux *m, struct mux_tx *tx);

/*
 * Sends what is due and looks at the clock; to be called after each turn of
 * the loop that touched the link. RC_TIMEOUT: the phone does not answer
 * VERSION.
 */
MUST_CHECK enum rc mux_turn(struct mux *m, int64_t now_ms);
/* When mux_turn() has to be called at the latest; INT64_MAX: no need. */
int64_t mux_deadline(const struct mux *m);

bool mux_is_ready(const struct mux *m);

/* Begins a connection to a port of the phone; `who` comes back in the ops.
 * RC_BUSY: no place is free, or the phone has not answered VERSION yet. */
MUST_CHECK enum rc mux_connect(struct mux *m, uint16_t port, void *who,
    int64_t now_ms, struct mux_conn **out);

/* The client is gone: the phone gets a RST behind all that was written. No op
 * is called for it any more. */
void mux_close(struct mux_conn *c);

/* --- to the phone: read from the client straight into the transfer --- */

/* Would mux_write_begin() give anything? */
bool mux_may_write(const struct mux_conn *c);
/* Room for up to *cap bytes, or NULL. To be followed by mux_write_end(). */
uint8_t *mux_write_begin(struct mux_conn *c, size_t *cap);
/* So many bytes were written there; 0 takes it back. */
void mux_write_end(struct mux_conn *c, size_t len);

/* --- from the phone --- */

/* Some wait for the client to read. */
bool mux_has_backlog(const struct mux_conn *c);
/* It reads again: gives it what waits. */
void mux_drain(struct mux_conn *c, int64_t now_ms);

void mux_get_stats(const struct mux *m, struct mux_stats *out);

#endif
