/*
 * What the end of a session means: for the state machine, for the status, for
 * the exit status of `nightstand backup`. One table.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "msg.h"
#include "phone_fsm.h"
#include "session.h"

/* Exit statuses of the program: stable, listed by `nightstand help exit`. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAULT = 1,
	EXIT_USAGE = 2,
	EXIT_LOCKED = 10,
	EXIT_PASSCODE = 11,
	EXIT_TRUST_REFUSED = 12,
	EXIT_TRUST_WAIT = 13,
	EXIT_NO_PHONE = 14,
	EXIT_UNPLUGGED = 15,
	EXIT_SILENT = 16,
	EXIT_PHONE_FULL = 17,
	EXIT_PHONE_FILES = 18,
	EXIT_CANCELLED = 19,
	EXIT_PASSWORD = 20,
	EXIT_SETUP = 21,
	EXIT_PHONE_OTHER = 22,
	EXIT_RESTART_PHONE = 25,
	EXIT_FIND_MY = 26,
	EXIT_PROTOCOL = 23,
	EXIT_BROKEN_BACKUP = 24,
	EXIT_DISK_FULL = 30,
	EXIT_DISK = 31,
	EXIT_NO_DISK = 32,
	EXIT_DISK_UNFIT = 33,
	EXIT_BUSY = 34,
	EXIT_CHECK = 40,
	EXIT_DAMAGED = 41,
	EXIT_NOT_RUNNING = 50,
	EXIT_CONFIG = 78,
	EXIT_INTERRUPTED = 130
};

struct outcome {
	enum status_state state; /* how the night ended */
	enum phone_event event;
	enum exit_status exit;
	bool is_broken; /* begin anew: without the overlay, then in full */
};

/* Pure. */
struct outcome outcome_of(const struct msg_result *r);

/* Why the backup password was not changed, for a sentence: never "". */
const char *outcome_says(enum session_end end);

/* For an end without a text of its own, where the words need one; or "". */
const char *outcome_text(enum session_end end);

/* A session that ended without a result: it crashed or was killed. */
void outcome_no_result(struct msg_result *out, const char *why);

/* The exit statuses, one a line. */
void outcome_print_exits(FILE *out);

#endif
