/*
 * The phones and the clients of one usbmuxd socket: joins the mux core of each
 * phone (mux.h) with the connections of each client (mux_request.h), in one
 * loop. How bytes reach a phone is a port's matter: usb_port.h, mux_cable.h.
 *
 * A client that does not read what it is told is left; one that does not read
 * its stream stops that stream only.
 */
#ifndef MUX_SERVER_H
#define MUX_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "mux.h"
#include "mux_loop.h"
#include "mux_records.h"
#include "mux_reply.h"
#include "rc.h"

#define MUX_SERVER_PHONES  8u
#define MUX_SERVER_CLIENTS 128u

struct mux_server;
struct mux_phone;

/* The other end of a phone's bytes. Called from within the functions below;
 * `send` may call mux_server_sent(), else they call nothing back. */
struct mux_port_ops {
	/* See mux_ops.send: one bulk transfer each, in this order. */
	void (*send)(void *port, struct mux_tx *tx);
	/* The link is of no use any more (mux_input() or a silence): begin it
	 * anew, as by a reset; the phone was detached already. Called once. */
	void (*broken)(void *port, enum rc why);
	/* It talks; told before anybody else hears of it. May be NULL. */
	void (*ready)(void *port);
};

/* A phone is there that can be talked to, or it is gone. */
typedef void (*mux_server_fn)(void *ctx, const char *udid, bool attached);

/*
 * Listens at the unix socket `path`, mode 0600 (a file of that name goes).
 * records and loop are lent.
 */
MUST_CHECK enum rc mux_server_new(struct mux_loop *loop,
    struct mux_records *records, const char *path, mux_server_fn fn, void *ctx,
    struct mux_server **out);
/* All phones must have been freed. NULL is fine. */
void mux_server_free(struct mux_server *s);

/* Call after each turn of the loop, and no later than the time it tells. */
int64_t mux_server_turn(struct mux_server *s);

/* --- for ports --- */

/* A phone is on the cable; it is shown once it has answered. RC_LIMIT: too
 * many. */
MUST_CHECK enum rc mux_server_attach(struct mux_server *s,
    const struct mux_facts *facts, const struct mux_port_ops *ops, void *port,
    struct mux_phone **out);
/* What a transfer has brought; lent for the call. */
void mux_server_input(struct mux_phone *p, const uint8_t *data, size_t len);
void mux_server_sent(struct mux_phone *p, struct mux_tx *tx);
/* It was pulled; its clients' streams end. May be said twice. */
void mux_server_detach(struct mux_phone *p);
/* Detached, and all its transfers have come back. */
void mux_server_forget(struct mux_phone *p);

#endif
