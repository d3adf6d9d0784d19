/*
 * What an iPhone's descriptors offer, and which of its configurations is
 * taken. Pure: the bytes as the kernel keeps them (sysfs "descriptors": the
 * device's, then each configuration's).
 */
#ifndef USB_DESCRIPTOR_H
#define USB_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define USB_DESCRIPTOR_CONFIGS 16u /* phones have 4 to 6 */
#define USB_DESCRIPTOR_MAX     8192u /* bytes; real ones have about 400 */

/* A configuration with the multiplexer in it: an interface of class FF/FE/02
 * with one bulk endpoint each way. */
struct usb_mux_config {
	uint8_t value; /* of SET_CONFIGURATION, from 1 */
	uint8_t interface;
	uint8_t ep_in, ep_out; /* addresses */
	uint16_t max_out; /* bytes of a packet, 8 to 1024 */
	uint8_t max_power; /* units of 2 mA, from USB 3 on of 8 mA */
};

struct usb_descriptor {
	uint16_t vendor, product, release;
	uint8_t n_configs; /* as the device says */
	unsigned n_mux;
	struct usb_mux_config mux[USB_DESCRIPTOR_CONFIGS];
};

enum usb_kind {
	USB_KIND_OTHER, /* not ours to open */
	USB_KIND_PHONE, /* iPhone, iPad, iPod: may be spoken to */
	USB_KIND_RECOVERY, /* one that waits for a restore */
	USB_KIND_DFU
};

/* By vendor and product id alone. */
enum usb_kind usb_descriptor_kind(uint16_t vendor, uint16_t product);

/* RC_PROTO: not even the device's own descriptor. What is broken further on
 * is passed over. */
MUST_CHECK enum rc usb_descriptor_parse(
    const uint8_t *data, size_t len, struct usb_descriptor *out);

/*
 * The active one when it will do, as a change interrupts whoever else uses
 * the phone; else the highest up to 4, as Debian's usbmuxd has it; else the
 * highest. NULL: none has a multiplexer, the phone is in another mode.
 */
const struct usb_mux_config *usb_descriptor_choose(
    const struct usb_descriptor *d, int active);

/*
 * The UDID of a serial string: 24 digits get a dash behind the eighth, 40
 * stay; what follows a NUL is padding. RC_PROTO: no UDID.
 */
MUST_CHECK enum rc usb_descriptor_udid(
    const char *serial, size_t len, char out[48]);

#endif
