/*
 * Who gets one of the server's places, and who has to go for it. Pure: the
 * server says what its connections do, and cuts the one that is named.
 *
 * With a limit by address nobody takes all: an address has HTTP_PLACES_MOST
 * places, and the last free ones are for addresses that have one at most.
 * One more than that costs a place of its own.
 */
#ifndef HTTP_PLACES_H
#define HTTP_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#define HTTP_PLACES_MOST  16 /* of one address; a browser takes 6 */
#define HTTP_PLACES_SPARE 8 /* for those who come last */
#define HTTP_PLACES_NEW   1000 /* ms in which who came may begin to ask */

struct http_place {
	bool taken;
	/* if taken: */
	bool same; /* by the address that asks now */
	uint64_t address; /* a number that stands for it */
	bool idle; /* it asks for nothing, or not yet */
	bool stalled; /* it does not take what it asked for */
	bool waits; /* for the turn of its handshake (tls_turns.h) */
	int debt_ms; /* of its address when it came: http_askers_add() */
	int64_t moved_ms; /* when anything last happened */
};

struct http_asker {
	bool by_address; /* limits by address hold */
	int debt_ms; /* of its address, with this connection */
	int64_t now_ms;
};

/*
 * A free place, or one whose owner is to be cut: the longest silent among the
 * idle, else among the stalled; else, of those who came just now or wait for a
 * turn, the one whose address comes the most often, or has the most places. But
 * who comes more often, or has as many, pushes out nobody who waits. -1: there
 * is none for who asks.
 */
int http_places_pick(
    const struct http_place *p, int n, const struct http_asker *asker);

/* Who comes often: each connection costs its address so much, which time pays
 * back. The newest addresses are remembered. */
#define HTTP_ASKERS       256
#define HTTP_ASKERS_MS    100
#define HTTP_ASKERS_FREE  2000 /* a browser, and a hasty reader */
#define HTTP_ASKERS_WORST 60000

struct http_askers {
	struct {
		uint64_t address;
		int64_t paid_ms;
	} of[HTTP_ASKERS];
};

/* One more of this address. Returns what it owes beyond HTTP_ASKERS_FREE, at
 * most HTTP_ASKERS_WORST. Zeroed is fresh. */
int http_askers_add(struct http_askers *a, uint64_t address, int64_t now_ms);

#endif
