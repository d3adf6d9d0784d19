/*
 * A phone as a USB device: descriptors as real iPhones have them (bytes of an
 * iPhone with iOS 17, by recordings), the vendor requests for its mode, and
 * its multiplexer on the endpoints 0x04 and 0x85.
 */
#ifndef USB_DEVICE_H
#define USB_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usb_mux.h"

#define USB_DEVICE_OUT 0x04
#define USB_DEVICE_IN  0x85

struct phone;

/* What it plays on USB, by the knob `usb` at the plug. */
enum usb_mode {
	USB_MODE_NORMAL,
	USB_MODE_RECOVERY, /* iBoot: another product, no multiplexer */
	USB_MODE_DFU,
	USB_MODE_CHARGING, /* no configuration has the multiplexer */
	USB_MODE_RESTRICTED, /* it has, and is silent until it is unlocked */
	USB_MODE_REFUSES, /* no other configuration than the first */
	USB_MODE_STALLS /* the multiplexer's endpoints do */
};

struct usb_config;

struct usb_device {
	struct phone *ph;
	struct usb_mux *mux;
	enum usb_mode mode;
	const struct usb_config *configs;
	unsigned n_configs;
	uint16_t product;
	uint8_t config; /* active; 1 after the plug, as on real phones */
	uint8_t descriptor[18];
};

/* 0, or -1: no memory. */
int usb_device_init(struct usb_device *d, struct phone *ph);
void usb_device_fini(struct usb_device *d);

/* Setup packet fields, host order. Answers with at most wLength bytes in
 * `out` (room for 65535); -1: a stall. */
int usb_device_control(struct usb_device *d, uint8_t type, uint8_t request,
    uint16_t value, uint16_t index, uint16_t length, uint8_t *out);

/* SET_CONFIGURATION; a new one begins the multiplexer anew. -1: none such. */
int usb_device_configure(struct usb_device *d, uint8_t value);
/* The highest that it can be set to. */
uint8_t usb_device_best(const struct usb_device *d);
/* Is the multiplexer in the active configuration, and does it work? */
bool usb_device_has_mux(const struct usb_device *d);
/* The bytes of the active configuration, for whoever lists endpoints. */
const uint8_t *usb_device_config(const struct usb_device *d, size_t *len);

#endif
