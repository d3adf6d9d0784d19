/* What a state says, before its sentences are filled in; of words.c only. */
#ifndef WORDS_TABLE_H
#define WORDS_TABLE_H

#include "words.h"

enum glance { /* what the box says after a state's sentence */
	GLANCE_NONE,
	GLANCE_LAST_GOOD, /* "Last safe backup: yesterday, 23:38." */
	GLANCE_STAYS, /* "The backup of yesterday stays safe until …" */
	GLANCE_SAFE, /* "Backed up today at 23:41 · …", in its place */
};

struct row {
	const char *headline, *sentence, *ledger;
	enum led_pattern led;
	enum words_severity severity;
	enum glance glance;
};

/* Never NULL: what is no state is a fault of the box. */
const struct row *words_row_of(enum status_state s);

#endif
