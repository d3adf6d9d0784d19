#include "usb_descriptor.h"

#include <stdio.h>
#include <string.h>

#include "relpath.h"

enum {
	TYPE_DEVICE = 1,
	TYPE_CONFIG = 2,
	TYPE_INTERFACE = 4,
	TYPE_ENDPOINT = 5
};

#define DEVICE_LEN    18
#define CONFIG_LEN    9
#define INTERFACE_LEN 9
#define ENDPOINT_LEN  7
#define EP_IN         0x80
#define EP_BULK       2

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

enum usb_kind usb_descriptor_kind(uint16_t vendor, uint16_t product)
{
	if (vendor != 0x05ac)
		return USB_KIND_OTHER;
	if (product >= 0x1290 && product <= 0x12af)
		return USB_KIND_PHONE;
	if (product == 0x1227)
		return USB_KIND_DFU;
	if (product >= 0x1280 && product <= 0x1283)
		return USB_KIND_RECOVERY;
	return USB_KIND_OTHER;
}

/* An interface as it is read: endpoints follow it. */
struct reading {
	struct usb_descriptor *d;
	struct usb_mux_config now;
	bool is_mux;
	unsigned n_endpoints, n_in, n_out;
};

static void end_interface(struct reading *r)
{
	struct usb_descriptor *d = r->d;
	bool good =
	    r->is_mux && r->n_endpoints == 2 && r->n_in == 1 && r->n_out == 1;

	r->is_mux = false;
	if (!good || d->n_mux >= USB_DESCRIPTOR_CONFIGS)
		return;
	/* One a configuration: the first. */
	if (d->n_mux && d->mux[d->n_mux - 1].value == r->now.value)
		return;
	d->mux[d->n_mux++] = r->now;
}

static void take_interface(struct reading *r, const uint8_t *p)
{
	end_interface(r);
	r->now.interface = p[2];
	r->is_mux = p[3] == 0 && p[5] == 0xff && p[6] == 0xfe && p[7] == 0x02;
	r->n_endpoints = r->n_in = r->n_out = 0;
}

static void take_endpoint(struct reading *r, const uint8_t *p)
{
	uint16_t max = get16(p + 4) & 0x7ff;

	r->n_endpoints++;
	if ((p[3] & 3) != EP_BULK || max < 8 || max > 1024)
		return;
	if (p[2] & EP_IN) {
		r->n_in++;
		r->now.ep_in = p[2];
	} else {
		r->n_out++;
		r->now.ep_out = p[2];
		r->now.max_out = max;
	}
}

static void take(struct reading *r, const uint8_t *p, size_t len)
{
	if (p[1] == TYPE_CONFIG && len >= CONFIG_LEN) {
		end_interface(r);
		r->now.value = p[5];
		r->now.max_power = p[8];
	} else if (p[1] == TYPE_INTERFACE && len >= INTERFACE_LEN) {
		take_interface(r, p);
	} else if (p[1] == TYPE_ENDPOINT && len >= ENDPOINT_LEN) {
		take_endpoint(r, p);
	}
}

enum rc usb_descriptor_parse(
    const uint8_t *data, size_t len, struct usb_descriptor *out)
{
	struct reading r = { .d = out };

	memset(out, 0, sizeof(*out));
	if (len < DEVICE_LEN || data[0] < DEVICE_LEN ||
	    data[1] != TYPE_DEVICE || data[0] > len)
		return RC_PROTO;
	out->vendor = get16(data + 8);
	out->product = get16(data + 10);
	out->release = get16(data + 12);
	out->n_configs = data[17];
	/* Each begins with its length. */
	for (size_t at = data[0]; len - at >= 2; at += data[at]) {
		if (data[at] < 2 || data[at] > len - at)
			break;
		take(&r, data + at, data[at]);
	}
	end_interface(&r);
	return RC_OK;
}

const struct usb_mux_config *usb_descriptor_choose(
    const struct usb_descriptor *d, int active)
{
	const struct usb_mux_config *best = NULL;

	for (unsigned i = 0; i < d->n_mux; i++) {
		const struct usb_mux_config *c = &d->mux[i];

		if (c->value == 0)
			continue; /* "not configured", not one of them */
		if (c->value == active)
			return c;
		if (!best || (c->value <= 4 && best->value > 4) ||
		    (c->value > best->value &&
			(c->value <= 4) == (best->value <= 4)))
			best = c;
	}
	return best;
}

enum rc usb_descriptor_udid(const char *serial, size_t len, char out[48])
{
	size_t n = strnlen(serial, len);

	out[0] = '\0';
	if (n == 24)
		snprintf(out, 48, "%.8s-%.16s", serial, serial + 8);
	else if (n == 40)
		snprintf(out, 48, "%.40s", serial);
	if (out[0] && relpath_check_udid(out) == RC_OK)
		return RC_OK;
	out[0] = '\0';
	return RC_PROTO;
}
