/*
 * The HTTP side without a network: bytes in, bytes out, a clock by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "form.h"
#include "http_conn.h"
#include "http_request.h"
#include "site.h"

/* --- a request ------------------------------------------------------------ */

/* Feeds `text` in pieces of `step` bytes; what the last piece led to. */
static enum http_request_step feed(
    struct http_request *r, const char *text, size_t step)
{
	enum http_request_step got = HTTP_REQUEST_MORE;
	size_t len = strlen(text), at = 0, used;

	http_request_init(r);
	while (at < len && got == HTTP_REQUEST_MORE) {
		size_t n = len - at < step ? len - at : step;

		got = http_request_feed(r, text + at, n, &used);
		assert_true(used > 0 && used <= n);
		at += used;
	}
	return got;
}

static const char good[] = "GET /api/status?x=1 HTTP/1.1\r\n"
			   "User-Agent: test\r\n"
			   "Host: 127.0.0.1:8080\r\n"
			   "Accept: */*\r\n\r\n";

static void request_is_read_however_it_is_cut(void **state)
{
	struct http_request r;

	(void)state;
	for (size_t step = 1; step <= sizeof(good); step++) {
		assert_int_equal(feed(&r, good, step), HTTP_REQUEST_DONE);
		assert_string_equal(r.path, "/api/status");
		assert_string_equal(r.host, "127.0.0.1:8080");
		assert_false(r.head);
		assert_true(r.keep_alive);
	}
}

static void head_and_http_1_0_are_understood(void **state)
{
	struct http_request r;

	(void)state;
	assert_int_equal(
	    feed(&r, "HEAD / HTTP/1.0\r\n\r\n", 99), HTTP_REQUEST_DONE);
	assert_true(r.head);
	assert_false(r.keep_alive);
	assert_int_equal(feed(&r,
			     "GET / HTTP/1.1\r\nHost: a\r\n"
			     "Connection: close\r\n\r\n",
			     99),
	    HTTP_REQUEST_DONE);
	assert_false(r.keep_alive);
}

static void bad_requests_are_refused_with_their_status(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		    405 },
		{ "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 411 },
		{ "POST / HTTP/1.1\r\nHost: a\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		    411 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2049\r\n"
		  "\r\n",
		    413 },
		{ "POST / HTTP/1.1\r\nHost: a\r\n"
		  "Content-Length: 99999999999999999999\r\n\r\n",
		    400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\n"
		  "Cookie: b=2\r\n\r\n",
		    400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n"
		  "Origin: http://b\r\n\r\n",
		    400 },
		{ "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		    413 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		    413 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 }, /* no Host */
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tfolded\r\n\r\n",
		    400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
		  "Content-Length: 0\r\n\r\n",
		    400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n",
		    400 },
		{ "GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
		{ "\x16\x03\x01\x02\x00\x01", 400 }, /* TLS on a plain port */
		{ "hello\r\n", 400 },
		{ "GET /a\fb HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t step = 1; step < 64; step += 31) {
			struct http_request r;
			enum http_request_step got =
			    feed(&r, cases[i].text, step);

			if (got != HTTP_REQUEST_BAD ||
			    r.status != cases[i].status)
				fail_msg("case %zu: step %d, status %d, not %d",
				    i, got, r.status, cases[i].status);
		}
	}
}

static const char form[] = "POST /do HTTP/1.1\r\n"
			   "Host: box\r\n"
			   "Origin: http://box\r\n"
			   "Cookie: a=1; ns_session=00ff\r\n"
			   "Content-Length: 11\r\n\r\n"
			   "a=b&c=%2b+d";

static void a_form_is_read_however_it_is_cut(void **state)
{
	struct http_request r;
	char value[16];

	(void)state;
	for (size_t step = 1; step <= sizeof(form); step++) {
		assert_int_equal(feed(&r, form, step), HTTP_REQUEST_DONE);
		assert_true(r.post);
		assert_string_equal(r.origin, "http://box");
		assert_string_equal(r.cookie, "a=1; ns_session=00ff");
		assert_int_equal(r.body_len, 11);
		assert_string_equal(r.body, "a=b&c=%2b+d");
	}
	assert_true(form_get(r.body, "c", value, sizeof(value)));
	assert_string_equal(value, "+ d");
	assert_true(form_get(r.body, "a", value, sizeof(value)));
	assert_string_equal(value, "b");
	assert_false(form_get(r.body, "b", value, sizeof(value)));
	assert_true(form_cookie(r.cookie, "ns_session", value, 5));
	assert_string_equal(value, "00ff");
	assert_false(form_cookie(r.cookie, "ns_session", value, 4));
	assert_false(form_cookie(r.cookie, "session", value, 16));
}

static void bad_fields_are_no_fields(void **state)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "a=%00",
		"a=123456789", "b=1", "", "a", "aa=1", "=a" };
	char value[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (form_get(bad[i], "a", value, sizeof(value)))
			fail_msg("%s", bad[i]);
		assert_string_equal(value, "");
	}
	assert_true(form_get("a=%41%42", "a", value, sizeof(value)));
	assert_string_equal(value, "AB");
	assert_true(form_get("x=1&a=", "x", value, sizeof(value)));
}

