/* What a person does at the phone's screen: the two dialogs. */
#include <stdio.h>

#include "mono.h"
#include "phone_private.h"

static const char ui_presented[] = "com.apple.LocalAuthentication.ui.presented";
static const char ui_dismissed[] = "com.apple.LocalAuthentication.ui.dismissed";

/* (L) The answer that the plan gives by itself at `now`, or -1. */
static int dialog_planned(struct phone *ph, int64_t shown, int64_t now)
{
	int64_t age = now - shown;

	switch (ph->passcode_plan) {
	case PASSCODE_ENTERED:
		if (age >= ph->passcode_delay_ms)
			return PASSCODE_ANSWER_OK;
		break;
	case PASSCODE_REFUSED:
		if (age >= ph->passcode_delay_ms)
			return PASSCODE_ANSWER_REFUSED;
		break;
	case PASSCODE_WAIT:
	case PASSCODE_IGNORED:
		break;
	}
	return age >= ph->passcode_timeout_ms ? PASSCODE_ANSWER_TIMEOUT : -1;
}

/* (L) */
static int dialog_wait(struct phone *ph)
{
	int64_t shown = mono_ms();
	int answer;

	for (;;) {
		int64_t now = mono_ms(), next = now + 1000;

		if (!phone_alive(ph))
			return PASSCODE_ANSWER_GONE;
		if (ph->p->dialog_answer >= 0)
			return ph->p->dialog_answer;
		answer = dialog_planned(ph, shown, now);
		if (answer >= 0)
			return answer;
		if (shown + ph->passcode_delay_ms > now &&
		    shown + ph->passcode_delay_ms < next)
			next = shown + ph->passcode_delay_ms;
		if (shown + ph->passcode_timeout_ms < next)
			next = shown + ph->passcode_timeout_ms;
		phone_wait_until(ph, next);
	}
}

enum passcode_answer phone_ask_passcode(struct phone *ph)
{
	static const char *const words[] = { "entered", "refused", "timeout",
		"gone" };
	int answer;

	pthread_mutex_lock(&ph->lock);
	if (!ph->passcode_set) {
		pthread_mutex_unlock(&ph->lock);
		return PASSCODE_ANSWER_OK;
	}
	ph->p->dialog_open = true;
	ph->p->dialog_answer = -1;
	pthread_mutex_unlock(&ph->lock);
	phone_event(ph, "passcode dialog shown");
	phone_notify(ph, ui_presented);
	pthread_mutex_lock(&ph->lock);
	answer = dialog_wait(ph);
	ph->p->dialog_open = false;
	if (answer == PASSCODE_ANSWER_OK)
		ph->locked = false; /* who enters it has unlocked the phone */
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	phone_notify(ph, ui_dismissed);
	phone_event(ph, "passcode dialog closed: %s", words[answer]);
	return (enum passcode_answer)answer;
}

int phone_passcode_now(struct phone *ph, enum passcode_answer a)
{
	int rc = -1;

	pthread_mutex_lock(&ph->lock);
	if (ph->p->dialog_open && ph->p->dialog_answer < 0) {
		ph->p->dialog_answer = (int)a;
		pthread_cond_broadcast(&ph->changed);
		rc = 0;
	}
	pthread_mutex_unlock(&ph->lock);
	return rc;
}

int phone_trust_answer(struct phone *ph, bool yes)
{
	enum trust_dialog a = yes ? TRUST_ACCEPTED : TRUST_DENIED;
	bool is_open;

	pthread_mutex_lock(&ph->lock);
	is_open = ph->p->trust == TRUST_OPEN;
	if (is_open)
		ph->p->trust = a;
	else
		ph->p->trust_next = a;
	pthread_mutex_unlock(&ph->lock);
	if (is_open) {
		phone_event(
		    ph, "trust dialog closed: %s", yes ? "trusted" : "denied");
		if (yes)
			phone_notify(ph, "com.apple.mobile.lockdown."
					 "request_pair");
	}
	return is_open ? 0 : 1;
}
