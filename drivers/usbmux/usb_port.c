/*
 * The one door to libusb. Each phone has a context of its own: what its
 * opening thread waits for can't call back for another phone's transfers.
 *
 *   WAITS -> OPENS (thread) -> RUNS -> ENDS (transfers come back) -> WAITS
 *   and out of any of them, once it was pulled, away.
 *   LISTED: one in another mode, which is only told of.
 */
#include "usb_port.h"

#include <errno.h>
#include <fcntl.h>
#include <libusb-1.0/libusb.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "usb_hotplug.h"

#define LOG_MODULE "usb"

#define DEVICES 16u
#define READS   8u /* under way at once */
/* Not longer: what a phone sends in whole multiples of it might end without a
 * short packet (README). */
#define READ_LEN  16384
#define WRITES    (MUX_TX_BIG + MUX_TX_SMALL)
#define POLL_FDS  4u /* libusb has two or three a context */
#define TRIES     5u /* then seldom */
#define RESETS    2u
#define SELDOM_MS 60000
/* One that is silent, but not out of order, is asked so often: whoever unlocks
 * it waits for the next time. */
#define ASK_MS   10000
#define PEACE_MS 60000 /* what has worked for so long begins anew */
#define SET_MODE 0x52
#define MODE_NCM 3 /* as netmuxd: multiplexer and network side by side */

enum usb_state {
	USB_FREE,
	USB_WAITS,
	USB_OPENS,
	USB_RUNS,
	USB_ENDS,
	USB_LISTED
};

struct usb_dev {
	struct usb_port *u;
	enum usb_state state;
	struct usb_place at;
	bool is_gone; /* pulled */
	unsigned tries;
	int64_t again_ms; /* WAITS */

	struct usb_device_facts facts;
	struct usb_mux_config config;
	bool wants_mode, wants_reset;
	pthread_t opener;
	enum rc opened; /* what came of it */
	/* What stands in its way now, GONE: nothing is known; what was told. */
	enum usb_why why, told;

	int fd; /* /dev/bus/usb/… */
	libusb_context *ctx;
	libusb_device_handle *handle;
	struct mux_loop_fd io[POLL_FDS];
	unsigned n_io;

	struct mux_phone *phone;
	struct libusb_transfer *reads[READS];
	struct libusb_transfer *writes[WRITES];
	bool is_mapped; /* reads' memory is the kernel's own */
	unsigned under_way;
	bool fails; /* a transfer could not even begin */
	int64_t began_ms;
};

struct usb_port {
	struct mux_loop *loop;
	struct mux_server *server;
	const char *sys, *dev;
	struct mux_loop_fd events; /* of the kernel */
	struct mux_loop_fd opened; /* pipe: struct usb_dev * of done openings */
	int opened_in;
	usb_bus_fn fn;
	void *ctx;
	struct usb_dev devs[DEVICES];
};

/* --- what is told of a device -------------------------------------------------- */

static void tell(struct usb_dev *d, enum usb_why why)
{
	const struct usb_descriptor *desc = &d->facts.descriptor;
	unsigned unit = d->facts.power.mbit >= 5000 ? 8 : 2;
	struct usb_on_bus p = {
		.place = (uint32_t)d->at.bus << 16 | d->at.address,
		.why = why,
		.product = desc->product,
		.release = desc->release,
		.power = d->facts.power,
	};

	if (why == d->told || (d->is_gone && why != USB_WHY_GONE))
		return;
	if (d->config.max_power)
		p.power.asks_ma = (uint16_t)(d->config.max_power * unit);
	memcpy(p.udid, d->facts.udid, sizeof(p.udid));
	d->told = why;
	d->u->fn(d->u->ctx, &p);
}

static void release(struct usb_dev *d)
{
	tell(d, USB_WHY_GONE);
	d->state = USB_FREE;
}

/* --- opening: on a thread ------------------------------------------------------ */

