/*
 * What clients of a usbmuxd socket ask for: 16 bytes little endian (length
 * with them, version, message, tag), then a property list or, in version 0, a
 * fixed body. Pure: bytes in, one struct out. As libusbmuxd, usbmuxd and
 * Apple's clients have it.
 */
#ifndef MUX_REQUEST_H
#define MUX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define MUX_REQUEST_HEAD 16u
#define MUX_REQUEST_MAX  65536u /* usbmuxd's own bound */

enum mux_request_kind {
	MUX_REQUEST_UNKNOWN,
	MUX_REQUEST_LIST_DEVICES,
	MUX_REQUEST_LISTEN,
	MUX_REQUEST_CONNECT,
	MUX_REQUEST_READ_BUID,
	MUX_REQUEST_READ_RECORD,
	MUX_REQUEST_SAVE_RECORD,
	MUX_REQUEST_DELETE_RECORD,
	MUX_REQUEST_LIST_LISTENERS
};

enum mux_request_number { /* of the header */
	MUX_REQUEST_RESULT = 1,
	MUX_REQUEST_BIN_CONNECT = 2,
	MUX_REQUEST_BIN_LISTEN = 3,
	MUX_REQUEST_ADD = 4,
	MUX_REQUEST_REMOVE = 5,
	MUX_REQUEST_PAIRED = 6,
	MUX_REQUEST_PLIST = 8
};

struct mux_request {
	enum mux_request_kind kind;
	bool is_binary; /* and wants such answers */
	uint32_t tag;
	bool has_device, has_port;
	uint32_t device_id;
	uint16_t port; /* in the order of this machine */
	char udid[48]; /* of a record; "" none that could be one */
	uint8_t *record; /* to be saved, checked; NULL none */
	size_t record_len;
	char prog[64], bundle[64];
};

/* Length of the whole message whose head this is. RC_LIMIT: too short or too
 * long, the client is to be left. */
MUST_CHECK enum rc mux_request_len(
    const uint8_t head[MUX_REQUEST_HEAD], uint32_t *out);

/*
 * Takes a whole message. Gives: mux_request_free(), also after an error.
 * tag and is_binary hold after an error, too.
 *
 * RC_UNSUPPORTED a version that is not known: result 6 · RC_PROTO no property
 * list, or one without MessageType: usbmuxd does not answer · RC_NOMEM
 */
MUST_CHECK enum rc mux_request_parse(
    const uint8_t *msg, size_t len, struct mux_request *out);
void mux_request_free(struct mux_request *r);

#endif
