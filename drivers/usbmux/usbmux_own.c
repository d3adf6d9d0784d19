#include "usbmux_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mux_cable.h"
#include "mux_loop.h"
#include "mux_records.h"
#include "mux_server.h"
#include "usb_port.h"

#define LOG_MODULE "usbmux"

struct usbmux_own {
	usbmux_fn fn;
	usb_bus_fn bus_fn;
	void *ctx;
	struct mux_loop *loop;
	struct mux_records *records;
	struct mux_server *server;
	struct mux_cable *cable;
	struct usb_port *usb;
	struct mux_loop_fd peer;
	bool peer_gone;
};

static void on_phone(void *ctx, const char *udid, bool attached)
{
	struct usbmux_own *o = ctx;
	struct usbmux_event ev = { .attached = attached };

	snprintf(ev.udid, sizeof(ev.udid), "%s", udid);
	o->fn(o->ctx, &ev);
}

static void on_peer(void *ctx, uint32_t events)
{
	struct usbmux_own *o = ctx;

	(void)events;
	o->peer_gone = true;
}

static enum rc open_ports(
    struct usbmux_own *o, const struct usbmux_own_opts *opts)
{
	enum rc rc = RC_OK;

	if (opts->cable[0])
		rc = mux_cable_new(o->loop, o->server, opts->cable, o->bus_fn,
		    o->ctx, &o->cable);
	if (rc || !opts->sys[0])
		return rc;
	rc = usb_port_new(o->loop, o->server, opts->sys, opts->dev, o->bus_fn,
	    o->ctx, &o->usb);
	if (rc == RC_UNSUPPORTED && o->cable) {
		log_warn("this machine has no USB; phones on the cable only");
		rc = RC_OK;
	}
	return rc;
}

enum rc usbmux_own_open(const struct usbmux_own_opts *opts, usbmux_fn fn,
    usb_bus_fn bus_fn, void *ctx, struct usbmux_own **out)
{
	struct usbmux_own *o = calloc(1, sizeof(*o));
	enum rc rc;

	*out = NULL;
	if (!o)
		return RC_NOMEM;
	o->fn = fn;
	o->bus_fn = bus_fn;
	o->ctx = ctx;
	rc = mux_loop_new(&o->loop);
	if (!rc)
		rc = mux_records_open(opts->records, &o->records);
	if (!rc)
		rc = mux_server_new(
		    o->loop, o->records, opts->socket, on_phone, o, &o->server);
	if (!rc)
		rc = open_ports(o, opts);
	if (rc) {
		usbmux_own_close(o);
		return rc;
	}
	*out = o;
	return RC_OK;
}

enum rc usbmux_own_turn(struct usbmux_own *o, int peer, int64_t latest_ms)
{
	int64_t until, usb;
	enum rc rc;

	if (!o->peer.place) {
		o->peer =
		    (struct mux_loop_fd){ .fd = peer, .fn = on_peer, .ctx = o };
		rc = mux_loop_add(o->loop, &o->peer, EPOLLIN);
		if (rc)
			return rc;
	}
	if (o->cable)
		mux_cable_turn(o->cable);
	usb = o->usb ? usb_port_turn(o->usb) : INT64_MAX;
	until = mux_server_turn(o->server);
	/* The server may have ended a phone's link. */
	if (o->cable && mux_cable_turn(o->cable))
		until = mux_server_turn(o->server);
	if (o->usb)
		usb = usb_port_turn(o->usb);
	if (usb < until)
		until = usb;
	rc = mux_loop_turn(o->loop, latest_ms < until ? latest_ms : until);
	return o->peer_gone ? RC_GONE : rc;
}

void usbmux_own_close(struct usbmux_own *o)
{
	if (!o)
		return;
	usb_port_free(o->usb);
	mux_cable_free(o->cable);
	mux_server_free(o->server);
	mux_records_close(o->records);
	if (o->loop)
		mux_loop_remove(o->loop, &o->peer);
	mux_loop_free(o->loop);
	free(o);
}
