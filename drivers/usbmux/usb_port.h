/*
 * iPhones on the machine's USB, through libusb: takes each one that comes,
 * carries its bytes, lets go of it when it is pulled. The kernel tells who is
 * there (usb_hotplug.h); this file alone speaks to libusb.
 *
 * A device is opened and configured on a thread of its own, as that may take
 * seconds on one that does not answer; from then on everything happens in the
 * loop. An error costs that device's connections: it is reset and begun anew,
 * a few times.
 */
#ifndef USB_PORT_H
#define USB_PORT_H

#include <stdint.h>

#include "mux_loop.h"
#include "mux_server.h"
#include "rc.h"
#include "usb_bus.h"

struct usb_port;

/*
 * sys: "/sys"; dev: "/dev/bus/usb". Both are lent for good. fn is told of each
 * phone on the bus, also of those that can't be talked to. RC_UNSUPPORTED: this
 * kernel has no USB.
 */
MUST_CHECK enum rc usb_port_new(struct mux_loop *loop,
    struct mux_server *server, const char *sys, const char *dev, usb_bus_fn fn,
    void *ctx, struct usb_port **out);
/* Waits for openings under way, at most some seconds. NULL is fine. */
void usb_port_free(struct usb_port *u);

/* Call after each turn of the loop and no later than the time it tells. */
int64_t usb_port_turn(struct usb_port *u);

#endif
