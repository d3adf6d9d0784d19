#include "timekeeper.h"

#include <string.h>

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define YEAR   (366 * DAY)

#define SPAN     (20 * YEAR)
#define BACK     (10 * MINUTE) /* what a phone may take back */
#define SAYINGS  3 /* T4 */
#define APART    (10 * MINUTE)
#define SAME     MINUTE
#define SLEW_MAX SECOND
#define JUMP     (2 * SECOND)

static int64_t size_of(int64_t delta)
{
	return delta < 0 ? -delta : delta;
}

static unsigned rank(enum status_clock source)
{
	switch (source) {
	case STATUS_CLOCK_SNTP:
		return 4;
	case STATUS_CLOCK_PHONE:
		return 3;
	case STATUS_CLOCK_SYSTEM:
		return 2;
	case STATUS_CLOCK_KEPT:
		return 1;
	case STATUS_CLOCK_UNKNOWN:
	case STATUS_CLOCK_COUNT_:
		break;
	}
	return 0;
}

static bool is_possible(const struct timekeeper *t, int64_t at_ms)
{
	return at_ms >= t->first_ms && at_ms <= t->last_ms;
}

bool timekeeper_is_known(const struct timekeeper *t)
{
	return rank(t->source) >= rank(STATUS_CLOCK_SYSTEM);
}

/* --- the beginning -------------------------------------------------------------- */

/* The clock stands at or after the last known moment. */
static enum status_clock source_of_running(const struct timekeeper_opts *o)
{
	if (o->kept_ms && o->same_boot)
		return o->kept_source;
	return STATUS_CLOCK_SYSTEM; /* a chip has kept it */
}

void timekeeper_begin(struct timekeeper *t, const struct timekeeper_opts *opts,
    struct timekeeper_verdict *out)
{
	struct timekeeper_opts o = *opts;
	int64_t floor_ms;

	memset(t, 0, sizeof(*t));
	memset(out, 0, sizeof(*out));
	t->may_set = o.may_set;
	t->first_ms = o.built_ms;
	t->last_ms = o.built_ms + SPAN;
	timekeeper_moved(t, o.clock_ms, o.mono_ms);
	if (!o.may_set) {
		t->source = is_possible(t, o.clock_ms) ? STATUS_CLOCK_SYSTEM
						       : STATUS_CLOCK_UNKNOWN;
		return;
	}
	if (!is_possible(t, o.kept_ms))
		o.kept_ms = 0;
	floor_ms = o.kept_ms ? o.kept_ms : o.built_ms;
	if (o.clock_ms >= floor_ms && o.clock_ms <= t->last_ms) {
		t->source = source_of_running(&o);
		return;
	}
	t->source = o.kept_ms ? STATUS_CLOCK_KEPT : STATUS_CLOCK_UNKNOWN;
	out->act = TIMEKEEPER_STEP;
	out->delta_ms = floor_ms - o.clock_ms;
	out->why = o.kept_ms ? "to the last known moment"
			     : "to the day on which the program was built";
}

/* --- readings ------------------------------------------------------------------- */

/* T2, T3: how far it may move the clock at once. */
static bool may_move(const struct timekeeper *t, enum status_clock source,
    bool is_better, int64_t delta)
{
	if (!is_better)
		return size_of(delta) <=
		       (source == STATUS_CLOCK_SNTP ? DAY : BACK);
	/* Nothing is known: forward there is only T1. */
	if (t->source == STATUS_CLOCK_UNKNOWN && delta >= 0)
		return true;
	if (source == STATUS_CLOCK_PHONE && delta < -BACK)
		return false;
	return size_of(delta) <= YEAR;
}

/* T4: true when it was said often enough. */
static bool convinces(
    struct timekeeper_doubt *d, const struct timekeeper_reading *r)
{
	int64_t passed = r->mono_ms - d->mono_ms;

	if (d->n == 0 || size_of(r->at_ms - d->at_ms - passed) > SAME)
		d->n = 1;
	else if (passed >= APART)
		d->n++;
	else
		return false;
	d->at_ms = r->at_ms;
	d->mono_ms = r->mono_ms;
	return d->n >= SAYINGS;
}

/* A phone's word is good for two seconds. */
static int64_t grain(enum status_clock source)
{
	return source == STATUS_CLOCK_SNTP ? 20 : 2 * SECOND;
}

static void accept(struct timekeeper *t, const struct timekeeper_reading *r,
    struct timekeeper_verdict *out)
{
	int64_t delta = r->at_ms - r->clock_ms;

	memset(t->doubts, 0, sizeof(t->doubts));
	t->source = r->source;
	out->why = r->source == STATUS_CLOCK_SNTP ? "by SNTP" : "by a phone";
	if (size_of(delta) < grain(r->source))
		return;
	out->delta_ms = delta;
	out->act =
	    size_of(delta) <= SLEW_MAX ? TIMEKEEPER_SLEW : TIMEKEEPER_STEP;
}

static void refuse(
    struct timekeeper_verdict *out, const char *why, unsigned more)
{
	out->act = TIMEKEEPER_REFUSE;
	out->why = why;
	out->more = more;
}

void timekeeper_hear(struct timekeeper *t, const struct timekeeper_reading *r,
    struct timekeeper_verdict *out)
{
	struct timekeeper_doubt *d = &t->doubts[r->source];
	int64_t delta;

	memset(out, 0, sizeof(*out));
	if (!t->may_set)
		return;
	if (!is_possible(t, r->at_ms)) {
		refuse(out, "that can't be", 0);
		return;
	}
	delta = r->at_ms - r->clock_ms;
	if (rank(r->source) < rank(t->source)) {
		if (size_of(delta) > BACK)
			refuse(out, "SNTP knows better", 0);
		return;
	}
	if (!may_move(t, r->source, r->source != t->source, delta) &&
	    !convinces(d, r)) {
		refuse(out, "it is too far from what is known", SAYINGS - d->n);
		return;
	}
	accept(t, r, out);
}

void timekeeper_failed(struct timekeeper *t, int64_t clock_ms)
{
	t->may_set = false;
	t->source = is_possible(t, clock_ms) ? STATUS_CLOCK_SYSTEM
					     : STATUS_CLOCK_UNKNOWN;
}

/* --- others --------------------------------------------------------------------- */

void timekeeper_moved(struct timekeeper *t, int64_t clock_ms, int64_t mono_ms)
{
	t->base_ms = clock_ms - mono_ms;
}

int64_t timekeeper_look(struct timekeeper *t, int64_t clock_ms, int64_t mono_ms)
{
	int64_t jump = clock_ms - mono_ms - t->base_ms;

	timekeeper_moved(t, clock_ms, mono_ms);
	if (size_of(jump) < JUMP)
		return 0;
	if (!t->may_set)
		t->source = is_possible(t, clock_ms) ? STATUS_CLOCK_SYSTEM
						     : STATUS_CLOCK_UNKNOWN;
	return jump;
}
