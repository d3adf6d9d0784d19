#include "nic_guard.h"

#define ETHERNET_HEADER 14
#define TYPE_IPV4       0x0800
#define TYPE_IPV6       0x86dd
#define IPV6_HEADER     40
#define TCP_HEADER      20

enum next_header { /* IANA's numbers */
	NEXT_HOP_BY_HOP = 0,
	NEXT_TCP = 6,
	NEXT_UDP = 17,
	NEXT_ICMPV6 = 58
};

struct bytes {
	const uint8_t *at;
	size_t len;
};

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* kind, length, …; 0 ends the list, 1 stands alone. */
static bool tcp_options_fit(const uint8_t *opt, size_t len)
{
	size_t at = 0;

	while (at < len && opt[at] != 0) {
		if (opt[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= len || opt[at + 1] < 2 || opt[at + 1] > len - at)
			return false;
		at += opt[at + 1];
	}
	return true;
}

static bool tcp_passes(struct bytes tcp)
{
	size_t head;

	if (tcp.len < TCP_HEADER)
		return false;
	head = (size_t)(tcp.at[12] >> 4) * 4;
	return head >= TCP_HEADER && head <= tcp.len &&
	       tcp_options_fit(tcp.at + TCP_HEADER, head - TCP_HEADER);
}

/* Where the options of a message begin; 0: it has none. */
static size_t nd_fixed_part(uint8_t type)
{
	switch (type) {
	case 133: /* router solicitation */
		return 8;
	case 134: /* router advertisement */
		return 16;
	case 135: /* neighbour solicitation */
	case 136: /* neighbour advertisement */
		return 24;
	case 137: /* redirect */
		return 40;
	default:
		return 0;
	}
}

/* Type, length in units of eight bytes, …: never zero, never beyond. */
static bool icmpv6_passes(struct bytes icmp)
{
	size_t at;

	if (icmp.len < 4)
		return false;
	at = nd_fixed_part(icmp.at[0]);
	if (at == 0)
		return true;
	if (at > icmp.len)
		return false;
	while (at < icmp.len) {
		size_t len;

		if (icmp.len - at < 8)
			return false;
		len = (size_t)icmp.at[at + 1] * 8;
		if (len == 0 || len > icmp.len - at)
			return false;
		at += len;
	}
	return true;
}

static bool ipv4_passes(struct bytes ip)
{
	size_t head, total;

	if (ip.len < 20 || ip.at[0] >> 4 != 4)
		return false;
	head = (size_t)(ip.at[0] & 0x0f) * 4;
	total = be16(ip.at + 2);
	if (head < 20 || total < head || total > ip.len)
		return false;
	if (be16(ip.at + 6) & 0x3fff)
		return false; /* a fragment: we put none together */
	if (ip.at[9] != NEXT_TCP)
		return true;
	return tcp_passes((struct bytes){ ip.at + head, total - head });
}

static bool ipv6_passes(struct bytes ip)
{
	size_t payload, skip = 0;
	uint8_t next;

	if (ip.len < IPV6_HEADER || ip.at[0] >> 4 != 6)
		return false;
	payload = be16(ip.at + 4);
	if (payload > ip.len - IPV6_HEADER)
		return false;
	ip.at += IPV6_HEADER;
	next = ip.at[6 - IPV6_HEADER];
	if (next == NEXT_HOP_BY_HOP) {
		if (payload < 8)
			return false;
		next = ip.at[0];
		skip = (size_t)(ip.at[1] + 1) * 8;
		if (skip > payload || next != NEXT_ICMPV6)
			return false;
	}
	ip.at += skip;
	ip.len = payload - skip;
	switch (next) {
	case NEXT_TCP:
		return tcp_passes(ip);
	case NEXT_ICMPV6:
		return icmpv6_passes(ip);
	case NEXT_UDP:
		return true;
	default:
		return false;
	}
}

bool nic_guard_passes(const uint8_t *frame, size_t len)
{
	struct bytes ip;

	if (len < ETHERNET_HEADER)
		return false;
	ip = (struct bytes){ frame + ETHERNET_HEADER, len - ETHERNET_HEADER };
	switch (be16(frame + 12)) {
	case TYPE_IPV4:
		return ipv4_passes(ip);
	case TYPE_IPV6:
		return ipv6_passes(ip);
	default:
		return true;
	}
}
