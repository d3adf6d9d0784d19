/*
 * A cable for a PC without one: phones (tools/phonesim) connect to a
 * SOCK_SEQPACKET unix socket, and one message is one bulk transfer. Everything
 * above it is the same as with real USB, and what a transfer begins and ends
 * with is, too.
 *
 * The phone's first message: 'H', product id, length of descriptors (16 bits,
 * big endian), descriptors as in usb_descriptor.h, serial number as in its
 * string descriptor. All others, both ways: 'B', bytes.
 */
#ifndef MUX_CABLE_H
#define MUX_CABLE_H

#include <stdbool.h>

#include "mux_loop.h"
#include "mux_server.h"
#include "rc.h"
#include "usb_bus.h"

struct mux_cable;

/* Listens at `path` (a file of that name goes), mode 0600. */
MUST_CHECK enum rc mux_cable_new(struct mux_loop *loop,
    struct mux_server *server, const char *path, usb_bus_fn fn, void *ctx,
    struct mux_cable **out);
void mux_cable_free(struct mux_cable *c); /* NULL is fine */
/* Call after each turn of the loop. True: a silent phone is asked again, the
 * server has something to do. */
bool mux_cable_turn(struct mux_cable *c);

#endif