static enum rc rc_of(int err)
{
	switch (err) {
	case LIBUSB_SUCCESS:
		return RC_OK;
	case LIBUSB_ERROR_NO_DEVICE:
	case LIBUSB_ERROR_NOT_FOUND:
		return RC_GONE;
	case LIBUSB_ERROR_BUSY:
		return RC_BUSY;
	case LIBUSB_ERROR_ACCESS:
		return RC_REFUSED;
	case LIBUSB_ERROR_TIMEOUT:
		return RC_TIMEOUT;
	case LIBUSB_ERROR_NO_MEM:
		return RC_NOMEM;
	default:
		return RC_IO;
	}
}

static enum rc open_node(struct usb_dev *d)
{
	char path[64];

	snprintf(path, sizeof(path), "%.40s/%03u/%03u", d->u->dev, d->at.bus,
	    d->at.address);
	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0) {
		int err = errno;

		log_info("%s: %s", path, strerror(err));
		if (err != EACCES && err != EPERM)
			return RC_GONE;
		d->why = USB_WHY_NO_RIGHTS;
		return RC_REFUSED;
	}
	if (libusb_init(&d->ctx) != 0)
		return RC_NOMEM;
	return rc_of(
	    libusb_wrap_sys_device(d->ctx, (intptr_t)d->fd, &d->handle));
}

/* Tells a phone that shows only its network to show the multiplexer, too. It
 * leaves the bus and comes back. */
static enum rc set_mode(struct usb_dev *d)
{
	uint8_t answer = 0xff;
	int n = libusb_control_transfer(
	    d->handle, 0xc0, SET_MODE, 0, MODE_NCM, &answer, 1, 1000);

	d->why = USB_WHY_NO_MUX;
	log_note("asked for another mode udid=%s answer=%d/%u", d->facts.udid,
	    n, answer);
	return n < 0 ? rc_of(n) : RC_BUSY;
}

/* A driver of the kernel on any interface (ipheth, the camera's) stands in
 * the way of another configuration. */
static void detach_drivers(struct usb_dev *d)
{
	for (int i = 0; i < 8; i++)
		if (libusb_kernel_driver_active(d->handle, i) == 1)
			libusb_detach_kernel_driver(d->handle, i);
}

static enum usb_why why_of(int err, enum usb_why other)
{
	switch (err) {
	case LIBUSB_ERROR_BUSY:
		return USB_WHY_HELD;
	case LIBUSB_ERROR_ACCESS:
		return USB_WHY_NO_RIGHTS;
	case LIBUSB_ERROR_NO_DEVICE:
		return USB_WHY_GONE;
	default:
		return other;
	}
}

static enum rc configure(struct usb_dev *d)
{
	int err;

	if (d->facts.active != d->config.value) {
		detach_drivers(d);
		err = libusb_set_configuration(d->handle, d->config.value);
		if (err) {
			d->why = why_of(err, USB_WHY_CONFIG);
			log_warn("configuration %u: %s%s", d->config.value,
			    libusb_error_name(err),
			    err == LIBUSB_ERROR_BUSY
				? " (a program holds the phone's camera)"
				: "");
			return rc_of(err);
		}
	}
	err = libusb_claim_interface(d->handle, d->config.interface);
	if (err)
		d->why = why_of(err, USB_WHY_ERRORS);
	if (err)
		log_warn("interface %u can't be had: %s%s", d->config.interface,
		    libusb_error_name(err),
		    err == LIBUSB_ERROR_BUSY ? " (does a usbmuxd run?)" : "");
	return rc_of(err);
}

static void *opener(void *arg)
{
	struct usb_dev *d = arg;
	enum rc rc = open_node(d);

	if (!rc && d->wants_reset)
		rc = rc_of(libusb_reset_device(d->handle));
	if (!rc && d->wants_mode)
		rc = set_mode(d);
	else if (!rc)
		rc = configure(d);
	d->opened = rc;
	if (write(d->u->opened_in, &d, sizeof(d)) != (ssize_t)sizeof(d))
		abort(); /* a pipe has room for all devices */
	return NULL;
}

/* --- the end ------------------------------------------------------------------- */

