/* Descriptors and control requests; see usb_device.h. */
#include "usb_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phone.h"

/* clang-format off */
#define PTP \
	0x09, 0x04, 0x00, 0x00, 0x03, 0x06, 0x01, 0x01, 0x1b, \
	0x07, 0x05, 0x02, 0x02, 0x00, 0x02, 0x00, \
	0x07, 0x05, 0x81, 0x02, 0x00, 0x02, 0x00, \
	0x07, 0x05, 0x83, 0x03, 0x40, 0x00, 0x0a
#define MUX \
	0x09, 0x04, 0x01, 0x00, 0x02, 0xff, 0xfe, 0x02, 0x0f, \
	0x07, 0x05, 0x04, 0x02, 0x00, 0x02, 0x00, \
	0x07, 0x05, 0x85, 0x02, 0x00, 0x02, 0x00
#define ETHERNET \
	0x09, 0x04, 0x02, 0x00, 0x00, 0xff, 0xfd, 0x01, 0x11, \
	0x09, 0x04, 0x02, 0x01, 0x02, 0xff, 0xfd, 0x01, 0x11, \
	0x07, 0x05, 0x86, 0x02, 0x00, 0x02, 0x00, \
	0x07, 0x05, 0x05, 0x02, 0x00, 0x02, 0x00, \
	0x09, 0x04, 0x02, 0x02, 0x02, 0xff, 0xfd, 0x01, 0x11, \
	0x07, 0x05, 0x86, 0x02, 0x00, 0x02, 0x00, \
	0x07, 0x05, 0x05, 0x02, 0x00, 0x02, 0x00

static const uint8_t config1[] = {
	0x09, 0x02, 0x27, 0x00, 0x01, 0x01, 0x05, 0xc0, 0xfa, PTP };
/* Audio is left out of "iPod USB Interface": an interface of its class would
 * have the host load drivers that nobody looks at here. */
static const uint8_t config2[] = {
	0x09, 0x02, 0x12, 0x00, 0x01, 0x02, 0x06, 0xc0, 0xfa,
	0x09, 0x04, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00 };
static const uint8_t config3[] = {
	0x09, 0x02, 0x3e, 0x00, 0x02, 0x03, 0x07, 0xc0, 0xfa, PTP, MUX };
static const uint8_t config4[] = {
	0x09, 0x02, 0x75, 0x00, 0x03, 0x04, 0x08, 0xc0, 0xfa, PTP, MUX,
	ETHERNET };

/* Recovery and DFU mode: interfaces by what is known of irecovery's and
 * dfu-util's side; no recording of ours has them. */
static const uint8_t recovery1[] = {
	0x09, 0x02, 0x19, 0x00, 0x01, 0x01, 0x05, 0xc0, 0xfa,
	0x09, 0x04, 0x00, 0x00, 0x01, 0xff, 0xff, 0x51, 0x00,
	0x07, 0x05, 0x04, 0x02, 0x00, 0x02, 0x00 };
static const uint8_t dfu1[] = {
	0x09, 0x02, 0x1b, 0x00, 0x01, 0x01, 0x05, 0xc0, 0xfa,
	0x09, 0x04, 0x00, 0x00, 0x00, 0xfe, 0x01, 0x00, 0x00,
	0x09, 0x21, 0x01, 0x0a, 0x00, 0x00, 0x08, 0x00, 0x01 };

struct usb_config {
	const uint8_t *bytes;
	size_t len;
	bool has_mux;
};

static const struct usb_config configs[] = {
	{ config1, sizeof(config1), false }, { config2, sizeof(config2), false },
	{ config3, sizeof(config3), true }, { config4, sizeof(config4), true },
};
static const struct usb_config recovery[] = {
	{ recovery1, sizeof(recovery1), false } };
static const struct usb_config dfu[] = { { dfu1, sizeof(dfu1), false } };

static const char *const strings[] = {
	"", "Apple Inc.", "iPhone", NULL /* serial */, NULL /* serial-R */,
	"PTP", "iPod USB Interface", "PTP + Apple Mobile Device",
	"PTP + Apple Mobile Device + Apple USB Ethernet", "", "", "", "", "",
	"", "Apple USB Multiplexor", "", "AppleUSBEthernet",
};
/* clang-format on */

