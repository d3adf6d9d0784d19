/*
 * Invariants
 * H1 lwIP's callbacks only note what happened: it must not be re-entered.
 * H2 `pcb` is ours from connect_to() to drop(), or until lwIP says that it is
 *    gone (on_error); its callbacks are taken back before it is closed.
 * H3 An attempt ends within ASK_MS + ATTEMPT_MS, whatever the other side does.
 */
#include "hook_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/altcp.h"

#include "hook_reply.h"

#define LOG_MODULE "webhook"
#include "log.h"
#include "lookup.h"

#define ASK_MS       20000 /* the name server */
#define ATTEMPT_MS   15000 /* from SYN to the answer's head */
#define PAUSE_MS     5000
#define PAUSE_MAX_MS (3600 * 1000)
#define PAUSES       10 /* doublings until PAUSE_MAX_MS */

enum where {
	IDLE, /* nothing to tell, or not yet */
	ASKING, /* for its address */
	CONNECTING,
	WAITING /* for the answer */
};

struct hook_link {
	struct hook_target target;
	enum where where;
	int64_t since_ms, next_ms;
	unsigned failures, refusals; /* of this event */
	bool is_lost; /* told of; until it is reached again */
	struct hook_event ev;
	bool has_event;
	bool over, taken; /* for hook_link_take_over() */
	uint64_t over_number;
	struct lookup lookup; /* of its address */
	struct altcp_pcb *pcb;
	bool connected, gone;
	struct hook_reply reply;
	enum hook_reply_step step;
	char request[HOOK_HEAD_MAX + HOOK_BODY_MAX];
};

/* --- lwIP's callbacks ------------------------------------------------------------ */

static err_t on_connected(void *arg, struct altcp_pcb *pcb, err_t err)
{
	struct hook_link *l = arg;

	(void)pcb;
	l->connected = err == ERR_OK;
	return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
	struct hook_link *l = arg;

	(void)err;
	l->pcb = NULL;
	l->gone = true;
}

static err_t on_data(
    void *arg, struct altcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct hook_link *l = arg;

	(void)err;
	if (!p) {
		l->gone = true;
		return ERR_OK;
	}
	for (struct pbuf *q = p; q && l->step == HOOK_REPLY_MORE; q = q->next)
		l->step = hook_reply_feed(&l->reply, q->payload, q->len);
	altcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	return ERR_OK;
}

/* --- steps ----------------------------------------------------------------------- */

/* politely: it has answered, and may still be sending the rest of it */
static void drop(struct hook_link *l, bool politely)
{
	struct altcp_pcb *pcb = l->pcb;

	l->pcb = NULL;
	l->where = IDLE;
	if (!pcb)
		return;
	altcp_arg(pcb, NULL);
	altcp_recv(pcb, NULL);
	altcp_err(pcb, NULL);
	if (!politely || altcp_close(pcb) != ERR_OK)
		altcp_abort(pcb);
}

static void go(struct hook_link *l, enum where where, int64_t now_ms)
{
	l->where = where;
	l->since_ms = now_ms;
}

/* Told when it begins, not each time. */
static void fail(struct hook_link *l, const char *why, int64_t now_ms)
{
	int64_t pause = l->failures < PAUSES ? (int64_t)PAUSE_MS << l->failures
					     : PAUSE_MAX_MS;

	if (!l->is_lost)
		log_warn("the webhook at %s was not told: %s; it is tried "
			 "again",
		    l->target.host, why);
	else
		log_info("the webhook was not told: %s", why);
	l->is_lost = true;
	l->failures++;
	l->next_ms = now_ms + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
	drop(l, false);
}

static void finish(struct hook_link *l, bool taken)
{
	l->has_event = false;
	l->over = true;
	l->taken = taken;
	l->over_number = l->ev.number;
	l->failures = l->refusals = 0;
	l->next_ms = 0;
	drop(l, true);
}

static void ask(struct hook_link *l, int64_t now_ms)
{
	lookup_begin(&l->lookup, l->target.host);
	go(l, ASKING, now_ms);
}

