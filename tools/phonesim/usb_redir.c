/*
 * A phone for a virtual machine: the usbredir protocol, by libusbredirparser.
 * QEMU listens (-chardev socket,server=on,wait=off with -device usb-redir);
 * our connection is the plug.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <usbredirparser.h>

#include "phone.h"
#include "usb_device.h"
#include "usb_front.h"
#define LOG_MODULE "usbredir"
#include "log.h"

#define READS_MAX   64 /* bulk IN requests that wait for data */
#define READ_MAX    (1u << 20)
#define CONTROL_MAX 65536

struct redir_read {
	uint64_t id;
	struct usb_redir_bulk_packet_header head;
	uint32_t len;
};

struct redir {
	struct usb_wire *w;
	struct usbredirparser *parser;
	struct redir_read reads[READS_MAX];
	unsigned n_reads;
	bool is_connected, is_broken;
	uint8_t control[CONTROL_MAX];
	uint8_t *buf; /* READ_MAX */
};

/* --- the parser's own ------------------------------------------------------
 */

static void redir_log(void *own, int level, const char *msg)
{
	(void)own;
	if (level <= usbredirparser_warning)
		log_warn("%s", msg);
	else
		log_debug("%s", msg);
}

static int redir_read(void *own, uint8_t *data, int count)
{
	struct redir *r = own;
	ssize_t n = recv(r->w->fd, data, (size_t)count, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n == 0 ? -1 : (int)n;
}

static int redir_write(void *own, uint8_t *data, int count)
{
	struct redir *r = own;
	ssize_t n =
	    send(r->w->fd, data, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return (int)n;
}

/* --- what the device has ---------------------------------------------------
 */

static void redir_endpoint(
    struct usb_redir_ep_info_header *e, const uint8_t *p, uint8_t interface)
{
	unsigned i = (p[2] & 15u) | (p[2] & 0x80 ? 16u : 0u);

	e->type[i] = p[3] & 3;
	e->interval[i] = p[6];
	e->interface[i] = interface;
	e->max_packet_size[i] = (uint16_t)(p[4] | p[5] << 8);
}

/* The first setting of each interface of the active configuration. */
static void redir_describe(struct redir *r)
{
	struct usb_redir_interface_info_header in = { 0 };
	struct usb_redir_ep_info_header ep = { 0 };
	size_t len = 0;
	const uint8_t *p = usb_device_config(r->w->dev, &len);
	uint8_t interface = 0;
	bool is_first = false;

	memset(ep.type, usb_redir_type_invalid, sizeof(ep.type));
	ep.type[0] = ep.type[16] = usb_redir_type_control;
	ep.max_packet_size[0] = ep.max_packet_size[16] = 64;
	for (size_t at = 0; p && at < len; at += p[at]) {
		const uint8_t *q = p + at;

		if (q[1] == 4) {
			is_first = q[3] == 0;
			interface = q[2];
		}
		if (q[1] == 4 && is_first) {
			in.interface[in.interface_count] = q[2];
			in.interface_class[in.interface_count] = q[5];
			in.interface_subclass[in.interface_count] = q[6];
			in.interface_protocol[in.interface_count++] = q[7];
		} else if (q[1] == 5 && is_first) {
			redir_endpoint(&ep, q, interface);
		}
	}
	usbredirparser_send_interface_info(r->parser, &in);
	usbredirparser_send_ep_info(r->parser, &ep);
}

static void redir_hello(void *own, struct usb_redir_hello_header *hello)
{
	struct redir *r = own;
	const uint8_t *d = r->w->dev->descriptor;
	struct usb_redir_device_connect_header c = {
		.speed = usb_redir_speed_high,
		.vendor_id = 0x05ac,
		.product_id = r->w->dev->product,
		.device_version_bcd = (uint16_t)(d[12] | d[13] << 8),
	};

	(void)hello;
	redir_describe(r);
	usbredirparser_send_device_connect(r->parser, &c);
	r->is_connected = true;
}

/* --- requests --------------------------------------------------------------
 */

static void redir_reset(void *own)
{
	struct redir *r = own;

	/* It is to be configured again, so it begins anew. */
	r->n_reads = 0;
	if (r->w->dev->config != 1)
		r->is_broken |= usb_device_configure(r->w->dev, 1) != 0;
}

static void redir_set_configuration(
    void *own, uint64_t id, struct usb_redir_set_configuration_header *h)
{
	struct redir *r = own;
	struct usb_redir_configuration_status_header s = { 0 };

	r->n_reads = 0;
	s.status = usb_device_configure(r->w->dev, h->configuration)
		       ? usb_redir_stall
		       : usb_redir_success;
	s.configuration = r->w->dev->config;
	redir_describe(r);
	usbredirparser_send_configuration_status(r->parser, id, &s);
}

static void redir_get_configuration(void *own, uint64_t id)
{
	struct redir *r = own;
	struct usb_redir_configuration_status_header s = {
		.configuration = r->w->dev->config
	};

	usbredirparser_send_configuration_status(r->parser, id, &s);
}

static void redir_set_alt(
    void *own, uint64_t id, struct usb_redir_set_alt_setting_header *h)
{
	struct redir *r = own;
	struct usb_redir_alt_setting_status_header s = {
		.interface = h->interface, .alt = h->alt
	};

	redir_describe(r);
	usbredirparser_send_alt_setting_status(r->parser, id, &s);
}

static void redir_get_alt(
    void *own, uint64_t id, struct usb_redir_get_alt_setting_header *h)
{
	struct redir *r = own;
	struct usb_redir_alt_setting_status_header s = { .interface =
							     h->interface };

	usbredirparser_send_alt_setting_status(r->parser, id, &s);
}

static void redir_control(void *own, uint64_t id,
    struct usb_redir_control_packet_header *h, uint8_t *data, int len)
{
	struct redir *r = own;
	int n = usb_device_control(r->w->dev, h->requesttype, h->request,
	    h->value, h->index, h->length, r->control);

	(void)len;
	usbredirparser_free_packet_data(r->parser, data);
	h->status = n < 0 ? usb_redir_stall : usb_redir_success;
	h->length = n < 0 ? 0 : (uint16_t)n;
	usbredirparser_send_control_packet(
	    r->parser, id, h, r->control, n > 0 ? n : 0);
}

/* The camera's endpoint: nothing ever happens there. */
static void redir_start_interrupt(void *own, uint64_t id,
    struct usb_redir_start_interrupt_receiving_header *h)
{
	struct redir *r = own;
	struct usb_redir_interrupt_receiving_status_header s = {
		.endpoint = h->endpoint
	};

	usbredirparser_send_interrupt_receiving_status(r->parser, id, &s);
}

static void redir_stop_interrupt(
    void *own, uint64_t id, struct usb_redir_stop_interrupt_receiving_header *h)
{
	struct redir *r = own;
	struct usb_redir_interrupt_receiving_status_header s = {
		.endpoint = h->endpoint
	};

	usbredirparser_send_interrupt_receiving_status(r->parser, id, &s);
}

static uint32_t redir_len(const struct usb_redir_bulk_packet_header *h)
{
	return (uint32_t)h->length_high << 16 | h->length;
}

static void redir_answer(struct redir *r, uint64_t id,
    struct usb_redir_bulk_packet_header *h, uint8_t status, uint8_t *data,
    uint32_t len)
{
	h->status = status;
	h->length = (uint16_t)len;
	h->length_high = (uint16_t)(len >> 16);
	usbredirparser_send_bulk_packet(
	    r->parser, id, h, data, data ? (int)len : 0);
}

static void redir_bulk_out(struct redir *r, uint64_t id,
    struct usb_redir_bulk_packet_header *h, uint8_t *data, int len)
{
	if (usb_mux_out(r->w->dev->mux, data, len > 0 ? (size_t)len : 0))
		r->is_broken = true;
	redir_answer(r, id, h, usb_redir_success, NULL, redir_len(h));
}

static void redir_bulk(void *own, uint64_t id,
    struct usb_redir_bulk_packet_header *h, uint8_t *data, int len)
{
	struct redir *r = own;
	bool has_mux = usb_device_has_mux(r->w->dev);

	if (has_mux && h->endpoint == USB_DEVICE_OUT)
		redir_bulk_out(r, id, h, data, len);
	else if (has_mux && h->endpoint == USB_DEVICE_IN &&
		 r->n_reads < READS_MAX && redir_len(h) <= READ_MAX)
		r->reads[r->n_reads++] =
		    (struct redir_read){ id, *h, redir_len(h) };
	else
		redir_answer(r, id, h, usb_redir_stall, NULL, 0);
	usbredirparser_free_packet_data(r->parser, data);
}

static void redir_cancel(void *own, uint64_t id)
{
	struct redir *r = own;

	for (unsigned i = 0; i < r->n_reads; i++) {
		if (r->reads[i].id != id)
			continue;
		redir_answer(
		    r, id, &r->reads[i].head, usb_redir_cancelled, NULL, 0);
		r->n_reads--;
		memmove(r->reads + i, r->reads + i + 1,
		    (r->n_reads - i) * sizeof(r->reads[0]));
		return;
	}
}

/* Answers the oldest request with the next transfer. */
static void redir_feed(struct redir *r)
{
	while (r->n_reads && usbredirparser_has_data_to_write(r->parser) < 8) {
		struct redir_read q = r->reads[0];
		ssize_t n = usb_mux_in(
		    r->w->dev->mux, r->buf, q.len & ~(USB_MUX_PACKET - 1u));

		if (n < 0)
			return;
		redir_answer(
		    r, q.id, &q.head, usb_redir_success, r->buf, (uint32_t)n);
		r->n_reads--;
		memmove(
		    r->reads, r->reads + 1, r->n_reads * sizeof(r->reads[0]));
	}
}

/* --- a wire ----------------------------------------------------------------
 */

static void redir_ignore(void *own)
{
	(void)own;
}

static int redir_start(struct redir *r)
{
	uint32_t caps[USB_REDIR_CAPS_SIZE] = { 0 };
	struct usbredirparser *p = usbredirparser_create();

	r->parser = p;
	if (!p)
		return -1;
	p->priv = r;
	p->log_func = redir_log;
	p->read_func = redir_read;
	p->write_func = redir_write;
	p->hello_func = redir_hello;
	p->reset_func = redir_reset;
	p->set_configuration_func = redir_set_configuration;
	p->get_configuration_func = redir_get_configuration;
	p->set_alt_setting_func = redir_set_alt;
	p->get_alt_setting_func = redir_get_alt;
	p->control_packet_func = redir_control;
	p->bulk_packet_func = redir_bulk;
	p->start_interrupt_receiving_func = redir_start_interrupt;
	p->stop_interrupt_receiving_func = redir_stop_interrupt;
	p->cancel_data_packet_func = redir_cancel;
	p->device_disconnect_ack_func = redir_ignore;
	usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_device_disconnect_ack);
	usbredirparser_caps_set_cap(
	    caps, usb_redir_cap_ep_info_max_packet_size);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
	usbredirparser_caps_set_cap(caps, usb_redir_cap_32bits_bulk_length);
	usbredirparser_init(p, "phonesim", caps, USB_REDIR_CAPS_SIZE,
	    usbredirparser_fl_usb_host);
	return 0;
}

static int redir_open(struct usb_wire *w)
{
	struct redir *r = calloc(1, sizeof(*r));

	if (r)
		r->buf = malloc(READ_MAX);
	if (!r || !r->buf) {
		free(r);
		return -1;
	}
	r->w = w;
	if (redir_start(r)) {
		free(r->buf);
		free(r);
		return -1;
	}
	w->own = r;
	return usbredirparser_do_write(r->parser) < 0 ? -1 : 0;
}

static short redir_wants(const struct usb_wire *w)
{
	const struct redir *r = w->own;

	return usbredirparser_has_data_to_write(r->parser) ? POLLOUT : 0;
}

static int redir_turn(struct usb_wire *w, short revents)
{
	struct redir *r = w->own;

	if ((revents & (POLLIN | POLLHUP)) &&
	    usbredirparser_do_read(r->parser) < 0)
		return -1;
	do {
		if (r->is_connected)
			redir_feed(r);
		if (usbredirparser_do_write(r->parser) < 0 || r->is_broken)
			return -1;
		/* All went out: there may be more to feed. */
	} while (usbredirparser_has_data_to_write(r->parser) == 0 &&
		 r->n_reads && usb_mux_has_in(r->w->dev->mux));
	return 0;
}

static void redir_close(struct usb_wire *w)
{
	struct redir *r = w->own;

	usbredirparser_destroy(r->parser);
	free(r->buf);
	free(r);
}

const struct usb_wire_ops usb_redir_ops = { SOCK_STREAM, redir_open,
	redir_wants, redir_turn, redir_close };
