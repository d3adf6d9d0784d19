#include "phone_fsm.h"

static const char *const state_names[PHONE_STATE_COUNT_] = {
	[PHONE_GONE] = "gone",
	[PHONE_WAITING] = "waiting",
	[PHONE_SEEN] = "seen",
	[PHONE_TRUST] = "wants_trust",
	[PHONE_LOCKED] = "locked",
	[PHONE_PASSCODE] = "wants_passcode",
	[PHONE_PREPARING] = "preparing",
	[PHONE_RECEIVING] = "receiving",
	[PHONE_VERIFYING] = "verifying",
	[PHONE_COMMITTING] = "committing",
	[PHONE_SAFE] = "safe",
	[PHONE_MISSED] = "missed",
	[PHONE_RETRY] = "retry",
	[PHONE_FAILED] = "failed",
	[PHONE_LEAVING] = "leaving",
};

static const char *const event_names[PHONE_EV_COUNT_] = {
	[PHONE_EV_ATTACHED] = "attached",
	[PHONE_EV_DETACHED] = "detached",
	[PHONE_EV_DISK_READY] = "disk_ready",
	[PHONE_EV_DISK_LOST] = "disk_lost",
	[PHONE_EV_TRUST] = "trust",
	[PHONE_EV_LOCKED] = "locked",
	[PHONE_EV_PASSCODE] = "passcode",
	[PHONE_EV_PREPARING] = "preparing",
	[PHONE_EV_RECEIVING] = "receiving",
	[PHONE_EV_VERIFYING] = "verifying",
	[PHONE_EV_COMMITTING] = "committing",
	[PHONE_EV_END_SAFE] = "end_safe",
	[PHONE_EV_END_MISSED] = "end_missed",
	[PHONE_EV_END_RETRY] = "end_retry",
	[PHONE_EV_END_FAILED] = "end_failed",
	[PHONE_EV_END_GONE] = "end_gone",
	[PHONE_EV_UNLOCKED] = "unlocked",
	[PHONE_EV_ASKED] = "asked",
	[PHONE_EV_TIMER] = "timer",
};

/* A guard reads one fact. */
#define GUARD(name, expr)                                                      \
	static bool name(const void *facts)                                    \
	{                                                                      \
		const struct phone_facts *f = facts;                           \
                                                                               \
		return expr;                                                   \
	}

GUARD(can_start, f->can_start)
GUARD(may_start, f->may_start)
GUARD(may_ask, f->may_ask)
GUARD(may_retry, f->may_retry)
GUARD(may_retry_now, f->may_retry_now)
GUARD(is_detached, !f->attached)
GUARD(is_replugged, f->replugged && f->may_start)
GUARD(has_no_disk, !f->disk_fit)

#define B(s) FSM_BIT(PHONE_##s)
#define E(e) FSM_BIT(PHONE_EV_##e)

/* The phone is needed; it can still ask for something. */
#define TALKING                                                                \
	(B(SEEN) | B(TRUST) | B(LOCKED) | B(PASSCODE) | B(PREPARING) |         \
	    B(RECEIVING))
/* All is here; only the disk is needed. */
#define STORING (B(VERIFYING) | B(COMMITTING))
#define RUNNING (TALKING | STORING)
#define RESTING (B(WAITING) | B(SAFE) | B(MISSED) | B(RETRY) | B(FAILED))
#define ANY     (RUNNING | RESTING | B(GONE) | B(LEAVING))
#define STEPS                                                                  \
	(E(TRUST) | E(LOCKED) | E(PASSCODE) | E(PREPARING) | E(RECEIVING) |    \
	    E(VERIFYING) | E(COMMITTING))
#define ENDS                                                                   \
	(E(END_SAFE) | E(END_MISSED) | E(END_RETRY) | E(END_FAILED) |          \
	    E(END_GONE))

#define ROW(from, on, when, act, to)                                           \
	{                                                                      \
		from, on, when, PHONE_ACT_##act, to, #when, #act               \
	}

