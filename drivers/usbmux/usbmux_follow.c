/*
 * The door to libusbmuxd's events. Its listener waits for a socket below
 * /var/run only, whatever USBMUXD_SOCKET_ADDRESS says; so we subscribe only
 * when somebody answers, and whoever uses us asks usbmux_is_there() now and
 * then and starts anew.
 */
#include "usbmux.h"

#include <stdio.h>
#include <stdlib.h>
#include <usbmuxd.h>

#include "log.h"
#include "relpath.h"

#define LOG_MODULE "usbmux"

struct usbmux {
	usbmuxd_subscription_context_t sub;
	usbmux_fn fn;
	void *ctx;
};

static void report(
    const usbmuxd_device_info_t *dev, bool attached, usbmux_fn fn, void *ctx)
{
	struct usbmux_event ev = { .attached = attached };

	if (dev->conn_type != CONNECTION_TYPE_USB)
		return;
	snprintf(ev.udid, sizeof(ev.udid), "%s", dev->udid);
	if (relpath_check_udid(ev.udid)) {
		log_warn("a device with an odd identifier is left alone");
		return;
	}
	fn(ctx, &ev);
}

static void on_event(const usbmuxd_event_t *event, void *user)
{
	struct usbmux *m = user;

	if (event->event == UE_DEVICE_ADD || event->event == UE_DEVICE_REMOVE)
		report(&event->device, event->event == UE_DEVICE_ADD, m->fn,
		    m->ctx);
}

bool usbmux_list(usbmux_fn fn, void *ctx)
{
	usbmuxd_device_info_t *list = NULL;
	int n = usbmuxd_get_device_list(&list);

	for (int i = 0; fn && i < n; i++)
		report(&list[i], true, fn, ctx);
	if (n >= 0)
		usbmuxd_device_list_free(&list);
	return n >= 0;
}

bool usbmux_is_there(void)
{
	return usbmux_list(NULL, NULL);
}

enum rc usbmux_open(usbmux_fn fn, void *ctx, struct usbmux **out)
{
	struct usbmux *m;

	if (!usbmux_is_there())
		return RC_GONE;
	m = calloc(1, sizeof(*m));
	if (!m)
		return RC_NOMEM;
	m->fn = fn;
	m->ctx = ctx;
	if (usbmuxd_events_subscribe(&m->sub, on_event, m) != 0) {
		free(m);
		return RC_GONE;
	}
	*out = m;
	return RC_OK;
}

void usbmux_close(struct usbmux *m)
{
	if (!m)
		return;
	usbmuxd_events_unsubscribe(m->sub);
	free(m);
}
