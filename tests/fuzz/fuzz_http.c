/*
 * One HTTP connection as the machine that it is. The first byte says what may
 * be read without the PIN (123456), and whether others may listen on the way
 * (4: on a LAN, 8: over TLS), the second how many bytes behind it are a
 * schedule: how much is fed, sent and acknowledged, and what the clock does.
 * The rest is what the peer says. The site is the real one; a session's token
 * and that of its forms are 05, 32 times. An update that is sent goes to a box
 * that takes it as the schedule says.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz_answers.h"
#include "fuzz_clock.h"
#include "http_conn.h"
#include "log.h"
#include "site_int.h"

#define SECRET "Secret" /* is in the name of each phone */

static struct site *site;
static struct status status;
static struct fuzz_answers answers;

static void must(bool so)
{
	if (!so)
		abort();
}

/* --- the site, watched ---------------------------------------------------- */

static struct http_doc *held; /* a connection holds one at most */
static bool stream_is_of_session;

static bool is_word(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

static bool somebody_is_in(void)
{
	for (unsigned i = 0; i < AUTH_SESSIONS; i++)
		if (site->auth.sessions[i].token[0])
			return true;
	return false;
}

/* A session may be what this request is of. */
static bool has_session(bool secure)
{
	return site->open == AUTH_OPEN_ALL ||
	       (somebody_is_in() && (secure || !site->is_lan));
}

static bool tells(const struct http_answer *a)
{
	for (unsigned i = 0; i < a->n_body; i++)
		if (memmem(a->body[i].data, a->body[i].len, SECRET,
			sizeof(SECRET) - 1))
			return true;
	return false;
}

static void watch_answer(
    void *ctx, const struct http_request *req, struct http_answer *a)
{
	const struct http_site *s = ctx;
	bool session = has_session(req->secure), was_in = somebody_is_in();
	unsigned commands = site->n_commands;

	must(!held);
	must(strlen(req->path) <= HTTP_REQUEST_PATH_MAX);
	must(strlen(req->host) <= HTTP_REQUEST_HOST_MAX);
	must(req->status || (req->complete && req->path[0] &&
				is_word(req->path) && req->n_hosts < 2));
	must(strlen(req->cookie) <= HTTP_REQUEST_COOKIE_MAX);
	must(req->body_len <= HTTP_REQUEST_BODY_MAX);
	must(req->post || !req->body_len);
	s->answer(s->ctx, req, a);
	held = a->doc;
	stream_is_of_session = session;
	must(session || (!tells(a) && site->n_commands == commands));
	must(was_in || !somebody_is_in() || req->secure || !site->is_lan);
	fuzz_answers_expect(&answers, a, req->head);
}

static bool watch_begin(
    void *ctx, const struct http_request *req, struct http_answer *a)
{
	const struct http_site *s = ctx;
	bool session = has_session(req->secure) && somebody_is_in();
	bool taken;

	must(!held && !site->upload.is_open);
	must(req->post && req->upload && !req->body_len);
	taken = s->upload_begin(s->ctx, req, a);
	must(taken == site->upload.is_open);
	held = a->doc;
	if (taken) {
		must(session && !held && a->status == 0);
		must(req->length <= WEB_UPLOAD_MAX + 4096);
		answers.goes_on = req->expects;
	} else {
		must(session || !tells(a));
		fuzz_answers_expect(&answers, a, false);
	}
	return taken;
}

static size_t watch_take(void *ctx, const char *data, size_t len)
{
	const struct http_site *s = ctx;
	const struct upload *u = &site->upload;
	size_t took;

	must(u->is_open && len > 0);
	took = s->upload_take(s->ctx, data, len);
	must(took <= len && u->len <= WEB_UPLOAD_PIECE);
	must(u->bytes == u->sent + u->len || u->status || u->over);
	must(!u->len || u->has_token);
	return took;
}

static bool watch_over(void *ctx, const struct http_request *req, bool whole,
    struct http_answer *a)
{
	const struct http_site *s = ctx;
	bool over;

	must(!held && site->upload.is_open);
	over = s->upload_over(s->ctx, req, whole, a);
	must(over != site->upload.is_open);
	if (over)
		fuzz_answers_expect(&answers, a, false);
	held = a->doc;
	return over;
}

static void watch_drop(void *ctx)
{
	const struct http_site *s = ctx;

	must(site->upload.is_open);
	s->upload_drop(s->ctx);
	must(!site->upload.is_open);
}

/* --- the box ---------------------------------------------------------------- */

static struct web_upload_said said;

/* how: does it answer, take, refuse? */
static void box_turn(unsigned how)
{
	static struct web_upload u;

	while (site_take_upload(site, &u)) {
		must(u.len <= WEB_UPLOAD_PIECE);
		must(
		    site->upload.sent - site->upload.taken <= WEB_UPLOAD_AHEAD);
		if (u.what == WEB_UPLOAD_BEGIN) {
			memset(&said, 0, sizeof(said));
			said.number = u.number;
		} else if (u.what == WEB_UPLOAD_DROP) {
			continue;
		}
		must(u.number == said.number);
		said.taken += u.len;
		said.over = u.what == WEB_UPLOAD_END || how == 3;
		said.good = how != 3;
		if (how)
			site_upload_said(site, &said);
	}
	if (how == 2)
		site_upload_said(site, &said);
}

static bool watch_event(
    void *ctx, int stream, uint64_t *version, struct http_answer *a)
{
	const struct http_site *s = ctx;
	uint64_t before = *version;
	bool any;

	must(!held);
	any = s->event(s->ctx, stream, version, a);
	must(!any || *version > before);
	held = a->doc;
	must(stream_is_of_session || !tells(a));
	return any;
}

static void watch_release(void *ctx, struct http_doc *doc)
{
	const struct http_site *s = ctx;

	must(held && held == doc);
	held = NULL;
	s->release(s->ctx, doc);
}

/* --- the peer ------------------------------------------------------------- */

struct peer {
	struct http_conn conn;
	const char *text; /* what it has yet to say */
	size_t left;
	int64_t now;
	bool over;
};

/* C1 of http_conn.c. */
static void check_counts(const struct http_conn *c)
{
	must(c->queued <= c->total && c->acked <= c->queued);
	must(c->doc == held);
	must(!c->doc || c->acked < c->total);
	must(c->n_out <= HTTP_CONN_PIECES);
	must((c->state == HTTP_CONN_BODY) == site->upload.is_open); /* C4 */
}

static void say(struct peer *p, size_t n)
{
	enum http_conn_state before = p->conn.state;
	bool rest = p->conn.rest != 0;
	size_t took;

	if (n > p->left)
		n = p->left;
	took = http_conn_feed(&p->conn, p->text, n, p->now);
	must(took <= n);
	if (rest)
		must((took > 0 || n == 0) && p->conn.state == before);
	else if (before == HTTP_CONN_REPLY)
		must(took == 0 && p->conn.state == before); /* C2 */
	else if (before == HTTP_CONN_BODY)
		must(p->conn.state == before);
	else
		must(took > 0 || n == 0);
	p->text += took;
	p->left -= took;
}

static void send(struct peer *p, size_t n)
{
	struct http_piece piece;
	bool lasting;

	if (!http_conn_peek(&p->conn, &piece, &lasting)) {
		must(p->conn.queued == p->conn.total);
		return;
	}
	must(piece.len > 0 && p->conn.queued + piece.len <= p->conn.total);
	if (n > piece.len)
		n = piece.len;
	fuzz_answers_take(&answers, piece.data, n);
	http_conn_queued(&p->conn, n);
}

static void acknowledge(struct peer *p, size_t n)
{
	size_t most = p->conn.queued - p->conn.acked;

	if (n > most)
		n = most;
	if (n > 0)
		http_conn_acked(&p->conn, n, p->now);
}

static void tick(struct peer *p)
{
	const struct http_conn *c = &p->conn;
	size_t total = c->total, queued = c->queued;
	enum http_conn_state before = c->state;
	int sleep;

	p->over = http_conn_tick(&p->conn, p->now) != HTTP_CONN_KEEP;
	if (before == HTTP_CONN_STREAM && total)
		must(c->total == total && c->queued == queued); /* C3 */
	sleep = http_conn_sleep(c, p->now, 1000);
	must(sleep > 0 && sleep <= 1000);
}

static void new_status(uint8_t how)
{
	status.serial++;
	status.n_phones = how & 1;
	status.now_at += how;
	snprintf(status.phones[0].name, sizeof(status.phones[0].name),
	    SECRET "\n\ndata: <%u>", how);
	snprintf(status.phones[0].udid, sizeof(status.phones[0].udid),
	    "00008101-001A2B3C4D5E6F70");
	site_set_status(site, &status);
}

static void pass(struct peer *p, unsigned ms)
{
	p->now += ms;
	fuzz_clock.ms += ms;
}

static void step(struct peer *p, uint8_t how)
{
	static const unsigned sizes[] = { 1, 2, 7, 60, 1000, 65535 };
	static const unsigned times[] = { 0, 1, 249, 251, 9999, 10001, 15001,
		20001, 120001 };
	size_t arg = how >> 3;
	unsigned n = sizes[arg % (sizeof(sizes) / sizeof(sizes[0]))];

	switch (how & 7) {
	case 0:
	case 1:
		say(p, n);
		break;
	case 2:
		send(p, n);
		break;
	case 3:
		acknowledge(p, n);
		break;
	case 4:
		pass(p, times[arg % (sizeof(times) / sizeof(times[0]))]);
		tick(p);
		break;
	case 5:
		if (arg >= 28)
			box_turn((unsigned)arg - 28);
		else
			new_status((uint8_t)arg);
		break;
	case 6:
		send(p, 65535);
		acknowledge(p, 65535);
		break;
	default:
		pass(p, n);
		break;
	}
}

/* Nothing is in its way any more: all that it said is answered. */
static void finish(struct peer *p)
{
	struct http_piece piece;
	bool lasting;

	while (!p->over) {
		say(p, p->left);
		if (p->conn.state == HTTP_CONN_BODY) {
			box_turn(2);
			tick(p);
		}
		while (http_conn_peek(&p->conn, &piece, &lasting))
			send(p, piece.len);
		acknowledge(p, p->conn.queued);
		check_counts(&p->conn);
		if (p->conn.state == HTTP_CONN_STREAM ||
		    p->conn.state == HTTP_CONN_OVER || !p->left)
			break;
	}
	/* All of it came: that is known now, or soon. */
	if (!p->over && p->conn.state == HTTP_CONN_BODY && !p->conn.body_left) {
		box_turn(2);
		tick(p);
		while (http_conn_peek(&p->conn, &piece, &lasting))
			send(p, piece.len);
		acknowledge(p, p->conn.queued);
		must(p->conn.state != HTTP_CONN_BODY);
	}
	must(p->over || p->conn.state != HTTP_CONN_REPLY);
}

static void start(enum auth_open open)
{
	uint8_t salt[AUTH_SALT] = { 0 }, hash[AUTH_HASH];

	log_set_level(LOG_LEVEL_ERROR);
	if (!site && site_new("box.local", open, false, &site) != RC_OK)
		abort();
	must(auth_init(&site->auth));
	auth_hash_pin(salt, "123456", hash);
	site_set_pin(site, salt, hash);
	site->open = open;
	site->n_commands = 0;
	memset(&status, 0, sizeof(status));
	status.phone = -1;
	status.update.can = true;
	memset(&site->upload, 0, sizeof(site->upload));
	memset(&said, 0, sizeof(said));
	held = NULL;
	fuzz_answers_start(&answers);
	new_status(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct peer p = { .now = fuzz_clock.ms };
	struct http_site watched;
	size_t steps;
	bool secure;

	if (len < 2)
		return 0;
	start((enum auth_open)((data[0] & 3) % (AUTH_OPEN_NOTHING + 1)));
	site->is_lan = data[0] & 4;
	secure = data[0] & 8;
	data++;
	len--;
	watched = *site_http(site);
	watched.ctx = (void *)(uintptr_t)site_http(site);
	watched.answer = watch_answer;
	watched.event = watch_event;
	watched.release = watch_release;
	watched.upload_begin = watch_begin;
	watched.upload_take = watch_take;
	watched.upload_over = watch_over;
	watched.upload_drop = watch_drop;
	http_conn_init(&p.conn, &watched, p.now);
	p.conn.secure = secure;
	steps = data[0] < len - 1 ? data[0] : len - 1;
	p.text = (const char *)data + 1 + steps;
	p.left = len - 1 - steps;
	for (size_t i = 1; i <= steps && !p.over; i++) {
		step(&p, data[i]);
		check_counts(&p.conn);
	}
	finish(&p);
	fuzz_answers_end(&answers, &p.conn);
	http_conn_fini(&p.conn);
	must(!held);
	return 0;
}
