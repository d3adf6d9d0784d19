/*
 * The cable: a SOCK_SEQPACKET unix socket at which Nightstand's driver
 * listens. One message is one bulk transfer, 'B' and its bytes; the first one
 * of the phone introduces it: 'H', product id and packet size (16 bits, big
 * endian), descriptors' length and bytes, then the serial number as it stands
 * in its string descriptor. Empty transfers are sent as they are on USB.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "phone.h"
#include "usb_device.h"
#include "usb_front.h"

#define READ_LEN 16384 /* of the host's requests */
#define MESSAGE  (1 + 65536)

struct cable {
	uint8_t out[1 + READ_LEN]; /* one that waits to be sent */
	ssize_t out_len; /* with its letter; 0 none */
	uint8_t in[MESSAGE];
};

static void cable_put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Descriptors as the host's kernel would keep them, and the serial string. */
static int cable_hello(struct usb_wire *w)
{
	uint8_t msg[1024], text[256];
	size_t n = 5;
	int k;

	msg[0] = 'H';
	cable_put16(msg + 1, w->dev->product);
	k = usb_device_control(w->dev, 0x80, 6, 0x0100, 0, 18, msg + n);
	n += (size_t)k;
	for (uint16_t i = 0; i < w->dev->n_configs; i++) {
		k = usb_device_control(
		    w->dev, 0x80, 6, (uint16_t)(0x0200 | i), 0, 256, msg + n);
		n += k > 0 ? (size_t)k : 0;
	}
	cable_put16(msg + 3, n - 5);
	k = usb_device_control(w->dev, 0x80, 6, 0x0303, 0x0409, 255, text);
	for (int i = 2; i < k; i += 2)
		msg[n++] = text[i];
	return send(w->fd, msg, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static int cable_open(struct usb_wire *w)
{
	w->own = calloc(1, sizeof(struct cable));
	if (!w->own || usb_device_configure(w->dev, usb_device_best(w->dev)) ||
	    cable_hello(w)) {
		free(w->own);
		return -1;
	}
	return 0;
}

/* The next transfer, if there is none already. */
static void cable_fill(struct usb_wire *w, struct cable *c)
{
	ssize_t n;

	if (c->out_len)
		return;
	n = usb_mux_in(w->dev->mux, c->out + 1, READ_LEN);
	if (n < 0)
		return;
	c->out[0] = 'B';
	c->out_len = 1 + n;
}

static int cable_send(struct usb_wire *w, struct cable *c)
{
	for (;;) {
		cable_fill(w, c);
		if (!c->out_len)
			return 0;
		if (send(w->fd, c->out, (size_t)c->out_len,
			MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->out_len = 0;
	}
}

static int cable_receive(struct usb_wire *w, struct cable *c)
{
	/* A few at a time, so that answers go out in between. */
	for (int i = 0; i < 16; i++) {
		ssize_t n = recv(w->fd, c->in, sizeof(c->in), MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (n == 0 || c->in[0] != 'B' ||
		    usb_mux_out(w->dev->mux, c->in + 1, (size_t)n - 1))
			return -1;
	}
	return 0;
}

static short cable_wants(const struct usb_wire *w)
{
	const struct cable *c = w->own;

	return c->out_len ? POLLOUT : 0;
}

static int cable_turn(struct usb_wire *w, short revents)
{
	struct cable *c = w->own;

	if ((revents & (POLLIN | POLLHUP)) && cable_receive(w, c))
		return -1;
	return cable_send(w, c);
}

static void cable_close(struct usb_wire *w)
{
	free(w->own);
}

const struct usb_wire_ops usb_cable_ops = { SOCK_SEQPACKET, cable_open,
	cable_wants, cable_turn, cable_close };
