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

#endif
