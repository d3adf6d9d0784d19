/*
 * Role `usbmux`: reports the phones on the cable. Either it is the driver
 * itself, with a usbmuxd socket for the sessions, or it follows a usbmuxd that
 * runs elsewhere; muxplan.h tells which.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alive.h"
#include "jail.h"
#include "log.h"
#include "msg.h"
#include "role.h"
#include "usbmux.h"
#include "usbmux_own.h"

#define LOG_MODULE "usbmux"

#define RETRY_MS 1000 /* nobody answers yet */
#define LOOK_MS  5000 /* does somebody still? */

static void on_event(void *ctx, const struct usbmux_event *ev)
{
	const int *fd = ctx;
	struct msg m = { .type = ev->attached ? MSG_ATTACHED : MSG_DETACHED };
	enum rc rc;

	snprintf(m.u.device.udid, sizeof(m.u.device.udid), "%s", ev->udid);
	rc = msg_send(*fd, &m);
	if (rc && rc != RC_GONE)
		log_warn("the box was not told: %s", rc_words(rc));
}

static void on_bus(void *ctx, const struct usb_on_bus *p)
{
	const int *fd = ctx;
	struct msg m = { .type = MSG_ON_BUS };
	enum rc rc;

	m.u.on_bus = (struct msg_on_bus){
		.place = p->place,
		.why = (uint8_t)p->why,
		.product = p->product,
		.release = p->release,
		.mbit = p->power.mbit,
		.asks_ma = p->power.asks_ma,
		.gives_ma = p->power.gives_ma,
		.weak_hub = p->power.weak_hub,
	};
	memcpy(m.u.on_bus.udid, p->udid, sizeof(m.u.on_bus.udid));
	memcpy(m.u.on_bus.port, p->power.port, sizeof(m.u.on_bus.port));
	rc = msg_send(*fd, &m);
	if (rc && rc != RC_GONE)
		log_warn("the box was not told: %s", rc_words(rc));
}

/* False: the parent is gone. */
static bool rest(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, ms) == 0;
}

static int follow(int fd)
{
	struct usbmux *m = NULL;
	bool said = false;

	while (usbmux_open(on_event, &fd, &m)) {
		if (!said)
			log_note("waiting for somebody to answer at the "
				 "usbmuxd socket");
		said = true;
		if (!rest(fd, RETRY_MS))
			return 0;
	}
	log_info("following the usbmuxd socket");
	while (usbmux_is_there() && rest(fd, LOOK_MS)) {
		/* Events come on the driver's own thread. */
	}
	/* Whoever ended took the phones along; the box starts us anew. */
	log_note("no longer following the usbmuxd socket");
	usbmux_close(m);
	return 0;
}

/* What a phone says is parsed here: of the machine's files only its USB and the
 * pair records are left. */
static void lock_in(const struct usbmux_own_opts *opts)
{
	const struct jail_path paths[] = {
		{ .path = opts->records, .may_write = true, .may_make = true },
		{ .path = opts->dev, .may_write = true },
		{ .path = opts->sys },
	};
	const struct jail_opts jail = { .user = "nightstand-usb",
		.paths = paths,
		.n_paths = 3,
		.has_devices = true };
	struct jail got;

	jail_enter_with(&jail, &got);
}

/* own SOCKET RECORDS CABLE SYS LEVEL */
static int drive(int fd, char **argv)
{
	struct usbmux_own_opts opts = {
		.socket = argv[1],
		.records = argv[2],
		.cable = argv[3],
		.sys = argv[4],
		.dev = "/dev/bus/usb",
	};
	struct usbmux_own *o = NULL;
	int64_t alive_ms = 0;
	enum rc rc;

	log_set_level((enum log_level)atoi(argv[5]));
	rc = usbmux_own_open(&opts, on_event, on_bus, &fd, &o);
	if (rc) {
		log_error("no driver for phones: %s", rc_words(rc));
		return 1;
	}
	lock_in(&opts);
	while (!rc) {
		rc = usbmux_own_turn(o, fd, alive_ms);
		if (!rc)
			rc = alive_turn(fd, &alive_ms);
	}
	usbmux_own_close(o);
	return rc != RC_GONE;
}

int role_usbmux(int fd, int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[0], "own"))
		return drive(fd, argv);
	return follow(fd);
}
