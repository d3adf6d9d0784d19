#include "net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/acd.h"
#include "lwip/apps/mdns.h"
#include "lwip/apps/mdns_out.h"
#include "lwip/autoip.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/ip6_addr.h"
#include "lwip/mem.h"
#include "lwip/nd6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"

#define LOG_MODULE "net"
#include "log.h"

#define HTTP_PORT   80
#define NUMBER_MAX  99
#define HALF_OPEN_S 3 /* lwIP would wait 20 s */
#define REAP_MS     500

/* mDNS has one callback without an argument; there is one netif. */
static struct net *the_net;

/* --- the name ----------------------------------------------------------------- */

void net_label(const char *name, char out[NET_NAME_MAX + 1])
{
	size_t n = 0;

	for (const char *p = name; *p && n < NET_NAME_MAX; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x80 && isalnum(c))
			out[n++] = (char)tolower(c);
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
	if (n == 0)
		strcpy(out, "nightstand");
}

/* The label of number n->number. */
static void make_label(const struct net *n, char *out, size_t cap)
{
	if (n->number > 1)
		snprintf(
		    out, cap, "%s-%u", n->base, n->number % (NUMBER_MAX + 1));
	else
		snprintf(out, cap, "%s", n->base);
}

static void set_host(struct net *n)
{
	char label[NET_NAME_MAX + 8];

	make_label(n, label, sizeof(label));
	snprintf(n->host, sizeof(n->host), "%s.local", label);
}

/* Called from within lwIP, which must not be re-entered. */
static void on_name(struct netif *netif, u8_t result, s8_t slot)
{
	(void)netif;
	(void)slot;
	if (result == MDNS_PROBING_CONFLICT && the_net)
		the_net->conflict = true;
	else if (the_net)
		log_note("the box is %s", the_net->host);
}

static void add_texts(struct mdns_service *service, void *arg)
{
	static const char path[] = "path=/";

	(void)arg;
	if (mdns_resp_add_service_txtitem(service, path, sizeof(path) - 1))
		log_warn("the service has no text");
}

static enum rc tell_name(struct net *n)
{
	static bool started;

	if (!started)
		mdns_resp_init();
	started = true;
	the_net = n;
	mdns_resp_register_name_result_cb(on_name);
	if (mdns_resp_add_netif(&n->netif, n->base) != ERR_OK)
		return RC_NOMEM;
	n->told_mdns = true;
	return mdns_resp_add_service(&n->netif, n->base, "_http",
		   DNSSD_PROTO_TCP, HTTP_PORT, add_texts, NULL) < 0
		   ? RC_NOMEM
		   : RC_OK;
}

/* Host and service have one name, so both get the next one. */
static void rename_box(struct net *n)
{
	char label[NET_NAME_MAX + 8];

	n->conflict = false;
	if (n->number < NUMBER_MAX)
		n->number++;
	make_label(n, label, sizeof(label));
	set_host(n);
	log_warn("another one has that name: this box is %s", n->host);
	if (mdns_resp_rename_netif(&n->netif, label) != ERR_OK ||
	    mdns_resp_rename_service(&n->netif, 0, label) != ERR_OK)
		log_warn("the new name can't be told");
}

/* --- addresses ------------------------------------------------------------------ */

static bool read_ip4(const char *text, ip4_addr_t *out)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1)
		return false;
	ip4_addr_set_u32(out, addr.s_addr);
	return true;
}

