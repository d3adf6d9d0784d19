/*
 * An update that is sent through the page: pieces from the role `web` to a child
 * (role_update.c), which checks them and writes them to the card. The box hands
 * them on unread; as many are on the way as the child has not taken, which is a
 * few (upload.h).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box_int.h"
#include "log.h"

#define LOG_MODULE "box"

static bool is_coming(const struct box *b)
{
	const struct box_update *u = &b->update;

	return u->child.pid && u->job == BOX_UPDATE_RECEIVE && !u->done;
}

bool box_upload_comes(const struct box *b)
{
	return b->upload.wanted ||
	       (b->update.child.pid && b->update.job == BOX_UPDATE_RECEIVE);
}

/* what: its version, or why not. */
static void tell(struct box *b, enum rc rc, const char *what)
{
	struct box_upload *up = &b->upload;

	up->said.over = 1;
	up->said.good = rc == RC_OK;
	if (rc)
		snprintf(up->said.why, sizeof(up->said.why), "%s", what);
	else
		snprintf(
		    up->said.version, sizeof(up->said.version), "%.31s", what);
	up->wanted = false;
	up->behind = true;
}

static const char *not_now(const struct box *b)
{
	const struct box_update *u = &b->update;

	if (!u->has)
		return "this box can't be updated";
	if (u->trial)
		return "the version that runs is being tried: wait some "
		       "minutes";
	return box_update_runs(b) ? "an update is being installed" : NULL;
}

static void begin(struct box *b, uint32_t number)
{
	struct box_upload *up = &b->upload;
	const char *why = not_now(b);

	memset(&up->said, 0, sizeof(up->said));
	up->said.number = number;
	if (why)
		tell(b, RC_REFUSED, why);
	else
		up->wanted = true;
}

/* The child hears it by the end of its socket, and unmounts the card. */
static void cut(struct box *b)
{
	struct child *c = &b->update.child;

	b->upload.wanted = false;
	if (!is_coming(b) || c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
}

void box_upload_message(struct box *b, const struct msg *m)
{
	const struct web_upload *w = &m->u.upload;
	struct child *c = &b->update.child;
	enum rc rc;

	if (w->what == WEB_UPLOAD_BEGIN) {
		if (box_upload_comes(b)) /* of a page's role that was lost */
			cut(b);
		begin(b, w->number);
		return;
	}
	if (w->number != b->upload.said.number)
		return;
	if (w->what == WEB_UPLOAD_DROP) {
		cut(b);
		return;
	}
	if (!is_coming(b) || c->fd < 0)
		return; /* it has said no, which is on its way */
	rc = msg_send(c->fd, m);
	if (rc && rc != RC_GONE) {
		log_error("a piece of an update is lost: %s", rc_words(rc));
		child_kill(c);
	}
}

void box_upload_web_lost(struct box *b)
{
	if (box_upload_comes(b))
		cut(b);
	b->upload.behind = false;
}

void box_upload_turn(struct box *b)
{
	struct box_update *u = &b->update;
	const char *const args[] = { "receive", u->card, NULL };

	if (!b->upload.wanted || u->child.pid)
		return;
	b->upload.wanted = false;
	memset(&u->sent, 0, sizeof(u->sent)); /* its slot is written anew */
	u->said[0] = '\0';
	u->pct = 0;
	if (!box_update_start(b, BOX_UPDATE_RECEIVE, args)) {
		tell(b, RC_NOMEM, "the box has no room for it now: try again");
		return;
	}
	log_note("an update is sent through the page");
}

void box_upload_progress(struct box *b, const struct msg_update *m)
{
	b->update.pct = m->pct;
	if (b->upload.wanted)
		return; /* of the one before */
	b->upload.said.taken = m->taken;
	b->upload.behind = true;
}

void box_upload_over(struct box *b, const struct msg_update *m)
{
	struct box_update *u = &b->update;
	char why[sizeof(u->said)] = "";

	if (m && !m->rc) {
		memcpy(u->sent.version, m->version, sizeof(u->sent.version));
		u->sent.build = m->build;
		u->sent.older = m->older;
		log_note("an update has arrived, whole and genuine version=%s",
		    m->version);
		if (!b->upload.wanted)
			tell(b, RC_OK, m->version);
		return;
	}
	if (m)
		snprintf(why, sizeof(why), "%s", m->why);
	else
		snprintf(why, sizeof(why),
		    "it was cut off at %u %%: nothing has changed, send it "
		    "again",
		    u->pct);
	log_warn("an update that was sent is not taken: %s", why);
	snprintf(u->said, sizeof(u->said), "%s", why);
	u->said_sent = true;
	if (!m)
		box_update_line(b, why);
	/* Else another one waits, and who sent this one is gone. */
	if (!b->upload.wanted)
		tell(b, m ? (enum rc)m->rc : RC_GONE, why);
}

/* Behind the status, which the page's next look is to have. */
void box_upload_send(struct box *b)
{
	static struct msg m;
	enum rc rc;

	if (!b->upload.behind || b->web_behind || b->web.child.fd < 0)
		return;
	m.type = MSG_UPLOAD_SAID;
	m.u.upload_said = b->upload.said;
	rc = msg_send(b->web.child.fd, &m);
	if (rc != RC_BUSY)
		b->upload.behind = false;
}
