/*
 * One scrub of a vault: its phones one after the other, each with an even
 * share of what is left of the budget. For `nightstand scrub` and for the box's
 * role alike.
 */
#ifndef SCRUBBER_H
#define SCRUBBER_H

#include "vault_scrub.h"

struct scrubber {
	const char *dir; /* of the vault */
	const char *udid; /* this phone only; "" all */
	int64_t max_ms; /* 0: no limit */
	uint64_t max_bytes; /* likewise */
	vault_progress_fn progress; /* these may be NULL, */
	bool (*cancelled)(void *arg);
	/* a phone's turn begins; damage of it follows */
	void (*begin)(void *arg, const char *udid);
	vault_damaged_fn damaged;
	/* … and is over; `p` is open still, NULL when it could not be opened */
	void (*done)(void *arg, const char *udid, struct vault_phone *p,
	    enum rc rc, const struct vault_check_result *result);
	void *arg;
	unsigned n_phones; /* out: that there were */
};

/* RC_NOTFOUND, RC_IO …: the vault can't be opened; what happens to a phone is
 * told by done(). RC_CANCELLED. */
MUST_CHECK enum rc scrubber_run(struct scrubber *s);

#endif
