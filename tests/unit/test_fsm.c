/* The box's table of a phone: no gaps, no dead rows, each promise of its
 * states holds on a random walk; and the stepper that all tables use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "phone_fsm.c" /* firmware is in no archive */

static enum phone_state step(
    enum phone_state s, enum phone_event e, struct phone_facts f, int *act)
{
	const struct fsm_row *r = fsm_find(&phone_fsm, (int)s, (int)e, &f);

	assert_non_null(r);
	if (act)
		*act = r->act;
	return r->to == FSM_SAME ? s : (enum phone_state)r->to;
}

static const struct phone_facts fine = {
	.attached = true,
	.can_start = true,
	.may_start = true,
	.may_ask = true,
	.may_retry = true,
	.may_retry_now = true,
	.disk_fit = true,
};

static void the_table_has_no_gaps_and_no_dead_rows(void **state)
{
	(void)state;
	assert_int_equal(fsm_gaps(&phone_fsm, stderr), 0);
	assert_int_equal(fsm_dead(&phone_fsm, stderr), 0);
	for (int i = 0; i < PHONE_STATE_COUNT_; i++)
		assert_non_null(state_names[i]);
	for (int i = 0; i < PHONE_EV_COUNT_; i++)
		assert_non_null(event_names[i]);
}

static void a_good_night(void **state)
{
	static const struct {
		enum phone_event ev;
		enum phone_state to;
	} night[] = {
		{ PHONE_EV_ATTACHED, PHONE_SEEN },
		{ PHONE_EV_TRUST, PHONE_TRUST },
		{ PHONE_EV_LOCKED, PHONE_LOCKED },
		{ PHONE_EV_PASSCODE, PHONE_PASSCODE },
		{ PHONE_EV_PREPARING, PHONE_PREPARING },
		{ PHONE_EV_RECEIVING, PHONE_RECEIVING },
		{ PHONE_EV_VERIFYING, PHONE_VERIFYING },
		{ PHONE_EV_COMMITTING, PHONE_COMMITTING },
		{ PHONE_EV_END_SAFE, PHONE_SAFE },
		{ PHONE_EV_DETACHED, PHONE_GONE },
	};
	enum phone_state s = PHONE_GONE;

	(void)state;
	for (size_t i = 0; i < sizeof(night) / sizeof(night[0]); i++) {
		s = step(s, night[i].ev, fine, NULL);
		assert_int_equal(s, night[i].to);
	}
}

static void unplugging_after_the_last_file_stops_nothing(void **state)
{
	struct phone_facts f = fine;

	(void)state;
	assert_int_equal(
	    step(PHONE_RECEIVING, PHONE_EV_DETACHED, f, NULL), PHONE_LEAVING);
	assert_int_equal(
	    step(PHONE_VERIFYING, PHONE_EV_DETACHED, f, NULL), PHONE_VERIFYING);
	f.attached = false;
	assert_int_equal(
	    step(PHONE_COMMITTING, PHONE_EV_END_SAFE, f, NULL), PHONE_GONE);
}

static void a_phone_that_comes_back_is_begun_anew(void **state)
{
	struct phone_facts f = fine;
	int act;

	(void)state;
	f.attached = false;
	assert_int_equal(
	    step(PHONE_LEAVING, PHONE_EV_END_GONE, f, &act), PHONE_GONE);
	assert_int_equal(act, PHONE_ACT_NONE);
	f.attached = true;
	f.replugged = true;
	assert_int_equal(
	    step(PHONE_LEAVING, PHONE_EV_END_GONE, f, &act), PHONE_SEEN);
	assert_int_equal(act, PHONE_ACT_START);
}

static void without_a_disk_nothing_begins(void **state)
{
	struct phone_facts f = { .attached = true };
	int act;

	(void)state;
	assert_int_equal(
	    step(PHONE_GONE, PHONE_EV_ATTACHED, f, &act), PHONE_WAITING);
	assert_int_equal(act, PHONE_ACT_NONE);
	assert_int_equal(
	    step(PHONE_WAITING, PHONE_EV_DISK_READY, fine, &act), PHONE_SEEN);
	assert_int_equal(act, PHONE_ACT_START);
	assert_int_equal(
	    step(PHONE_RECEIVING, PHONE_EV_DISK_LOST, f, &act), PHONE_LEAVING);
	assert_int_equal(act, PHONE_ACT_KILL);
	assert_int_equal(
	    step(PHONE_LEAVING, PHONE_EV_END_RETRY, f, &act), PHONE_WAITING);
}

static void a_guard_that_says_no_keeps_the_state(void **state)
{
	struct phone_facts f = { .attached = true, .disk_fit = true };

	(void)state;
	assert_int_equal(
	    step(PHONE_MISSED, PHONE_EV_TIMER, f, NULL), PHONE_MISSED);
	assert_int_equal(step(PHONE_SAFE, PHONE_EV_TIMER, f, NULL), PHONE_SAFE);
	assert_int_equal(
	    step(PHONE_RECEIVING, PHONE_EV_END_RETRY, f, NULL), PHONE_FAILED);
}

