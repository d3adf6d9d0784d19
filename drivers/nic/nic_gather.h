/*
 * TCP segments that follow each other become one long frame, which the kernel
 * or the network chip cuts again (GSO): a page then passes the kernel once, not
 * fifteen times. Pure; nic_packet.c sends.
 *
 * Joined are segments of one connection with the same headers, of which each
 * begins where the one before ended, all of one length but the last. Anything
 * else goes out alone, after what waits: the order of frames never changes.
 */
#ifndef NIC_GATHER_H
#define NIC_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pbuf;
struct virtio_net_hdr;

#define NIC_GATHER_HEADS 134 /* Ethernet, IPv6, TCP with all options */
#define NIC_GATHER_MAX   (14 + 65535)

struct nic_gather {
	uint8_t frame[NIC_GATHER_MAX];
	size_t len; /* 0: nothing waits */
	size_t head; /* bytes before the payload */
	size_t mss; /* payload of the first segment */
	unsigned segments;
	uint32_t next; /* sequence number that follows */
	bool closed; /* a shorter one was the last */
};

/* Takes a copy. False: it does not go with what waits, or with nothing at
 * all. */
bool nic_gather_add(struct nic_gather *g, const struct pbuf *p);

/* What waits, made a frame with what the kernel has to know of it; then there
 * is nothing. The bytes are g's until the next add. Returns their number. */
size_t nic_gather_take(struct nic_gather *g, struct virtio_net_hdr *h);

#endif
