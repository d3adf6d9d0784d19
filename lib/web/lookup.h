/*
 * An address for a name, by lwIP's DNS, for who may be gone when the answer
 * comes: lwIP can't be told to forget a question.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>

#include "lwip/ip_addr.h"

enum lookup_state {
	LOOKUP_IDLE, /* nothing was asked; zeroed is this */
	LOOKUP_WAITS,
	LOOKUP_FOUND,
	LOOKUP_MISSED /* nobody knows that name */
};

struct lookup {
	enum lookup_state state;
	ip_addr_t ip; /* once found */
};

/* Name or address. `l` stays where it is until lookup_end(). */
void lookup_begin(struct lookup *l, const char *host);
void lookup_end(struct lookup *l);

#endif
