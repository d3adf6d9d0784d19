/* Cable and Wi-Fi as one port: which one is used, and whose frames are heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lwip/netif.h"
#include "nic_pair.h"

struct port {
	uint8_t mac;
	int link;
	unsigned sent, heard, dropped, closed;
	size_t n_fds;
};

static void facts(void *ctx, uint8_t mac[6], uint16_t *mtu)
{
	const struct port *p = ctx;

	memset(mac, p->mac, 6);
	*mtu = 1500;
}

static int link_of(void *ctx)
{
	return ((struct port *)ctx)->link;
}

static int send_one(void *ctx, const struct pbuf *pb)
{
	(void)pb;
	((struct port *)ctx)->sent++;
	return 1;
}

static size_t wait_for(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	struct port *p = ctx;

	(void)timeout_ms;
	assert_true(cap >= p->n_fds);
	for (size_t i = 0; i < p->n_fds; i++)
		fds[i].fd = p->mac;
	return p->n_fds;
}

static void service(
    void *ctx, struct pollfd *fds, size_t n, struct netif *netif)
{
	struct port *p = ctx;

	assert_int_equal(n, p->n_fds);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(fds[i].fd, p->mac);
	if (netif)
		p->heard++;
	else
		p->dropped++;
}

static void close_port(void *ctx)
{
	((struct port *)ctx)->closed++;
}

static const struct web_nic_ops fake = { facts, link_of, send_one, wait_for,
	service, close_port };

static void turn(struct web_nic *n)
{
	struct pollfd fds[8];
	struct netif netif;
	int ms = 1000;
	size_t k = n->ops->wait(n->ctx, fds, 8, &ms);

	n->ops->service(n->ctx, fds, k, &netif);
}

static uint8_t mac_of(struct web_nic *n)
{
	uint8_t mac[6];
	uint16_t mtu;

	n->ops->facts(n->ctx, mac, &mtu);
	return mac[0];
}

static void cable_comes_first(void **state)
{
	struct port c = { .mac = 2, .n_fds = 2 }, w = { .mac = 4, .n_fds = 1 };
	struct web_nic cable = { .ops = &fake, .ctx = &c };
	struct web_nic wifi = { .ops = &fake, .ctx = &w }, n;

	(void)state;
	memset(&n, 0, sizeof(n));
	assert_int_equal(nic_pair_open(&cable, &wifi, &n), RC_OK);
	assert_true(n.is_lan);
	assert_int_equal(n.ops->link(n.ctx), 0);
	assert_int_equal(mac_of(&n), 2);
	assert_int_equal(n.ops->send(n.ctx, NULL), 0);
	w.link = 1;
	assert_int_equal(n.ops->link(n.ctx), 2);
	assert_int_equal(mac_of(&n), 4);
	assert_int_equal(n.ops->send(n.ctx, NULL), 1);
	turn(&n);
	assert_int_equal(w.sent, 1);
	assert_int_equal(w.heard, 1);
	assert_int_equal(c.heard, 0);
	assert_int_equal(c.dropped, 1);
	/* Until link() was asked, all goes the way that is known. */
	c.link = 1;
	turn(&n);
	assert_int_equal(w.heard, 2);
	assert_int_equal(mac_of(&n), 4);
	assert_int_equal(n.ops->link(n.ctx), 1);
	assert_int_equal(mac_of(&n), 2);
	turn(&n);
	assert_int_equal(c.heard, 1);
	assert_int_equal(w.dropped, 1);
	c.link = w.link = 0;
	assert_int_equal(n.ops->link(n.ctx), 0);
	turn(&n);
	assert_int_equal(c.heard, 1);
	assert_int_equal(w.heard, 2);
	n.ops->close(n.ctx);
	assert_int_equal(c.closed, 1);
	assert_int_equal(w.closed, 1);
}

static void one_alone_serves(void **state)
{
	struct port w = { .mac = 4, .n_fds = 2, .link = 1 };
	struct web_nic none = { .ops = NULL };
	struct web_nic wifi = { .ops = &fake, .ctx = &w }, n;

	(void)state;
	memset(&n, 0, sizeof(n));
	assert_int_equal(nic_pair_open(&none, &wifi, &n), RC_OK);
	assert_int_equal(mac_of(&n), 4);
	assert_int_equal(n.ops->link(n.ctx), 2);
	turn(&n);
	assert_int_equal(w.heard, 1);
	n.ops->close(n.ctx);
	memset(&n, 0, sizeof(n));
	assert_int_equal(nic_pair_open(&wifi, &none, &n), RC_OK);
	assert_int_equal(n.ops->link(n.ctx), 1);
	n.ops->close(n.ctx);
	assert_int_equal(w.closed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cable_comes_first),
		cmocka_unit_test(one_alone_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
