/*
 * What the commands have in common that do by hand what the box does: one
 * phone, one session's process, Ctrl-C; no page, no machine, no second try.
 */
#ifndef BY_HAND_H
#define BY_HAND_H

#include "child.h"
#include "cli.h"
#include "meter.h"
#include "msg.h"
#include "muxplan.h"
#include "outcome.h"
#include "terminal.h"

struct by_hand {
	const struct cli *cli;
	struct status st;
	struct status_phone *phone; /* st.phones[0] */
	struct meter meter;
	struct terminal term;
	struct child child;
	struct muxplan mux;
	struct child driver; /* of our own, if it is that */
	bool driver_ended;
	int signals; /* signalfd */
	bool has_phone; /* the phone has told about itself */
	enum password_did did;
	struct msg_result result;
	bool has_result;
	bool interrupted;
	int64_t began_ms, kill_ms;
};

/* 0, or an exit status. */
int by_hand_begin(struct by_hand *b, const struct cli *cli);

/* Ends what was begun; to be called last, whatever failed. */
void by_hand_end(struct by_hand *b);

/* Waits as --wait says; then b->phone has a UDID. 0, or an exit status after a
 * complaint. */
int by_hand_find_phone(struct by_hand *b);

/* Fills what every session gets from the config. */
void by_hand_start(const struct by_hand *b, struct msg_start *out);

/* Starts the session's process and sends it its START; 0, or an exit status. */
int by_hand_run(struct by_hand *b, const struct msg_start *start);

/* Takes one message, or Ctrl-C; waits for it. */
void by_hand_turn(struct by_hand *b, struct msg *m);

/* Until the session's process has ended, which gives the vault free. */
void by_hand_follow(struct by_hand *b);

void by_hand_show(struct by_hand *b);

/* On stderr: "nightstand: headline. sentence (code)". */
void by_hand_complain(struct by_hand *b);

#endif
