/*
 * The box on its network: the netif, where its addresses come from, and the
 * name that it goes by. On a LAN (web_nic.is_lan) DHCP is asked, with an
 * address of its own choice after three tries in vain (AutoIP); IPv6 comes by
 * SLAAC; NAME.local is told by mDNS, and becomes NAME-2.local where another
 * has it already.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lwip/netif.h"

#include "rc.h"
#include "web_nic.h"

#define NET_NAME_MAX 40 /* of a DNS label at most 63, room for "-99" */

struct net_opts {
	const char *name; /* what the box calls itself: becomes a label */
	const char *address; /* "192.168.1.9/24", or "dhcp" */
	const char *gateway; /* of such an address; "" none */
};

struct net {
	struct netif netif;
	struct web_nic *nic; /* lent */
	bool has_netif, asks_dhcp, told_mdns;
	char base[NET_NAME_MAX + 1]; /* "nightstand" */
	char host[NET_NAME_MAX + 16]; /* "nightstand-2.local" */
	int port; /* of the nic, as its link() tells; 0: no link */
	unsigned number; /* 1: no suffix */
	bool conflict; /* somebody has the name: another one is due */
	int64_t reaped_ms;
};

/* lwip_init() was called. RC_CONFIG: an address is not one; RC_NOMEM. */
MUST_CHECK enum rc net_open(
    struct net *n, struct web_nic *nic, const struct net_opts *opts);
void net_close(struct net *n); /* one that is not open is fine */

/* In each turn of the loop: the link, the name, half-open connections. */
void net_tick(struct net *n, int64_t now_ms);

/* An IPv4 address, and a link to use it on. */
bool net_has_address(const struct net *n);

/* "192.168.1.9", the name and an IPv6 address, as far as there are any; for
 * people. */
void net_words(const struct net *n, char *out, size_t cap);

/* What a name has to be to be a DNS label; "nightstand" when nothing of it
 * is left. */
void net_label(const char *name, char out[NET_NAME_MAX + 1]);

#endif
