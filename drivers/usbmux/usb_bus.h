/*
 * What is known of a phone that is on the bus, whether it talks or not: why it
 * does not, as far as USB tells, and what its port gives it.
 *
 * Sources: product ids and the silence of a restricted phone as in usbmuxd and
 * README.md; the milliamperes are those that Linux reckons with for a port
 * (USB 2.0 7.2.1, USB 3.2 11.4.5): 500 and 900, behind a hub that lives on its
 * own port 100 and 150. A real port may give more, and an iPhone may take more
 * than it asks for.
 */
#ifndef USB_BUS_H
#define USB_BUS_H

#include <stdbool.h>
#include <stdint.h>

enum usb_why {
	USB_WHY_GONE, /* it was pulled */
	USB_WHY_TALKS,
	USB_WHY_RECOVERY, /* its boot loader waits for a restore */
	USB_WHY_DFU, /* its boot ROM does */
	USB_WHY_NO_MUX, /* no configuration has the multiplexer: it charges */
	USB_WHY_SILENT, /* it has the multiplexer, and does not answer */
	USB_WHY_HELD, /* a driver or a program has it */
	USB_WHY_CONFIG, /* it refuses the configuration that it offers */
	USB_WHY_ERRORS, /* transfers fail, or what it says is no mux */
	USB_WHY_NO_RIGHTS, /* its device file can't be opened */
	USB_WHY_COUNT_
};

#define USB_ASKS_MAX  2040u /* mA: 255 units of 8 mA */
#define USB_GIVES_MAX 900u

struct usb_power {
	uint32_t mbit; /* Mbit/s, 0 unknown */
	uint16_t asks_ma; /* of the configuration that is used; 0 unknown */
	uint16_t gives_ma; /* 0 unknown */
	bool weak_hub; /* its hub lives on the port before it */
	char port[24]; /* as the kernel calls it, "1-1.4"; "" unknown */
};

struct usb_on_bus {
	uint32_t place; /* bus << 16 | address: no other one has it now */
	enum usb_why why;
	char udid[48]; /* "" not known */
	uint16_t product, release; /* idProduct, bcdDevice; not of GONE */
	struct usb_power power;
};

/* Called at each change of `why`, on the loop's thread. */
typedef void (*usb_bus_fn)(void *ctx, const struct usb_on_bus *p);

#endif
