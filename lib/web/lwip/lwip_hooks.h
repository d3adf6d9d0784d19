/*
 * Hooks that lwIP calls; bodies in lib/web/lwip_port.c.
 */
#ifndef LWIP_HOOKS_H
#define LWIP_HOOKS_H

#include "lwip/ip_addr.h"

/* Initial sequence number that cannot be guessed (RFC 6528). */
u32_t lwip_port_isn(const ip_addr_t *local_ip, u16_t local_port,
    const ip_addr_t *remote_ip, u16_t remote_port);

#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport)                              \
	lwip_port_isn(lip, lport, rip, rport)

struct netif;
struct dhcp;
struct dhcp_msg;

/* A DECLINE names the server it is for (RFC 2131, table 5); lwIP 2.2.1 leaves
 * that out, and dnsmasq then ignores it. */
void lwip_port_dhcp_options(
    const struct dhcp *dhcp, struct dhcp_msg *msg, u8_t msg_type, u16_t *len);

#define LWIP_HOOK_DHCP_APPEND_OPTIONS(netif, dhcp, state, msg, type, len)      \
	lwip_port_dhcp_options(dhcp, msg, type, len)

#endif