#define CONFIGS      (sizeof(configs) / sizeof(configs[0]))
#define STRINGS      (sizeof(strings) / sizeof(strings[0]))
#define SERIAL_UNITS 40 /* of UTF-16, always */
#define GET_MODE     0x45
#define SET_MODE     0x52

/* --- what it plays --------------------------------------------------------- */

static enum usb_mode mode_of(struct phone *ph)
{
	static const char *const names[] = {
		[USB_MODE_NORMAL] = "normal",
		[USB_MODE_RECOVERY] = "recovery",
		[USB_MODE_DFU] = "dfu",
		[USB_MODE_CHARGING] = "charging",
		[USB_MODE_RESTRICTED] = "restricted",
		[USB_MODE_REFUSES] = "refuses",
		[USB_MODE_STALLS] = "stalls",
	};
	char name[32];

	if (!phone_knob_text(ph, "usb", name, sizeof(name)))
		return USB_MODE_NORMAL;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum usb_mode)i;
	phone_event(ph, "usb: no mode %s", name);
	return USB_MODE_NORMAL;
}

static void play(struct usb_device *d)
{
	d->configs = configs;
	d->n_configs = CONFIGS;
	if (d->mode == USB_MODE_CHARGING)
		d->n_configs = 1;
	if (d->mode == USB_MODE_RECOVERY || d->mode == USB_MODE_DFU) {
		d->configs = d->mode == USB_MODE_DFU ? dfu : recovery;
		d->n_configs = 1;
		d->product = d->mode == USB_MODE_DFU ? 0x1227 : 0x1281;
		d->descriptor[11] = (uint8_t)(d->product >> 8);
		d->descriptor[12] = d->descriptor[13] = 0;
	}
	d->descriptor[10] = (uint8_t)d->product;
	d->descriptor[17] = (uint8_t)d->n_configs;
}

static struct usb_mux *new_mux(const struct usb_device *d)
{
	struct usb_mux *m = usb_mux_new(d->ph, 0);

	if (m && d->mode == USB_MODE_RESTRICTED)
		usb_mux_restrict(m);
	return m;
}

int usb_device_init(struct usb_device *d, struct phone *ph)
{
	static const uint8_t model[18] = { 0x12, 0x01, 0x00, 0x02, 0x00, 0x00,
		0x00, 0x40, 0xac, 0x05, 0xa8, 0x12, 0x00, 0x00, 0x01, 0x02,
		0x03, CONFIGS };
	const char *type = ph->id.product_type;
	unsigned major = 0, minor = 0;
	const char *digits = type + strcspn(type, "0123456789");

	memset(d, 0, sizeof(*d));
	d->ph = ph;
	d->config = 1;
	d->product = strncmp(type, "iPad", 4) == 0 ? 0x12ab : 0x12a8;
	memcpy(d->descriptor, model, sizeof(model));
	d->mode = mode_of(ph);
	/* bcdDevice says the model: 15.04 is iPhone15,4. */
	if (sscanf(digits, "%2u,%2u", &major, &minor) == 2) {
		d->descriptor[12] = (uint8_t)(minor / 10 << 4 | minor % 10);
		d->descriptor[13] = (uint8_t)(major / 10 << 4 | major % 10);
	}
	play(d);
	d->mux = new_mux(d);
	return d->mux ? 0 : -1;
}

void usb_device_fini(struct usb_device *d)
{
	usb_mux_free(d->mux);
	d->mux = NULL;
}

bool usb_device_has_mux(const struct usb_device *d)
{
	return d->config >= 1 && d->config <= d->n_configs &&
	       d->configs[d->config - 1].has_mux && d->mode != USB_MODE_STALLS;
}

const uint8_t *usb_device_config(const struct usb_device *d, size_t *len)
{
	if (d->config < 1 || d->config > d->n_configs)
		return NULL;
	*len = d->configs[d->config - 1].len;
	return d->configs[d->config - 1].bytes;
}