/* clang-format off */
static const struct fsm_row rows[] = {
	/* a phone comes */
	ROW(B(GONE), E(ATTACHED), may_start, START, PHONE_SEEN),
	ROW(B(GONE), E(ATTACHED), NULL,      NONE,  PHONE_WAITING),
	/* a session tells where it is */
	ROW(TALKING, E(TRUST),      NULL, NONE, PHONE_TRUST),
	ROW(TALKING, E(LOCKED),     NULL, NONE, PHONE_LOCKED),
	ROW(TALKING, E(PASSCODE),   NULL, NONE, PHONE_PASSCODE),
	ROW(TALKING, E(PREPARING),  NULL, NONE, PHONE_PREPARING),
	ROW(TALKING, E(RECEIVING),  NULL, NONE, PHONE_RECEIVING),
	ROW(TALKING, E(VERIFYING),  NULL, NONE, PHONE_VERIFYING),
	ROW(RUNNING, E(COMMITTING), NULL, NONE, PHONE_COMMITTING),
	/* it has ended */
	ROW(RUNNING, ENDS,                     is_detached, NONE, PHONE_GONE),
	ROW(RUNNING, E(END_SAFE),              NULL,      NONE, PHONE_SAFE),
	ROW(RUNNING, E(END_MISSED),            NULL,      NONE, PHONE_MISSED),
	ROW(RUNNING, E(END_RETRY)|E(END_GONE), may_retry, NONE, PHONE_RETRY),
	ROW(RUNNING, E(END_RETRY)|E(END_GONE), NULL,      NONE, PHONE_FAILED),
	ROW(RUNNING, E(END_FAILED),            NULL,      NONE, PHONE_FAILED),
	/* the cable: once all is here the phone may go */
	ROW(TALKING, E(DETACHED), NULL, NONE, PHONE_LEAVING),
	ROW(RESTING, E(DETACHED), NULL, NONE, PHONE_GONE),
	/* the disk */
	ROW(RUNNING,             E(DISK_LOST),  NULL, KILL, PHONE_LEAVING),
	ROW(B(WAITING)|B(FAILED), E(DISK_READY), may_start, START, PHONE_SEEN),
	/* a person wants one now, whatever the policy */
	ROW(RESTING, E(ASKED), can_start, START, PHONE_SEEN),
	/* deadlines */
	ROW(RUNNING,    E(TIMER), NULL,      KILL,  PHONE_LEAVING),
	ROW(B(LEAVING), E(TIMER), NULL,      KILL,  FSM_SAME),
	ROW(B(MISSED),  E(TIMER)|E(UNLOCKED), may_ask, START, PHONE_SEEN),
	ROW(B(RETRY),   E(TIMER), may_retry_now, START, PHONE_SEEN),
	ROW(B(WAITING)|B(SAFE)|B(FAILED), E(TIMER), may_start, START, PHONE_SEEN),
	/* a session that was being ended has */
	ROW(B(LEAVING), ENDS,        is_detached,  NONE,  PHONE_GONE),
	ROW(B(LEAVING), E(END_SAFE), NULL,         NONE,  PHONE_SAFE),
	ROW(B(LEAVING), ENDS,        is_replugged, START, PHONE_SEEN),
	ROW(B(LEAVING), ENDS,        has_no_disk,  NONE,  PHONE_WAITING),
	ROW(B(LEAVING), ENDS,        may_retry,    NONE,  PHONE_RETRY),
	ROW(B(LEAVING), ENDS,        NULL,         NONE,  PHONE_FAILED),
	/* What stays on purpose: news of a session that has none any more, a
	 * second attach, a disk that only waiting phones wait for, and
	 * deadlines of guards that said no (they are set again). */
	ROW(ANY, E(ATTACHED)|E(DETACHED)|E(DISK_READY)|E(DISK_LOST)|E(TIMER)|
	    E(UNLOCKED)|E(ASKED)|STEPS|ENDS, NULL, NONE, FSM_SAME),
};
/* clang-format on */

const struct fsm phone_fsm = {
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.n_states = PHONE_STATE_COUNT_,
	.n_events = PHONE_EV_COUNT_,
	.state_names = state_names,
	.event_names = event_names,
};

const char *phone_fsm_state_name(enum phone_state s)
{
	return (unsigned)s < PHONE_STATE_COUNT_ ? state_names[s] : "unknown";
}

const char *phone_fsm_event_name(enum phone_event e)
{
	return (unsigned)e < PHONE_EV_COUNT_ ? event_names[e] : "unknown";
}

bool phone_fsm_has_session(enum phone_state s)
{
	return ((RUNNING | B(LEAVING)) & FSM_BIT(s)) != 0;
}