static void connect_to(struct hook_link *l, int64_t now_ms)
{
	l->connected = l->gone = false;
	l->step = HOOK_REPLY_MORE;
	hook_reply_init(&l->reply);
	l->pcb = altcp_new_ip_type(NULL, IP_GET_TYPE(&l->lookup.ip));
	if (!l->pcb) {
		fail(l, "there is no room for a connection", now_ms);
		return;
	}
	altcp_arg(l->pcb, l);
	altcp_recv(l->pcb, on_data);
	altcp_err(l->pcb, on_error);
	if (altcp_connect(l->pcb, &l->lookup.ip, (u16_t)l->target.port,
		on_connected) != ERR_OK)
		fail(l, "no connection could be begun", now_ms);
	else
		go(l, CONNECTING, now_ms);
}

static void send_request(struct hook_link *l, int64_t now_ms)
{
	struct markup m;

	markup_init(&m, l->request, sizeof(l->request));
	hook_put_request(&l->target, &l->ev, &m);
	/* It fits: the send buffer of a new connection is larger. */
	if (m.cut || altcp_write(l->pcb, l->request, (u16_t)m.len,
			 TCP_WRITE_FLAG_COPY) != ERR_OK) {
		fail(l, "the request could not be sent", now_ms);
		return;
	}
	altcp_output(l->pcb);
	l->where = WAITING;
}

static void take_answer(struct hook_link *l, int64_t now_ms)
{
	char why[48];

	if (l->reply.status / 100 == 2) {
		if (l->is_lost)
			log_note(
			    "the webhook at %s is told again", l->target.host);
		l->is_lost = false;
		finish(l, true);
		return;
	}
	if (++l->refusals >= HOOK_LINK_REFUSALS) {
		log_error("the webhook at %s does not want an event: it is let "
			  "go id=%s status=%d",
		    l->target.host, l->ev.id, l->reply.status);
		finish(l, false);
		return;
	}
	snprintf(why, sizeof(why), "it answers with %d", l->reply.status);
	fail(l, why, now_ms);
}

static void wait_answer(struct hook_link *l, int64_t now_ms)
{
	if (l->step == HOOK_REPLY_DONE)
		take_answer(l, now_ms);
	else if (l->step == HOOK_REPLY_BAD)
		fail(l, "what it answers makes no sense", now_ms);
	else if (l->gone)
		fail(l, "it closes without an answer", now_ms);
}

/* --- the outside -------------------------------------------------------------------- */

enum rc hook_link_open(const struct hook_target *target, struct hook_link **out)
{
	struct hook_link *l = calloc(1, sizeof(*l));

	if (!l)
		return RC_NOMEM;
	l->target = *target;
	*out = l;
	return RC_OK;
}

void hook_link_close(struct hook_link *l)
{
	if (!l)
		return;
	drop(l, false);
	lookup_end(&l->lookup);
	free(l);
}

void hook_link_tell(struct hook_link *l, const struct hook_event *ev)
{
	if (l->has_event && l->ev.number == ev->number)
		return;
	drop(l, false);
	l->ev = *ev;
	l->has_event = true;
	l->refusals = 0;
}

void hook_link_tick(struct hook_link *l, bool has_address, int64_t now_ms)
{
	switch (l->where) {
	case IDLE:
		if (l->has_event && has_address && now_ms >= l->next_ms)
			ask(l, now_ms);
		return;
	case ASKING:
		if (l->lookup.state == LOOKUP_FOUND)
			connect_to(l, now_ms);
		else if (l->lookup.state == LOOKUP_MISSED ||
			 now_ms - l->since_ms > ASK_MS)
			fail(l, "nobody knows its name", now_ms);
		return;
	case CONNECTING:
		if (l->gone)
			fail(l, "nobody takes the connection", now_ms);
		else if (l->connected)
			send_request(l, now_ms);
		break;
	case WAITING:
		wait_answer(l, now_ms);
		break;
	}
	if (l->where != IDLE && now_ms - l->since_ms > ATTEMPT_MS)
		fail(l, "no answer", now_ms);
}

bool hook_link_take_over(struct hook_link *l, uint64_t *number, bool *taken)
{
	if (!l->over)
		return false;
	*number = l->over_number;
	*taken = l->taken;
	l->over = false;
	return true;
}