/*
 * A box as the table sees it, driven by chance. After each step: a session
 * runs exactly in the states that say so, it is never started twice, and a
 * phone that is away and has no session is gone.
 */
/* Somebody presses the button: at any hour, but not without a disk. */
static void who_asks_gets_a_backup(void **state)
{
	struct phone_facts f = {
		.attached = true, .can_start = true, .disk_fit = true
	};
	static const enum phone_state resting[] = { PHONE_WAITING, PHONE_SAFE,
		PHONE_MISSED, PHONE_RETRY, PHONE_FAILED };
	int act;

	(void)state;
	for (size_t i = 0; i < sizeof(resting) / sizeof(resting[0]); i++) {
		f.can_start = true;
		assert_int_equal(
		    step(resting[i], PHONE_EV_ASKED, f, &act), PHONE_SEEN);
		assert_int_equal(act, PHONE_ACT_START);
		f.can_start = false;
		assert_int_equal(
		    step(resting[i], PHONE_EV_ASKED, f, &act), resting[i]);
	}
	assert_int_equal(
	    step(PHONE_RECEIVING, PHONE_EV_ASKED, fine, NULL), PHONE_RECEIVING);
	assert_int_equal(
	    step(PHONE_GONE, PHONE_EV_ASKED, fine, NULL), PHONE_GONE);
}

static void a_random_walk_keeps_the_promises(void **state)
{
	struct phone_facts f = { 0 };
	enum phone_state s = PHONE_GONE;
	bool session = false;
	unsigned starts = 0;
	unsigned seed = 42;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		enum phone_event e;
		int act;

		seed = seed * 1664525u + 1013904223u;
		e = (enum phone_event)((seed >> 16) % PHONE_EV_COUNT_);
		if (e == PHONE_EV_ATTACHED || e == PHONE_EV_DETACHED) {
			if (f.attached == (e == PHONE_EV_ATTACHED))
				continue;
			f.attached = !f.attached;
			f.replugged = f.attached && s == PHONE_LEAVING;
		}
		/* Only a session that is there can speak or end. */
		if (e >= PHONE_EV_TRUST && e <= PHONE_EV_END_GONE && !session)
			continue;
		if (e == PHONE_EV_TIMER && s == PHONE_GONE)
			continue;
		f.disk_fit = e != PHONE_EV_DISK_LOST && (seed & 7) != 0;
		f.may_start = f.attached && f.disk_fit && (seed & 8) != 0;
		f.may_ask = f.may_start;
		f.may_retry = (seed & 16) != 0;
		f.may_retry_now = f.may_start;
		if (e >= PHONE_EV_END_SAFE && e <= PHONE_EV_END_GONE)
			session = false;
		s = step(s, e, f, &act);
		if (act == PHONE_ACT_START) {
			assert_false(session);
			session = true;
			f.replugged = false;
			starts++;
		}
		assert_int_equal(session, phone_fsm_has_session(s));
		if (!f.attached && !session)
			assert_int_equal(s, PHONE_GONE);
		if (s == PHONE_GONE)
			assert_false(f.attached);
	}
	assert_true(starts > 500);
}

/* --- the stepper ------------------------------------------------------------- */

static bool never(const void *facts)
{
	(void)facts;
	return false;
}

static void gaps_and_dead_rows_are_found(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	static const struct fsm_row bad[] = {
		{ FSM_BIT(0), FSM_BIT(0), NULL, 0, 1, "NULL", "NONE" },
		{ FSM_BIT(0), FSM_BIT(0), NULL, 0, 0, "NULL", "NONE" },
		{ FSM_BIT(1), FSM_BIT(0), never, 0, 0, "never", "NONE" },
	};
	struct fsm f = { bad, 3, 3, 1, names, names };

	(void)state;
	/* b only has a guarded row, c has none. */
	assert_int_equal(fsm_gaps(&f, NULL), 2);
	/* The second row never comes, nothing leads to c. */
	assert_int_equal(fsm_dead(&f, NULL), 2);
	assert_null(fsm_find(&f, 1, 0, NULL));
}

static void the_diagram_shows_each_state(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fsm_draw(&phone_fsm, out);
	fclose(out);
	assert_non_null(strstr(text, "[*] --> gone"));
	for (int i = 0; i < PHONE_STATE_COUNT_; i++)
		assert_non_null(strstr(text, state_names[i]));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_no_gaps_and_no_dead_rows),
		cmocka_unit_test(a_good_night),
		cmocka_unit_test(unplugging_after_the_last_file_stops_nothing),
		cmocka_unit_test(a_phone_that_comes_back_is_begun_anew),
		cmocka_unit_test(without_a_disk_nothing_begins),
		cmocka_unit_test(a_guard_that_says_no_keeps_the_state),
		cmocka_unit_test(who_asks_gets_a_backup),
		cmocka_unit_test(a_random_walk_keeps_the_promises),
		cmocka_unit_test(gaps_and_dead_rows_are_found),
		cmocka_unit_test(the_diagram_shows_each_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
