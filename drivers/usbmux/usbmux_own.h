/*
 * The driver of our own: phones on this machine's USB (or on a cable of
 * sockets), behind a usbmuxd socket of our own. One loop, one thread but for
 * the opening of devices.
 */
#ifndef USBMUX_OWN_H
#define USBMUX_OWN_H

#include <stdbool.h>

#include "rc.h"
#include "usb_bus.h"
#include "usbmux.h"

struct usbmux_own;

struct usbmux_own_opts { /* lent for good */
	const char *socket; /* where clients come in */
	const char *records; /* folder of the pair records */
	const char *cable; /* "" none: see mux_cable.h */
	const char *sys; /* "/sys"; "" no USB */
	const char *dev; /* "/dev/bus/usb" */
};

/* Phones are told to fn from within usbmux_own_turn(), and to bus_fn also those
 * that can't be talked to; a phone that talks before fn hears of it. A machine
 * without USB is an error only when there is no cable either. */
MUST_CHECK enum rc usbmux_own_open(const struct usbmux_own_opts *opts,
    usbmux_fn fn, usb_bus_fn bus_fn, void *ctx, struct usbmux_own **out);
void usbmux_own_close(struct usbmux_own *o); /* NULL is fine */

/* Waits, until `latest_ms` (mono_ms()) at most, and does what is due. RC_GONE:
 * `peer` (a socket, lent) was closed or speaks. */
MUST_CHECK enum rc usbmux_own_turn(
    struct usbmux_own *o, int peer, int64_t latest_ms);

#endif
