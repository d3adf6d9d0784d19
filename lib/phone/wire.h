/*
 * Bytes of a stream, gathered in one large buffer and handed out in place:
 * a small file costs no call into TLS, a large one is written to the store
 * in pieces of WIRE_PIECE. All integers on the wire are big-endian u32.
 *
 * A wait is cut into slices of WIRE_SLICE_MS; after each, `tick` is asked
 * whether to go on, and it is also asked about that often while data flows.
 * Any error of a function ends the use of the wire: the position in the
 * stream is lost.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "stream.h"

#define WIRE_CAP      524288u
#define WIRE_PIECE    262144u
#define WIRE_OUT      49152u
#define WIRE_SLICE_MS 200

/* silent_ms: since the last byte arrived. Not RC_OK ends the wait with it. */
typedef enum rc (*wire_tick_fn)(void *arg, int64_t silent_ms);

struct wire {
	struct stream stream;
	uint8_t *buf; /* WIRE_CAP */
	size_t start, len; /* unread bytes: buf[start .. start+len) */
	uint8_t *out; /* WIRE_OUT, waiting for wire_flush() */
	size_t out_len;
	uint8_t *spill; /* body of a frame larger than buf */
	wire_tick_fn tick; /* may be NULL: wait for ever */
	void *tick_arg;
	int64_t last_byte_at, last_tick_at; /* mono_ms() */
	int64_t waited_us; /* time spent waiting for the phone */
};

/* Takes the stream on success only. RC_NOMEM. */
MUST_CHECK enum rc wire_init(
    struct wire *w, struct stream stream, wire_tick_fn tick, void *tick_arg);
void wire_fini(struct wire *w); /* closes the stream; twice is fine */

/* Waits until n bytes (n <= WIRE_CAP) stand in the buffer. */
MUST_CHECK enum rc wire_need(struct wire *w, size_t n);
/* The next n bytes, after wire_need(); lent until the next call. */
const uint8_t *wire_take(struct wire *w, size_t n);
MUST_CHECK enum rc wire_u32(struct wire *w, uint32_t *out);
MUST_CHECK enum rc wire_skip(struct wire *w, uint64_t n);

/*
 * u32 length and body; the body is lent until the next call.
 * RC_LIMIT longer than max · RC_PROTO length 0
 */
MUST_CHECK enum rc wire_frame(
    struct wire *w, size_t max, const uint8_t **body, size_t *len);

/* Whole frames that are there already, without waiting: RC_TIMEOUT when the
 * next one is not complete yet (nothing is lost). */
MUST_CHECK enum rc wire_poll_frame(
    struct wire *w, size_t max, const uint8_t **body, size_t *len);

/* Gathers; writes when the room is used up. */
MUST_CHECK enum rc wire_put(struct wire *w, const void *data, size_t len);
MUST_CHECK enum rc wire_put_u32(struct wire *w, uint32_t v);
MUST_CHECK enum rc wire_flush(struct wire *w);
void wire_wipe(struct wire *w); /* what was flushed was secret */
/* Prefix and body in one write where they fit. */
MUST_CHECK enum rc wire_send_frame(
    struct wire *w, const void *body, size_t len);

#endif
