/*
 * The seam between a front (usbmuxd's socket, later a raw USB one) and the
 * phones. A front asks for a port, tells its peer yes or no, and then hands
 * over one end of a stream: a socket of any kind, owned by the phone from then
 * on. Nothing is pumped in between.
 */
#ifndef FRONT_CONNECT_H
#define FRONT_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

struct phone;
struct front_conn;

/* What listens at `port` of the phone as it is plugged now; NULL when nothing
 * does (the peer gets a refusal). A service's port is used up by this. */
struct front_conn *front_connect(struct phone *ph, uint16_t port);
/* Starts the service on `fd` in a thread of its own. Takes both. */
void front_start(struct front_conn *c, int fd);
/* The peer went away before it got an answer. */
void front_drop(struct front_conn *c);

#endif
