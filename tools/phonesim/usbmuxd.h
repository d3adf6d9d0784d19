/*
 * The usbmuxd socket (protocols.md 3): what libusbmuxd and Apple's clients
 * speak, plist and binary. A client that connects to a phone's port hands its
 * own socket on to the service behind it.
 */
#ifndef USBMUXD_H
#define USBMUXD_H

#include <stdint.h>

#include <plist/plist.h>

struct phone_set;
struct usbmuxd;

/* Listens at `path` (an old socket there is replaced). NULL with a message on
 * stderr. The set must outlive it. */
struct usbmuxd *usbmuxd_new(struct phone_set *set, const char *path);
/* Ends all clients; the phones' own connections are not touched. */
void usbmuxd_free(struct usbmuxd *u);

/* --- usbmuxd_records.c: pair records of hosts, in <dir>/lockdown --- */

/* Fills reply, or returns a result code (0: filled, or done). */
int usbmuxd_read_buid(struct phone_set *set, plist_t reply);
int usbmuxd_read_record(struct phone_set *set, plist_t req, plist_t reply);
int usbmuxd_save_record(struct phone_set *set, plist_t req);
int usbmuxd_delete_record(struct phone_set *set, plist_t req);

#endif
