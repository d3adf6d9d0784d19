/*
 * What a press of the one button means: the table of presses with their words,
 * and the machine that makes presses of a contact that bounces. Pure, with a
 * clock by hand (ms of mono.h).
 */
#ifndef BUTTON_PRESS_H
#define BUTTON_PRESS_H

#include <stdbool.h>
#include <stdint.h>

enum button_press {
	BUTTON_NONE,
	BUTTON_SHORT, /* let go before long: back up now */
	BUTTON_LONG, /* still held: eject the disk */
	BUTTON_AT_START, /* held since the box was switched on: reset */
	BUTTON_PRESS_COUNT_
};

struct button_grammar {
	const char *press; /* "short press" */
	const char *says; /* "back up now" */
	int64_t from_ms; /* held for so long at least */
	int64_t below_ms; /* … and let go before; 0: need not be let go */
};

/* Not for BUTTON_NONE. */
const struct button_grammar *button_grammar(enum button_press p);

/* A level that lasts so long is no bouncing. */
#define BUTTON_BOUNCE_MS 30

struct button_contact {
	bool level; /* as the contact is */
	int64_t level_ms; /* since when */
	bool down; /* as it is without the bouncing */
	int64_t down_ms; /* since when */
	bool done; /* this press has had its effect, or is to have none */
};

/* One that is held already when its reading begins: that press is none. */
void button_contact_begin(struct button_contact *c, bool level, int64_t now_ms);

/* The contact changed at_ms. What was due before that is returned. */
enum button_press button_contact_edge(
    struct button_contact *c, bool level, int64_t at_ms);

/* What is due by now_ms. */
enum button_press button_contact_due(struct button_contact *c, int64_t now_ms);

/* When something may be due, if the contact does not change; 0: never. */
int64_t button_contact_next(const struct button_contact *c);

#endif
