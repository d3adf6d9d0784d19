/* The backup password: from the page to a session, and what became of it. */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "utf8.h"
#include "wall.h"

#define LOG_MODULE "box"

static void write_down(struct box *b, const struct box_phone *p,
    enum status_state state, const char *detail)
{
	struct status_night n = { .at = wall_now(), .state = state };

	snprintf(n.udid, sizeof(n.udid), "%s", p->udid);
	utf8_clean(n.phone, sizeof(n.phone),
	    p->shown.name[0] ? p->shown.name : p->shown.model);
	snprintf(n.detail, sizeof(n.detail), "%s", detail);
	box_add_night(b, &n);
}

/* Why no session began. */
static const char *why_not(const struct box *b, const struct box_phone *p)
{
	if (!p->attached)
		return "it is not plugged in";
	if (phone_fsm_has_session(p->state))
		return "it is busy";
	if (b->disk.state != DISK_FIT)
		return "there is no disk for the backup that follows";
	return "the box may not back it up";
}

void box_password_asked(
    struct box *b, struct box_phone *p, const struct password_change *w)
{
	p->password = w;
	box_phone_post(b, p, PHONE_EV_ASKED);
	if (p->password)
		write_down(b, p, STATE_PASSWORD_UNCHANGED, why_not(b, p));
	p->password = NULL;
}

enum rc box_password_send(struct box_phone *p)
{
	struct msg m = { .type = MSG_PASSWORD };
	enum rc rc;

	if (!p->password)
		return RC_OK;
	m.u.password = *p->password;
	rc = msg_send(p->session.fd, &m);
	password_wipe(&m.u.password);
	p->password = NULL;
	return rc;
}

void box_password_set(struct box *b, struct box_phone *p, enum password_did did)
{
	p->shown.sets_password = false;
	if (did == PASSWORD_NOTHING)
		return;
	log_note("%s: %s", p->udid, password_did_words(did));
	write_down(b, p, STATE_PASSWORD_SET, password_did_words(did));
}

void box_password_ended(struct box_phone *p, struct outcome *o)
{
	/* Without a word of it the phone may have been asked already. */
	o->state = p->result.unsure || !p->has_result
		       ? STATE_PASSWORD_UNSURE
		       : STATE_PASSWORD_UNCHANGED;
	o->event = PHONE_EV_END_FAILED;
	o->is_broken = false;
	if (p->stopped)
		snprintf(p->result.text, sizeof(p->result.text),
		    "it was stopped on the page");
}
