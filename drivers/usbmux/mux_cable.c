#include "mux_cable.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "usb_descriptor.h"

#define LOG_MODULE "cable"

#define PHONES   8u
#define MESSAGE  (1u + 65536u)
#define SENDS    (MUX_TX_BIG + MUX_TX_SMALL)
#define BUDGET   64 /* messages of one phone in a turn */
#define HIGH_BPS 480000000u
#define ASK_MS   10000 /* as usb_port.c does with a silent one */

struct cable_phone {
	struct mux_cable *c;
	bool in_use, is_over;
	struct mux_loop_fd io;
	struct usb_mux_config config;
	struct mux_facts facts;
	struct usb_on_bus told;
	struct mux_phone *phone; /* once it has introduced itself */
	bool is_listed; /* it has, but can't be talked to */
	bool is_silent;
	struct mux_tx *queue[SENDS]; /* a ring of what waits */
	unsigned first, n;
	bool owes_empty; /* the queue's first has gone, but its end */
};

struct mux_cable {
	struct mux_loop *loop;
	struct mux_server *server;
	struct mux_loop_fd listen;
	char path[108];
	usb_bus_fn fn;
	void *ctx;
	struct cable_phone phones[PHONES];
	uint8_t in[MESSAGE];
};

static void tell(struct cable_phone *p, enum usb_why why)
{
	if (p->told.why == why)
		return;
	p->told.why = why;
	p->c->fn(p->c->ctx, &p->told);
}

/* --- to the phone -------------------------------------------------------------- */