static void long_requests_are_bounded(void **state)
{
	struct http_request r;
	char text[HTTP_REQUEST_HEAD_MAX + 200];
	size_t n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), "GET /");
	memset(text + n, 'a', HTTP_REQUEST_PATH_MAX);
	snprintf(text + n + HTTP_REQUEST_PATH_MAX, 40,
	    " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(feed(&r, text, 7), HTTP_REQUEST_BAD);
	assert_int_equal(r.status, 414);

	n = (size_t)snprintf(
	    text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	memset(text + n, 'a', sizeof(text) - n - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(feed(&r, text, 1000), HTTP_REQUEST_BAD);
	assert_int_equal(r.status, 431);

	n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: ");
	memset(text + n, 'a', HTTP_REQUEST_HOST_MAX + 1);
	snprintf(text + n + HTTP_REQUEST_HOST_MAX + 1, 10, "\r\n\r\n");
	assert_int_equal(feed(&r, text, 1000), HTTP_REQUEST_BAD);
	assert_int_equal(r.status, 400);
}

static void every_single_byte_flip_is_survived(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		for (int bit = 0; bit < 8; bit++) {
			char text[sizeof(good)];
			struct http_request r;
			size_t used;

			memcpy(text, good, sizeof(good));
			text[i] = (char)(text[i] ^ (1 << bit));
			http_request_init(&r);
			http_request_feed(&r, text, sizeof(good) - 1, &used);
			assert_true(used <= sizeof(good) - 1);
			assert_true(strlen(r.path) <= HTTP_REQUEST_PATH_MAX);
		}
	}
}

/* --- a connection --------------------------------------------------------- */

static char doc_bytes[3000];
static struct fake {
	unsigned held; /* documents out */
	uint64_t version; /* of the stream */
	unsigned answered;
} fake;

static void fake_answer(
    void *ctx, const struct http_request *req, struct http_answer *a)
{
	(void)ctx;
	fake.answered++;
	a->status = req->status ? req->status : 200;
	a->type = "text/plain";
	if (!strcmp(req->path, "/stream")) {
		a->stream = 1;
		return;
	}
	if (a->status == 200) {
		a->doc = (struct http_doc *)doc_bytes;
		fake.held++;
	}
	a->body[0] = (struct http_piece){ "abc", 3 };
	a->body[1] = (struct http_piece){ doc_bytes, sizeof(doc_bytes) };
	a->n_body = 2;
}

static bool fake_event(
    void *ctx, int stream, uint64_t *version, struct http_answer *a)
{
	(void)ctx;
	assert_int_equal(stream, 1);
	if (*version == fake.version)
		return false;
	*version = fake.version;
	a->doc = (struct http_doc *)doc_bytes;
	fake.held++;
	a->body[0] = (struct http_piece){ "data: x\n\n", 9 };
	a->n_body = 1;
	return true;
}

static void fake_release(void *ctx, struct http_doc *doc)
{
	(void)ctx;
	assert_ptr_equal(doc, doc_bytes);
	assert_true(fake.held > 0);
	fake.held--;
}

static const struct http_site fake_site = {
	.answer = fake_answer,
	.event = fake_event,
	.release = fake_release,
};

static int set_up(void **state)
{
	(void)state;
	memset(doc_bytes, 'd', sizeof(doc_bytes));
	memset(&fake, 0, sizeof(fake));
	fake.version = 1;
	return 0;
}

/* Sends and acknowledges up to `most` bytes, into `out`. */
static size_t drain(
    struct http_conn *c, char *out, size_t cap, size_t most, int64_t now)
{
	struct http_piece piece;
	bool lasting;
	size_t n = 0;

	while (n < most && http_conn_peek(c, &piece, &lasting)) {
		size_t len = piece.len < most - n ? piece.len : most - n;

		assert_true(n + len < cap);
		memcpy(out + n, piece.data, len);
		http_conn_queued(c, len);
		n += len;
		out[n] = '\0';
		http_conn_acked(c, len, now);
	}
	out[n] = '\0';
	return n;
}

static void send_text(struct http_conn *c, const char *text, int64_t now)
{
	size_t len = strlen(text);

	assert_int_equal(http_conn_feed(c, text, len, now), len);
}

static void an_answer_goes_out_and_gives_its_document_back(void **state)
{
	struct http_conn c;
	char out[8192];

	(void)state;
	http_conn_init(&c, &fake_site, 0);
	send_text(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1);
	assert_int_equal(fake.held, 1);
	while (drain(&c, out, sizeof(out), 100, 2) == 100)
		assert_true(c.state == HTTP_CONN_REPLY ? fake.held == 1
						       : fake.held == 0);
	assert_int_equal(fake.held, 0);
	assert_int_equal(c.state, HTTP_CONN_IDLE);
	http_conn_fini(&c);
}

static void the_head_says_how_long_the_body_is(void **state)
{
	struct http_conn c;
	char out[8192];
	const char *body;

	(void)state;
	http_conn_init(&c, &fake_site, 0);
	send_text(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1);
	drain(&c, out, sizeof(out), sizeof(out), 2);
	assert_non_null(strstr(out, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(out, "Content-Length: 3003\r\n"));
	assert_non_null(strstr(out, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(out, "Referrer-Policy: same-origin\r\n"));
	body = strstr(out, "\r\n\r\n");
	assert_int_equal(strlen(body + 4), 3003);

	send_text(&c, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 3);
	assert_int_equal(fake.held, 0);
	drain(&c, out, sizeof(out), sizeof(out), 4);
	assert_non_null(strstr(out, "Content-Length: 3003\r\n"));
	assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\n");
	http_conn_fini(&c);
}

static void pipelined_requests_wait_for_their_turn(void **state)
{
	static const char two[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
				  "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct http_conn c;
	char out[8192];
	size_t used;

	(void)state;
	http_conn_init(&c, &fake_site, 0);
	used = http_conn_feed(&c, two, sizeof(two) - 1, 1);
	assert_int_equal(used, (sizeof(two) - 1) / 2);
	assert_int_equal(http_conn_feed(&c, two + used, used, 1), 0);
	drain(&c, out, sizeof(out), sizeof(out), 2);
	assert_int_equal(http_conn_feed(&c, two + used, used, 3), used);
	assert_int_equal(fake.answered, 2);
	http_conn_fini(&c);
	assert_int_equal(fake.held, 0);
}

static void a_bad_request_is_answered_then_closed(void **state)
{
	struct http_conn c;
	char out[8192];

	(void)state;
	http_conn_init(&c, &fake_site, 0);
	http_conn_feed(&c, "nonsense\r\n\r\n", 12, 1);
	drain(&c, out, sizeof(out), sizeof(out), 2);
	assert_non_null(strstr(out, "HTTP/1.1 400 "));
	assert_non_null(strstr(out, "Connection: close\r\n"));
	assert_int_equal(http_conn_tick(&c, 3), HTTP_CONN_CLOSE);
	http_conn_fini(&c);
}

static void slow_heads_get_408(void **state)
{
	struct http_conn c;
	char out[8192];

	(void)state;
	http_conn_init(&c, &fake_site, 0);
	/* one byte a second does not prolong the deadline */
	for (int64_t t = 0; t <= HTTP_CONN_HEAD_MS; t += 1000) {
		http_conn_feed(&c, &"GET /aaaaaaa"[t / 1000], 1, t);
		assert_int_equal(http_conn_tick(&c, t), HTTP_CONN_KEEP);
		assert_int_equal(c.state, HTTP_CONN_HEAD);
	}
	http_conn_tick(&c, HTTP_CONN_HEAD_MS + 1);
	drain(&c, out, sizeof(out), sizeof(out), HTTP_CONN_HEAD_MS + 2);
	assert_non_null(strstr(out, "HTTP/1.1 408 "));
	assert_int_equal(c.state, HTTP_CONN_OVER);
	http_conn_fini(&c);
}

static void idle_and_stalled_connections_end(void **state)
{
	struct http_conn c;
	char out[8192];

	(void)state;
	http_conn_init(&c, &fake_site, 0);
	assert_int_equal(http_conn_tick(&c, HTTP_CONN_IDLE_MS), HTTP_CONN_KEEP);
	assert_int_equal(
	    http_conn_tick(&c, HTTP_CONN_IDLE_MS + 1), HTTP_CONN_CLOSE);

	http_conn_init(&c, &fake_site, 0);
	send_text(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	drain(&c, out, sizeof(out), 10, 5000);
	assert_int_equal(
	    http_conn_tick(&c, 5000 + HTTP_CONN_ACK_MS), HTTP_CONN_KEEP);
	assert_int_equal(
	    http_conn_tick(&c, 5001 + HTTP_CONN_ACK_MS), HTTP_CONN_ABORT);
	http_conn_fini(&c);
	assert_int_equal(fake.held, 0);

	/* who takes one byte a second does not hold a place for ever */
	http_conn_init(&c, &fake_site, 0);
	send_text(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	for (int64_t t = 0; t <= HTTP_CONN_REPLY_MS; t += 1000) {
		assert_int_equal(http_conn_tick(&c, t), HTTP_CONN_KEEP);
		drain(&c, out, sizeof(out), 1, t);
	}
	assert_int_equal(
	    http_conn_tick(&c, HTTP_CONN_REPLY_MS + 1), HTTP_CONN_ABORT);
	http_conn_fini(&c);
}

static void streams_coalesce_and_pulse(void **state)
{
	struct http_conn c;
	char out[8192];

	(void)state;
	http_conn_init(&c, &fake_site, 1000);
	send_text(&c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", 1000);
	drain(&c, out, sizeof(out), sizeof(out), 1000);
	assert_null(strstr(out, "Content-Length"));
	assert_int_equal(c.state, HTTP_CONN_STREAM);

	http_conn_tick(&c, 1000); /* the first event comes at once */
	assert_int_equal(drain(&c, out, sizeof(out), 5, 1000), 5);
	fake.version = 7; /* changes while the last one is on its way */
	http_conn_tick(&c, 1300);
	assert_int_equal(drain(&c, out, sizeof(out), 99, 1300), 4);
	http_conn_tick(&c, 1301);
	assert_int_equal(drain(&c, out, sizeof(out), 99, 1301), 9);

	fake.version = 8; /* not more than four a second */
	http_conn_tick(&c, 1301 + HTTP_CONN_EVENT_MS - 1);
	assert_int_equal(drain(&c, out, sizeof(out), 99, 1550), 0);
	assert_int_equal(
	    http_conn_sleep(&c, 1301 + HTTP_CONN_EVENT_MS - 1, 900), 1);
	http_conn_tick(&c, 1301 + HTTP_CONN_EVENT_MS);
	assert_int_equal(drain(&c, out, sizeof(out), 99, 1551), 9);

	http_conn_tick(&c, 1551 + HTTP_CONN_PULSE_MS);
	drain(&c, out, sizeof(out), 99, 1551 + HTTP_CONN_PULSE_MS);
	assert_string_equal(out, ":\n\n");
	assert_int_equal(http_conn_tick(&c, 999999), HTTP_CONN_KEEP);
	http_conn_tick(&c, 999999 + HTTP_CONN_ACK_MS);
	assert_int_equal(
	    http_conn_tick(&c, 1000000 + HTTP_CONN_ACK_MS), HTTP_CONN_ABORT);
	http_conn_fini(&c);
	assert_int_equal(fake.held, 0);
}

/* --- who the box goes by -------------------------------------------------- */

static void strangers_names_are_refused(void **state)
{
	static const char *const ours[] = { "localhost", "localhost:8080",
		"127.0.0.1", "192.168.1.7:80", "[::1]", "[fe80::1]:8080",
		"nightstand.local", "NightStand.local.:80", "box.home" };
	static const char *const theirs[] = { "", "evil.example",
		"localhost.evil.example", "127.0.0.1.evil.example", "[::1",
		"::1", "localhost:80:80", "localhost:x", "nightstand",
		"evil.example:80", "1.2.3", "[127.0.0.1]" };

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (!site_host_is_ours(ours[i], "box.home"))
			fail_msg("%s is ours", ours[i]);
	}
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		if (site_host_is_ours(theirs[i], "box.home"))
			fail_msg("%s is not ours", theirs[i]);
	}
	assert_false(site_host_is_ours("box.home", NULL));
}

/* --- the routes ----------------------------------------------------------- */

static int status_of(struct site *s, const char *request, char *out, size_t cap)
{
	const struct http_site *http = site_http(s);
	struct http_conn c;
	int status = 0;

	http_conn_init(&c, http, 0);
	send_text(&c, request, 0);
	drain(&c, out, cap, cap - 1, 0);
	http_conn_fini(&c);
	assert_int_equal(sscanf(out, "HTTP/1.1 %d", &status), 1);
	return status;
}

static int post(struct site *s, const char *path, const char *cookie,
    const char *more, const char *body, char *out, size_t cap)
{
	char text[4096];

	snprintf(text, sizeof(text),
	    "POST %s HTTP/1.1\r\nHost: localhost\r\n%s%s"
	    "Content-Length: %zu\r\n\r\n%s",
	    path, cookie, more, strlen(body), body);
	return status_of(s, text, out, cap);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void every_route_answers(void **state)
{
	static char out[200000];
	struct site *s;

	(void)state;
	assert_int_equal(site_new(NULL, AUTH_OPEN_ALL, false, &s), RC_OK);
	assert_int_equal(status_of(s, GET("/"), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "Content-Security-Policy: default-src "
				    "'none'; style-src 'sha256-"));
	assert_non_null(strstr(out, "no-store"));
	assert_non_null(strstr(out, "</html>"));
	assert_int_equal(
	    status_of(s, GET("/api/status"), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "application/json"));
	assert_int_equal(status_of(s, GET("/events"), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "text/event-stream"));
	assert_int_equal(
	    status_of(s, GET("/favicon.svg"), out, sizeof(out)), 200);
	assert_int_equal(status_of(s, GET("/nothing"), out, sizeof(out)), 404);
	assert_int_equal(
	    status_of(s, GET("/../etc/passwd"), out, sizeof(out)), 404);
	assert_int_equal(
	    status_of(s, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", out,
		sizeof(out)),
	    421);
	assert_int_equal(post(s, "/", "", "", "", out, sizeof(out)), 405);
	assert_non_null(strstr(out, "Allow: GET, HEAD\r\n"));
	assert_int_equal(status_of(s, GET("/do"), out, sizeof(out)), 405);
	assert_non_null(strstr(out, "Allow: POST\r\n"));
	site_free(s);
}

/* --- who may do what ------------------------------------------------------------ */

#define PHONE "00008120-0010BD9489E70017"

static struct site *guarded(enum auth_open open)
{
	static const uint8_t salt[AUTH_SALT] = "salt";
	struct status st = { .now_at = 1700000000, .phone = -1 };
	uint8_t hash[AUTH_HASH];
	struct site *s;

	assert_int_equal(site_new(NULL, open, false, &s), RC_OK);
	st.n_phones = 1;
	snprintf(st.phones[0].udid, sizeof(st.phones[0].udid), PHONE);
	snprintf(st.phones[0].name, sizeof(st.phones[0].name), "Ana");
	snprintf(st.phones[0].detail, sizeof(st.phones[0].detail), "secret");
	st.phones[0].attached = true;
	st.phones[0].state = STATE_SAFE;
	st.n_nights = 1;
	snprintf(st.nights[0].phone, sizeof(st.nights[0].phone), "Ana");
	st.nights[0].state = STATE_SAFE;
	snprintf(st.disk.path, sizeof(st.disk.path), "/media/ana");
	status_settle(&st);
	site_set_status(s, &st);
	auth_hash_pin(salt, "123456", hash);
	site_set_pin(s, salt, hash);
	return s;
}

static char out[300000];

/* The cookie of a session, as a browser would send it. */
static void sign_in(struct site *s, char *cookie, size_t cap)
{
	const char *at;

	assert_int_equal(
	    post(s, "/login", "", "", "pin=123456", out, sizeof(out)), 303);
	assert_non_null(strstr(out, "Location: /\r\n"));
	at = strstr(out, "Set-Cookie: ns_session=");
	assert_non_null(at);
	assert_non_null(strstr(at, "HttpOnly; SameSite=Strict"));
	at += strlen("Set-Cookie: ");
	snprintf(cookie, cap, "Cookie: %.*s\r\n", (int)strcspn(at, ";"), at);
}

static void token_of(struct site *s, const char *cookie, char csrf[65])
{
	char text[512];
	const char *at;

	snprintf(text, sizeof(text),
	    "GET /api/session HTTP/1.1\r\nHost: localhost\r\n%s\r\n", cookie);
	assert_int_equal(status_of(s, text, out, sizeof(out)), 200);
	at = strstr(out, "\"csrf\":\"");
	assert_non_null(at);
	memcpy(csrf, at + 8, 64);
	csrf[64] = '\0';
}

static int page_for(struct site *s, const char *path, const char *cookie)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, cookie);
	return status_of(s, text, out, sizeof(out));
}

static void a_glance_names_nobody(void **state)
{
	struct site *s = guarded(AUTH_OPEN_GLANCE);
	static const char *const paths[] = { "/", "/api/status" };
	char cookie[128];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(page_for(s, paths[i], ""), 200);
		assert_null(strstr(out, "Ana"));
		assert_null(strstr(out, PHONE));
		assert_null(strstr(out, "secret"));
		assert_null(strstr(out, "/media/"));
		assert_null(strstr(out, "csrf"));
	}
	sign_in(s, cookie, sizeof(cookie));
	assert_int_equal(page_for(s, "/", cookie), 200);
	assert_non_null(strstr(out, "Ana"));
	assert_non_null(strstr(out, "Back up now"));
	assert_int_equal(page_for(s, "/api/status", cookie), 200);
	assert_non_null(strstr(out, PHONE));
	assert_null(strstr(out, "csrf"));
	site_free(s);

	s = guarded(AUTH_OPEN_ALL);
	assert_int_equal(page_for(s, "/", ""), 200);
	assert_non_null(strstr(out, "Ana"));
	assert_null(strstr(out, "Back up now"));
	assert_null(strstr(out, "name=\"csrf\""));
	site_free(s);
}

static void nothing_is_shown_where_nothing_is_open(void **state)
{
	struct site *s = guarded(AUTH_OPEN_NOTHING);
	char cookie[128];

	(void)state;
	assert_int_equal(page_for(s, "/", ""), 303);
	assert_non_null(strstr(out, "Location: /login"));
	assert_int_equal(page_for(s, "/api/status", ""), 401);
	assert_int_equal(page_for(s, "/events", ""), 401);
	assert_int_equal(page_for(s, "/live", ""), 401);
	assert_int_equal(page_for(s, "/login", ""), 200);
	assert_null(strstr(out, "Ana"));
	sign_in(s, cookie, sizeof(cookie));
	assert_int_equal(page_for(s, "/", cookie), 200);
	site_free(s);
}

/* An answer is sent from where it lies, while others are made. */
static void answers_do_not_share_their_bytes(void **state)
{
	struct site *s = guarded(AUTH_OPEN_ALL);
	static struct http_conn slow, others[16];
	const struct http_site *http = site_http(s);
	unsigned n = 0;

	(void)state;
	http_conn_init(&slow, http, 0);
	send_text(&slow, GET("/login"), 0);
	for (; n < 16 && !http->crowded(http->ctx); n++) {
		http_conn_init(&others[n], http, 0);
		send_text(&others[n], GET("/metrics"), 0);
	}
	/* Readers that take nothing are told of, the oldest first. */
	assert_true(n > 2 && n < 16);
	assert_ptr_equal(http->crowded(http->ctx), slow.doc);
	drain(&slow, out, sizeof(out), sizeof(out) - 1, 0);
	assert_non_null(strstr(out, "The box's PIN"));
	assert_non_null(strstr(out, "</html>"));
	assert_null(strstr(out, "nightstand_state"));
	drain(&others[0], out, sizeof(out), sizeof(out) - 1, 0);
	assert_non_null(strstr(out, "nightstand_phones 1\n"));
	assert_non_null(strstr(out, "{phone=\"Ana (0017)\"}"));
	http_conn_fini(&slow);
	for (unsigned i = 0; i < n; i++)
		http_conn_fini(&others[i]);
	site_free(s);
}

static void actions_need_session_and_token(void **state)
{
	struct site *s = guarded(AUTH_OPEN_ALL);
	char cookie[128], csrf[65], body[256];
	struct web_command c;

	(void)state;
	assert_int_equal(
	    post(s, "/do", "", "", "action=backup&udid=" PHONE, out, 999), 401);
	sign_in(s, cookie, sizeof(cookie));
	assert_int_equal(
	    post(s, "/do", cookie, "", "action=backup&udid=" PHONE, out, 999),
	    403);
	token_of(s, cookie, csrf);
	snprintf(body, sizeof(body), "csrf=%s&action=backup&udid=" PHONE, csrf);
	assert_int_equal(post(s, "/do", "", "", body, out, 999), 401);
	assert_int_equal(post(s, "/do", cookie,
			     "Origin: http://evil.example\r\n", body, out, 999),
	    403);
	assert_int_equal(
	    post(s, "/do", cookie, "Origin: null\r\n", body, out, 999), 403);
	assert_false(site_take_command(s, &c));
	assert_int_equal(post(s, "/do", cookie, "Origin: http://localhost\r\n",
			     body, out, 999),
	    303);
	assert_true(site_take_command(s, &c));
	assert_int_equal(c.kind, WEB_BACKUP);
	assert_string_equal(c.udid, PHONE);
	assert_false(site_take_command(s, &c));
	snprintf(body, sizeof(body), "csrf=%s&action=format&udid=" PHONE, csrf);
	assert_int_equal(post(s, "/api/do", cookie, "", body, out, 999), 400);
	assert_non_null(strstr(out, "\"error\""));
	snprintf(body, sizeof(body), "csrf=%s&action=stop&udid=other", csrf);
	assert_int_equal(post(s, "/api/do", cookie, "", body, out, 999), 400);
	/* Signed out, the cookie is worth nothing. */
	snprintf(body, sizeof(body), "csrf=%s", csrf);
	assert_int_equal(post(s, "/logout", cookie, "", body, out, 999), 303);
	assert_int_equal(post(s, "/logout", cookie, "", body, out, 999), 401);
	site_free(s);
}

static int ask_prepare(
    struct site *s, const char *cookie, const char *csrf, const char *fields)
{
	char body[256];

	snprintf(body, sizeof(body), "csrf=%s&action=prepare%s", csrf, fields);
	return post(s, "/api/do", cookie, "", body, out, sizeof(out));
}

/* Deleting a disk takes the PIN and the name of the very disk that is there. */
static void only_the_disk_that_was_seen_is_prepared(void **state)
{
	struct site *s = guarded(AUTH_OPEN_ALL);
	struct status st = { .now_at = 1700000000, .phone = -1 };
	char cookie[128], csrf[65];
	struct web_command c;

	(void)state;
	sign_in(s, cookie, sizeof(cookie));
	token_of(s, cookie, csrf);
	assert_int_equal(
	    ask_prepare(s, cookie, csrf, "&pin=123456&disk="), 400);
	assert_non_null(strstr(out, "no disk to be prepared"));
	snprintf(st.disk.offer, sizeof(st.disk.offer), "Sun \"1\" & Moon");
	st.box_state = STATE_DISK_UNFIT;
	status_settle(&st);
	site_set_status(s, &st);
	page_for(s, "/", cookie);
	assert_non_null(strstr(out, "name=\"disk\" value=\"Sun &quot;1&quot; "
				    "&amp; Moon\""));
	assert_int_equal(ask_prepare(s, cookie, csrf, "&pin=123456"), 400);
	assert_int_equal(
	    ask_prepare(s, cookie, csrf, "&pin=123456&disk=Sun"), 400);
	assert_non_null(strstr(out, "Another disk is there now"));
	assert_int_equal(
	    ask_prepare(s, cookie, csrf, "&disk=Sun+%221%22+%26+Moon"), 403);
	assert_int_equal(ask_prepare(s, cookie, csrf,
			     "&pin=123457&disk=Sun+%221%22+%26+Moon"),
	    403);
	assert_false(site_take_command(s, &c));
	assert_int_equal(ask_prepare(s, cookie, csrf,
			     "&pin=123456&disk=Sun+%221%22+%26+Moon"),
	    200);
	assert_true(site_take_command(s, &c));
	assert_int_equal(c.kind, WEB_PREPARE);
	site_free(s);
}

static int ask_box(struct site *s, const char *cookie, const char *csrf,
    const char *action, const char *fields)
{
	char body[256];

	snprintf(
	    body, sizeof(body), "csrf=%s&action=%s%s", csrf, action, fields);
	return post(s, "/api/do", cookie, "", body, out, sizeof(out));
}

/* A new firmware takes the PIN and the version that was seen; an older one
 * has to be meant. */
static void only_the_update_that_was_seen_is_installed(void **state)
{
	struct site *s = guarded(AUTH_OPEN_ALL);
	struct status st = { .now_at = 1700000000, .phone = -1 };
	char cookie[128], csrf[65];
	struct web_command c;

	(void)state;
	sign_in(s, cookie, sizeof(cookie));
	token_of(s, cookie, csrf);
	assert_int_equal(
	    ask_box(s, cookie, csrf, "update", "&pin=123456&version=0.9"), 400);
	assert_int_equal(ask_box(s, cookie, csrf, "reset", "&pin=123456"), 400);
	st.update.can = true;
	strcpy(st.update.version, "0.9");
	strcpy(st.update.why, "<b>");
	st.update.older = true;
	site_set_status(s, &st);
	page_for(s, "/", cookie);
	assert_non_null(strstr(out, "name=\"version\" value=\"0.9\""));
	assert_non_null(strstr(out, "not taken: &lt;b&gt;"));
	assert_int_equal(ask_box(s, cookie, csrf, "update",
			     "&pin=123456&version=0.8&older=yes"),
	    400);
	assert_int_equal(
	    ask_box(s, cookie, csrf, "update", "&pin=123456&version=0.9"), 400);
	assert_non_null(strstr(out, "older"));
	assert_int_equal(ask_box(s, cookie, csrf, "update",
			     "&pin=123457&version=0.9&older=yes"),
	    403);
	assert_int_equal(ask_box(s, cookie, csrf, "reset", ""), 403);
	assert_false(site_take_command(s, &c));
	assert_int_equal(ask_box(s, cookie, csrf, "update",
			     "&pin=123456&version=0.9&older=yes"),
	    200);
	assert_true(site_take_command(s, &c));
	assert_true(c.kind == WEB_UPDATE && c.older);
	assert_int_equal(ask_box(s, cookie, csrf, "reset", "&pin=123456"), 200);
	assert_true(site_take_command(s, &c));
	assert_int_equal(c.kind, WEB_RESET);
	site_free(s);
}

static int ask_password(
    struct site *s, const char *cookie, const char *csrf, const char *fields)
{
	char body[HTTP_REQUEST_BODY_MAX + 1];

	snprintf(body, sizeof(body), "csrf=%s&action=password&udid=" PHONE "%s",
	    csrf, fields);
	return post(s, "/api/do", cookie, "", body, out, 999);
}

static void a_backup_password_is_passed_on_once(void **state)
{
	static const char *const bad[] = { "", "&new=", "&off=yes",
		"&off=yes&old=", "&old=a", "&new=a&again=b",
		"&new=a&again=", "&new=a%0ab", "&new=%ff", "&new=%zz",
		"&new=a%00b", "&new=a&off=yes&old=b" };
	struct site *s = guarded(AUTH_OPEN_ALL);
	char cookie[128], csrf[65], longest[1300] = "&old=a&again=";
	struct web_command c;

	(void)state;
	sign_in(s, cookie, sizeof(cookie));
	token_of(s, cookie, csrf);
	assert_int_equal(ask_password(s, cookie, "x", "&new=a"), 403);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ask_password(s, cookie, csrf, bad[i]), 400);
		assert_false(site_take_command(s, &c));
	}
	assert_int_equal(
	    ask_password(s, cookie, csrf, "&new=a%26+%C3%B6&again=a%26+ö"),
	    200);
	assert_true(site_take_command(s, &c));
	assert_int_equal(c.kind, WEB_PASSWORD);
	assert_string_equal(c.password.new_word, "a& ö");
	assert_string_equal(c.password.old_word, "");
	assert_int_equal(ask_password(s, cookie, csrf, "&off=yes&old=x"), 200);
	assert_true(site_take_command(s, &c));
	assert_string_equal(c.password.old_word, "x");
	assert_string_equal(c.password.new_word, "");
	assert_false(site_take_command(s, &c));
	/* 127 bytes, each as %XX, twice: it fits. */
	for (int i = 0; i < 127; i++)
		strcat(longest, "%41");
	strcat(longest, "&new=");
	for (int i = 0; i < 127; i++)
		strcat(longest, "%41");
	assert_int_equal(ask_password(s, cookie, csrf, longest), 200);
	assert_true(site_take_command(s, &c));
	assert_int_equal(strlen(c.password.new_word), 127);
	site_free(s);
}

static void a_wrong_pin_is_told_and_slowed(void **state)
{
	struct site *s = guarded(AUTH_OPEN_GLANCE);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    post(s, "/login", "", "", "pin=1", out, sizeof(out)), 401);
		assert_non_null(strstr(out, "That is not the PIN"));
		assert_null(strstr(out, "Set-Cookie"));
	}
	assert_int_equal(
	    post(s, "/login", "", "", "pin=123456", out, sizeof(out)), 429);
	assert_non_null(strstr(out, "Retry-After: 1"));
	assert_int_equal(
	    post(s, "/api/login", "", "", "pin=123456", out, 999), 429);
	site_free(s);
}

