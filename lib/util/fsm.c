#include "fsm.h"

static bool fits(const struct fsm_row *r, unsigned state, unsigned event)
{
	return (r->from & FSM_BIT(state)) && (r->on & FSM_BIT(event));
}

const struct fsm_row *fsm_find(
    const struct fsm *f, int state, int event, const void *facts)
{
	for (unsigned i = 0; i < f->n_rows; i++) {
		const struct fsm_row *r = &f->rows[i];

		if (fits(r, (unsigned)state, (unsigned)event) &&
		    (!r->when || r->when(facts)))
			return r;
	}
	return NULL;
}

/* The first unguarded row of a pair among the first n; n when there is none. */
static unsigned settled_by(
    const struct fsm *f, unsigned n, unsigned state, unsigned event)
{
	unsigned i = 0;

	while (i < n && !(fits(&f->rows[i], state, event) && !f->rows[i].when))
		i++;
	return i;
}

unsigned fsm_gaps(const struct fsm *f, FILE *out)
{
	unsigned gaps = 0;

	for (unsigned s = 0; s < f->n_states; s++)
		for (unsigned e = 0; e < f->n_events; e++) {
			if (settled_by(f, f->n_rows, s, e) < f->n_rows)
				continue;
			gaps++;
			if (out)
				fprintf(out, "gap: %s on %s\n",
				    f->state_names[s], f->event_names[e]);
		}
	return gaps;
}

static bool row_is_dead(const struct fsm *f, unsigned row)
{
	for (unsigned s = 0; s < f->n_states; s++)
		for (unsigned e = 0; e < f->n_events; e++)
			if (fits(&f->rows[row], s, e) &&
			    settled_by(f, row, s, e) == row)
				return false;
	return true;
}

static bool is_reached(const struct fsm *f, unsigned state)
{
	for (unsigned i = 0; i < f->n_rows; i++)
		if (f->rows[i].to == (int)state)
			return true;
	return state == 0;
}

unsigned fsm_dead(const struct fsm *f, FILE *out)
{
	unsigned dead = 0;

	for (unsigned i = 0; i < f->n_rows; i++)
		if (row_is_dead(f, i)) {
			dead++;
			if (out)
				fprintf(out, "dead: row %u\n", i);
		}
	for (unsigned s = 0; s < f->n_states; s++)
		if (!is_reached(f, s)) {
			dead++;
			if (out)
				fprintf(
				    out, "unreached: %s\n", f->state_names[s]);
		}
	return dead;
}

static void draw_row(const struct fsm *f, unsigned row, unsigned s, FILE *out)
{
	const struct fsm_row *r = &f->rows[row];
	unsigned to = r->to == FSM_SAME ? s : (unsigned)r->to;
	const char *joint = " : ";

	fprintf(out, "    %s --> %s", f->state_names[s], f->state_names[to]);
	for (unsigned e = 0; e < f->n_events; e++) {
		if (!fits(r, s, e) || settled_by(f, row, s, e) != row)
			continue;
		fprintf(out, "%s%s", joint, f->event_names[e]);
		joint = ", ";
	}
	if (r->when)
		fprintf(out, " [%s]", r->when_name);
	if (r->act)
		fprintf(out, " / %s", r->act_name);
	fprintf(out, "\n");
}

/* The row can be taken in this state, and something happens then. */
static bool shows(const struct fsm *f, unsigned row, unsigned s)
{
	const struct fsm_row *r = &f->rows[row];

	if ((r->to == FSM_SAME || r->to == (int)s) && !r->act)
		return false;
	for (unsigned e = 0; e < f->n_events; e++)
		if (fits(r, s, e) && settled_by(f, row, s, e) == row)
			return true;
	return false;
}

void fsm_draw(const struct fsm *f, FILE *out)
{
	fprintf(out, "stateDiagram-v2\n    [*] --> %s\n", f->state_names[0]);
	for (unsigned s = 0; s < f->n_states; s++)
		for (unsigned i = 0; i < f->n_rows; i++)
			if (shows(f, i, s))
				draw_row(f, i, s, out);
}
