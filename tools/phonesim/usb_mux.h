/*
 * The phone's side of the multiplexer on its bulk endpoints, as protocols of
 * real phones show it: answers VERSION, opens ports, 131,072 bytes of window.
 * It is strict with the host where real phones may not be: what a host does
 * wrong becomes an event "usb host error: …".
 *
 * One thread's; sockets to the services are polled by whoever owns it.
 */
#ifndef USB_MUX_H
#define USB_MUX_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct phone;
struct usb_mux;

#define USB_MUX_CONNS  64
#define USB_MUX_PACKET 512 /* bytes of a USB packet at high speed */

/* `isn`: where the phone's sequence numbers begin; 0 on real ones. */
struct usb_mux *usb_mux_new(struct phone *ph, uint32_t isn);
void usb_mux_free(struct usb_mux *m);

/* (A piece of) a bulk OUT transfer; it ends with less than a full USB packet.
 * -1: the host broke the framing, nothing more is to be had. */
int usb_mux_out(struct usb_mux *m, const uint8_t *data, size_t len);

/* What answers a bulk IN of up to `cap` bytes (a multiple of USB_MUX_PACKET).
 * 0 is an empty transfer; -1: nothing to send now. */
ssize_t usb_mux_in(struct usb_mux *m, uint8_t *buf, size_t cap);
bool usb_mux_has_in(const struct usb_mux *m);

/* It is silent while the phone is locked; what it has to say is kept. */
void usb_mux_restrict(struct usb_mux *m);
/* That is so now: look again after a while. */
bool usb_mux_is_restricted(const struct usb_mux *m);

/* The sockets that it waits for: fills at most USB_MUX_CONNS. */
size_t usb_mux_poll(struct usb_mux *m, struct pollfd *fds);
/* … what poll() said of them. */
void usb_mux_turn(struct usb_mux *m, const struct pollfd *fds, size_t n);

#endif