static void free_reads(struct usb_dev *d)
{
	for (unsigned i = 0; i < READS; i++) {
		struct libusb_transfer *t = d->reads[i];

		if (t && t->buffer && d->is_mapped)
			libusb_dev_mem_free(d->handle, t->buffer, READ_LEN);
		else if (t)
			free(t->buffer);
		libusb_free_transfer(t);
		d->reads[i] = NULL;
	}
	for (unsigned i = 0; i < WRITES; i++) {
		libusb_free_transfer(d->writes[i]);
		d->writes[i] = NULL;
	}
}

static void close_dev(struct usb_dev *d)
{
	if (d->phone)
		mux_server_forget(d->phone);
	d->phone = NULL;
	for (unsigned i = 0; i < d->n_io; i++)
		mux_loop_remove(d->u->loop, &d->io[i]);
	d->n_io = 0;
	free_reads(d);
	if (d->handle)
		libusb_close(d->handle);
	d->handle = NULL;
	if (d->ctx)
		libusb_exit(d->ctx);
	d->ctx = NULL;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* It took its resets and is silent still. */
static bool is_silent(const struct usb_dev *d)
{
	return d->told == USB_WHY_SILENT && d->tries > RESETS;
}

/* A silence has lasted for a while when it is noticed; anything else may pass:
 * a phone that changes its mode, a udev that gives the rights. */
static void tell_why(struct usb_dev *d)
{
	if (d->why != USB_WHY_GONE &&
	    (d->why == USB_WHY_SILENT || d->tries > 1))
		tell(d, d->why);
}

/* After 1, 2, 4 … s: a phone that is being unlocked, a udev that has not been
 * there yet; a locked one may not answer for hours. */
static void try_again(struct usb_dev *d)
{
	close_dev(d);
	if (d->is_gone) {
		release(d);
		return;
	}
	d->state = USB_WAITS;
	d->tries++;
	d->wants_reset &= d->tries <= RESETS;
	tell_why(d);
	d->again_ms =
	    mono_ms() + (d->tries < TRIES ? 500LL << d->tries : SELDOM_MS);
	if (is_silent(d))
		d->again_ms = mono_ms() + 1000;
	if (d->tries == TRIES)
		log_warn("a phone does not talk: unlock it, or unplug it and "
			 "plug it in again udid=%s",
		    d->facts.udid);
}

/* No more of this device: what is under way comes back, then it is closed. */
static void end(struct usb_dev *d)
{
	if (d->state != USB_RUNS)
		return;
	d->state = USB_ENDS;
	if (mono_ms() - d->began_ms > PEACE_MS)
		d->tries = 0;
	mux_server_detach(d->phone);
	for (unsigned i = 0; i < READS; i++)
		libusb_cancel_transfer(d->reads[i]);
	for (unsigned i = 0; i < WRITES; i++)
		libusb_cancel_transfer(d->writes[i]);
}

/* --- transfers ----------------------------------------------------------------- */

static bool is_good(struct usb_dev *d, const struct libusb_transfer *t)
{
	if (t->status == LIBUSB_TRANSFER_COMPLETED)
		return true;
	if (t->status != LIBUSB_TRANSFER_CANCELLED &&
	    t->status != LIBUSB_TRANSFER_NO_DEVICE && d->state == USB_RUNS)
		log_warn("a transfer failed udid=%s status=%d", d->facts.udid,
		    (int)t->status);
	d->wants_reset = t->status != LIBUSB_TRANSFER_CANCELLED &&
			 t->status != LIBUSB_TRANSFER_NO_DEVICE;
	if (d->wants_reset && d->state == USB_RUNS)
		d->why = USB_WHY_ERRORS;
	return false;
}

static void LIBUSB_CALL on_read(struct libusb_transfer *t)
{
	struct usb_dev *d = t->user_data;

	d->under_way--;
	if (d->state != USB_RUNS)
		return;
	if (!is_good(d, t)) {
		end(d);
		return;
	}
	mux_server_input(d->phone, t->buffer, (size_t)t->actual_length);
	if (libusb_submit_transfer(t) == 0)
		d->under_way++;
	else
		end(d);
}

static void LIBUSB_CALL on_written(struct libusb_transfer *t)
{
	struct mux_tx *tx = t->user_data;
	struct usb_dev *d = tx->own;

	d->under_way--;
	mux_server_sent(d->phone, tx);
	if (d->state == USB_RUNS && !is_good(d, t))
		end(d);
}

static void port_send(void *port, struct mux_tx *tx)
{
	struct usb_dev *d = port;
	struct libusb_transfer *t = d->writes[tx->index];

	tx->own = d;
	libusb_fill_bulk_transfer(t, d->handle, d->config.ep_out, tx->data,
	    (int)tx->len, on_written, tx, 0);
	/* A packet that fills its last USB packet needs an empty one behind
	 * it, or the phone waits for more. */
	t->flags = tx->len % d->config.max_out == 0
		       ? LIBUSB_TRANSFER_ADD_ZERO_PACKET
		       : 0;
	if (d->state == USB_RUNS && libusb_submit_transfer(t) == 0) {
		d->under_way++;
		return;
	}
	mux_server_sent(d->phone, tx);
	d->fails = true; /* not from within the core that called us */
}

static void port_broken(void *port, enum rc why)
{
	struct usb_dev *d = port;

	d->why = why == RC_TIMEOUT ? USB_WHY_SILENT : USB_WHY_ERRORS;
	d->wants_reset = true;
	end(d);
}

static void port_ready(void *port)
{
	tell(port, USB_WHY_TALKS);
}

static const struct mux_port_ops port_ops = { port_send, port_broken,
	port_ready };

static uint8_t *read_memory(struct usb_dev *d)
{
	/* The kernel's own pages: nothing is copied. */
	uint8_t *p = d->is_mapped ? libusb_dev_mem_alloc(d->handle, READ_LEN)
				  : malloc(READ_LEN);

	return p;
}

static enum rc make_transfers(struct usb_dev *d)
{
	uint8_t *p = libusb_dev_mem_alloc(d->handle, READ_LEN);

	d->is_mapped = p != NULL;
	for (unsigned i = 0; i < READS; i++) {
		struct libusb_transfer *t = libusb_alloc_transfer(0);

		d->reads[i] = t;
		if (!p)
			p = read_memory(d);
		if (!t || !p)
			return RC_NOMEM;
		libusb_fill_bulk_transfer(
		    t, d->handle, d->config.ep_in, p, READ_LEN, on_read, d, 0);
		p = NULL;
	}
	for (unsigned i = 0; i < WRITES; i++) {
		d->writes[i] = libusb_alloc_transfer(0);
		if (!d->writes[i])
			return RC_NOMEM;
		d->writes[i]->dev_handle = d->handle; /* may be cancelled */
	}
	return RC_OK;
}

/* --- a device's life ----------------------------------------------------------- */

static void on_io(void *ctx, uint32_t events)
{
	struct usb_dev *d = ctx;
	struct timeval now = { 0 };

	(void)events;
	libusb_handle_events_timeout_completed(d->ctx, &now, NULL);
}

static enum rc join_loop(struct usb_dev *d)
{
	const struct libusb_pollfd **fds = libusb_get_pollfds(d->ctx);
	enum rc rc = RC_OK;

	if (!fds)
		return RC_NOMEM;
	for (unsigned i = 0; fds[i] && !rc; i++) {
		uint32_t events = fds[i]->events & POLLOUT ? EPOLLOUT : EPOLLIN;

		if (d->n_io == POLL_FDS) {
			rc = RC_BUG;
			break;
		}
		d->io[d->n_io] = (struct mux_loop_fd){
			.fd = fds[i]->fd, .fn = on_io, .ctx = d
		};
		rc = mux_loop_add(d->u->loop, &d->io[d->n_io], events);
		if (!rc)
			d->n_io++;
	}
	libusb_free_pollfds(fds);
	return rc;
}

static enum rc run(struct usb_dev *d)
{
	struct mux_facts f = {
		.product_id = d->facts.descriptor.product,
		.location = (uint32_t)d->at.bus << 16 | d->at.address,
		.speed = d->facts.speed,
		.patience_ms = is_silent(d) ? ASK_MS : 0,
	};
	enum rc rc = make_transfers(d);

	snprintf(f.udid, sizeof(f.udid), "%s", d->facts.udid);
	if (!rc)
		rc = join_loop(d);
	if (!rc)
		rc = mux_server_attach(
		    d->u->server, &f, &port_ops, d, &d->phone);
	if (rc)
		return rc;
	d->state = USB_RUNS;
	d->fails = false;
	d->began_ms = mono_ms();
	for (unsigned i = 0; i < READS; i++) {
		if (libusb_submit_transfer(d->reads[i]) == 0)
			d->under_way++;
		else
			d->fails = true;
	}
	return RC_OK;
}

static void start_opening(struct usb_dev *d)
{
	const struct usb_mux_config *c;
	enum rc rc = usb_hotplug_facts(d->u->sys, &d->at, &d->facts);

	d->why = USB_WHY_GONE;
	if (rc == RC_GONE) {
		release(d); /* the kernel's word was lost */
		return;
	}
	if (rc || !d->facts.udid[0]) {
		d->why = USB_WHY_ERRORS;
		try_again(d);
		return;
	}
	c = usb_descriptor_choose(&d->facts.descriptor, d->facts.active);
	d->wants_mode = !c;
	if (c)
		d->config = *c;
	log_write(is_silent(d) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, LOG_MODULE,
	    "opening %u/%u udid=%s release=%04x configurations=%u "
	    "active=%d taken=%d speed=%llu",
	    d->at.bus, d->at.address, d->facts.udid,
	    d->facts.descriptor.release, d->facts.descriptor.n_configs,
	    d->facts.active, c ? c->value : 0,
	    (unsigned long long)d->facts.speed);
	d->state = USB_OPENS;
	if (pthread_create(&d->opener, NULL, opener, d)) {
		d->state = USB_WAITS;
		try_again(d);
	}
}

static void opening_done(struct usb_dev *d)
{
	enum rc rc = d->opened;

	pthread_join(d->opener, NULL);
	d->wants_reset = false;
	if (!rc && !d->is_gone)
		rc = run(d);
	if (rc || d->is_gone)
		try_again(d);
}

static void on_opened(void *ctx, uint32_t events)
{
	struct usb_port *u = ctx;
	struct usb_dev *d;

	(void)events;
	while (read(u->opened.fd, &d, sizeof(d)) == (ssize_t)sizeof(d))
		opening_done(d);
}

/* --- who comes and goes -------------------------------------------------------- */

static struct usb_dev *find(struct usb_port *u, const struct usb_place *at)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		struct usb_dev *d = &u->devs[i];

		if (d->state != USB_FREE && !d->is_gone &&
		    d->at.bus == at->bus && d->at.address == at->address)
			return d;
	}
	return NULL;
}

