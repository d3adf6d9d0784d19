/*
 * Who comes and goes on the machine's USB, as the kernel itself tells it: its
 * uevents, and sysfs for who is there already and for what is known of them.
 * No udev daemon is needed (the box has none); with one, nothing changes.
 */
#ifndef USB_HOTPLUG_H
#define USB_HOTPLUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "usb_bus.h"
#include "usb_descriptor.h"

struct usb_place {
	uint16_t bus, address; /* /dev/bus/usb/BUS/ADDRESS, from 1 */
};

struct usb_event {
	bool added; /* else removed */
	struct usb_place at;
	uint16_t vendor, product;
};

/* What sysfs holds of a device: nothing of it needs a transfer. */
struct usb_device_facts {
	struct usb_descriptor descriptor;
	char udid[48]; /* "" none: not a phone in its normal mode */
	int active; /* configuration; 0 none */
	uint64_t speed; /* bit/s */
	struct usb_power power; /* its asks_ma: of the active one */
};

/* One message of the kernel. False: not about a whole USB device. Pure. */
bool usb_hotplug_parse(const char *msg, size_t len, struct usb_event *out);

/* A non-blocking socket of uevents; -1 with errno. */
int usb_hotplug_open(void);

/* The next event. RC_BUSY: none now · RC_LIMIT: some were lost, scan again ·
 * RC_IO. */
MUST_CHECK enum rc usb_hotplug_next(int fd, struct usb_event *out);

typedef void (*usb_hotplug_fn)(void *ctx, const struct usb_event *ev);

/* All devices that are there, as events. `sys` is "/sys". */
void usb_hotplug_scan(const char *sys, usb_hotplug_fn fn, void *ctx);

/* RC_GONE: there is no such device (any more). RC_PROTO: odd descriptors. */
MUST_CHECK enum rc usb_hotplug_facts(
    const char *sys, const struct usb_place *at, struct usb_device_facts *out);

#endif
