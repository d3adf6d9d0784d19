/*
 * State machines as tables of rows: state, event, guard, action, next. This
 * file finds the row, finds the gaps and draws the diagram; it runs nothing.
 *
 * States and events are small numbers; a row may stand for several of each
 * (bit masks). The first row that fits and whose guard agrees is taken.
 */
#ifndef FSM_H
#define FSM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FSM_BIT(n) ((uint32_t)1 << (n))
#define FSM_SAME   (-1) /* stays where it is, on purpose */

struct fsm_row {
	uint32_t from, on; /* masks of states, of events */
	bool (*when)(const void *facts); /* pure; NULL: always */
	int act; /* 0: nothing to do */
	int to; /* a state or FSM_SAME */
	const char *when_name, *act_name;
};

struct fsm {
	const struct fsm_row *rows;
	unsigned n_rows, n_states, n_events; /* at most 32 each */
	const char *const *state_names;
	const char *const *event_names;
};

/* NULL: no row fits, a mistake of ours. */
const struct fsm_row *fsm_find(
    const struct fsm *f, int state, int event, const void *facts);

/* Names each (state, event) without an unguarded row on `out` (NULL: only
 * counts) and returns their number. */
unsigned fsm_gaps(const struct fsm *f, FILE *out);

/* Rows that can never be taken, since earlier ones always are; states that no
 * row leads to (the first state is where it begins). */
unsigned fsm_dead(const struct fsm *f, FILE *out);

/* The diagram, in Mermaid. Rows that stay and do nothing are left out. */
void fsm_draw(const struct fsm *f, FILE *out);

#endif