static void the_pin_is_changed_by_who_knows_it(void **state)
{
	struct site *s = guarded(AUTH_OPEN_GLANCE);
	char cookie[128], csrf[65], body[256];
	struct web_command c;

	(void)state;
	sign_in(s, cookie, sizeof(cookie));
	token_of(s, cookie, csrf);
	snprintf(
	    body, sizeof(body), "csrf=%s&action=pin&pin=1&new=777777", csrf);
	assert_int_equal(post(s, "/api/do", cookie, "", body, out, 999), 403);
	snprintf(
	    body, sizeof(body), "csrf=%s&action=pin&pin=123456&new=77", csrf);
	assert_int_equal(post(s, "/api/do", cookie, "", body, out, 999), 400);
	snprintf(body, sizeof(body), "csrf=%s&action=pin&pin=123456&new=777777",
	    csrf);
	assert_int_equal(post(s, "/api/do", cookie, "", body, out, 999), 200);
	assert_true(site_take_command(s, &c));
	assert_int_equal(c.kind, WEB_SET_PIN);
	assert_string_equal(c.pin, "777777");
	site_free(s);
}

/* Slow readers hold old documents; a new one needs a place. */
static void a_crowd_of_old_documents_is_told(void **state)
{
	static struct http_conn conns[16];
	const struct http_site *http;
	struct status st = { 0 };
	struct site *s;
	unsigned n = 0;

	(void)state;
	assert_int_equal(site_new(NULL, AUTH_OPEN_ALL, false, &s), RC_OK);
	http = site_http(s);
	while (n < 16 && !http->crowded(http->ctx)) {
		http_conn_init(&conns[n], http, 0);
		send_text(&conns[n++], GET("/"), 0);
		site_set_status(s, &st);
	}
	assert_true(n > 2 && n < 16);
	assert_ptr_equal(http->crowded(http->ctx), conns[0].doc);
	http_conn_fini(&conns[0]);
	assert_null(http->crowded(http->ctx));
	for (unsigned i = 1; i < n; i++)
		http_conn_fini(&conns[i]);
	site_free(s);
}

