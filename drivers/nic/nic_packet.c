/*
 * What a packet socket of Linux gives that a network port does not, and what
 * is done about it (each measured, design page lan.md):
 *
 *   checksums that the peer's kernel left to hardware that there is not: lwIP
 *     is told for that one frame not to look (TP_STATUS_CSUMNOTREADY);
 *   several frames put together (GRO), up to 64 KiB: taken as they are;
 *   long frames to be cut (GSO): TCP segments go out joined (nic_gather.h);
 *   VLAN tags taken off: dropped, else a tagged frame looks like ours;
 *   our own frames again: PACKET_IGNORE_OUTGOING.
 */
#include "nic_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lwip/netif.h"

#define LOG_MODULE "nic"
#include "facts.h"
#include "log.h"
#include "nic_frame.h"
#include "nic_gather.h"
#include "nic_pair.h"
#include "nic_port.h"

#define BUDGET  64 /* frames to lwIP in one service() */
#define RCVBUF  (4 << 20)
#define PIECES  64 /* of one frame that lwIP sends */
#define AUXDATA CMSG_SPACE(sizeof(struct tpacket_auxdata))

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct nic_packet {
	struct nic_port port; /* first: see nic_port.h */
	/* Each frame has a header in front that tells how to cut it. */
	bool has_vnet;
	struct nic_gather out; /* what waits to be sent */
	uint8_t buf[NIC_FRAME_BIG];
};

/* --- what the web asks of us ---------------------------------------------- */

/* What the kernel says of the frame beside its bytes. */
static unsigned status_of(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET ||
		    c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return aux.tp_status;
	}
	return 0;
}

/* False: nothing is there. */
static bool take(struct nic_packet *n, struct netif *netif)
{
	union {
		struct cmsghdr align;
		char bytes[AUXDATA];
	} control;
	struct virtio_net_hdr vnet;
	struct iovec v[2] = { { &vnet, sizeof(vnet) },
		{ n->buf, sizeof(n->buf) } };
	size_t before = n->has_vnet ? sizeof(vnet) : 0;
	struct msghdr m = { .msg_iov = n->has_vnet ? v : v + 1,
		.msg_iovlen = n->has_vnet ? 2 : 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(n->port.fd, &m, MSG_DONTWAIT | MSG_TRUNC);
	unsigned status;

	if (len < (ssize_t)before)
		return len < 0 && errno == EINTR;
	len -= (ssize_t)before;
	status = status_of(&m);
	if (netif && (size_t)len <= sizeof(n->buf) &&
	    !(status & TP_STATUS_VLAN_VALID))
		nic_frame_input(netif, n->buf, (size_t)len,
		    !(status & TP_STATUS_CSUMNOTREADY));
	return true;
}

/* --- sending ------------------------------------------------------------------ */

/* What can't be sent is lost, as on any line. */
static void flush(struct nic_packet *n)
{
	struct virtio_net_hdr vnet;
	size_t len;

	if (!n->out.len)
		return;
	len = nic_gather_take(&n->out, &vnet);
	if (writev(n->port.fd,
		(struct iovec[]){
		    { &vnet, sizeof(vnet) }, { n->out.frame, len } },
		2) < 0)
		log_debug("a frame was lost: %s", strerror(errno));
}

static int send_alone(struct nic_packet *n, const struct pbuf *p)
{
	struct virtio_net_hdr vnet = { .flags = 0 };
	struct iovec v[PIECES];
	int k = 0;

	v[k++] = (struct iovec){ &vnet, sizeof(vnet) };
	for (; p && k < PIECES; p = p->next)
		v[k++] = (struct iovec){ p->payload, p->len };
	return !p && writev(n->port.fd, v, k) >= 0;
}

static int packet_send(void *ctx, const struct pbuf *p)
{
	struct nic_packet *n = ctx;

	if (!n->has_vnet)
		return nic_port_send(ctx, p);
	if (nic_gather_add(&n->out, p))
		return 1;
	flush(n);
	return nic_gather_add(&n->out, p) ? 1 : send_alone(n, p);
}

/* The loop is about to sleep. */
static size_t packet_wait(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	flush(ctx);
	return nic_port_wait(ctx, fds, cap, timeout_ms);
}

static void packet_service(
    void *ctx, struct pollfd *fds, size_t n_fds, struct netif *netif)
{
	struct nic_packet *n = ctx;

	if (!nic_port_has_frames(&n->port, fds, n_fds))
		return;
	for (unsigned i = 0; i < NIC_PORT_BUDGET && take(n, netif); i++)
		;
}

static void packet_close(void *ctx)
{
	struct nic_packet *n = ctx;

	if (n) {
		if (n->port.fd >= 0)
			flush(n);
		nic_port_close(&n->port);
	}
	free(n);
}

static const struct web_nic_ops ops = {
	.facts = nic_port_facts,
	.link = nic_port_link,
	.send = packet_send,
	.wait = packet_wait,
	.service = packet_service,
	.close = packet_close,
};

/* --- opening -------------------------------------------------------------- */

/* Multicast, and what is meant for our MAC. */
static bool set_filter(const struct nic_packet *n)
{
	const uint8_t *m = n->port.mac;
	uint32_t high = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 |
			(uint32_t)m[2] << 8 | m[3];
	uint32_t low = (uint32_t)m[4] << 8 | m[5];
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x01000000, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return setsockopt(n->port.fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		   sizeof(prog)) == 0;
}

static bool set_options(const struct nic_packet *n, int index)
{
	struct packet_mreq all = { .mr_ifindex = index,
		.mr_type = PACKET_MR_ALLMULTI };
	int one = 1, room = RCVBUF;

	/* More than the limit, where we may; else as much as we may. */
	if (setsockopt(n->port.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
		sizeof(room)) < 0 &&
	    setsockopt(n->port.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) <
		0)
		return false;
	return setsockopt(n->port.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		   sizeof(one)) == 0 &&
	       setsockopt(n->port.fd, SOL_PACKET, PACKET_AUXDATA, &one,
		   sizeof(one)) == 0 &&
	       setsockopt(n->port.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all,
		   sizeof(all)) == 0;
}

/* The kernel is to be silent there. IPv6 would come up by itself. */
static void silence_kernel(const char *interface)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6",
	    interface);
	f = fopen(path, "w");
	if (f) {
		fputs("1\n", f);
		if (fclose(f) == 0)
			return;
	}
	if (access("/proc/sys/net/ipv6", F_OK) == 0)
		log_warn("the kernel's own IPv6 stays on at %s", interface);
}

