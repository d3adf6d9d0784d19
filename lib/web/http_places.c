#include "http_places.h"

/* Of those with the same address only, where `same` says so. */
static int find_victim(const struct http_place *p, int n, bool same)
{
	int idle = -1, stalled = -1;

	for (int i = 0; i < n; i++) {
		if (!p[i].taken || (same && !p[i].same))
			continue;
		if (p[i].idle) {
			if (idle < 0 || p[i].moved_ms < p[idle].moved_ms)
				idle = i;
		} else if (p[i].stalled) {
			if (stalled < 0 || p[i].moved_ms < p[stalled].moved_ms)
				stalled = i;
		}
	}
	return idle >= 0 ? idle : stalled;
}

int http_places_pick(const struct http_place *p, int n, bool by_address)
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
	if (by_address &&
	    (own >= HTTP_PLACES_MOST || (own > 1 && left <= HTTP_PLACES_SPARE)))
		return find_victim(p, n, true);
	return empty >= 0 ? empty : find_victim(p, n, false);
}
