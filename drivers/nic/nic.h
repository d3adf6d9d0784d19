/*
 * Network back ends for the web's lwIP. In this version one: "slirp", a
 * network inside the process for a PC without root (libslirp); a packet
 * socket and a TAP device will stand beside it.
 */
#ifndef NIC_H
#define NIC_H

#include "rc.h"
#include "web_nic.h"

struct nic_opts {
	const char *kind; /* "slirp" */
	const char *listen; /* slirp: IPv4 address of the PC, "127.0.0.1" */
	int port; /* slirp: TCP port there, 1..65535 */
};

/*
 * Opens a back end; hand it to web_open(), which owns it from then on. Sets
 * SIGPIPE to be ignored in the whole process: libslirp sends without
 * MSG_NOSIGNAL.
 *
 * RC_UNSUPPORTED  no such kind
 * RC_CONFIG       address or port is not one
 * RC_BUSY         the port is taken or may not be used
 */
MUST_CHECK enum rc nic_open(const struct nic_opts *opts, struct web_nic *out);

#endif
