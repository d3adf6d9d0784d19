/*
 * A TAP device: the kernel, or a bridge of its, is at the other end of the
 * cable. For tests and for a PC whose own interface is to stay as it is.
 */
#ifndef NIC_TAP_H
#define NIC_TAP_H

#include "nic.h"

/* opts->interface: made when it is not there, which needs CAP_NET_ADMIN. As
 * nic_open(). */
MUST_CHECK enum rc nic_tap_open(
    const struct nic_opts *opts, struct web_nic *out);

#endif
