/* Bytes of the usbmuxd socket (protocols.md 3.2): 16 bytes little endian, then
 * a plist or a fixed body. All return 0 or -1. */
#ifndef USBMUXD_WIRE_H
#define USBMUXD_WIRE_H

#include <plist/plist.h>
#include <stddef.h>
#include <stdint.h>

enum mux_message {
	MUX_RESULT = 1,
	MUX_CONNECT = 2,
	MUX_LISTEN = 3,
	MUX_ADD = 4,
	MUX_REMOVE = 5,
	MUX_PAIRED = 6,
	MUX_PLIST = 8
};

struct usbmuxd_head {
	uint32_t version, message, tag;
	size_t body; /* bytes that follow */
};

/* Reads one request; *body is malloc'd and NUL-terminated. */
int usbmuxd_wire_read(int fd, struct usbmuxd_head *h, char **body);
/* Frees `d`. Fails rather than waits when nobody reads. */
int usbmuxd_wire_plist(int fd, uint32_t tag, plist_t d);
int usbmuxd_wire_number(
    int fd, enum mux_message m, uint32_t tag, uint32_t number);
int usbmuxd_wire_device(int fd, int id, int product, const char *serial);

/* A listening unix socket; -1 with errno. */
int usbmuxd_wire_listen(const char *path);

#endif
