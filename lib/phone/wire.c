#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mono.h"

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

enum rc wire_init(
    struct wire *w, struct stream stream, wire_tick_fn tick, void *tick_arg)
{
	memset(w, 0, sizeof(*w));
	w->buf = malloc(WIRE_CAP);
	w->out = malloc(WIRE_OUT);
	if (!w->buf || !w->out) {
		free(w->buf);
		free(w->out);
		memset(w, 0, sizeof(*w));
		return RC_NOMEM;
	}
	w->stream = stream;
	w->tick = tick;
	w->tick_arg = tick_arg;
	w->last_byte_at = w->last_tick_at = mono_ms();
	return RC_OK;
}

void wire_fini(struct wire *w)
{
	if (w->stream.ops)
		w->stream.ops->close(w->stream.ctx);
	free(w->buf);
	free(w->out);
	free(w->spill);
	memset(w, 0, sizeof(*w));
}

static enum rc ask_tick(struct wire *w, int64_t now)
{
	w->last_tick_at = now;
	if (!w->tick)
		return RC_OK;
	return w->tick(w->tick_arg, now - w->last_byte_at);
}

/* Room for `n` bytes in one piece, the unread ones kept. */
static void make_room(struct wire *w, size_t n)
{
	if (w->len == 0) {
		w->start = 0;
	} else if (w->start + n > WIRE_CAP) {
		memmove(w->buf, w->buf + w->start, w->len);
		w->start = 0;
	}
}

/* One read of what is there; RC_TIMEOUT after timeout_ms. */
static enum rc fill_once(struct wire *w, int timeout_ms)
{
	size_t end = w->start + w->len;
	size_t n = 0;
	int64_t before = now_us();
	int64_t after;
	enum rc rc;

	rc = w->stream.ops->read(
	    w->stream.ctx, w->buf + end, WIRE_CAP - end, timeout_ms, &n);
	after = now_us();
	w->waited_us += after - before;
	if (rc)
		return rc;
	w->len += n;
	w->last_byte_at = after / 1000;
	return RC_OK;
}

enum rc wire_need(struct wire *w, size_t n)
{
	enum rc rc;

	if (w->len >= n)
		return RC_OK;
	if (n > WIRE_CAP)
		return RC_BUG;
	make_room(w, n);
	while (w->len < n) {
		int64_t now;

		rc = fill_once(w, WIRE_SLICE_MS);
		if (rc && rc != RC_TIMEOUT)
			return rc;
		now = rc ? mono_ms() : w->last_byte_at;
		if (rc == RC_OK && now - w->last_tick_at < WIRE_SLICE_MS)
			continue;
		rc = ask_tick(w, now);
		if (rc)
			return rc;
	}
	return RC_OK;
}

const uint8_t *wire_take(struct wire *w, size_t n)
{
	const uint8_t *p = w->buf + w->start;

	w->start += n;
	w->len -= n;
	return p;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

enum rc wire_u32(struct wire *w, uint32_t *out)
{
	enum rc rc = wire_need(w, 4);

	*out = 0;
	if (rc)
		return rc;
	*out = be32(wire_take(w, 4));
	return RC_OK;
}

enum rc wire_skip(struct wire *w, uint64_t n)
{
	while (n > 0) {
		size_t some = n < WIRE_PIECE ? (size_t)n : WIRE_PIECE;
		enum rc rc = wire_need(w, some);

		if (rc)
			return rc;
		wire_take(w, some);
		n -= some;
	}
	return RC_OK;
}

/* A body larger than the buffer: memory is taken as it arrives, so that a
 * length alone costs nothing. */
static enum rc read_spill(struct wire *w, size_t len)
{
	size_t have = 0;
	size_t cap = 0;

	free(w->spill);
	w->spill = NULL;
	while (have < len) {
		size_t some = len - have < WIRE_PIECE ? len - have : WIRE_PIECE;
		enum rc rc = wire_need(w, some);

		if (rc)
			return rc;
		if (have + some > cap) {
			uint8_t *bigger;

			cap = cap ? cap * 2 : 4 * WIRE_PIECE;
			if (cap > len)
				cap = len;
			bigger = realloc(w->spill, cap);
			if (!bigger)
				return RC_NOMEM;
			w->spill = bigger;
		}
		memcpy(w->spill + have, wire_take(w, some), some);
		have += some;
	}
	return RC_OK;
}

enum rc wire_frame(
    struct wire *w, size_t max, const uint8_t **body, size_t *len)
{
	uint32_t n;
	enum rc rc = wire_u32(w, &n);

	*body = NULL;
	*len = 0;
	if (rc)
		return rc;
	if (n == 0)
		return RC_PROTO;
	if (n > max)
		return RC_LIMIT;
	if (n <= WIRE_CAP) {
		rc = wire_need(w, n);
		if (rc)
			return rc;
		*body = wire_take(w, n);
	} else {
		rc = read_spill(w, n);
		if (rc)
			return rc;
		*body = w->spill;
	}
	*len = n;
	return RC_OK;
}

enum rc wire_poll_frame(
    struct wire *w, size_t max, const uint8_t **body, size_t *len)
{
	*body = NULL;
	*len = 0;
	for (;;) {
		size_t n = w->len >= 4 ? be32(w->buf + w->start) : 0;
		enum rc rc;

		if (w->len >= 4 && (n > max || n > WIRE_CAP - 4))
			return RC_LIMIT;
		if (w->len >= 4 && n == 0)
			return RC_PROTO;
		if (w->len >= 4 && w->len - 4 >= n) {
			wire_take(w, 4);
			*body = wire_take(w, n);
			*len = n;
			return RC_OK;
		}
		make_room(w, 4 + n);
		rc = fill_once(w, 0);
		if (rc)
			return rc;
	}
}

enum rc wire_flush(struct wire *w)
{
	size_t n = w->out_len;

	w->out_len = 0;
	if (n == 0)
		return RC_OK;
	return w->stream.ops->write(w->stream.ctx, w->out, n);
}

void wire_wipe(struct wire *w)
{
	explicit_bzero(w->out, WIRE_OUT);
}

enum rc wire_put(struct wire *w, const void *data, size_t len)
{
	enum rc rc;

	if (len > WIRE_OUT - w->out_len) {
		rc = wire_flush(w);
		if (rc)
			return rc;
	}
	if (len > WIRE_OUT)
		return w->stream.ops->write(w->stream.ctx, data, len);
	if (len > 0)
		memcpy(w->out + w->out_len, data, len);
	w->out_len += len;
	return RC_OK;
}

enum rc wire_put_u32(struct wire *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
		(uint8_t)(v >> 8), (uint8_t)v };

	return wire_put(w, b, sizeof(b));
}

enum rc wire_send_frame(struct wire *w, const void *body, size_t len)
{
	enum rc rc;

	if (len > UINT32_MAX)
		return RC_LIMIT;
	rc = wire_put_u32(w, (uint32_t)len);
	if (rc)
		return rc;
	rc = wire_put(w, body, len);
	if (rc)
		return rc;
	return wire_flush(w);
}
