/*
 * What a client of the usbmuxd socket is told: whole messages, header and
 * all, ready to be sent. Pure. See mux_request.h.
 */
#ifndef MUX_REPLY_H
#define MUX_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

enum mux_reply_code { /* of Connect and Listen; records answer with errno */
	MUX_REPLY_OK = 0,
	MUX_REPLY_BAD_COMMAND = 1,
	MUX_REPLY_BAD_DEVICE = 2,
	MUX_REPLY_REFUSED = 3,
	MUX_REPLY_BAD_VERSION = 6
};

/* What is known of a phone on the cable. */
struct mux_facts {
	char udid[48]; /* as lockdownd says it, with the dash */
	uint16_t product_id;
	uint32_t location; /* bus << 16 | address */
	uint64_t speed; /* bit/s */
	int64_t patience_ms; /* for its VERSION; 0: the usual */
};

/* A listener; as ListListeners tells of it. */
struct mux_reply_listener {
	const char *prog, *bundle;
};

struct mux_reply {
	uint8_t *data; /* NULL: no memory */
	size_t len;
};

struct mux_reply mux_reply_result(bool binary, uint32_t tag, uint32_t code);
struct mux_reply mux_reply_attached(
    bool binary, const struct mux_facts *f, uint32_t device_id);
struct mux_reply mux_reply_detached(bool binary, uint32_t device_id);
struct mux_reply mux_reply_paired(bool binary, uint32_t device_id);
struct mux_reply mux_reply_devices(uint32_t tag,
    const struct mux_facts *const *facts, const uint32_t *ids, size_t n);
struct mux_reply mux_reply_listeners(
    uint32_t tag, const struct mux_reply_listener *l, size_t n);
struct mux_reply mux_reply_buid(uint32_t tag, const char *buid);
struct mux_reply mux_reply_record(
    uint32_t tag, const uint8_t *record, size_t len);
void mux_reply_free(struct mux_reply *r);

#endif
