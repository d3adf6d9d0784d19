/*
 * Who speaks to the phones: the driver of this program, or a usbmuxd that runs
 * elsewhere. Decided once, by the config ([usb] driver) and, where that says
 * "auto", by what is there:
 *
 *   USBMUXD_SOCKET_ADDRESS is set    that socket
 *   usbmuxd answers, or is installed its socket: two can't share a phone, and
 *                                    Debian starts it when one is plugged in
 *   else                             our own
 */
#ifndef MUXPLAN_H
#define MUXPLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "rc.h"

/* The name of our own socket, in a folder with none but ours. */
#define MUXPLAN_SOCKET "usbmux.sock"

struct muxplan {
	bool own;
	char socket[108]; /* own: where sessions find it */
	char run_dir[64]; /* "" or a folder made for it */
	char records[CONFIG_TEXT + 16];
	char level[16]; /* of the log */
	const char *args[8]; /* of the role `usbmux`; ends with NULL */
};

/*
 * Decides, makes what is needed, and tells all children of this process by
 * USBMUXD_SOCKET_ADDRESS where the socket is. *c is lent until
 * muxplan_close(). RC_CONFIG: no place for the socket.
 */
MUST_CHECK enum rc muxplan_make(const struct config *c, struct muxplan *out);
void muxplan_close(struct muxplan *p);

/* For those children: the socket's path; false: it is no file, but a host. */
bool muxplan_socket(char *out, size_t cap);
/* From now on it is there. */
MUST_CHECK enum rc muxplan_use(const char *socket);

#endif
