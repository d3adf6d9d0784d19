/*
 * Invariants
 * C1 queued <= total, acked <= queued; doc is held only while acked < total.
 * C2 In REPLY no byte is taken from the peer, but for the rest of an upload
 *    that is thrown away: TCP's window slows it down.
 * C3 A stream gets its next event once the last is acknowledged whole, so a
 *    slow reader skips events and costs no memory.
 * C4 In BODY, and only there, the site has an upload of this connection; what
 *    it does not take is not taken from the peer.
 */
#include "http_conn.h"

#include <stdio.h>
#include <string.h>

static const char pulse[] = ":\n\n"; /* a comment, in SSE's terms */
static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void enter(
    struct http_conn *c, enum http_conn_state state, int64_t now_ms)
{
	c->state = state;
	c->state_ms = now_ms;
	c->moved_ms = now_ms;
}

static void drop_doc(struct http_conn *c)
{
	if (c->doc)
		c->site->release(c->site->ctx, c->doc);
	c->doc = NULL;
}

static void clear_out(struct http_conn *c)
{
	drop_doc(c);
	c->n_out = 0;
	c->total = c->queued = c->acked = 0;
}

static void add_piece(struct http_conn *c, const void *data, size_t len)
{
	if (!len || c->n_out == HTTP_CONN_PIECES)
		return;
	c->out[c->n_out++] = (struct http_piece){ data, len };
	c->total += len;
}

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 303:
		return "See Other";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 409:
		return "Conflict";
	case 411:
		return "Length Required";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 421:
		return "Misdirected Request";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Error";
	}
}

static size_t body_len(const struct http_answer *a)
{
	size_t len = 0;

	for (unsigned i = 0; i < a->n_body; i++)
		len += a->body[i].len;
	return len;
}

static void write_head(struct http_conn *c, const struct http_answer *a)
{
	char length[48] = "";
	int n;

	if (!a->stream)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
		    body_len(a));
	/* Not no-referrer: with it a browser says "Origin: null" of our own
	 * forms, too, and no form could be told from a stranger's. */
	n = snprintf(c->head, sizeof(c->head),
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Type: %s\r\n%s"
	    "Connection: %s\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Referrer-Policy: same-origin\r\n%s\r\n",
	    a->status, reason(a->status), a->type, length,
	    c->close_after ? "close" : "keep-alive",
	    a->headers ? a->headers : "");
	if (n < 0 || (size_t)n >= sizeof(c->head))
		n = snprintf(c->head, sizeof(c->head),
		    "HTTP/1.1 500 Error\r\nContent-Length: 0\r\n"
		    "Connection: close\r\n\r\n");
	add_piece(c, c->head, (size_t)n);
}

static void reply(
    struct http_conn *c, const struct http_answer *a, int64_t now_ms)
{
	clear_out(c);
	c->stream = c->req.head ? 0 : a->stream;
	write_head(c, a);
	c->doc = a->doc;
	for (unsigned i = 0; i < a->n_body && !c->req.head; i++)
		add_piece(c, a->body[i].data, a->body[i].len);
	if (c->req.head)
		drop_doc(c);
	c->version = 0;
	c->event_ms = now_ms - HTTP_CONN_EVENT_MS;
	enter(c, HTTP_CONN_REPLY, now_ms);
}

static void answer(struct http_conn *c, int64_t now_ms)
{
	struct http_answer a = { 0 };
	bool bad = c->req.status != 0;

	c->req.peer = c->peer;
	c->req.secure = c->secure;
	c->site->answer(c->site->ctx, &c->req, &a);
	/* A PIN or a password may have been in it. */
	explicit_bzero(c->req.body, c->req.body_len);
	c->close_after = bad || !c->req.keep_alive || a.stream;
	reply(c, &a, now_ms);
}

/* --- an upload --------------------------------------------------------------- */

/* What has not come of its body by now belongs to nobody. */
static void answer_upload(
    struct http_conn *c, const struct http_answer *a, int64_t now_ms)
{
	c->rest = c->body_left;
	c->body_left = 0;
	c->close_after = c->rest || !c->req.keep_alive;
	reply(c, a, now_ms);
}

static void begin_upload(struct http_conn *c, int64_t now_ms)
{
	struct http_answer a = { 0 };

	c->req.peer = c->peer;
	c->req.secure = c->secure;
	c->body_left = c->req.length;
	c->held = false;
	if (!c->site->upload_begin(c->site->ctx, &c->req, &a)) {
		answer_upload(c, &a, now_ms);
		return;
	}
	clear_out(c);
	if (c->req.expects)
		add_piece(c, go_on, sizeof(go_on) - 1);
	enter(c, HTTP_CONN_BODY, now_ms);
}

static size_t feed_upload(
    struct http_conn *c, const char *data, size_t len, int64_t now_ms)
{
	size_t used;

	if (len > c->body_left)
		len = (size_t)c->body_left;
	used = len ? c->site->upload_take(c->site->ctx, data, len) : 0;
	c->held = len && !used;
	c->body_left -= used;
	if (used)
		c->moved_ms = now_ms;
	return used;
}

static void drop_upload(struct http_conn *c)
{
	if (c->state == HTTP_CONN_BODY)
		c->site->upload_drop(c->site->ctx);
}

/* The time for which the site has not taken what is there is its own. */
static enum http_conn_verdict tick_upload(struct http_conn *c, int64_t now_ms)
{
	struct http_answer a = { 0 };

