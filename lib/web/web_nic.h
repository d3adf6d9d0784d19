/*
 * The network port that the web stands on: what lwIP calls a netif, with the
 * descriptors that its driver waits on. The web owns this seam; drivers/nic
 * provides one, firmware joins them.
 *
 * All calls come from the web's one loop. A driver never feeds lwIP from
 * within lwIP: a frame that arrives while one is being sent is kept until
 * service() (lwIP is not re-entrant).
 */
#ifndef WEB_NIC_H
#define WEB_NIC_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

struct netif;
struct pbuf;

/* Most descriptors that a driver may ask to wait on. */
#define WEB_NIC_FDS_MAX 256

struct web_nic_ops {
	/* Says the MAC address (6 bytes) and the MTU. */
	void (*facts)(void *ctx, uint8_t mac[6], uint16_t *mtu);

	/* Is the cable in, with somebody at its other end? 0: no. Else which
	 * of its ports is in use, from 1: with another one the MAC address is
	 * another, too, so facts() are asked again. NULL: always. */
	int (*link)(void *ctx);

	/* Sends one frame; `p` is lent. False when it had to be dropped. */
	int (*send)(void *ctx, const struct pbuf *p);

	/* Adds descriptors to `fds` and lowers *timeout_ms when the driver
	 * has something to do sooner. Returns how many, at most `cap`. */
	size_t (*wait)(
	    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms);

	/* After poll(): gives what arrived to `netif`, a bounded number of
	 * frames a call; NULL: drops it. */
	void (*service)(
	    void *ctx, struct pollfd *fds, size_t n, struct netif *netif);

	void (*close)(void *ctx);
};

struct web_nic {
	const struct web_nic_ops *ops;
	void *ctx;
	/* A network of others: addresses are asked for (DHCP, SLAAC), and the
	 * box's name is told (mDNS). */
	int is_lan;
	/* Else, the fixed IPv4 address: "10.0.2.15". */
	char addr[16], mask[16], gateway[16];
};

#endif
