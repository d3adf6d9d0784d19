/*
 * What the messages of a session say about a phone, put into its status: for
 * the box and for `nightstand backup` alike.
 */
#ifndef METER_H
#define METER_H

#include "msg.h"
#include "status.h"

/* Speed and time left, from the last seconds. */
struct meter {
	int64_t began_ms; /* of the phase */
	uint32_t began_pct;
	int64_t last_ms;
	uint64_t last_bytes;
	double rate; /* bytes a second, smoothed */
	int phase; /* enum msg_phase, of the numbers above */
};

void meter_reset(struct meter *m, struct status_phone *p);
void meter_phase(struct meter *m, struct status_phone *p, enum msg_phase phase);
void meter_progress(struct meter *m, struct status_phone *p,
    const struct msg_progress *in, int64_t now_ms);

/* Name, model and the like, each only when the message has it. */
void meter_phone(struct status_phone *p, const struct msg_phone *in);
/* The newest good snapshot. */
void meter_kept(struct status_phone *p, const struct msg_kept *in);
/* Code, text and what is missing. */
void meter_result(struct status_phone *p, const struct msg_result *in);

/* What the page shows while a session is there. */
enum status_state meter_state(enum msg_phase phase);

#endif
