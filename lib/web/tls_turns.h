/*
 * Whose handshake is next: one costs more than many pages, so there are so many
 * a second, of one address fewer, and the others wait for their turn. Pure, with
 * a clock handed in; an address is a number that stands for it.
 */
#ifndef TLS_TURNS_H
#define TLS_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds between two, and how many at once after a silence. A browser
 * opens six connections. */
#define TLS_TURNS_MS       20
#define TLS_TURNS_ONCE     40
#define TLS_TURNS_OWN_MS   100 /* of one address */
#define TLS_TURNS_OWN_ONCE 12

#define TLS_TURNS_ADDRESSES 256 /* that are remembered, the newest ones */

struct tls_turns {
	int64_t paid_ms; /* turns are given out up to here */
	struct {
		uint64_t address;
		int64_t paid_ms;
	} own[TLS_TURNS_ADDRESSES];
};

/* There is a turn, for some address. */
bool tls_turns_any(const struct tls_turns *t, int64_t now_ms);

/* Zeroed is fresh. True: it may begin now, and is counted. by_address: false
 * where all come from one. */
bool tls_turns_take(
    struct tls_turns *t, uint64_t address, bool by_address, int64_t now_ms);

#endif