static void a_minute_makes_a_new_version(void **state)
{
	const struct http_site *http;
	struct http_answer a = { 0 };
	struct status st = { 0 };
	uint64_t version = 0;
	struct site *s;

	(void)state;
	assert_int_equal(site_new(NULL, AUTH_OPEN_ALL, false, &s), RC_OK);
	http = site_http(s);
	st.now_at = 1700000000;
	site_set_status(s, &st);
	assert_true(http->event(http->ctx, 1, &version, &a));
	http->release(http->ctx, a.doc);
	site_clock(s, 1700000001);
	assert_false(http->event(http->ctx, 1, &version, &a));
	site_clock(s, 1700000060);
	memset(&a, 0, sizeof(a));
	assert_true(http->event(http->ctx, 1, &version, &a));
	http->release(http->ctx, a.doc);
	site_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_read_however_it_is_cut),
		cmocka_unit_test(head_and_http_1_0_are_understood),
		cmocka_unit_test(bad_requests_are_refused_with_their_status),
		cmocka_unit_test(a_form_is_read_however_it_is_cut),
		cmocka_unit_test(bad_fields_are_no_fields),
		cmocka_unit_test(long_requests_are_bounded),
		cmocka_unit_test(a_glance_names_nobody),
		cmocka_unit_test(nothing_is_shown_where_nothing_is_open),
		cmocka_unit_test(answers_do_not_share_their_bytes),
		cmocka_unit_test(actions_need_session_and_token),
		cmocka_unit_test(only_the_disk_that_was_seen_is_prepared),
		cmocka_unit_test(only_the_update_that_was_seen_is_installed),
		cmocka_unit_test(a_backup_password_is_passed_on_once),
		cmocka_unit_test(a_wrong_pin_is_told_and_slowed),
		cmocka_unit_test(the_pin_is_changed_by_who_knows_it),
		cmocka_unit_test(every_single_byte_flip_is_survived),
		cmocka_unit_test_setup(
		    an_answer_goes_out_and_gives_its_document_back, set_up),
		cmocka_unit_test_setup(
		    the_head_says_how_long_the_body_is, set_up),
		cmocka_unit_test_setup(
		    pipelined_requests_wait_for_their_turn, set_up),
		cmocka_unit_test_setup(
		    a_bad_request_is_answered_then_closed, set_up),
		cmocka_unit_test_setup(slow_heads_get_408, set_up),
		cmocka_unit_test_setup(
		    idle_and_stalled_connections_end, set_up),
		cmocka_unit_test_setup(streams_coalesce_and_pulse, set_up),
		cmocka_unit_test(strangers_names_are_refused),
		cmocka_unit_test(every_route_answers),
		cmocka_unit_test(a_crowd_of_old_documents_is_told),
		cmocka_unit_test(a_minute_makes_a_new_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
