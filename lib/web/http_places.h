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

struct http_place {
	bool taken;
	/* if taken: */
	bool same; /* by the address that asks now */
	bool idle; /* it asks for nothing, or not yet */
	bool stalled; /* it does not take what it asked for */
	int64_t moved_ms; /* when anything last happened */
};

/* A free place, or one whose owner is to be cut: the longest silent among the
 * idle, else among the stalled. -1: there is none for who asks. */
int http_places_pick(const struct http_place *p, int n, bool by_address);

#endif