/* In another mode there is nothing to open. */
static void list(struct usb_dev *d, enum usb_kind kind)
{
	d->state = USB_LISTED;
	log_note("a phone waits to be restored (%s mode): it can't be backed "
		 "up",
	    kind == USB_KIND_DFU ? "DFU" : "recovery");
	if (usb_hotplug_facts(d->u->sys, &d->at, &d->facts)) {
		release(d);
		return;
	}
	d->facts.udid[0] = '\0'; /* its serial number is another one */
	tell(d, kind == USB_KIND_DFU ? USB_WHY_DFU : USB_WHY_RECOVERY);
}

static void added(struct usb_port *u, const struct usb_event *ev)
{
	enum usb_kind kind = usb_descriptor_kind(ev->vendor, ev->product);

	if (kind == USB_KIND_OTHER || find(u, &ev->at))
		return;
	for (unsigned i = 0; i < DEVICES; i++) {
		struct usb_dev *d = &u->devs[i];

		if (d->state != USB_FREE)
			continue;
		*d = (struct usb_dev){
			.u = u, .state = USB_WAITS, .at = ev->at, .fd = -1
		};
		if (kind == USB_KIND_PHONE)
			start_opening(d);
		else
			list(d, kind);
		return;
	}
	log_warn("more than %u phones: one is left alone", DEVICES);
}

