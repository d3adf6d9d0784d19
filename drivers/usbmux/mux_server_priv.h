/* Shared by mux_server.c (phones, the socket) and mux_client.c (clients). */
#ifndef MUX_SERVER_PRIV_H
#define MUX_SERVER_PRIV_H

#include "mux_request.h"
#include "mux_server.h"

/* Answers that a client may leave unread: a list of all phones has 6 KiB, a
 * record with its base64 up to 90 KiB. */
#define MUX_CLIENT_OUT (256u << 10)

struct mux_phone {
	struct mux_server *s;
	bool in_use;
	struct mux *mux;
	struct mux_facts facts;
	uint32_t id; /* counts up, so that a replug is another device */
	bool is_shown, is_gone;
	enum rc broken; /* to be told to the port after this turn */
	const struct mux_port_ops *ops;
	void *port;
};

enum mux_client_state {
	MUX_CLIENT_ASKS, /* requests and answers */
	MUX_CLIENT_LISTENS, /* gets events */
	MUX_CLIENT_CONNECTS, /* waits for the phone */
	MUX_CLIENT_STREAMS, /* raw bytes */
	MUX_CLIENT_ENDS, /* what is left of `out`, then it is closed */
	MUX_CLIENT_DEAD /* to be freed after this turn */
};

struct mux_client {
	struct mux_server *s;
	struct mux_loop_fd io;
	enum mux_client_state state;
	struct mux_client *next;
	bool is_binary;
	uint32_t tag; /* of the Connect */
	char prog[64], bundle[64];

	uint8_t head[MUX_REQUEST_HEAD];
	uint8_t *in; /* a request longer than its head; NULL before */
	uint32_t in_len, in_have;
	uint8_t *out;
	size_t out_len, out_at;

	struct mux_phone *phone; /* CONNECTS, STREAMS */
	struct mux_conn *conn;
};

struct mux_server {
	struct mux_loop *loop;
	struct mux_records *records;
	mux_server_fn fn;
	void *ctx;
	char path[108];
	struct mux_loop_fd listen;
	struct mux_phone phones[MUX_SERVER_PHONES];
	struct mux_client *clients;
	unsigned n_clients;
	uint32_t next_id;
};

/* --- mux_server.c --- */
struct mux_phone *mux_server_phone(struct mux_server *s, uint32_t id);

/* --- mux_client.c --- */
extern const struct mux_ops mux_client_ops; /* ctx: the struct mux_phone */
void mux_client_new(struct mux_server *s, int fd); /* takes fd */
/* After each turn: what it waits for. */
void mux_client_settle(struct mux_client *c);
void mux_client_free(struct mux_client *c);
void mux_client_tell_attached(struct mux_client *c, const struct mux_phone *p);
void mux_client_tell_detached(struct mux_client *c, uint32_t id);
void mux_client_tell_paired(struct mux_client *c, uint32_t id);
/* mux_ops.ready of a phone; in mux_server.c */
void mux_server_ready(void *phone, int version);

#endif