/* False: not now. */
static bool put(struct cable_phone *p, const uint8_t *data, size_t len)
{
	uint8_t letter = 'B';
	struct iovec iov[2] = { { &letter, 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	/* sendmsg() takes its bytes without const and changes none. */
	memcpy(&iov[1].iov_base, &data, sizeof(data));
	iov[1].iov_len = len;
	if (sendmsg(p->io.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		p->is_over = true;
	return false;
}

static void flush(struct cable_phone *p)
{
	while (p->n && !p->is_over) {
		struct mux_tx *tx = p->queue[p->first];

		if (!p->owes_empty && !put(p, tx->data, tx->len))
			return;
		/* As on USB: full packets alone don't end a transfer. */
		p->owes_empty = tx->len % p->config.max_out == 0;
		if (p->owes_empty && !put(p, tx->data, 0))
			return;
		p->owes_empty = false;
		p->first = (p->first + 1) % SENDS;
		p->n--;
		mux_server_sent(p->phone, tx);
	}
}

static void cable_send(void *port, struct mux_tx *tx)
{
	struct cable_phone *p = port;

	p->queue[(p->first + p->n) % SENDS] = tx;
	p->n++;
	flush(p);
}

static void cable_broken(void *port, enum rc why)
{
	struct cable_phone *p = port;

	/* There is nothing to reset: it is asked again. */
	p->is_silent = why == RC_TIMEOUT;
	p->is_over = !p->is_silent;
}

static void cable_ready(void *port)
{
	struct cable_phone *p = port;

	p->facts.patience_ms = 0;
	tell(p, USB_WHY_TALKS);
}

static const struct mux_port_ops cable_ops = { cable_send, cable_broken,
	cable_ready };

/* False: it can't even be asked. */
static bool ask_again(struct cable_phone *p)
{
	p->is_silent = false;
	mux_server_forget(p->phone);
	p->phone = NULL;
	p->n = 0;
	p->owes_empty = false;
	tell(p, USB_WHY_SILENT);
	p->facts.patience_ms = ASK_MS;
	return mux_server_attach(
		   p->c->server, &p->facts, &cable_ops, p, &p->phone) == RC_OK;
}

/* --- from the phone ------------------------------------------------------------ */

/* What its descriptors say; TALKS: it has to be asked. */
static enum usb_why look_at(
    struct cable_phone *p, const struct usb_descriptor *d)
{
	enum usb_kind kind = usb_descriptor_kind(d->vendor, d->product);
	const struct usb_mux_config *config = usb_descriptor_choose(d, 0);

	if (kind == USB_KIND_RECOVERY)
		return USB_WHY_RECOVERY;
	if (kind == USB_KIND_DFU)
		return USB_WHY_DFU;
	if (!config)
		return USB_WHY_NO_MUX;
	p->config = *config;
	return USB_WHY_TALKS;
}

static enum rc introduce(struct cable_phone *p, const uint8_t *msg, size_t len)
{
	struct mux_facts *f = &p->facts;
	struct usb_descriptor d;
	enum usb_why why;
	size_t n;
	enum rc rc;

	if (len < 5 || msg[0] != 'H')
		return RC_PROTO;
	*f = (struct mux_facts){ .speed = HIGH_BPS,
		.location = 0x7f0000u | (unsigned)p->io.fd };
	f->product_id = (uint16_t)(msg[1] << 8 | msg[2]);
	n = (size_t)(msg[3] << 8 | msg[4]);
	if (n > len - 5)
		return RC_PROTO;
	rc = usb_descriptor_parse(msg + 5, n, &d);
	if (rc)
		return rc;
	if (usb_descriptor_kind(d.vendor, d.product) == USB_KIND_OTHER)
		return RC_UNSUPPORTED;
	why = look_at(p, &d);
	p->is_listed = why != USB_WHY_TALKS;
	p->told = (struct usb_on_bus){ .place = f->location,
		.product = d.product,
		.release = d.release,
		.power = { .mbit = HIGH_BPS / 1000000,
		    .asks_ma = (uint16_t)(p->config.max_power * 2) } };
	/* In another mode the serial number is another one. */
	if (why == USB_WHY_TALKS || why == USB_WHY_NO_MUX)
		rc = usb_descriptor_udid(
		    (const char *)msg + 5 + n, len - 5 - n, f->udid);
	if (rc)
		return rc;
	memcpy(p->told.udid, f->udid, sizeof(p->told.udid));
	if (!p->is_listed)
		return mux_server_attach(
		    p->c->server, f, &cable_ops, p, &p->phone);
	tell(p, why);
	return RC_OK;
}

static void on_phone(void *ctx, uint32_t events)
{
	struct cable_phone *p = ctx;
	uint8_t *in = p->c->in;

	if (events & EPOLLOUT)
		flush(p);
	for (int i = 0; i < BUDGET && !p->is_over; i++) {
		ssize_t n = recv(p->io.fd, in, MESSAGE, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || p->is_listed || (p->phone && in[0] != 'B') ||
		    (!p->phone && introduce(p, in, (size_t)n))) {
			p->is_over = true;
			return;
		}
		if (p->phone && in[0] == 'B')
			mux_server_input(p->phone, in + 1, (size_t)n - 1);
	}
}

static void drop(struct cable_phone *p)
{
	tell(p, USB_WHY_GONE);
	if (p->phone) {
		mux_server_detach(p->phone);
		mux_server_forget(p->phone);
	}
	mux_loop_remove(p->c->loop, &p->io);
	close(p->io.fd);
	*p = (struct cable_phone){ .c = p->c };
}

static void on_listen(void *ctx, uint32_t events)
{
	struct mux_cable *c = ctx;
	int fd =
	    accept4(c->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	for (unsigned i = 0; i < PHONES; i++) {
		struct cable_phone *p = &c->phones[i];

		if (p->in_use)
			continue;
		*p = (struct cable_phone){ .c = c, .in_use = true };
		p->io =
		    (struct mux_loop_fd){ .fd = fd, .fn = on_phone, .ctx = p };
		if (mux_loop_add(c->loop, &p->io, EPOLLIN) == RC_OK)
			return;
		p->in_use = false;
		break;
	}
	close(fd);
}

bool mux_cable_turn(struct mux_cable *c)
{
	bool asks = false;

	for (unsigned i = 0; i < PHONES; i++) {
		struct cable_phone *p = &c->phones[i];

		if (!p->in_use)
			continue;
		if (p->is_silent) {
			asks = true;
			p->is_over = !ask_again(p);
		}
		if (p->is_over)
			drop(p);
		else
			mux_loop_want(c->loop, &p->io,
			    EPOLLIN | (p->n ? (uint32_t)EPOLLOUT : 0));
	}
	return asks;
}

enum rc mux_cable_new(struct mux_loop *loop, struct mux_server *server,
    const char *path, usb_bus_fn fn, void *ctx, struct mux_cable **out)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct mux_cable *c = calloc(1, sizeof(*c));
	int fd;

	*out = NULL;
	if (!c)
		return RC_NOMEM;
	c->loop = loop;
	c->server = server;
	c->fn = fn;
	c->ctx = ctx;
	if (strlen(path) >= sizeof(a.sun_path)) {
		free(c);
		return RC_LIMIT;
	}
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	snprintf(c->path, sizeof(c->path), "%s", path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	c->listen = (struct mux_loop_fd){ .fd = fd, .fn = on_listen, .ctx = c };
	if (fd < 0 || fchmod(fd, 0600) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    chmod(path, 0600) != 0 || listen(fd, 8) != 0 ||
	    mux_loop_add(loop, &c->listen, EPOLLIN)) {
		log_error("no cable at %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		free(c);
		return RC_IO;
	}
	*out = c;
	return RC_OK;
}

void mux_cable_free(struct mux_cable *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < PHONES; i++)
		if (c->phones[i].in_use)
			drop(&c->phones[i]);
	mux_loop_remove(c->loop, &c->listen);
	close(c->listen.fd);
	unlink(c->path);
	free(c);
}
