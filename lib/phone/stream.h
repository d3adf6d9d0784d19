/*
 * A byte stream to a phone, as the protocol code sees it. tls_stream.c makes
 * one of a socket; unit tests feed one from a script.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>

#include "rc.h"

struct stream_ops {
	/*
	 * Between 1 and `cap` bytes, as soon as any are there.
	 *
	 * RC_TIMEOUT nothing arrived within timeout_ms; nothing is lost, the
	 *            next call goes on
	 * RC_GONE    the other side closed, or the link broke
	 */
	enum rc (*read)(
	    void *ctx, void *buf, size_t cap, int timeout_ms, size_t *len);

	/* All bytes or an error, after which the stream is only good for
	 * closing. RC_GONE, RC_TIMEOUT (the phone stopped reading). */
	enum rc (*write)(void *ctx, const void *buf, size_t len);

	void (*close)(void *ctx);
};

struct stream {
	const struct stream_ops *ops;
	void *ctx;
};

#endif
