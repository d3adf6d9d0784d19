/*
 * Phones over USB/IP: a Linux PC attaches them by its kernel's vhci_hcd
 * (`usbip attach -r ADDRESS -b 1-N`; N is the DeviceID of the plug). Each
 * attached phone is served by a thread; an unplug ends it.
 */
#ifndef USB_IP_H
#define USB_IP_H

struct phone_set;
struct usb_ip;

/* where: "ADDRESS:PORT" (the protocol's own port is 3240). NULL with a message
 * on stderr. */
struct usb_ip *usb_ip_new(struct phone_set *set, const char *where);
/* Waits until all its threads have ended. */
void usb_ip_free(struct usb_ip *u);

#endif