/* "192.168.1.9/24". */
static bool read_net(const char *text, ip4_addr_t *addr, ip4_addr_t *mask)
{
	const char *slash = strchr(text, '/');
	char host[16], *end;
	unsigned long bits;

	if (!slash || (size_t)(slash - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	bits = strtoul(slash + 1, &end, 10);
	if (end == slash + 1 || *end || bits < 8 || bits > 30)
		return false;
	ip4_addr_set_u32(mask, htonl(0xffffffffu << (32 - bits)));
	return read_ip4(host, addr);
}

struct fixed {
	ip4_addr_t addr, mask, gateway;
};

/* All zero: to be asked for. */
static enum rc fixed_address(
    struct net *n, const struct net_opts *opts, struct fixed *f)
{
	bool ok;

	memset(f, 0, sizeof(*f));
	if (!n->nic->is_lan) {
		ok = read_ip4(n->nic->addr, &f->addr) &&
		     read_ip4(n->nic->mask, &f->mask) &&
		     read_ip4(n->nic->gateway, &f->gateway);
	} else if (strcmp(opts->address, "dhcp") == 0) {
		n->asks_dhcp = true;
		return RC_OK;
	} else {
		ok =
		    read_net(opts->address, &f->addr, &f->mask) &&
		    (!opts->gateway[0] || read_ip4(opts->gateway, &f->gateway));
	}
	if (!ok)
		log_error("not an address: %s, gateway %s", opts->address,
		    opts->gateway);
	return ok ? RC_OK : RC_CONFIG;
}

static void on_address(struct netif *netif)
{
	struct net *n = netif->state;
	char words[192];

	if (!netif_is_link_up(netif) ||
	    ip4_addr_isany_val(*netif_ip4_addr(netif)))
		return;
	net_words(n, words, sizeof(words));
	log_note("addresses: %s", words);
}

static enum rc ask_for_addresses(struct net *n)
{
	netif_create_ip6_linklocal_address(&n->netif, 1);
	netif_set_ip6_autoconfig_enabled(&n->netif, 1);
	netif_set_status_callback(&n->netif, on_address);
	if (n->asks_dhcp && dhcp_start(&n->netif) != ERR_OK)
		return RC_NOMEM;
	return tell_name(n);
}

/* --- the netif -------------------------------------------------------------------- */

static err_t link_output(struct netif *netif, struct pbuf *p)
{
	struct net *n = netif->state;

	return n->nic->ops->send(n->nic->ctx, p) ? ERR_OK : ERR_MEM;
}

static int port_in_use(const struct net *n)
{
	return n->nic->ops->link ? n->nic->ops->link(n->nic->ctx) : 1;
}

static err_t netif_start(struct netif *netif)
{
	struct net *n = netif->state;

	netif->name[0] = 'n';
	netif->name[1] = 's';
	netif->hostname = n->base;
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = link_output;
	netif->hwaddr_len = 6;
	netif->flags =
	    NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	if (n->nic->is_lan)
		netif->flags |= NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	n->port = port_in_use(n);
	if (n->port)
		netif->flags |= NETIF_FLAG_LINK_UP;
	n->nic->ops->facts(n->nic->ctx, netif->hwaddr, &netif->mtu);
	return ERR_OK;
}

enum rc net_open(
    struct net *n, struct web_nic *nic, const struct net_opts *opts)
{
	struct fixed f;
	enum rc rc;

	memset(n, 0, sizeof(*n));
	n->nic = nic;
	n->number = 1;
	net_label(opts->name, n->base);
	set_host(n);
	rc = fixed_address(n, opts, &f);
	if (rc)
		return rc;
	if (!netif_add(&n->netif, &f.addr, &f.mask, &f.gateway, n, netif_start,
		netif_input))
		return RC_NOMEM;
	n->has_netif = true;
	netif_set_default(&n->netif);
	netif_set_up(&n->netif);
	return nic->is_lan ? ask_for_addresses(n) : RC_OK;
}

/* mdns_resp_remove_netif() of lwIP 2.2.1 leaves these running, on a netif
 * that is gone. (One it hides: of a truncated question, for half a second.) */
static void stop_mdns(struct netif *netif)
{
	static const sys_timeout_handler timers[] = {
		mdns_multicast_timeout_reset_ipv4,
		mdns_multicast_probe_timeout_reset_ipv4,
		mdns_multicast_timeout_25ttl_reset_ipv4,
		mdns_send_multicast_msg_delayed_ipv4,
		mdns_send_unicast_msg_delayed_ipv4,
		mdns_multicast_timeout_reset_ipv6,
		mdns_multicast_probe_timeout_reset_ipv6,
		mdns_multicast_timeout_25ttl_reset_ipv6,
		mdns_send_multicast_msg_delayed_ipv6,
		mdns_send_unicast_msg_delayed_ipv6,
	};

	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		sys_untimeout(timers[i], netif);
	mdns_resp_remove_netif(netif);
}

static void stop_dhcp(struct netif *netif)
{
	struct autoip *autoip = netif_autoip_data(netif);

	dhcp_release_and_stop(netif);
	dhcp_cleanup(netif);
	if (!autoip)
		return;
	autoip_stop(netif);
	acd_remove(netif, &autoip->acd);
	autoip_remove_struct(netif);
	mem_free(autoip);
}

void net_close(struct net *n)
{
	if (!n->has_netif)
		return;
	if (n->asks_dhcp)
		stop_dhcp(&n->netif);
	if (n->told_mdns)
		stop_mdns(&n->netif);
	the_net = NULL;
	netif_remove(&n->netif);
	n->has_netif = false;
}

/* --- in each turn -------------------------------------------------------------------- */

/* Who says SYN and no more holds a place for 20 s, and 32 of them all. */
static void reap_half_open(void)
{
	struct tcp_pcb *next;

	for (struct tcp_pcb *p = tcp_active_pcbs; p; p = next) {
		next = p->next;
		if (p->state == SYN_RCVD &&
		    tcp_ticks - p->tmr > HALF_OPEN_S * 1000 / TCP_SLOW_INTERVAL)
			tcp_abort(p);
	}
}

/* The same name by another port: what was learnt by the old one, and the IPv6
 * addresses that came of its MAC, are gone. The IPv4 address is asked for
 * again, and meanwhile announced. */
static void move_to_port(struct net *n)
{
	struct netif *netif = &n->netif;
	uint8_t before[6];

	memcpy(before, netif->hwaddr, 6);
	n->nic->ops->facts(n->nic->ctx, netif->hwaddr, &netif->mtu);
	if (memcmp(before, netif->hwaddr, 6) == 0)
		return;
	etharp_cleanup_netif(netif);
	nd6_cleanup_netif(netif);
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		netif_ip6_addr_set_state(netif, i, IP6_ADDR_INVALID);
	netif_create_ip6_linklocal_address(netif, 1);
}

static void follow_link(struct net *n)
{
	int port = port_in_use(n);

	if (port == n->port)
		return;
	n->port = port;
	if (netif_is_link_up(&n->netif))
		netif_set_link_down(&n->netif);
	if (!port)
		return;
	move_to_port(n);
	netif_set_link_up(&n->netif);
}

void net_tick(struct net *n, int64_t now_ms)
{
	follow_link(n);
	if (n->conflict)
		rename_box(n);
	if (now_ms - n->reaped_ms < REAP_MS)
		return;
	n->reaped_ms = now_ms;
	reap_half_open();
}

bool net_has_address(const struct net *n)
{
	return netif_is_link_up(&n->netif) &&
	       !ip4_addr_isany_val(*netif_ip4_addr(&n->netif));
}

/* --- words ------------------------------------------------------------------------------ */

void net_words(const struct net *n, char *out, size_t cap)
{
	const struct netif *netif = &n->netif;
	char v4[16], v6[IP6ADDR_STRLEN_MAX];
	int used = 0;

	out[0] = '\0';
	if (!netif_is_link_up(netif)) {
		snprintf(out, cap, "no link");
		return;
	}
	if (ip4addr_ntoa_r(netif_ip4_addr(netif), v4, sizeof(v4)))
		used = snprintf(out, cap, "%s %s", n->host, v4);
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		if (!ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) ||
		    !ip6addr_ntoa_r(netif_ip6_addr(netif, i), v6, sizeof(v6)))
			continue;
		if (used >= 0 && (size_t)used < cap)
			used +=
			    snprintf(out + used, cap - (size_t)used, " %s", v6);
	}
}
