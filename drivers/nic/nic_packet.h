/*
 * A real interface through a packet socket: lwIP has its MAC and all its
 * traffic; the kernel is to have no address on it. Needs CAP_NET_RAW when it
 * is opened, and CAP_NET_ADMIN if the interface is still down.
 */
#ifndef NIC_PACKET_H
#define NIC_PACKET_H

#include "nic.h"

/* opts->interface. As nic_open(). */
MUST_CHECK enum rc nic_packet_open(
    const struct nic_opts *opts, struct web_nic *out);

#endif
