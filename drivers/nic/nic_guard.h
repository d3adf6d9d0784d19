/*
 * What lwIP 2.2.1 reads beyond the end of, or loops over, is refused before it
 * sees it: TCP options (fixed upstream by 3d896ba0) and the options of
 * neighbour discovery (0a65e654, db4e4c9d, 8e75a40a). Frames of IPv6 with
 * extension headers are refused but for hop-by-hop, which multicast listener
 * queries carry.
 */
#ifndef NIC_GUARD_H
#define NIC_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An Ethernet frame from its first byte on, without a VLAN tag. False: it is
 * to be dropped. What is neither IPv4 nor IPv6 passes. */
bool nic_guard_passes(const uint8_t *frame, size_t len);

#endif
