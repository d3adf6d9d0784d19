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

static const struct { const uint8_t *bytes; size_t len; } configs[] = {
	{ config1, sizeof(config1) }, { config2, sizeof(config2) },
	{ config3, sizeof(config3) }, { config4, sizeof(config4) },
};

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
	d->descriptor[10] = (uint8_t)d->product;
	/* bcdDevice says the model: 15.04 is iPhone15,4. */
	if (sscanf(digits, "%2u,%2u", &major, &minor) == 2) {
		d->descriptor[12] = (uint8_t)(minor / 10 << 4 | minor % 10);
		d->descriptor[13] = (uint8_t)(major / 10 << 4 | major % 10);
	}
	d->mux = usb_mux_new(ph, 0);
	return d->mux ? 0 : -1;
}

void usb_device_fini(struct usb_device *d)
{
	usb_mux_free(d->mux);
	d->mux = NULL;
}

bool usb_device_has_mux(const struct usb_device *d)
{
	return d->config == 3 || d->config == 4;
}

const uint8_t *usb_device_config(const struct usb_device *d, size_t *len)
{
	if (d->config < 1 || d->config > CONFIGS)
		return NULL;
	*len = configs[d->config - 1].len;
	return configs[d->config - 1].bytes;
}

int usb_device_configure(struct usb_device *d, uint8_t value)
{
	struct usb_mux *fresh;

	if (value > CONFIGS)
		return -1;
	fresh = usb_mux_new(d->ph, 0);
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
	if (type == 2 && i < CONFIGS) {
		memcpy(out, configs[i].bytes, configs[i].len);
		return (int)configs[i].len;
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
