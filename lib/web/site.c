#include "site.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOG_MODULE "web"
#include "api.h"
#include "log.h"

#define TEXT_HTML   "text/html; charset=utf-8"
#define TEXT_PLAIN  "text/plain; charset=utf-8"
#define TEXT_JSON   "application/json"
#define TEXT_EVENTS "text/event-stream"
#define NO_STORE    "Cache-Control: no-store\r\n"

/* Eight phones and thirty nights with the longest names, all escaped. */
#define DOC_CAP (256 * 1024)
/* Versions that slow readers may hold at the same time. */
#define DOC_SLOTS 6

enum kind {
	KIND_LIVE,
	KIND_JSON,
	KIND_COUNT
};

struct http_doc {
	enum kind kind;
	unsigned readers;
	uint64_t version; /* 0: empty */
	size_t head_len; /* "data: " and what comes before it */
	size_t body_len, event_len; /* body; head, body and tail */
	char buf[DOC_CAP];
};

struct site {
	struct http_site http;
	const char *allow;
	struct page page;
	struct status st;
	uint64_t version;
	int64_t minute;
	struct http_doc docs[KIND_COUNT][DOC_SLOTS];
};

static const char favicon[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\">"
    "<rect width=\"32\" height=\"32\" rx=\"8\" fill=\"#171a24\"/>"
    "<path d=\"M21.5 19.6A8.6 8.6 0 0 1 12.4 7.5a9.3 9.3 0 1 0 11.9 10.9"
    " 8.5 8.5 0 0 1-2.8 1.2z\" fill=\"#f4d58d\"/>"
    "<circle cx=\"23.5\" cy=\"9\" r=\"2\" fill=\"#30d158\"/></svg>";

/* --- documents ------------------------------------------------------------ */

static struct http_doc *newest(struct site *s, enum kind kind)
{
	struct http_doc *best = &s->docs[kind][0];

	for (unsigned i = 1; i < DOC_SLOTS; i++) {
		if (s->docs[kind][i].version > best->version)
			best = &s->docs[kind][i];
	}
	return best;
}

static struct http_doc *unread(struct site *s, enum kind kind)
{
	for (unsigned i = 0; i < DOC_SLOTS; i++) {
		if (!s->docs[kind][i].readers)
			return &s->docs[kind][i];
	}
	return NULL;
}

static enum rc render_body(struct site *s, struct http_doc *d)
{
	char *at = d->buf + d->head_len;
	size_t cap = DOC_CAP - d->head_len - 8;
	struct markup m;

	if (d->kind == KIND_JSON)
		return api_status(&s->st, at, cap, &d->body_len);
	markup_init(&m, at, cap);
	page_live(&s->st, &m);
	d->body_len = m.len;
	return m.cut ? RC_LIMIT : RC_OK;
}

static bool render(struct site *s, struct http_doc *d)
{
	int n = snprintf(d->buf, DOC_CAP,
	    "id: %llu\ndata: ", (unsigned long long)s->version);

	d->version = 0;
	d->head_len = (size_t)n;
	if (render_body(s, d) != RC_OK) {
		log_error("the status does not fit a document");
		return false;
	}
	memcpy(d->buf + d->head_len + d->body_len, "\n\n", 2);
	d->event_len = d->head_len + d->body_len + 2;
	d->version = s->version;
	return true;
}

/* The document of now, held for one more reader; NULL when there is none. */
static struct http_doc *take(struct site *s, enum kind kind)
{
	struct http_doc *d = newest(s, kind);

	if (d->version != s->version) {
		d = unread(s, kind);
		if (!d || !render(s, d))
			return NULL;
	}
	d->readers++;
	return d;
}

static void release(void *ctx, struct http_doc *d)
{
	(void)ctx;
	if (d->readers)
		d->readers--;
}

static const struct http_doc *crowded(void *ctx)
{
	struct site *s = ctx;

	for (unsigned k = 0; k < KIND_COUNT; k++) {
		const struct http_doc *oldest = &s->docs[k][0];

		if (newest(s, k)->version == s->version || unread(s, k))
			continue;
		for (unsigned i = 1; i < DOC_SLOTS; i++) {
			if (s->docs[k][i].version < oldest->version)
				oldest = &s->docs[k][i];
		}
		return oldest;
	}
	return NULL;
}

/* --- who is asking -------------------------------------------------------- */

static bool is_address(const char *name)
{
	struct in_addr v4;
	struct in6_addr v6;
	char inner[64];
	size_t len = strlen(name);

	if (inet_pton(AF_INET, name, &v4) == 1)
		return true;
	if (len < 4 || len >= sizeof(inner) || name[0] != '[' ||
	    name[len - 1] != ']')
		return false;
	memcpy(inner, name + 1, len - 2);
	inner[len - 2] = '\0';
	return inet_pton(AF_INET6, inner, &v6) == 1;
}

/* "name:8080" to "name"; false when what follows the colon is no port. */
static bool cut_port(char *host)
{
	char *bracket = strchr(host, ']');
	char *colon = strchr(bracket ? bracket : host, ':');

	if (!colon)
		return true;
	if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return false;
	*colon = '\0';
	return true;
}

bool site_host_is_ours(const char *host, const char *allow)
{
	char name[HTTP_REQUEST_HOST_MAX + 1];
	size_t len = strlen(host);

	if (len >= sizeof(name))
		return false;
	memcpy(name, host, len + 1);
	if (!cut_port(name))
		return false;
	len = strlen(name);
	if (len && name[len - 1] == '.')
		name[len - 1] = '\0';
	return is_address(name) || !strcasecmp(name, "localhost") ||
	       !strcasecmp(name, "nightstand.local") ||
	       (allow && allow[0] && !strcasecmp(name, allow));
}

/* --- routes --------------------------------------------------------------- */

static void add(struct http_answer *a, const void *data, size_t len)
{
	a->body[a->n_body++] = (struct http_piece){ data, len };
}

static void plain(struct http_answer *a, int status, const char *text)
{
	a->status = status;
	a->type = TEXT_PLAIN;
	a->headers = NO_STORE;
	add(a, text, strlen(text));
}

static void no_room(struct http_answer *a)
{
	plain(a, 503, "Busy. Try again in a moment.\n");
}

static void get_page(struct site *s, struct http_answer *a)
{
	struct http_doc *d = take(s, KIND_LIVE);

	if (!d) {
		no_room(a);
		return;
	}
	a->status = 200;
	a->type = TEXT_HTML;
	a->headers = s->page.headers;
	a->doc = d;
	add(a, s->page.before, s->page.before_len);
	add(a, d->buf + d->head_len, d->body_len);
	add(a, s->page.after, s->page.after_len);
}

static void get_status(struct site *s, struct http_answer *a)
{
	struct http_doc *d = take(s, KIND_JSON);

	if (!d) {
		no_room(a);
		return;
	}
	a->status = 200;
	a->type = TEXT_JSON;
	a->headers = NO_STORE;
	a->doc = d;
	add(a, d->buf + d->head_len, d->body_len);
}

static void get_stream(enum kind kind, struct http_answer *a)
{
	static const char retry[] = "retry: 2000\n\n";

	a->status = 200;
	a->type = TEXT_EVENTS;
	a->headers = NO_STORE;
	a->stream = 1 + (int)kind;
	add(a, retry, sizeof(retry) - 1);
}

static void get_favicon(struct http_answer *a)
{
	a->status = 200;
	a->type = "image/svg+xml";
	a->headers = "Cache-Control: max-age=86400\r\n";
	add(a, favicon, sizeof(favicon) - 1);
}

static void refuse(struct http_answer *a, int status)
{
	switch (status) {
	case 405:
		plain(a, status, "Only GET and HEAD are answered.\n");
		break;
	case 408:
		plain(a, status, "The request took too long.\n");
		break;
	case 413:
		plain(a, status, "A request with a body is not taken.\n");
		break;
	default:
		plain(a, status, "This request could not be read.\n");
	}
}

static void answer(
    void *ctx, const struct http_request *req, struct http_answer *a)
{
	struct site *s = ctx;

	if (req->status)
		refuse(a, req->status);
	else if (req->n_hosts && !site_host_is_ours(req->host, s->allow))
		plain(a, 421, "This box does not go by that name.\n");
	else if (!strcmp(req->path, "/"))
		get_page(s, a);
	else if (!strcmp(req->path, "/api/status"))
		get_status(s, a);
	else if (!strcmp(req->path, "/events"))
		get_stream(KIND_JSON, a);
	else if (!strcmp(req->path, "/live"))
		get_stream(KIND_LIVE, a);
	else if (!strcmp(req->path, "/favicon.svg"))
		get_favicon(a);
	else
		plain(a, 404, "There is nothing here. The page is at /\n");
}

static bool event(
    void *ctx, int stream, uint64_t *version, struct http_answer *a)
{
	struct site *s = ctx;
	struct http_doc *d;

	if (*version == s->version)
		return false;
	d = take(s, (enum kind)(stream - 1));
	if (!d)
		return false;
	*version = d->version;
	a->doc = d;
	add(a, d->buf, d->event_len);
	return true;
}

/* --- the site ------------------------------------------------------------- */

enum rc site_new(const char *allow, struct site **out)
{
	struct site *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (!s)
		return RC_NOMEM;
	for (unsigned k = 0; k < KIND_COUNT; k++) {
		for (unsigned i = 0; i < DOC_SLOTS; i++)
			s->docs[k][i].kind = k;
	}
	s->http = (struct http_site){ s, answer, event, release, crowded };
	s->allow = allow;
	s->version = 1;
	s->st.phone = -1;
	s->st.state = s->st.box_state = STATE_STARTING;
	s->st.led = LED_STARTING;
	rc = page_init(&s->page);
	if (rc) {
		site_free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void site_free(struct site *s)
{
	if (!s)
		return;
	page_fini(&s->page);
	free(s);
}

void site_set_status(struct site *s, const struct status *st)
{
	s->st = *st;
	if (s->st.n_phones > LIMIT_PHONES)
		s->st.n_phones = LIMIT_PHONES;
	if (s->st.n_nights > LIMIT_NIGHTS)
		s->st.n_nights = LIMIT_NIGHTS;
	s->minute = s->st.now_at / 60;
	s->version++;
}

void site_clock(struct site *s, int64_t now_at)
{
	if (now_at / 60 == s->minute)
		return;
	s->minute = now_at / 60;
	s->st.now_at = now_at;
	s->version++;
}

const struct http_site *site_http(struct site *s)
{
	return &s->http;
}
