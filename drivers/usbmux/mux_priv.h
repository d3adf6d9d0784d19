/* Shared by mux.c (the link) and mux_conn.c (its connections). */
#ifndef MUX_PRIV_H
#define MUX_PRIV_H

#include "mux.h"

#define MUX_HEADS     (MUX_WIRE_HEAD2 + MUX_WIRE_TCP)
#define MUX_SMALL     64u /* bytes: all that carries no data */
#define MUX_TEXT      160u /* of CONTROL, or of why a port was refused */
#define MUX_STRANGERS 16u

enum mux_conn_state {
	MUX_CONN_FREE,
	MUX_CONN_SYN, /* SYN is sent, or waits to be */
	MUX_CONN_OPEN,
	MUX_CONN_DYING, /* RST came; the client takes the rest */
	MUX_CONN_LEFT /* nobody's any more; RST waits to be sent */
};

struct mux_conn {
	struct mux *m;
	enum mux_conn_state state;
	void *who;
	uint16_t sport, dport;
	bool want_syn, want_ack, want_rst;
	uint32_t snd_next; /* seq of the next byte to the phone */
	uint32_t snd_acked; /* up to here the phone has taken them */
	uint32_t window; /* of the phone, bytes */
	uint32_t rcv_next; /* seq of the next byte from the phone */
	uint32_t taken; /* … up to here the client has taken them */
	int64_t deadline_ms; /* of SYN and DYING */
	struct mux_tx *writing; /* between write_begin and write_end */
	uint8_t *ring; /* MUX_BACKLOG bytes, from the first need to the end */
	uint32_t ring_at, ring_len;
};

/* Who sent packets to a connection that is not there. */
struct mux_stranger {
	uint16_t sport, dport; /* as they go to the phone */
	uint32_t ack;
};

enum mux_stage {
	MUX_STAGE_HEAD1, /* gathers 8 bytes */
	MUX_STAGE_HEADS, /* … the rest of the headers */
	MUX_STAGE_BODY /* passes `left` bytes on */
};

struct mux {
	const struct mux_ops *ops;
	void *ctx;
	int version; /* 0: not agreed on */
	bool is_shut, is_broken;
	bool want_version, want_setup;
	uint32_t first_seq;
	uint16_t tx_seq, rx_seq;
	uint16_t next_port;
	int64_t version_ms; /* give up then */
	int64_t now_ms;
	struct mux_stats stats;

	enum mux_stage stage;
	uint8_t heads[MUX_HEADS];
	uint32_t have, need; /* of heads */
	struct mux_wire_head head;
	uint32_t left; /* of the body */
	struct mux_conn *target; /* who gets the body; NULL: nobody */
	bool wants_text; /* the body's begin is kept */
	uint8_t text[MUX_TEXT];
	uint32_t text_len;

	struct mux_conn conns[MUX_CONNS];
	struct mux_stranger strangers[MUX_STRANGERS];
	unsigned n_strangers;

	struct mux_tx tx[MUX_TX_BIG + MUX_TX_SMALL];
	struct mux_tx *free_big, *free_small;
	uint8_t *bytes; /* of all of tx */
};

/* --- mux.c --- */
uint32_t mux_head_len(const struct mux *m);
struct mux_tx *mux_take_small(struct mux *m);
void mux_put_back(struct mux *m, struct mux_tx *tx);
/* Fills the header in and sends; tx->len is the whole packet's. */
void mux_emit(
    struct mux *m, struct mux_tx *tx, enum mux_wire_protocol protocol);

/* --- mux_conn.c --- */
/* A packet's headers are complete; sets m->target for its body. */
void mux_conn_packet(
    struct mux *m, const struct mux_wire_tcp *t, uint32_t body);
void mux_conn_body(struct mux_conn *c, const uint8_t *data, uint32_t len);
/* All of a body has come; `c` may be one that is no more. */
void mux_conn_turn(struct mux_conn *c);
void mux_conn_strangers(struct mux *m);
void mux_conn_end(struct mux_conn *c, enum rc rc);

#endif
