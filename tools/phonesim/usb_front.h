/*
 * Phones as USB devices. Whenever a phone is plugged in, a thread of its own
 * connects to `path` and serves it there; an unplug, or the end of the
 * connection, is the pulled cable. While nobody listens, it tries again.
 */
#ifndef USB_FRONT_H
#define USB_FRONT_H

#include <stdbool.h>

struct phone_set;
struct usb_front;
struct usb_device;

enum usb_front_kind {
	USB_FRONT_CABLE, /* Nightstand's own stand-in for USB */
	USB_FRONT_REDIR /* usbredir: a virtual machine (QEMU's usb-redir) */
};

/* NULL with a message on stderr. Phones that are plugged in already count. */
struct usb_front *usb_front_new(
    struct phone_set *set, enum usb_front_kind kind, const char *path);
void usb_front_free(struct usb_front *f);

/* --- what a kind does, on the phone's thread --- */

struct usb_wire {
	const struct usb_wire_ops *ops;
	struct usb_device *dev;
	int fd;
	void *own;
};

struct usb_wire_ops {
	int socket_type;
	/* The connection stands; 0, -1. */
	int (*open)(struct usb_wire *w);
	/* poll()'s events that it wants besides POLLIN. */
	short (*wants)(const struct usb_wire *w);
	/* Reads and writes what it can without waiting; -1: it is over. */
	int (*turn)(struct usb_wire *w, short revents);
	void (*close)(struct usb_wire *w);
};

extern const struct usb_wire_ops usb_cable_ops; /* usb_cable.c */
extern const struct usb_wire_ops usb_redir_ops; /* usb_redir.c */

#endif
