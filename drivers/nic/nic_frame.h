/*
 * From a frame as a driver has it to lwIP: the one door, where what lwIP
 * trusts is made true.
 */
#ifndef NIC_FRAME_H
#define NIC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netif;

/* Ethernet header and an MTU of 1500. A packet socket gives longer ones, which
 * the kernel has put together: up to an IP packet's 65,535 bytes. */
#define NIC_FRAME_MAX 1514
#define NIC_FRAME_BIG 65535

/* Below this, Ethernet pads with zeros, and lwIP's ARP reads the padding. */
#define NIC_FRAME_MIN 60

/*
 * Copies the frame and hands it to `netif`. Drops what is no frame, and what
 * lwIP would not survive (nic_guard.h); a short one is padded, as
 * etharp_input() of lwIP 2.2.1 checks no length. has_sums: false for a frame
 * whose TCP or UDP checksum was never made, so lwIP must not look at it.
 */
void nic_frame_input(
    struct netif *netif, const uint8_t *data, size_t len, bool has_sums);

#endif
