/*
 * Nights: into the ledger, and to the owner's webhook. The page's role tells
 * it one event at a time; until it says that this is over, the event stays in
 * the outbox, and a role that begins anew gets it again.
 */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"

#define LOG_MODULE "box"

static bool is_on(const struct box *b)
{
	return b->outbox && b->config->nic != CONFIG_NIC_SLIRP;
}

enum rc box_hook_open(struct box *b)
{
	if (!b->config->hook_url[0])
		return RC_OK;
	if (b->config->nic == CONFIG_NIC_SLIRP) {
		log_warn("a webhook can't be told with network = slirp: "
			 "nothing leads out of it");
		return RC_OK;
	}
	return outbox_open(b->config->state, &b->outbox);
}

/* The role does not read now: box_hook_turn() tries again. */
static void send_event(struct box *b)
{
	static struct msg m;

	if (!is_on(b) || b->web.child.fd < 0 || b->hook_sent)
		return;
	m.type = MSG_EVENT;
	if (!outbox_first(b->outbox, b->config->hook_secret, &m.u.event.event))
		return;
	b->hook_sent = msg_send(b->web.child.fd, &m) == RC_OK;
}

void box_send_hook(struct box *b)
{
	struct msg m = { .type = MSG_HOOK };

	b->hook_sent = false;
	if (!is_on(b) || b->web.child.fd < 0 ||
	    hook_parse(b->config->hook_url, &m.u.hook.target))
		return;
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page's part did not get the webhook");
	else
		send_event(b);
}

void box_hook_turn(struct box *b)
{
	send_event(b);
}

void box_hook_over(struct box *b, const struct msg_event_over *m)
{
	enum rc rc;

	if (!is_on(b))
		return;
	log_info("the webhook was told of event %llu taken=%d",
	    (unsigned long long)m->number, m->taken);
	rc = outbox_over(b->outbox, m->number);
	if (rc)
		log_warn(
		    "the webhook may be told of that again: %s", rc_words(rc));
	b->hook_sent = false;
	send_event(b);
}

void box_add_night(struct box *b, const struct status_night *night)
{
	struct status_night n;
	enum rc rc = RC_OK;

	if (ledger_add(b->ledger, night))
		log_warn("the night is shown until the next restart only");
	/* As it was written: its time never goes back. */
	if (!is_on(b) || ledger_newest(b->ledger, &n, 1) != 1)
		return;
	rc = outbox_add(b->outbox, b->config->box_name, &n);
	if (rc)
		log_warn(
		    "the webhook may not be told of a night: %s", rc_words(rc));
	send_event(b);
}
