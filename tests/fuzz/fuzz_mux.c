/*
 * What a phone says on its bulk pipe, to the mux core: the first byte chooses
 * how it is cut into transfers and how clients read; the rest is the stream.
 * Clients connect as soon as they may, write, leave and come again.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mux.h"

#define CLIENTS 4

static struct {
	struct mux *m;
	struct mux_conn *conns[CLIENTS];
	bool used[CLIENTS];
	struct mux_tx *held[MUX_TX_BIG + MUX_TX_SMALL];
	unsigned n_held;
	uint8_t how;
	size_t delivered, fed;
} f;

static void on_send(void *ctx, struct mux_tx *tx)
{
	(void)ctx;
	/* What leaves is whole, and no longer than allowed. */
	if (tx->len < 8 || tx->len > MUX_WIRE_SEND_MAX ||
	    mux_wire_get32(tx->data + 4) != tx->len)
		abort();
	if (f.how & 1)
		f.held[f.n_held++] = tx;
	else
		mux_sent(f.m, tx);
}

static void on_ready(void *ctx, int version)
{
	(void)ctx;
	if (version != 1 && version != 2)
		abort();
}

static unsigned index_of(const void *who)
{
	const bool *u = who;

	return (unsigned)(u - f.used);
}

static void on_opened(void *ctx, void *who, enum rc rc)
{
	(void)ctx;
	if (!*(bool *)who)
		abort();
	if (rc)
		f.conns[index_of(who)] = NULL;
	if (rc)
		*(bool *)who = false;
}

static size_t on_deliver(void *ctx, void *who, const uint8_t *data, size_t len)
{
	static volatile uint8_t sum;

	(void)ctx;
	if (!*(bool *)who || len == 0)
		abort();
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + data[i]); /* all of it is there */
	if (f.how & 2)
		len = len / 2;
	if ((f.how & 4) && data[0] == 0xee)
		return MUX_NOBODY;
	f.delivered += len;
	return len;
}

static void on_closed(void *ctx, void *who, enum rc rc)
{
	(void)ctx;
	(void)rc;
	if (!*(bool *)who)
		abort();
	*(bool *)who = false;
	f.conns[index_of(who)] = NULL;
}

static const struct mux_ops ops = { on_send, on_ready, on_opened, on_deliver,
	on_closed };

static void clients(int64_t now)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		size_t cap = 0;
		uint8_t *p;

		if (!f.conns[i]) {
			f.used[i] = true;
			if (mux_connect(f.m, (uint16_t)(i + 1), &f.used[i], now,
				&f.conns[i]))
				f.used[i] = false;
			continue;
		}
		p = mux_write_begin(f.conns[i], &cap);
		if (p && cap > 100)
			cap = 100;
		if (p) {
			memset(p, 'a', cap);
			mux_write_end(f.conns[i], cap);
		}
		if (f.conns[i] && mux_has_backlog(f.conns[i]))
			mux_drain(f.conns[i], now);
		if (f.conns[i] && (f.how & 8) && now % 7 == i) {
			mux_close(f.conns[i]);
			f.conns[i] = NULL;
			f.used[i] = false;
		}
	}
}

static void give_back(void)
{
	unsigned n = f.n_held;

	f.n_held = 0;
	for (unsigned i = 0; i < n; i++)
		mux_sent(f.m, f.held[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int64_t now = 0;
	size_t piece;

	if (len == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	memset(&f, 0, sizeof(f));
	f.how = data[0];
	piece = (size_t)(data[0] >> 4) * 37 + 1;
	data++;
	len--;
	if (mux_new(&ops, NULL, 0, f.how & 1 ? 0xffffff80u : 0, &f.m))
		return 0;
	while (len) {
		size_t n = piece < len ? piece : len;

		if (mux_turn(f.m, now) || mux_input(f.m, data, n, now))
			break;
		f.fed += n;
		data += n;
		len -= n;
		now++;
		clients(now);
		if (now % 3 == 0)
			give_back();
		if (mux_deadline(f.m) < 0)
			abort();
	}
	/* Nothing is told that the phone did not say. */
	if (f.delivered > f.fed + piece)
		abort();
	mux_shut(f.m);
	for (unsigned i = 0; i < CLIENTS; i++)
		if (f.used[i] && f.conns[i])
			abort();
	give_back();
	mux_free(f.m);
	return 0;
}