static void removed(struct usb_port *u, const struct usb_event *ev)
{
	struct usb_dev *d = find(u, &ev->at);

	if (!d)
		return;
	d->is_gone = true;
	tell(d, USB_WHY_GONE);
	if (d->state == USB_WAITS || d->state == USB_LISTED)
		d->state = USB_FREE;
	else
		end(d); /* OPENS: when it is done */
}

static void on_scan(void *ctx, const struct usb_event *ev)
{
	added(ctx, ev);
}

static void on_event(void *ctx, uint32_t events)
{
	struct usb_port *u = ctx;
	struct usb_event ev;
	enum rc rc;

	(void)events;
	while ((rc = usb_hotplug_next(u->events.fd, &ev)) != RC_BUSY) {
		if (rc == RC_LIMIT) {
			/* Who is gone shows when a transfer fails. */
			usb_hotplug_scan(u->sys, on_scan, u);
		} else if (rc) {
			log_error("the kernel's USB events can't be read");
			return;
		} else if (ev.added) {
			added(u, &ev);
		} else {
			removed(u, &ev);
		}
	}
}

int64_t usb_port_turn(struct usb_port *u)
{
	int64_t now = mono_ms();
	int64_t best = INT64_MAX;

	for (unsigned i = 0; i < DEVICES; i++) {
		struct usb_dev *d = &u->devs[i];

		if (d->state == USB_RUNS && d->fails)
			end(d);
		if (d->state == USB_ENDS && d->under_way == 0)
			try_again(d);
		if (d->state == USB_WAITS && now >= d->again_ms)
			start_opening(d);
		if (d->state == USB_WAITS && d->again_ms < best)
			best = d->again_ms;
	}
	return best;
}

