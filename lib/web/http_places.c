#include "http_places.h"

#include <stddef.h>

enum kind {
	IDLE,
	STALLED,
	BEGINS,
	BUSY
};

static enum kind kind_of(const struct http_place *p, int64_t now_ms)
{
	if (p->idle)
		return now_ms - p->moved_ms < HTTP_PLACES_NEW ? BEGINS : IDLE;
	if (p->stalled)
		return STALLED;
	return p->waits ? BEGINS : BUSY;
}

static int places_of(const struct http_place *p, int n, uint64_t address)
{
	int own = 0;

	for (int i = 0; i < n; i++)
		own += p[i].taken && p[i].address == address;
	return own;
}

struct victim {
	const struct http_place *p; /* NULL: none */
	enum kind kind;
	int own; /* places of its address */
};

/* a is to go before b. */
static bool goes_first(const struct victim *a, const struct victim *b)
{
	if (!b->p || a->kind != b->kind)
		return !b->p || a->kind < b->kind;
	if (a->kind == BEGINS && a->p->debt_ms != b->p->debt_ms)
		return a->p->debt_ms > b->p->debt_ms;
	if (a->kind == BEGINS && a->own != b->own)
		return a->own > b->own;
	if (a->p->waits != b->p->waits)
		return b->p->waits;
	return a->p->moved_ms < b->p->moved_ms;
}

/* Of those with the same address only, where `same` says so. */
static struct victim find_victim(
    const struct http_place *p, int n, bool same, int64_t now_ms)
{
	struct victim found = { .p = NULL };

	for (int i = 0; i < n; i++) {
		struct victim v = { &p[i], kind_of(&p[i], now_ms), 0 };

		if (!p[i].taken || (same && !p[i].same) || v.kind == BUSY)
			continue;
		if (v.kind == BEGINS)
			v.own = places_of(p, n, p[i].address);
		if (goes_first(&v, &found))
			found = v;
	}
	return found;
}

static bool yields(
    const struct victim *v, int own, const struct http_asker *asker)
{
	if (v->kind != BEGINS || v->p->same)
		return true;
	if (v->p->debt_ms != asker->debt_ms)
		return v->p->debt_ms > asker->debt_ms;
	return !v->p->waits || v->own > own + 1;
}

static int find_place(const struct http_place *p, int n, bool same, int own,
    const struct http_asker *asker)
{
	struct victim v = find_victim(p, n, same, asker->now_ms);

	return v.p && yields(&v, own, asker) ? (int)(v.p - p) : -1;
}

int http_places_pick(
    const struct http_place *p, int n, const struct http_asker *asker)
{
	int empty = -1, left = 0, own = 0;

	for (int i = 0; i < n; i++) {
		own += p[i].taken && p[i].same;
		if (p[i].taken)
			continue;
		left++;
		if (empty < 0)
			empty = i;
	}
	if (asker->by_address &&
	    (own >= HTTP_PLACES_MOST || (own > 1 && left <= HTTP_PLACES_SPARE)))
		return find_place(p, n, true, own, asker);
	return empty >= 0 ? empty : find_place(p, n, false, own, asker);
}

int http_askers_add(struct http_askers *a, uint64_t address, int64_t now_ms)
{
	unsigned at = 0;
	int64_t owes;

	for (unsigned i = 0; i < HTTP_ASKERS; i++) {
		if (a->of[i].address == address) {
			at = i;
			break;
		}
		if (a->of[i].paid_ms < a->of[at].paid_ms)
			at = i;
	}
	if (a->of[at].address != address || a->of[at].paid_ms < now_ms)
		a->of[at].paid_ms = now_ms;
	a->of[at].address = address;
	a->of[at].paid_ms += HTTP_ASKERS_MS;
	owes = a->of[at].paid_ms - now_ms - HTTP_ASKERS_FREE;
	if (owes > HTTP_ASKERS_WORST) {
		a->of[at].paid_ms -= owes - HTTP_ASKERS_WORST;
		owes = HTTP_ASKERS_WORST;
	}
	return owes > 0 ? (int)owes : 0;
}
