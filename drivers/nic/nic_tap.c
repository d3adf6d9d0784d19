#include "nic_tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "nic_frame.h"
#include "nic_port.h"

struct nic_tap {
	struct nic_port port; /* first: see nic_port.h */
	uint8_t buf[NIC_FRAME_MAX + 1]; /* one more: a longer frame shows */
};

static void tap_service(
    void *ctx, struct pollfd *fds, size_t n_fds, struct netif *netif)
{
	struct nic_tap *n = ctx;

	if (!nic_port_has_frames(&n->port, fds, n_fds))
		return;
	for (unsigned i = 0; i < NIC_PORT_BUDGET; i++) {
		ssize_t len = read(n->port.fd, n->buf, sizeof(n->buf));

		if (len <= 0)
			break;
		nic_frame_input(netif, n->buf, (size_t)len, true);
	}
}

static void tap_close(void *ctx)
{
	struct nic_tap *n = ctx;

	if (n)
		nic_port_close(&n->port);
	free(n);
}

static const struct web_nic_ops ops = {
	.facts = nic_port_facts,
	.link = nic_port_link,
	.send = nic_port_send,
	.wait = nic_port_wait,
	.service = tap_service,
	.close = tap_close,
};

/* The cable has two ends: ours is the kernel's MAC but for one bit, so that a
 * device that stays keeps its address, too. */
static enum rc set_mac(struct nic_tap *n, struct ifreq *r)
{
	if (ioctl(n->port.fd, SIOCGIFHWADDR, r) < 0)
		return nic_port_refused(r->ifr_name, "it has no address");
	memcpy(n->port.mac, r->ifr_hwaddr.sa_data, 6);
	n->port.mac[0] = (uint8_t)((n->port.mac[0] | 0x02) & 0xfe);
	n->port.mac[5] ^= 0x01;
	return RC_OK;
}

static enum rc start(struct nic_tap *n, const char *interface)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	enum rc rc;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	n->port.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (n->port.fd < 0)
		return nic_port_refused(interface, "/dev/net/tun");
	if (ioctl(n->port.fd, TUNSETIFF, &r) < 0)
		return nic_port_refused(interface, "no TAP device");
	rc = set_mac(n, &r);
	return rc ? rc
		  : nic_link_open(
			&n->port.link, (int)if_nametoindex(r.ifr_name));
}

enum rc nic_tap_open(const struct nic_opts *opts, struct web_nic *out)
{
	struct nic_tap *n = calloc(1, sizeof(*n));
	enum rc rc;

	if (!n)
		return RC_NOMEM;
	nic_port_init(&n->port);
	n->port.mtu = 1500;
	rc = start(n, opts->interface);
	if (rc) {
		tap_close(n);
		return rc;
	}
	out->ops = &ops;
	out->ctx = n;
	out->is_lan = true;
	return RC_OK;
}
