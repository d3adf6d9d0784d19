#include "nic_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define LOG_MODULE "nic"
#include "log.h"
#include "nic_frame.h"
#include "nic_link.h"

#define BUDGET 64 /* frames to lwIP in one service() */
#define PIECES 64

struct nic_tap {
	int fd;
	struct nic_link link;
	uint8_t mac[6];
	uint8_t buf[NIC_FRAME_MAX + 1]; /* one more: a longer frame shows */
};

static void tap_facts(void *ctx, uint8_t mac[6], uint16_t *mtu)
{
	const struct nic_tap *n = ctx;

	memcpy(mac, n->mac, 6);
	*mtu = 1500;
}

static int tap_link(void *ctx)
{
	const struct nic_tap *n = ctx;

	return n->link.up;
}

static int tap_send(void *ctx, const struct pbuf *p)
{
	struct nic_tap *n = ctx;
	struct iovec v[PIECES];
	int k = 0;

	for (; p && k < PIECES; p = p->next)
		v[k++] = (struct iovec){ p->payload, p->len };
	return !p && writev(n->fd, v, k) >= 0;
}

static size_t tap_wait(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	struct nic_tap *n = ctx;

	(void)timeout_ms;
	if (cap < 2)
		return 0;
	fds[0] = (struct pollfd){ .fd = n->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = n->link.fd, .events = POLLIN };
	return 2;
}

static void tap_service(
    void *ctx, struct pollfd *fds, size_t n_fds, struct netif *netif)
{
	struct nic_tap *n = ctx;

	if (n_fds < 2)
		return;
	if (fds[1].revents)
		nic_link_read(&n->link);
	for (unsigned i = 0; fds[0].revents && i < BUDGET; i++) {
		ssize_t len = read(n->fd, n->buf, sizeof(n->buf));

		if (len <= 0)
			break;
		nic_frame_input(netif, n->buf, (size_t)len, true);
	}
}

static void tap_close(void *ctx)
{
	struct nic_tap *n = ctx;

	if (!n)
		return;
	nic_link_close(&n->link);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

static const struct web_nic_ops ops = {
	.facts = tap_facts,
	.link = tap_link,
	.send = tap_send,
	.wait = tap_wait,
	.service = tap_service,
	.close = tap_close,
};

static enum rc refused(const char *interface, const char *what)
{
	log_error("network port %s: %s: %s", interface, what, strerror(errno));
	return rc_from_errno(errno);
}

/* The cable has two ends: ours is the kernel's MAC but for one bit, so that a
 * device that stays keeps its address, too. */
static enum rc set_mac(struct nic_tap *n, struct ifreq *r)
{
	if (ioctl(n->fd, SIOCGIFHWADDR, r) < 0)
		return refused(r->ifr_name, "it has no address");
	memcpy(n->mac, r->ifr_hwaddr.sa_data, 6);
	n->mac[0] = (uint8_t)((n->mac[0] | 0x02) & 0xfe);
	n->mac[5] ^= 0x01;
	return RC_OK;
}

static enum rc start(struct nic_tap *n, const char *interface)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	enum rc rc;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	n->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (n->fd < 0)
		return refused(interface, "/dev/net/tun");
	if (ioctl(n->fd, TUNSETIFF, &r) < 0)
		return refused(interface, "no TAP device");
	rc = set_mac(n, &r);
	return rc ? rc
		  : nic_link_open(&n->link, (int)if_nametoindex(r.ifr_name));
}

enum rc nic_tap_open(const struct nic_opts *opts, struct web_nic *out)
{
	struct nic_tap *n = calloc(1, sizeof(*n));
	enum rc rc;

	if (!n)
		return RC_NOMEM;
	n->fd = n->link.fd = -1;
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
