/*
 * What `nightstand backup` shows: one live line on a terminal (phase, bar,
 * bytes, speed, time left), plain lines elsewhere.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "status.h"

struct terminal {
	FILE *out;
	bool is_tty;
	bool is_drawn; /* a live line stands there */
	int last_state; /* enum status_state that was told, -1 none */
	unsigned last_ten; /* plain: tens of percent that were told */
};

void terminal_init(struct terminal *t, FILE *out);

/* st->phones[0] is the phone. */
void terminal_show(struct terminal *t, const struct status *st);

/* Text for the live line; exposed for tests. */
void terminal_line(
    const struct status *st, size_t columns, char *out, size_t cap);

/* Removes the live line, so that a lasting one may be printed. */
void terminal_clear(struct terminal *t);

/* Three lines: what is safe, what it cost, where it is. */
void terminal_summary(struct terminal *t, const struct status *st,
    const char *where, int64_t seconds);

#endif