static void warn_of_addresses(const char *interface)
{
	struct ifaddrs *all, *a;
	bool any = false;

	if (getifaddrs(&all) < 0)
		return;
	for (a = all; a; a = a->ifa_next)
		any = any || (a->ifa_addr && !strcmp(a->ifa_name, interface) &&
				 a->ifa_addr->sa_family == AF_INET);
	freeifaddrs(all);
	if (any)
		log_warn("the kernel has an address of its own at %s, and "
			 "answers there, too",
		    interface);
}

/* MAC, MTU, and up if it is not. */
static enum rc ask_interface(struct nic_packet *n, const char *interface)
{
	struct ifreq r = { .ifr_flags = 0 };
	int fd = n->port.fd;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFMTU, &r) < 0)
		return nic_port_refused(interface, "it can't be asked");
	n->port.mtu =
	    r.ifr_mtu >= 1280 && r.ifr_mtu < 1500 ? (uint16_t)r.ifr_mtu : 1500;
	if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		return nic_port_refused(interface, "it has no address");
	memcpy(n->port.mac, r.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return nic_port_refused(interface, "it can't be asked");
	if (!(r.ifr_flags & IFF_UP)) {
		r.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
			return nic_port_refused(
			    interface, "it can't be brought up");
	}
	return RC_OK;
}

static enum rc start(struct nic_packet *n, const char *interface)
{
	unsigned index = if_nametoindex(interface);
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)index };
	enum rc rc;
	int one = 1;

	if (!index)
		return nic_port_refused(
		    interface, "there is none of that name");
	/* Protocol 0: nothing is queued before the filter is in place. */
	n->port.fd =
	    socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->port.fd < 0)
		return nic_port_refused(interface, "no packet socket");
	silence_kernel(interface);
	rc = ask_interface(n, interface);
	if (rc)
		return rc;
	if (!set_filter(n) || !set_options(n, (int)index))
		return nic_port_refused(interface, "an option");
	if (bind(n->port.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return nic_port_refused(interface, "bind");
	n->has_vnet = setsockopt(n->port.fd, SOL_PACKET, PACKET_VNET_HDR, &one,
			  sizeof(one)) == 0;
	warn_of_addresses(interface);
	return nic_link_open(&n->port.link, (int)index);
}

static enum rc open_one(const char *interface, struct web_nic *out)
{
	struct nic_packet *n;
	enum rc rc;

	n = calloc(1, sizeof(*n));
	if (!n)
		return RC_NOMEM;
	nic_port_init(&n->port);
	rc = start(n, interface);
	if (rc) {
		packet_close(n);
		return rc;
	}
	out->ops = &ops;
	out->ctx = n;
	out->is_lan = true;
	return RC_OK;
}

/* Later no more sockets may be made: whoever does not hurry waits for both. */
static enum rc open_found(const struct nic_opts *opts, struct web_nic *out)
{
	char cable[IFNAMSIZ] = "", wifi[IFNAMSIZ] = "";
	struct web_nic first = { .ops = NULL }, second = { .ops = NULL };
	enum rc rc = RC_OK;

	(void)facts_ethernet("/sys", cable, sizeof(cable));
	if (opts->wifi)
		(void)facts_wifi("/sys", wifi, sizeof(wifi));
	if (!opts->hurry && (!cable[0] || (opts->wifi && !wifi[0])))
		return RC_NOTFOUND;
	if (!cable[0] && !wifi[0])
		return RC_NOTFOUND;
	if (!opts->wifi)
		return open_one(cable, out);
	if (cable[0])
		rc = open_one(cable, &first);
	if (!rc && wifi[0])
		rc = open_one(wifi, &second);
	if (!rc)
		return nic_pair_open(&first, &second, out);
	if (first.ops)
		first.ops->close(first.ctx);
	return rc;
}

enum rc nic_packet_open(const struct nic_opts *opts, struct web_nic *out)
{
	return strcmp(opts->interface, "auto") ? open_one(opts->interface, out)
					       : open_found(opts, out);
}
