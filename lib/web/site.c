#include "site_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"
#include "openapi_json.h"

#define TEXT_HTML   "text/html; charset=utf-8"
#define TEXT_EVENTS "text/event-stream"

static const char favicon[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\">"
    "<rect width=\"32\" height=\"32\" rx=\"8\" fill=\"#171a24\"/>"
    "<path d=\"M21.5 19.6A8.6 8.6 0 0 1 12.4 7.5a9.3 9.3 0 1 0 11.9 10.9"
    " 8.5 8.5 0 0 1-2.8 1.2z\" fill=\"#f4d58d\"/>"
    "<circle cx=\"23.5\" cy=\"9\" r=\"2\" fill=\"#30d158\"/></svg>";

/* --- answers ----------------------------------------------------------------- */

void site_add(struct http_answer *a, const void *data, size_t len)
{
	a->body[a->n_body++] = (struct http_piece){ data, len };
}

/* A page that nothing changes while somebody types. */
bool site_still_begin(struct site *s, struct http_answer *a, struct markup *m)
{
	return site_body_begin(s, a, m);
}

void site_still_end(
    struct site *s, struct http_answer *a, int status, struct markup *m)
{
	site_add(a, s->page.before, s->page.before_len);
	site_body_end(a, status, "text/html; charset=utf-8", m);
	site_add(a, s->page.after, s->page.after_len);
	a->headers = s->page.headers;
}

void site_plain(struct http_answer *a, int status, const char *text)
{
	a->status = status;
	a->type = TEXT_PLAIN;
	a->headers = NO_STORE;
	site_add(a, text, strlen(text));
}

static void no_room(struct http_answer *a)
{
	site_plain(a, 503, "Busy. Try again in a moment.\n");
}

bool site_body_begin(struct site *s, struct http_answer *a, struct markup *m)
{
	a->doc = site_doc_loose(s);
	if (!a->doc) {
		no_room(a);
		return false;
	}
	markup_init(m, a->doc->buf, DOC_CAP);
	return true;
}

void site_body_end(
    struct http_answer *a, int status, const char *type, struct markup *m)
{
	a->status = status;
	a->type = type;
	a->headers = NO_STORE;
	site_add(a, m->buf, m->len);
}

static void get_page(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct http_doc *d = site_doc_take(s, DOC_LIVE + view);

	(void)req;
	if (!d) {
		no_room(a);
		return;
	}
	a->status = 200;
	a->type = TEXT_HTML;
	a->headers = s->page.headers;
	a->doc = d;
	site_add(a, s->page.before, s->page.before_len);
	site_add(a, d->buf + d->head_len, d->body_len);
	site_add(a, s->page.after, s->page.after_len);
}

static void get_status(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct http_doc *d = site_doc_take(s, DOC_JSON + view);

	(void)req;
	if (!d) {
		no_room(a);
		return;
	}
	a->status = 200;
	a->type = TEXT_JSON;
	a->headers = NO_STORE;
	a->doc = d;
	site_add(a, d->buf + d->head_len, d->body_len);
}

static void get_stream(unsigned kind, struct http_answer *a)
{
	static const char retry[] = "retry: 2000\n\n";

	a->status = 200;
	a->type = TEXT_EVENTS;
	a->headers = NO_STORE;
	a->stream = 1 + (int)kind;
	site_add(a, retry, sizeof(retry) - 1);
}

static void get_events(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	(void)s;
	(void)req;
	get_stream(DOC_JSON + view, a);
}

static void get_live(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	(void)s;
	(void)req;
	get_stream(DOC_LIVE + view, a);
}

/* Made anew for each: a scraper comes once a minute. */
static void get_metrics(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct markup m;

	(void)req;
	if (!site_body_begin(s, a, &m))
		return;
	metrics_put(view == PAGE_GLANCE ? &s->glance : &s->st, &m);
	site_body_end(a, 200, METRICS_TYPE, &m);
}

static void get_openapi(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	(void)s;
	(void)req;
	(void)view;
	a->status = 200;
	a->type = TEXT_JSON;
	a->headers = "Cache-Control: max-age=3600\r\n";
	site_add(a, openapi_json, sizeof(openapi_json));
}

static void get_favicon(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	(void)s;
	(void)req;
	(void)view;
	a->status = 200;
	a->type = "image/svg+xml";
	a->headers = "Cache-Control: max-age=86400\r\n";
	site_add(a, favicon, sizeof(favicon) - 1);
}

static void refuse(struct http_answer *a, int status)
{
	switch (status) {
	case 405:
		site_plain(a, status, "This method is not answered.\n");
		a->headers = NO_STORE "Allow: GET, HEAD, POST\r\n";
		break;
	case 408:
		site_plain(a, status, "The request took too long.\n");
		break;
	case 411:
	case 413:
		site_plain(a, status, "Only a short form is taken.\n");
		break;
	default:
		site_plain(a, status, "This request could not be read.\n");
	}
}

/* --- routes -------------------------------------------------------------------- */

enum need {
	NEED_NOTHING,
	NEED_READ, /* what may be read without the PIN, or a session */
	NEED_SESSION
};

static const struct route {
	const char *path;
	enum need need;
	site_route_fn get, post;
} routes[] = {
	{ "/", NEED_READ, get_page, NULL },
	{ "/api/status", NEED_READ, get_status, NULL },
	{ "/events", NEED_READ, get_events, NULL },
	{ "/live", NEED_READ, get_live, NULL },
	{ "/metrics", NEED_READ, get_metrics, NULL },
	{ "/api/openapi.json", NEED_NOTHING, get_openapi, NULL },
	{ "/favicon.svg", NEED_NOTHING, get_favicon, NULL },
	{ "/login", NEED_NOTHING, site_get_login, site_post_login },
	{ "/logout", NEED_SESSION, NULL, site_post_logout },
	{ "/do", NEED_SESSION, NULL, site_post_do },
	{ "/report", NEED_SESSION, site_get_report, NULL },
	{ "/settings", NEED_SESSION, site_get_settings, site_post_settings },
	{ "/settings/kept", NEED_SESSION, site_get_settings, NULL },
	{ "/api/settings", NEED_SESSION, site_get_settings,
	    site_post_settings },
	{ "/password", NEED_SESSION, site_get_password, NULL },
	{ "/update", NEED_SESSION, site_get_update, site_post_update },
	{ "/api/update", NEED_SESSION, NULL, site_post_update },
	{ "/api/session", NEED_NOTHING, site_get_session, NULL },
	{ "/api/login", NEED_NOTHING, NULL, site_post_login },
	{ "/api/logout", NEED_SESSION, NULL, site_post_logout },
	{ "/api/do", NEED_SESSION, NULL, site_post_do },
};

static const char *const uploads[] = { "/update", "/api/update", NULL };

static const struct route *find_route(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (!strcmp(path, routes[i].path))
			return &routes[i];
	return NULL;
}

/* A browser says whose page sent a form. */
static bool is_from_elsewhere(const struct http_request *req)
{
	const char *at = req->origin;

	if (!at[0])
		return false;
	if (!strncasecmp(at, "https://", 8))
		at += 8;
	else if (!req->secure && !strncasecmp(at, "http://", 7))
		at += 7;
	else
		return true; /* "null", too */
	return strcasecmp(at, req->host) != 0;
}

/* A page that somebody looks at, neither a program nor a script. */
static bool is_for_eyes(const struct route *r, const struct http_request *req)
{
	return !req->post && r->need == NEED_SESSION &&
	       strncmp(req->path, "/api/", 5) != 0;
}

/* Somebody without a session asks for what needs one. */
static void ask_for_pin(struct site *s, const struct route *r,
    const struct http_request *req, struct http_answer *a)
{
	if (is_for_eyes(r, req)) {
		site_show_login(s, 401, "", a);
		return;
	}
	if (req->post || strcmp(req->path, "/") != 0) {
		site_plain(a, 401, "The box's PIN is needed: /login\n");
		return;
	}
	site_plain(a, 303, "The box's PIN is needed.\n");
	a->headers = NO_STORE "Location: /login\r\n";
}

/* Nobody on the way can listen: over TLS, or within one computer. */
static bool is_private(const struct site *s, const struct http_request *req)
{
	return req->secure || !s->is_lan;
}

/* It carries the PIN, or a session. */
static bool is_secret(const struct route *r, const struct http_request *req)
{
	return req->post || r->need == NEED_SESSION || r->get == site_get_login;
}

static void lead_to_tls(
    struct site *s, const struct http_request *req, struct http_answer *a)
{
	char host[HTTP_REQUEST_HOST_MAX + 1];

	if (req->post || !site_host_name(req->host, host, sizeof(host))) {
		site_plain(a, 403,
		    "Only over https://: others may listen on this "
		    "network.\n");
		return;
	}
	site_plain(a, 303, "This goes over https:// only.\n");
	snprintf(s->headers, sizeof(s->headers),
	    NO_STORE "Location: https://%s%s\r\n", host, req->path);
	a->headers = s->headers;
}

static void go(struct site *s, const struct route *r,
    const struct http_request *req, struct http_answer *a)
{
	char token[AUTH_TOKEN + 1];
	enum page_view view = PAGE_OWNER;

	if (is_secret(r, req) && !is_private(s, req)) {
		lead_to_tls(s, req, a);
		return;
	}
	if (!is_private(s, req) || !site_session(s, req, token)) {
		view = s->open == AUTH_OPEN_ALL ? PAGE_ALL : PAGE_GLANCE;
		if (r->need == NEED_SESSION ||
		    (r->need == NEED_READ && s->open == AUTH_OPEN_NOTHING)) {
			ask_for_pin(s, r, req, a);
			return;
		}
	}
	if (req->post && is_from_elsewhere(req))
		site_plain(a, 403, "This form is of another page.\n");
	else
		(req->post ? r->post : r->get)(s, req, view, a);
}

static void answer(
    void *ctx, const struct http_request *req, struct http_answer *a)
{
	struct site *s = ctx;
	const struct route *r = find_route(req->path);

	if (req->status) {
		refuse(a, req->status);
	} else if (req->n_hosts && !site_host_is_ours(req->host, s->allow)) {
		site_plain(a, 421, "This box does not go by that name.\n");
	} else if (!r) {
		site_plain(a, 404, "There is nothing here. The page is at /\n");
	} else if (!(req->post ? r->post : r->get)) {
		site_plain(a, 405, "This method is not answered here.\n");
		a->headers = r->post ? NO_STORE "Allow: POST\r\n"
				     : NO_STORE "Allow: GET, HEAD\r\n";
	} else {
		go(s, r, req, a);
	}
}

/* Who may send one is who may send a form. */
static bool begin_upload(
    void *ctx, const struct http_request *req, struct http_answer *a)
{
	answer(ctx, req, a);
	return a->status == 0;
}

static bool event(
    void *ctx, int stream, uint64_t *version, struct http_answer *a)
{
	struct site *s = ctx;
	struct http_doc *d;

	if (*version == s->version)
		return false;
	d = site_doc_take(s, (unsigned)stream - 1);
	if (!d)
		return false;
	*version = d->version;
	a->doc = d;
	site_add(a, d->buf, d->event_len);
	return true;
}

/* --- the site ------------------------------------------------------------- */

enum rc site_new(
    const char *allow, enum auth_open open, bool is_lan, struct site **out)
{
	struct site *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (!s)
		return RC_NOMEM;
	for (unsigned k = 0; k < DOC_COUNT; k++) {
		for (unsigned i = 0; i < DOC_SLOTS; i++)
			s->docs[k][i].kind = k;
	}
	s->http = (struct http_site){ s, answer, event, site_doc_release,
		site_doc_crowded, uploads, begin_upload, site_upload_take,
		site_upload_over, site_upload_drop };
	s->allow = allow;
	s->open = open;
	s->is_lan = is_lan;
	s->version = 1;
	s->st.phone = -1;
	s->st.state = s->st.box_state = STATE_STARTING;
	s->st.led = LED_STARTING;
	s->glance = s->st;
	rc = auth_init(&s->auth) ? page_init(&s->page) : RC_IO;
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
	s->glance = s->st;
	status_redact(&s->glance);
	s->version++;
}

void site_set_pin(struct site *s, const uint8_t salt[AUTH_SALT],
    const uint8_t hash[AUTH_HASH])
{
	auth_set_pin(&s->auth, salt, hash);
}

bool site_take_command(struct site *s, struct web_command *out)
{
	if (!s->n_commands)
		return false;
	*out = s->commands[0];
	s->n_commands--;
	memmove(s->commands, s->commands + 1,
	    s->n_commands * sizeof(s->commands[0]));
	explicit_bzero(&s->commands[s->n_commands], sizeof(s->commands[0]));
	return true;
}

void site_clock(struct site *s, int64_t now_at)
{
	if (now_at / 60 == s->minute)
		return;
	s->minute = now_at / 60;
	s->st.now_at = s->glance.now_at = now_at;
	s->version++;
}

const struct http_site *site_http(struct site *s)
{
	return &s->http;
}
