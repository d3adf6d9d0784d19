/*
 * libslirp as lwIP's network.
 *
 * slirp_input() hands its answers back before it returns, that is, from
 * within lwIP's output. So what slirp sends waits in a ring, and only
 * service(), called from the loop, gives it to lwIP.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <slirp/libslirp.h>

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define LOG_MODULE "nic"
#include "log.h"
#include "mono.h"
#include "nic_frame.h"
#include "nic_slirp.h"

#define RING         128 /* frames; TCP comes again when one is lost */
#define BUDGET       64 /* frames to lwIP in one service() */
#define BACKLOG      64 /* clients that wait to be taken */
#define GUEST_PORT   80
#define GUEST_TLS    443
#define ADDR_GUEST   "10.0.2.15"
#define ADDR_MASK    "255.255.255.0"
#define ADDR_GATEWAY "10.0.2.2"

struct timer {
	struct timer *next;
	SlirpTimerCb call;
	void *arg;
	int64_t due_ms; /* -1: not armed */
};

struct nic_slirp {
	Slirp *slirp;
	struct timer *timers;
	/* what slirp sent, oldest at `head` */
	struct frame {
		uint16_t len;
		uint8_t data[NIC_FRAME_MAX];
	} ring[RING];
	unsigned head, used;
	uint64_t dropped;
	/* the array of wait(), while slirp fills or reads it */
	struct pollfd *fds;
	size_t n_fds, cap_fds;
};

/* --- what slirp asks of us ------------------------------------------------ */

static ssize_t on_frame(const void *data, size_t len, void *opaque)
{
	struct nic_slirp *n = opaque;
	struct frame *f;

	if (n->used == RING || len > NIC_FRAME_MAX) {
		n->dropped++;
		return (ssize_t)len;
	}
	f = &n->ring[(n->head + n->used) % RING];
	memcpy(f->data, data, len);
	f->len = (uint16_t)len;
	n->used++;
	return (ssize_t)len;
}

static void on_guest_error(const char *msg, void *opaque)
{
	(void)opaque;
	log_warn("slirp: %s", msg);
}

