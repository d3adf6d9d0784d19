/*
 * The box's state machine of one phone: states, events and table; nothing
 * else. What an action does is in box_phone.c.
 */
#ifndef PHONE_FSM_H
#define PHONE_FSM_H

#include <stdbool.h>

#include "fsm.h"

enum phone_state {
	PHONE_GONE,
	PHONE_WAITING, /* here, but no disk to put it on, or not due */
	PHONE_SEEN, /* a session begins */
	PHONE_TRUST,
	PHONE_LOCKED,
	PHONE_PASSCODE,
	PHONE_PREPARING,
	PHONE_RECEIVING,
	PHONE_VERIFYING,
	PHONE_COMMITTING,
	PHONE_SAFE,
	PHONE_MISSED, /* a person was not there: asked again later */
	PHONE_RETRY, /* tried again by itself */
	PHONE_FAILED, /* needs a person, or tomorrow */
	PHONE_LEAVING, /* its session is being ended */
	PHONE_STATE_COUNT_
};

enum phone_event {
	PHONE_EV_ATTACHED,
	PHONE_EV_DETACHED,
	PHONE_EV_DISK_READY,
	PHONE_EV_DISK_LOST,
	/* a session tells where it is */
	PHONE_EV_TRUST,
	PHONE_EV_LOCKED,
	PHONE_EV_PASSCODE,
	PHONE_EV_PREPARING,
	PHONE_EV_RECEIVING,
	PHONE_EV_VERIFYING,
	PHONE_EV_COMMITTING,
	/* its process has ended */
	PHONE_EV_END_SAFE,
	PHONE_EV_END_MISSED,
	PHONE_EV_END_RETRY,
	PHONE_EV_END_FAILED,
	PHONE_EV_END_GONE,
	/* somebody holds it in the hand again */
	PHONE_EV_UNLOCKED,
	/* … or has pressed the button, or asked on the page */
	PHONE_EV_ASKED,
	/* the deadline of the state has passed */
	PHONE_EV_TIMER,
	PHONE_EV_COUNT_
};

enum phone_act {
	PHONE_ACT_NONE,
	PHONE_ACT_START, /* start a session */
	PHONE_ACT_KILL, /* kill the session */
};

/* All that a guard may look at. */
struct phone_facts {
	bool attached;
	bool replugged; /* came back while its session was ending */
	bool can_start; /* an allowed phone, a fit disk */
	bool may_start; /* policy, an allowed phone, a fit disk */
	bool may_ask; /* likewise, after nobody answered */
	bool may_retry; /* a failure that may pass, and not too many of them */
	bool may_retry_now;
	bool disk_fit;
};

extern const struct fsm phone_fsm;

const char *phone_fsm_state_name(enum phone_state s);
const char *phone_fsm_event_name(enum phone_event e);

/* A session runs, or is being ended. */
bool phone_fsm_has_session(enum phone_state s);

#endif
