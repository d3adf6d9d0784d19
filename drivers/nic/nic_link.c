#include "nic_link.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_MODULE "nic"
#include "log.h"

#define BOTH (IFF_UP | IFF_RUNNING)

static void set_flags(struct nic_link *l, unsigned flags)
{
	bool up = (flags & BOTH) == BOTH;

	if (up != l->up)
		log_note("the network's link is %s", up ? "up" : "down");
	l->up = up;
}

/* Messages were lost, or it is the first time: the kernel is asked. */
static void ask(struct nic_link *l)
{
	struct ifreq r = { .ifr_ifindex = l->index };

	if (ioctl(l->ask, SIOCGIFNAME, &r) == 0 &&
	    ioctl(l->ask, SIOCGIFFLAGS, &r) == 0)
		set_flags(l, (unsigned short)r.ifr_flags);
	else
		set_flags(l, 0);
}

enum rc nic_link_open(struct nic_link *l, int index)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK };

	*l = (struct nic_link){ .index = index };
	/* Open from now on: later no more sockets may be made. */
	l->ask = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	l->fd = socket(
	    AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (l->fd < 0 || l->ask < 0 ||
	    bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		log_error("the kernel tells nothing of the network's link: %s",
		    strerror(errno));
		nic_link_close(l);
		return RC_IO;
	}
	ask(l);
	return RC_OK;
}

void nic_link_close(struct nic_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->ask >= 0)
		close(l->ask);
	l->fd = l->ask = -1;
}

static void take(struct nic_link *l, struct nlmsghdr *m)
{
	const struct ifinfomsg *info = NLMSG_DATA(m);

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) ||
	    info->ifi_index != l->index)
		return;
	if (m->nlmsg_type == RTM_DELLINK)
		set_flags(l, 0);
	else if (m->nlmsg_type == RTM_NEWLINK)
		set_flags(l, info->ifi_flags);
}

void nic_link_read(struct nic_link *l)
{
	union {
		struct nlmsghdr first;
		char bytes[16384];
	} buf;
	ssize_t n;

	while ((n = recv(l->fd, &buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		unsigned left = (unsigned)n;

		for (struct nlmsghdr *m = &buf.first; NLMSG_OK(m, left);
		     m = NLMSG_NEXT(m, left))
			take(l, m);
	}
	if (n < 0 && errno == ENOBUFS)
		ask(l);
}
