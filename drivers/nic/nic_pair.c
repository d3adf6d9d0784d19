#include "nic_pair.h"

#include <stdlib.h>

#define LOG_MODULE "nic"
#include "log.h"

#define PORTS 2

struct nic_pair {
	struct web_nic port[PORTS]; /* cable, Wi-Fi; without ops: none */
	size_t n_fds[PORTS]; /* of the last wait() */
	int in_use; /* place in `port`; -1: none has a link */
};

static const char *const names[PORTS] = { "the cable", "Wi-Fi" };

static bool has(const struct nic_pair *p, int i)
{
	return p->port[i].ops != NULL;
}

/* The one in use, else the first that there is. */
static const struct web_nic *one_of(const struct nic_pair *p)
{
	if (p->in_use >= 0)
		return &p->port[p->in_use];
	return has(p, 0) ? &p->port[0] : &p->port[1];
}

static void pair_facts(void *ctx, uint8_t mac[6], uint16_t *mtu)
{
	const struct web_nic *n = one_of(ctx);

	n->ops->facts(n->ctx, mac, mtu);
}

/* The one place where it changes: until the web has heard, frames come and go
 * by the one that it knows. */
static int pair_link(void *ctx)
{
	struct nic_pair *p = ctx;
	int best = -1;

	for (int i = PORTS - 1; i >= 0; i--)
		if (has(p, i) && p->port[i].ops->link(p->port[i].ctx))
			best = i;
	if (best != p->in_use && best >= 0)
		log_note("the network is reached by %s", names[best]);
	p->in_use = best;
	return best + 1;
}

static int pair_send(void *ctx, const struct pbuf *pb)
{
	struct nic_pair *p = ctx;

	if (p->in_use < 0)
		return 0;
	return p->port[p->in_use].ops->send(p->port[p->in_use].ctx, pb);
}

static size_t pair_wait(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	struct nic_pair *p = ctx;
	size_t n = 0;

	for (int i = 0; i < PORTS; i++) {
		p->n_fds[i] = has(p, i) ? p->port[i].ops->wait(p->port[i].ctx,
					      fds + n, cap - n, timeout_ms)
					: 0;
		n += p->n_fds[i];
	}
	return n;
}

static void pair_service(
    void *ctx, struct pollfd *fds, size_t n, struct netif *netif)
{
	struct nic_pair *p = ctx;
	size_t at = 0;

	for (int i = 0; i < PORTS && at + p->n_fds[i] <= n; i++) {
		if (has(p, i))
			p->port[i].ops->service(p->port[i].ctx, fds + at,
			    p->n_fds[i], i == p->in_use ? netif : NULL);
		at += p->n_fds[i];
	}
}

static void pair_close(void *ctx)
{
	struct nic_pair *p = ctx;

	for (int i = 0; i < PORTS; i++)
		if (has(p, i))
			p->port[i].ops->close(p->port[i].ctx);
	free(p);
}

static const struct web_nic_ops ops = {
	.facts = pair_facts,
	.link = pair_link,
	.send = pair_send,
	.wait = pair_wait,
	.service = pair_service,
	.close = pair_close,
};

enum rc nic_pair_open(const struct web_nic *cable, const struct web_nic *wifi,
    struct web_nic *out)
{
	struct nic_pair *p = calloc(1, sizeof(*p));

	if (!p) {
		if (cable->ops)
			cable->ops->close(cable->ctx);
		if (wifi->ops)
			wifi->ops->close(wifi->ctx);
		return RC_NOMEM;
	}
	p->port[0] = *cable;
	p->port[1] = *wifi;
	p->in_use = -1;
	out->ops = &ops;
	out->ctx = p;
	out->is_lan = true;
	return RC_OK;
}
