/*
 * Network back ends for the web's lwIP: a packet socket on a real interface
 * (the product), a TAP device (tests), and a network inside the process for a
 * PC without root (libslirp).
 */
#ifndef NIC_H
#define NIC_H

#include <stdbool.h>

#include "rc.h"
#include "web_nic.h"

struct nic_opts {
	const char *kind; /* "packet", "tap", "slirp" */
	const char *interface; /* packet, tap: its name */
	bool wifi; /* packet, "auto": use Wi-Fi, too */
	bool hurry; /* … and do not wait for what is not there */
	const char *listen; /* slirp: IPv4 address of the PC, "127.0.0.1" */
	int port; /* slirp: TCP port there, 1..65535 */
	int tls_port; /* slirp: likewise, for HTTPS; 0: none */
};

/*
 * Opens a back end; hand it to web_open(), which owns it from then on. Sets
 * SIGPIPE to be ignored in the whole process: libslirp sends without
 * MSG_NOSIGNAL.
 *
 * RC_UNSUPPORTED  no such kind
 * RC_NOTFOUND     packet, interface "auto": a port is not there (yet)
 * RC_CONFIG       address, port or interface is not one
 * RC_BUSY         the port is taken or may not be used
 * RC_READONLY     rights are missing
 */
MUST_CHECK enum rc nic_open(const struct nic_opts *opts, struct web_nic *out);

#endif
