#include "nic_port.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lwip/pbuf.h"

#define LOG_MODULE "nic"
#include "log.h"

#define PIECES 64 /* of one frame that lwIP sends */

void nic_port_facts(void *ctx, uint8_t mac[6], uint16_t *mtu)
{
	const struct nic_port *n = ctx;

	memcpy(mac, n->mac, 6);
	*mtu = n->mtu;
}

int nic_port_link(void *ctx)
{
	const struct nic_port *n = ctx;

	return n->link.up;
}

int nic_port_send(void *ctx, const struct pbuf *p)
{
	struct nic_port *n = ctx;
	struct iovec v[PIECES];
	int k = 0;

	for (; p && k < PIECES; p = p->next)
		v[k++] = (struct iovec){ p->payload, p->len };
	return !p && writev(n->fd, v, k) >= 0;
}

size_t nic_port_wait(void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	const struct nic_port *n = ctx;

	(void)timeout_ms;
	if (cap < 2)
		return 0;
	fds[0] = (struct pollfd){ .fd = n->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = n->link.fd, .events = POLLIN };
	return 2;
}

bool nic_port_has_frames(struct nic_port *n, const struct pollfd *fds, size_t k)
{
	if (k < 2)
		return false;
	if (fds[1].revents)
		nic_link_read(&n->link);
	return fds[0].revents != 0;
}

void nic_port_init(struct nic_port *n)
{
	n->fd = n->link.fd = n->link.ask = -1;
}

void nic_port_close(struct nic_port *n)
{
	nic_link_close(&n->link);
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

enum rc nic_port_refused(const char *interface, const char *what)
{
	int err = errno;

	log_error("network port %s: %s: %s%s", interface, what, strerror(err),
	    err == EPERM || err == EACCES
		? "; it needs CAP_NET_RAW and CAP_NET_ADMIN (root)"
		: "");
	return err == ENODEV || err == ENXIO ? RC_CONFIG : rc_from_errno(err);
}
