/* What somebody asked for on the page, and the PIN that let them. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "box_int.h"
#include "log.h"
#include "pin.h"

#define LOG_MODULE "box"

void box_send_pin(struct box *b)
{
	struct msg m = { .type = MSG_PIN };

	if (b->web.child.fd < 0 || !b->pin[0])
		return;
	if (getrandom(m.u.pin.salt, sizeof(m.u.pin.salt), 0) !=
	    (ssize_t)sizeof(m.u.pin.salt))
		return; /* nobody gets in */
	auth_hash_pin(m.u.pin.salt, b->pin, m.u.pin.hash);
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page did not get the PIN");
}

static void set_pin(struct box *b, const char *pin)
{
	enum rc rc = RC_OK;

	if (!pin_is_one(pin))
		return;
	if (b->config->state[0])
		rc = pin_store(b->config->state, pin);
	if (rc) {
		log_error("the new PIN can't be kept: %s", rc_words(rc));
		return;
	}
	snprintf(b->pin, sizeof(b->pin), "%s", pin);
	log_note("the page has another PIN");
	box_send_pin(b);
}

static struct box_phone *phone_of(struct box *b, const char *udid)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (!strcmp(b->phones[i].udid, udid))
			return &b->phones[i];
	return NULL;
}

/* The session tells the phone, and ends; what was sent is kept. */
static void stop(struct box_phone *p)
{
	struct msg m = { .type = MSG_CANCEL };

	if (p->session.fd < 0)
		return;
	p->stopped = true;
	if (msg_send(p->session.fd, &m))
		log_warn("the session did not hear that it is to stop");
}

bool box_command(struct box *b, const struct msg_command *c)
{
	struct box_phone *p = phone_of(b, c->udid);

	if (c->kind == WEB_SET_PIN) {
		set_pin(b, c->pin);
		return true;
	}
	if (!p)
		return true; /* it made room for another meanwhile */
	log_note("asked for on the page what=%u udid=%s", c->kind, p->udid);
	if (c->kind == WEB_BACKUP)
		box_phone_post(b, p, PHONE_EV_ASKED);
	else if (c->kind == WEB_STOP)
		stop(p);
	else
		box_dismiss(b, p->udid);
	return true;
}