	if (c->total)
		return now_ms - c->moved_ms > HTTP_CONN_ACK_MS ? HTTP_CONN_ABORT
							       : HTTP_CONN_KEEP;
	if (c->held || !c->body_left)
		c->moved_ms = now_ms;
	if (c->site->upload_over(c->site->ctx, &c->req, !c->body_left, &a)) {
		answer_upload(c, &a, now_ms);
	} else if (now_ms - c->moved_ms > HTTP_CONN_BODY_MS ||
		   now_ms - c->state_ms > HTTP_CONN_WHOLE_MS) {
		drop_upload(c);
		c->rest = 0;
		c->req.status = 408;
		answer(c, now_ms);
	}
	return HTTP_CONN_KEEP;
}

static size_t drop_rest(struct http_conn *c, size_t len)
{
	if (len > c->rest)
		len = (size_t)c->rest;
	c->rest -= len;
	return len;
}

static void next_request(struct http_conn *c)
{
	http_request_init(&c->req);
	c->req.uploads = c->site->uploads;
}

static void answered(struct http_conn *c, int64_t now_ms)
{
	clear_out(c);
	if (c->stream) {
		enter(c, HTTP_CONN_STREAM, now_ms);
		return;
	}
	next_request(c);
	enter(c, c->close_after ? HTTP_CONN_OVER : HTTP_CONN_IDLE, now_ms);
}

static void next_event(struct http_conn *c, int64_t now_ms)
{
	struct http_answer a = { 0 };

	if (c->total || now_ms - c->event_ms < HTTP_CONN_EVENT_MS)
		return;
	if (c->site->event(c->site->ctx, c->stream, &c->version, &a)) {
		c->doc = a.doc;
		for (unsigned i = 0; i < a.n_body; i++)
			add_piece(c, a.body[i].data, a.body[i].len);
	} else if (now_ms - c->event_ms >= HTTP_CONN_PULSE_MS) {
		add_piece(c, pulse, sizeof(pulse) - 1);
	} else {
		return;
	}
	c->event_ms = now_ms;
	c->moved_ms = now_ms;
}

void http_conn_init(
    struct http_conn *c, const struct http_site *site, int64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->site = site;
	next_request(c);
	enter(c, HTTP_CONN_IDLE, now_ms);
}

void http_conn_fini(struct http_conn *c)
{
	explicit_bzero(c->req.body, sizeof(c->req.body));
	drop_doc(c);
	drop_upload(c);
}

size_t http_conn_feed(
    struct http_conn *c, const char *data, size_t len, int64_t now_ms)
{
	enum http_request_step step;
	size_t used = 0;

	if (len && c->rest)
		return drop_rest(c, len);
	if (c->state == HTTP_CONN_STREAM || c->state == HTTP_CONN_OVER)
		return len; /* nothing that it says matters now */
	if (!len || c->state == HTTP_CONN_REPLY)
		return 0;
	if (c->state == HTTP_CONN_BODY)
		return feed_upload(c, data, len, now_ms);
	if (c->state == HTTP_CONN_IDLE)
		enter(c, HTTP_CONN_HEAD, now_ms);
	step = http_request_feed(&c->req, data, len, &used);
	if (step == HTTP_REQUEST_UPLOAD)
		begin_upload(c, now_ms);
	else if (step != HTTP_REQUEST_MORE)
		answer(c, now_ms);
	return used;
}

bool http_conn_peek(
    const struct http_conn *c, struct http_piece *out, bool *lasting)
{
	size_t skip = c->queued;

	for (unsigned i = 0; i < c->n_out; i++) {
		const struct http_piece *p = &c->out[i];

		if (skip < p->len) {
			out->data = (const char *)p->data + skip;
			out->len = p->len - skip;
			*lasting = p->data != c->head;
			return true;
		}
		skip -= p->len;
	}
	return false;
}

void http_conn_queued(struct http_conn *c, size_t len)
{
	c->queued += len;
}

void http_conn_acked(struct http_conn *c, size_t len, int64_t now_ms)
{
	c->acked += len;
	c->moved_ms = now_ms;
	if (!c->total || c->acked < c->total)
		return;
	if (c->state == HTTP_CONN_REPLY)
		answered(c, now_ms);
	else
		clear_out(c);
}

enum http_conn_verdict http_conn_tick(struct http_conn *c, int64_t now_ms)
{
	int64_t in_state = now_ms - c->state_ms;
	int64_t silent = now_ms - c->moved_ms;

	switch (c->state) {
	case HTTP_CONN_IDLE:
		return in_state > HTTP_CONN_IDLE_MS ? HTTP_CONN_CLOSE
						    : HTTP_CONN_KEEP;
	case HTTP_CONN_HEAD:
		if (in_state > HTTP_CONN_HEAD_MS) {
			c->req.status = 408;
			answer(c, now_ms);
		}
		return HTTP_CONN_KEEP;
	case HTTP_CONN_BODY:
		return tick_upload(c, now_ms);
	case HTTP_CONN_REPLY:
		return silent > HTTP_CONN_ACK_MS ||
			       in_state > HTTP_CONN_REPLY_MS
			   ? HTTP_CONN_ABORT
			   : HTTP_CONN_KEEP;
	case HTTP_CONN_STREAM:
		if (c->total && silent > HTTP_CONN_ACK_MS)
			return HTTP_CONN_ABORT;
		next_event(c, now_ms);
		return HTTP_CONN_KEEP;
	case HTTP_CONN_OVER:
		return c->rest && in_state <= HTTP_CONN_REST_MS
			   ? HTTP_CONN_KEEP
			   : HTTP_CONN_CLOSE;
	}
	return HTTP_CONN_ABORT;
}

int http_conn_sleep(const struct http_conn *c, int64_t now_ms, int ms)
{
	int64_t left;

	if (c->state != HTTP_CONN_STREAM || c->total)
		return ms;
	left = c->event_ms + HTTP_CONN_EVENT_MS - now_ms;
	if (left <= 0 || left > ms)
		return ms;
	return (int)left;
}