/* --- begin and end ------------------------------------------------------------- */

enum rc usb_port_new(struct mux_loop *loop, struct mux_server *server,
    const char *sys, const char *dev, usb_bus_fn fn, void *ctx,
    struct usb_port **out)
{
	struct usb_port *u = calloc(1, sizeof(*u));
	int pipes[2] = { -1, -1 };
	enum rc rc;

	*out = NULL;
	if (!u)
		return RC_NOMEM;
	*u = (struct usb_port){ .loop = loop,
		.server = server,
		.sys = sys,
		.dev = dev,
		.events = { .fd = usb_hotplug_open(),
		    .fn = on_event,
		    .ctx = u },
		.opened = { .fd = -1, .fn = on_opened, .ctx = u },
		.opened_in = -1,
		.fn = fn,
		.ctx = ctx };
	if (u->events.fd < 0 || pipe2(pipes, O_CLOEXEC) != 0) {
		log_error("no USB events of the kernel: %s", strerror(errno));
		usb_port_free(u);
		return RC_UNSUPPORTED;
	}
	u->opened.fd = pipes[0];
	u->opened_in = pipes[1];
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	/* We know who is there, and open them ourselves. */
	libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
	rc = mux_loop_add(loop, &u->events, EPOLLIN);
	if (!rc)
		rc = mux_loop_add(loop, &u->opened, EPOLLIN);
	if (rc) {
		usb_port_free(u);
		return rc;
	}
	usb_hotplug_scan(sys, on_scan, u);
	*out = u;
	return RC_OK;
}

static void end_now(struct usb_dev *d)
{
	struct timeval wait = { .tv_usec = 100000 };

	if (d->state == USB_OPENS) {
		pthread_join(d->opener, NULL);
		close_dev(d);
	}
	end(d);
	/* Cancelled transfers come back at once; a kernel that keeps them has
	 * us wait, as its memory is theirs. */
	for (int i = 0; d->state == USB_ENDS && d->under_way && i < 50; i++)
		libusb_handle_events_timeout_completed(d->ctx, &wait, NULL);
	if (d->state == USB_ENDS && !d->under_way)
		close_dev(d);
	d->state = USB_FREE;
}

void usb_port_free(struct usb_port *u)
{
	if (!u)
		return;
	for (unsigned i = 0; i < DEVICES; i++)
		if (u->devs[i].state != USB_FREE)
			end_now(&u->devs[i]);
	if (u->events.fd >= 0) {
		mux_loop_remove(u->loop, &u->events);
		close(u->events.fd);
	}
	if (u->opened.fd >= 0) {
		mux_loop_remove(u->loop, &u->opened);
		close(u->opened.fd);
		close(u->opened_in);
	}
	free(u);
}