static int64_t on_clock(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *on_timer_new(SlirpTimerCb call, void *arg, void *opaque)
{
	struct nic_slirp *n = opaque;
	struct timer *t = calloc(1, sizeof(*t));

	/* slirp can't be told that there is no memory */
	if (!t)
		abort();
	t->call = call;
	t->arg = arg;
	t->due_ms = -1;
	t->next = n->timers;
	n->timers = t;
	return t;
}

static void on_timer_free(void *timer, void *opaque)
{
	struct nic_slirp *n = opaque;
	struct timer **at = &n->timers;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = (*at)->next;
	free(timer);
}

static void on_timer_mod(void *timer, int64_t due_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	t->due_ms = due_ms;
}

static void on_fd(int fd, void *opaque)
{
	(void)fd; /* wait() asks slirp anew each time */
	(void)opaque;
}

static void on_notify(void *opaque)
{
	(void)opaque; /* one thread: the loop comes by anyway */
}

static const SlirpCb callbacks = {
	.send_packet = on_frame,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock,
	.timer_new = on_timer_new,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = on_fd,
	.unregister_poll_fd = on_fd,
	.notify = on_notify,
};

/* --- what the web asks of us ---------------------------------------------- */

static void slirp_facts(void *ctx, uint8_t mac[6], uint16_t *mtu)
{
	/* Locally administered; nobody outside the process sees it. */
	static const uint8_t ours[6] = { 0x02, 'n', 'i', 'g', 'h', 't' };

	(void)ctx;
	memcpy(mac, ours, sizeof(ours));
	*mtu = 1500;
}

static int slirp_send(void *ctx, const struct pbuf *p)
{
	struct nic_slirp *n = ctx;
	uint8_t frame[NIC_FRAME_MAX];
	u16_t len = p->tot_len;

	if (len > sizeof(frame))
		return 0;
	pbuf_copy_partial(p, frame, len, 0);
	slirp_input(n->slirp, frame, len);
	return 1;
}

static short to_poll(int events)
{
	return (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
		       (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
		       (events & SLIRP_POLL_PRI ? POLLPRI : 0) |
		       (events & SLIRP_POLL_ERR ? POLLERR : 0) |
		       (events & SLIRP_POLL_HUP ? POLLHUP : 0));
}

static int from_poll(short events)
{
	return (events & POLLIN ? SLIRP_POLL_IN : 0) |
	       (events & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (events & POLLPRI ? SLIRP_POLL_PRI : 0) |
	       (events & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (events & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static int add_fd(int fd, int events, void *opaque)
{
	struct nic_slirp *n = opaque;

	if (n->n_fds == n->cap_fds)
		return -1;
	n->fds[n->n_fds] =
	    (struct pollfd){ .fd = fd, .events = to_poll(events) };
	return (int)n->n_fds++;
}

static int get_fd(int idx, void *opaque)
{
	struct nic_slirp *n = opaque;

	if (idx < 0 || (size_t)idx >= n->n_fds)
		return 0;
	return from_poll(n->fds[idx].revents);
}

static void lower(int *timeout_ms, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	if (ms < *timeout_ms)
		*timeout_ms = (int)ms;
}

static size_t slirp_wait(
    void *ctx, struct pollfd *fds, size_t cap, int *timeout_ms)
{
	struct nic_slirp *n = ctx;
	uint32_t slirp_ms = (uint32_t)*timeout_ms;
	int64_t now = mono_ms();

	n->fds = fds;
	n->cap_fds = cap;
	n->n_fds = 0;
	slirp_pollfds_fill(n->slirp, &slirp_ms, add_fd, n);
	lower(timeout_ms, slirp_ms);
	for (struct timer *t = n->timers; t; t = t->next) {
		if (t->due_ms >= 0)
			lower(timeout_ms, t->due_ms - now);
	}
	if (n->used)
		*timeout_ms = 0;
	return n->n_fds;
}

static void run_timers(struct nic_slirp *n)
{
	int64_t now = mono_ms();
	struct timer *t = n->timers;

	while (t) {
		struct timer *next = t->next;

		if (t->due_ms >= 0 && t->due_ms <= now) {
			t->due_ms = -1;
			t->call(t->arg);
		}
		t = next;
	}
}

static void slirp_service(
    void *ctx, struct pollfd *fds, size_t n_fds, struct netif *netif)
{
	struct nic_slirp *n = ctx;

	n->fds = fds;
	n->n_fds = n_fds;
	slirp_pollfds_poll(n->slirp, 0, get_fd, n);
	run_timers(n);
	for (unsigned i = 0; i < BUDGET && n->used; i++) {
		struct frame *f = &n->ring[n->head];

		/* lwIP's answer may add frames while this one is read, but
		 * never in this place. */
		nic_frame_input(netif, f->data, f->len, true);
		n->head = (n->head + 1) % RING;
		n->used--;
	}
}

static void slirp_close(void *ctx)
{
	struct nic_slirp *n = ctx;

	if (!n)
		return;
	if (n->slirp)
		slirp_cleanup(n->slirp);
	while (n->timers)
		on_timer_free(n->timers, n);
	if (n->dropped)
		log_info(
		    "frames dropped n=%llu", (unsigned long long)n->dropped);
	free(n);
}

static const struct web_nic_ops ops = {
	.facts = slirp_facts,
	.send = slirp_send,
	.wait = slirp_wait,
	.service = slirp_service,
	.close = slirp_close,
};

/* --- opening -------------------------------------------------------------- */

static Slirp *start(struct nic_slirp *n)
{
	SlirpConfig cfg = {
		.version = 4,
		.restricted = 1, /* no way out of the process */
		.in_enabled = true,
		.disable_host_loopback = true,
		.disable_dns = true,
		.disable_dhcp = true,
		.if_mtu = 1500,
		.if_mru = 1500,
	};

	inet_pton(AF_INET, "10.0.2.0", &cfg.vnetwork);
	inet_pton(AF_INET, ADDR_MASK, &cfg.vnetmask);
	inet_pton(AF_INET, ADDR_GATEWAY, &cfg.vhost);
	inet_pton(AF_INET, ADDR_GUEST, &cfg.vdhcp_start);
	inet_pton(AF_INET, "10.0.2.3", &cfg.vnameserver);
	return slirp_new(&cfg, &callbacks, n);
}

/*
 * slirp listens with room for one waiting client. A browser comes with six
 * connections at once, and each that finds no room tries again a second later.
 */
static int widen(int fd, int events, void *opaque)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	(void)events;
	(void)opaque;
	if (!getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) &&
	    listens && listen(fd, BACKLOG) < 0)
		log_warn("few may connect at once: %s", strerror(errno));
	return -1;
}

static enum rc listen_on(struct nic_slirp *n, const char *listen,
    struct in_addr host, int port, int guest_port)
{
	struct in_addr guest;
	uint32_t ms = 0;

	inet_pton(AF_INET, ADDR_GUEST, &guest);
	if (slirp_add_hostfwd(n->slirp, 0, host, port, guest, guest_port) < 0) {
		log_error("can't listen on %s port %d: %s", listen, port,
		    strerror(errno));
		return RC_BUSY;
	}
	slirp_pollfds_fill(n->slirp, &ms, widen, n);
	return RC_OK;
}

enum rc nic_slirp_open(const struct nic_opts *opts, struct web_nic *out)
{
	const char *listen = opts->listen ? opts->listen : "127.0.0.1";
	struct nic_slirp *n = NULL;
	struct in_addr host;
	enum rc rc = RC_NOMEM;

	if (opts->port < 1 || opts->port > 65535 || opts->tls_port < 0 ||
	    opts->tls_port > 65535 || inet_pton(AF_INET, listen, &host) != 1) {
		log_error("not an address to listen on: %s port %d", listen,
		    opts->port);
		return RC_CONFIG;
	}
	/* slirp sends with plain send(): a browser that left would end us */
	signal(SIGPIPE, SIG_IGN);
	n = calloc(1, sizeof(*n));
	if (!n)
		goto out;
	n->slirp = start(n);
	if (!n->slirp)
		goto out;
	rc = listen_on(n, listen, host, opts->port, GUEST_PORT);
	if (!rc && opts->tls_port)
		rc = listen_on(n, listen, host, opts->tls_port, GUEST_TLS);
	if (rc)
		goto out;
	out->ops = &ops;
	out->ctx = n;
	strcpy(out->addr, ADDR_GUEST);
	strcpy(out->mask, ADDR_MASK);
	strcpy(out->gateway, ADDR_GATEWAY);
	n = NULL; /* the caller's now */
out:
	slirp_close(n);
	return rc;
}
