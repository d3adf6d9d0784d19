/*
 * From a frame as a driver has it to lwIP: the one door, where what lwIP
 * trusts is made true.
 */
#ifndef NIC_FRAME_H
#define NIC_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct netif;

/* Ethernet header and an MTU of 1500; there are no longer ones on our ports.
 */
#define NIC_FRAME_MAX 1514

/* Below this, Ethernet pads with zeros, and lwIP's ARP reads the padding. */
#define NIC_FRAME_MIN 60

/* Copies the frame and hands it to `netif`. Drops what is no frame; a short
 * one is padded, as etharp_input() of lwIP 2.2.1 checks no length. */
void nic_frame_input(struct netif *netif, const uint8_t *data, size_t len);

#endif