uint8_t usb_device_best(const struct usb_device *d)
{
	return d->mode == USB_MODE_REFUSES ? 1 : (uint8_t)d->n_configs;
}

int usb_device_configure(struct usb_device *d, uint8_t value)
{
	struct usb_mux *fresh;

	if (value > usb_device_best(d)) {
		phone_event(d->ph, "usb configuration %u refused", value);
		return -1;
	}
	fresh = new_mux(d);
	if (!fresh)
		return -1;
	usb_mux_free(d->mux);
	d->mux = fresh;
	d->config = value;
	phone_event(d->ph, "usb configuration %u", value);
	return 0;
}

/* 24 digits without the dash; the rest of the 40 units is NUL. */
static void serial_of(const struct usb_device *d, char out[SERIAL_UNITS + 1])
{
	size_t n = 0;

	memset(out, 0, SERIAL_UNITS + 1);
	/* The boot loader tells of the chip. */
	if (d->mode == USB_MODE_RECOVERY || d->mode == USB_MODE_DFU) {
		snprintf(out, SERIAL_UNITS + 1,
		    "CPID:8120 BDID:0C ECID:%016llX",
		    (unsigned long long)d->ph->id.seed);
		return;
	}
	for (const char *s = d->ph->id.udid; *s && n < SERIAL_UNITS; s++)
		if (*s != '-')
			out[n++] = *s;
}

static int string_get(const struct usb_device *d, uint8_t i, uint8_t *out)
{
	char serial[SERIAL_UNITS + 1];
	const char *text = i < STRINGS ? strings[i] : "";
	size_t n;

	if (i == 0) {
		memcpy(out, "\x04\x03\x09\x04", 4);
		return 4;
	}
	if (i == 3 || i == 4) {
		serial_of(d, serial);
		text = serial;
	}
	n = i == 3 || i == 4 ? SERIAL_UNITS : strlen(text);
	if (n == 0)
		return -1;
	out[0] = (uint8_t)(2 + 2 * n);
	out[1] = 3;
	for (size_t k = 0; k < n; k++) {
		out[2 + 2 * k] = (uint8_t)text[k];
		out[3 + 2 * k] = 0;
	}
	return out[0];
}

static int descriptor_get(
    const struct usb_device *d, uint8_t type, uint8_t i, uint8_t *out)
{
	if (type == 1) {
		memcpy(out, d->descriptor, sizeof(d->descriptor));
		return (int)sizeof(d->descriptor);
	}
	if (type == 2 && i < d->n_configs) {
		memcpy(out, d->configs[i].bytes, d->configs[i].len);
		return (int)d->configs[i].len;
	}
	return type == 3 ? string_get(d, i, out) : -1;
}

int usb_device_control(struct usb_device *d, uint8_t type, uint8_t request,
    uint16_t value, uint16_t index, uint16_t length, uint8_t *out)
{
	int n = -1;

	if (type == 0x80 && request == 6) {
		n = descriptor_get(
		    d, (uint8_t)(value >> 8), (uint8_t)value, out);
	} else if (type == 0x80 && request == 0) { /* GET_STATUS */
		out[0] = 1; /* self powered */
		out[1] = 0;
		n = 2;
	} else if (type == 0x80 && request == 8) {
		out[0] = d->config;
		n = 1;
	} else if (d->product == 0x1281 || d->product == 0x1227) {
		n = type == 0x00 && request == 9
			? usb_device_configure(d, (uint8_t)value)
			: -1; /* it has no modes */
	} else if (type == 0xc0 && request == GET_MODE) {
		memcpy(out, "\x03\x03\x03\x00", 4);
		n = 4;
	} else if (type == 0xc0 && request == SET_MODE) {
		phone_event(d->ph, "usb mode %u asked for", index);
		out[0] = 0;
		n = 1;
	} else if (type == 0x00 && request == 9) {
		n = usb_device_configure(d, (uint8_t)value);
	} else if (type == 0x02 && request == 1) { /* CLEAR_FEATURE: halt */
		n = 0;
	} else if (type == 0x01 && request == 11) { /* SET_INTERFACE */
		n = 0;
	}
	return n > length ? length : n;
}
