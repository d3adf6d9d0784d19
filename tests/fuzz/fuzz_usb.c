/*
 * What stands at the edges of the USB driver. The first byte chooses: the
 * descriptors of a device, an event of the kernel, a serial number, or a
 * message of a client of the usbmuxd socket.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mux_request.h"
#include "relpath.h"
#include "usb_hotplug.h"

static void descriptors(const uint8_t *data, size_t len)
{
	struct usb_descriptor d;
	const struct usb_mux_config *c;

	if (usb_descriptor_parse(data, len, &d))
		return;
	for (int active = 0; active < 8; active++) {
		c = usb_descriptor_choose(&d, active);
		/* What is taken can be spoken to. */
		if (c &&
		    (c->value == 0 || c->max_out < 8 || c->max_out > 1024 ||
			!(c->ep_in & 0x80) || (c->ep_out & 0x80)))
			abort();
	}
	if (d.n_mux > USB_DESCRIPTOR_CONFIGS)
		abort();
}

static void event(const uint8_t *data, size_t len)
{
	struct usb_event ev;

	if (usb_hotplug_parse((const char *)data, len, &ev) &&
	    (ev.at.bus == 0 || ev.at.bus > 999 || ev.at.address == 0 ||
		ev.at.address > 127))
		abort();
}

static void serial(const uint8_t *data, size_t len)
{
	char udid[48];

	if (usb_descriptor_udid((const char *)data, len, udid) == RC_OK &&
	    relpath_check_udid(udid))
		abort();
}

static void request(const uint8_t *data, size_t len)
{
	struct mux_request r;
	uint32_t want;

	if (len < MUX_REQUEST_HEAD || mux_request_len(data, &want))
		return;
	if (want > len)
		return; /* the server waits for all of it */
	if (mux_request_parse(data, want, &r) == RC_OK && r.udid[0] &&
	    relpath_check_udid(r.udid))
		abort(); /* it becomes the name of a file */
	if (r.record && r.record_len > want)
		abort();
	mux_request_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const kinds[])(
	    const uint8_t *, size_t) = { descriptors, event, serial, request };

	if (len == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	kinds[data[0] % 4](data + 1, len - 1);
	return 0;
}
