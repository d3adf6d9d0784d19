#include "tls_turns.h"

/* A bucket that fills by one each `every` ms, up to `once`. */
static int64_t refill(int64_t paid_ms, int every, int once, int64_t now_ms)
{
	int64_t floor = now_ms - (int64_t)every * once;

	return paid_ms < floor ? floor : paid_ms;
}

/* The one of this address, or the one that was not needed for the longest. */
static unsigned find(const struct tls_turns *t, uint64_t address)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < TLS_TURNS_ADDRESSES; i++) {
		if (t->own[i].address == address)
			return i;
		if (t->own[i].paid_ms < t->own[oldest].paid_ms)
			oldest = i;
	}
	return oldest;
}

bool tls_turns_any(const struct tls_turns *t, int64_t now_ms)
{
	return refill(t->paid_ms, TLS_TURNS_MS, TLS_TURNS_ONCE, now_ms) <=
	       now_ms - TLS_TURNS_MS;
}

bool tls_turns_take(
    struct tls_turns *t, uint64_t address, bool by_address, int64_t now_ms)
{
	unsigned i = find(t, address);
	int64_t own = t->own[i].address == address ? t->own[i].paid_ms : 0;

	own = refill(own, TLS_TURNS_OWN_MS, TLS_TURNS_OWN_ONCE, now_ms);
	t->paid_ms = refill(t->paid_ms, TLS_TURNS_MS, TLS_TURNS_ONCE, now_ms);
	if (t->paid_ms > now_ms - TLS_TURNS_MS ||
	    (by_address && own > now_ms - TLS_TURNS_OWN_MS))
		return false;
	t->paid_ms += TLS_TURNS_MS;
	t->own[i].address = address;
	t->own[i].paid_ms = own + TLS_TURNS_OWN_MS;
	return true;
}
