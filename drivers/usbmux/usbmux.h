/*
 * Which phones are on the cable. This version follows a usbmuxd that runs
 * elsewhere, over the socket that USBMUXD_SOCKET_ADDRESS names (default
 * /var/run/usbmuxd), through libusbmuxd. Phones on the network are left out.
 */
#ifndef USBMUX_H
#define USBMUX_H

#include <stdbool.h>
#include <stddef.h>

#include "rc.h"

struct usbmux_event {
	bool attached; /* false: detached */
	char udid[48]; /* passed relpath_check_udid() */
};

/*
 * From usbmux_open() it is called on a thread of the driver's own: hand the
 * event over and return.
 */
typedef void (*usbmux_fn)(void *ctx, const struct usbmux_event *ev);

struct usbmux;

/*
 * Reports the phones that are there, then each that comes or goes.
 * RC_GONE: nobody listens at the socket; try again later.
 */
MUST_CHECK enum rc usbmux_open(usbmux_fn fn, void *ctx, struct usbmux **out);
void usbmux_close(struct usbmux *m); /* NULL is fine; no event after it */

/*
 * Reports the phones that are there now, on the caller's thread, before it
 * returns; false: nobody listens. It needs no thread, where usbmux_close()
 * cancels one, and libusbmuxd 2.0 loses a message that this one is reading.
 */
bool usbmux_list(usbmux_fn fn, void *ctx);

/* One connect: does somebody still answer at the socket? */
bool usbmux_is_there(void);

#endif
