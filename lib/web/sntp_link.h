/*
 * The time from a server of the LAN, or one beyond it, by lwIP's SNTP client
 * (RFC 4330): one that DHCP names (option 42), else one of the config. It is
 * asked once there is an address, and again each hour. What it says is only
 * passed on: who owns the clock decides.
 *
 * Taken is one answer to each question, from whom was asked, within a second;
 * half of that is the error. There is one in a process, as there is one lwIP.
 */
#ifndef SNTP_LINK_H
#define SNTP_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct sntp_time_said {
	int64_t at_ms; /* Unix ms */
	int64_t mono_ms; /* when it was so */
	char from[48]; /* the server's address */
};

struct sntp_link {
	bool open, runs;
	char host[64]; /* lwIP keeps a pointer to it */
	bool asked;
	int64_t asked_ms;
	bool has_said;
	struct sntp_time_said said;
};

/* Copies. host "": only a server that DHCP names. l must stay where it is. */
void sntp_link_open(struct sntp_link *l, const char *host);
void sntp_link_close(struct sntp_link *l); /* one that is not open is fine */

/* In each turn of the loop. */
void sntp_link_tick(struct sntp_link *l, bool has_address);

/* The newest answer since; false: none. */
bool sntp_link_take(struct sntp_link *l, struct sntp_time_said *out);

#endif
