/* The webhook: whom to tell, the request, what of an answer counts, and what
 * waits in the outbox on a disk that is not always kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hook.h"
#include "hook_reply.h"
#include "ledger.c" /* firmware is in no archive */
#undef LOG_MODULE
#include "outbox.c"

/* --- whom to tell ------------------------------------------------------------- */

static void urls(void **state)
{
	static const struct {
		const char *url, *host;
		int port;
		const char *path;
	} good[] = {
		{ "http://house", "house", 80, "/" },
		{ "http://house/", "house", 80, "/" },
		{ "http://a.b-c_d:8123/x?y=1&z", "a.b-c_d", 8123, "/x?y=1&z" },
		{ "http://10.0.0.1:65535/", "10.0.0.1", 65535, "/" },
		{ "http://[fd77::1]:8080/x", "fd77::1", 8080, "/x" },
	};
	static const char *const bad[] = { "", "house", "http:/house",
		"http://", "http://:80", "http:///", "https://house",
		"HTTP://house", "http://house:", "http://house:0",
		"http://house:65536", "http://house:99999999999999999999",
		"http://house:-1", "http://house: 1", "http://house:8x",
		"http://a b/", "http://a@b/", "http://house?x",
		"http://house/ x", "http://house/#x", "http://house/\x7f",
		"http://house/\xc3\xa4", "http://[fd77::1", "http://[house]/",
		"http://[]/", "http://a/x\r\nHost: b", "http://h\xc3\xa4/" };
	struct hook_target t;
	char url[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(hook_parse(good[i].url, &t));
		assert_string_equal(t.host, good[i].host);
		assert_int_equal(t.port, good[i].port);
		assert_string_equal(t.path, good[i].path);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(hook_parse(bad[i], &t));
	snprintf(url, sizeof(url), "http://%063d/", 0);
	assert_null(hook_parse(url, &t));
	snprintf(url, sizeof(url), "http://%064d/", 0);
	assert_non_null(hook_parse(url, &t));
	snprintf(url, sizeof(url), "http://h/%0126d", 0);
	assert_null(hook_parse(url, &t));
	snprintf(url, sizeof(url), "http://h/%0127d", 0);
	assert_non_null(hook_parse(url, &t));
}

static void the_request(void **state)
{
	struct hook_event ev = { .id = "00000001-7", .len = 2, .body = "{}" };
	struct hook_target t;
	struct markup m;
	char buf[HOOK_HEAD_MAX + HOOK_BODY_MAX], url[256];

	(void)state;
	assert_null(hook_parse("http://[fd77::1]:8080/x", &t));
	markup_init(&m, buf, sizeof(buf));
	hook_put_request(&t, &ev, &m);
	assert_string_equal(buf,
	    "POST /x HTTP/1.1\r\nHost: [fd77::1]:8080\r\n"
	    "User-Agent: Nightstand/" NIGHTSTAND_VERSION "\r\n"
	    "Content-Type: application/json\r\nContent-Length: 2\r\n"
	    "X-Nightstand-Event: 00000001-7\r\nConnection: close\r\n\r\n{}");
	/* The longest of all fits. */
	snprintf(url, sizeof(url), "http://%063d:65535/%0126d", 0, 0);
	assert_null(hook_parse(url, &t));
	memset(ev.id, 'i', sizeof(ev.id) - 1);
	memset(ev.signature, 's', sizeof(ev.signature) - 1);
	memset(ev.body, 'b', sizeof(ev.body));
	ev.len = sizeof(ev.body);
	markup_init(&m, buf, sizeof(buf));
	hook_put_request(&t, &ev, &m);
	assert_false(m.cut);
}

/* --- the answer ------------------------------------------------------------------ */

static enum hook_reply_step feed(
    struct hook_reply *r, const char *text, size_t len, size_t piece)
{
	enum hook_reply_step step = HOOK_REPLY_MORE;

	hook_reply_init(r);
	for (size_t i = 0; i < len && step == HOOK_REPLY_MORE; i += piece)
		step = hook_reply_feed(
		    r, text + i, len - i < piece ? len - i : piece);
	return step;
}

static void answers(void **state)
{
	static const struct {
		const char *text;
		int status; /* 0: bad; 1: more is to come */
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", 200 },
		{ "HTTP/1.0 204\r\n\r\nrest that nobody reads", 204 },
		{ "HTTP/1.1 500 No\r\nContent-Length: 9999999\r\n\r\nx", 500 },
		{ "HTTP/1.1 302 Found\r\nLocation: http://evil/\r\n\r\n", 302 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 C\r\n\r\n", 201 },
		{ "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    200 },
		{ "HTTP/1.1 101 Other\r\nUpgrade: x\r\n"
		  "Connection: upgrade\r\n\r\n",
		    0 },
		{ "HTTP/1.1 600 Much\r\n\r\n", 0 },
		{ "HTTP/2.0 200 OK\r\n\r\n", 0 },
		{ "HTTP/1.1 2x0 OK\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\n\r\n", 0 },
		{ "\x16\x03\x01", 0 },
		{ "", 1 },
		{ "HTTP/1.1 200 OK\r\nA: b\r\n", 1 },
	};
	struct hook_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].text);

		for (size_t piece = 1; piece <= len + 1; piece++) {
			enum hook_reply_step step =
			    feed(&r, cases[i].text, len, piece);

			assert_int_equal(
			    step, cases[i].status == 1   ? HOOK_REPLY_MORE
				  : cases[i].status == 0 ? HOOK_REPLY_BAD
							 : HOOK_REPLY_DONE);
			if (step == HOOK_REPLY_DONE)
				assert_int_equal(r.status, cases[i].status);
		}
	}
}

static void an_answer_without_end_ends(void **state)
{
	static const char first[] = "HTTP/1.1 200 OK\r\n";
	static const char *const more[] = { "X: y\r\n", "x",
		"HTTP/1.1 100 C\r\n\r\n" };
	struct hook_reply r;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		enum hook_reply_step step = HOOK_REPLY_MORE;
		size_t fed = 0;

		hook_reply_init(&r);
		if (i < 2)
			step = hook_reply_feed(&r, first, sizeof(first) - 1);
		while (step == HOOK_REPLY_MORE) {
			step = hook_reply_feed(&r, more[i], strlen(more[i]));
			fed += strlen(more[i]);
			assert_true(fed < 2 * HOOK_REPLY_MAX);
		}
		assert_int_equal(step, HOOK_REPLY_BAD);
	}
}

/* --- the outbox ------------------------------------------------------------------ */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-hook-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static const char *path(void)
{
	static char p[128];

	snprintf(p, sizeof(p), "%s/webhook.jsonl", dir);
	return p;
}

static int drop_dir(void **state)
{
	(void)state;
	unlink(path());
	return rmdir(dir);
}

static struct status_night night(int64_t at)
{
	struct status_night n = { .at = at, .state = STATE_SAFE };

	snprintf(n.udid, sizeof(n.udid), "00008120-0010BD9489E70017");
	snprintf(n.phone, sizeof(n.phone), "Ana \"\u6f22\"");
	return n;
}

static struct outbox *reopen(struct outbox *o)
{
	outbox_close(o);
	assert_int_equal(outbox_open(dir, &o), RC_OK);
	return o;
}

static void add(struct outbox *o, int64_t at)
{
	struct status_night n = night(at);

	assert_int_equal(outbox_add(o, "box", &n), RC_OK);
}

static void events_wait_over_restarts(void **state)
{
	struct outbox *o = reopen(NULL);
	struct hook_event ev, again;

	(void)state;
	assert_false(outbox_first(o, "", &ev));
	for (int i = 1; i <= 3; i++)
		add(o, 1000 + i);
	assert_true(outbox_first(o, "", &ev));
	assert_string_equal(ev.signature, "");
	assert_non_null(strstr(ev.body, "\"at\":1001,"));
	assert_non_null(strstr(ev.body, ev.id));
	o = reopen(o);
	assert_true(outbox_first(o, "", &again));
	assert_memory_equal(&ev, &again, sizeof(ev));
	/* Only the first one can be over. */
	assert_int_equal(outbox_over(o, ev.number + 1), RC_OK);
	assert_int_equal(outbox_over(o, ev.number), RC_OK);
	assert_int_equal(outbox_over(o, ev.number), RC_OK);
	o = reopen(o);
	assert_true(outbox_first(o, "", &again));
	assert_int_equal(again.number, ev.number + 1);
	assert_int_equal(outbox_over(o, again.number), RC_OK);
	assert_int_equal(outbox_over(o, again.number + 1), RC_OK);
	/* Numbers go on though nothing waits. */
	o = reopen(o);
	assert_false(outbox_first(o, "", &ev));
	add(o, 2000);
	assert_true(outbox_first(o, "", &ev));
	assert_int_equal(ev.number, 4);
	outbox_close(o);
}

static void the_oldest_goes_when_too_many_wait(void **state)
{
	struct outbox *o = reopen(NULL);
	struct hook_event ev;

	(void)state;
	for (int i = 1; i <= OUTBOX_MAX + 3; i++)
		add(o, i);
	o = reopen(o);
	assert_int_equal(o->n, OUTBOX_MAX);
	assert_true(outbox_first(o, "", &ev));
	assert_int_equal(ev.number, 4);
	outbox_close(o);
}

/* RFC 4231, test case 2, by way of an event. */
static void it_is_signed(void **state)
{
	struct outbox *o;
	struct hook_event ev;

	(void)state;
	assert_int_equal(outbox_open("", &o), RC_OK);
	o->n = 1;
	o->items[0].number = 1;
	strcpy(o->items[0].body, "what do ya want for nothing?");
	assert_true(outbox_first(o, "Jefe", &ev));
	assert_string_equal(ev.signature, "5bdcc146bf60754e6a042426089575c7"
					  "5a003f089d2739839dec58b964ec3843");
	outbox_close(o);
}

static void the_fullest_event_fits(void **state)
{
	struct outbox *o;
	struct status_night n = night(1795477260);
	struct hook_event ev;

	(void)state;
	assert_int_equal(outbox_open("", &o), RC_OK);
	memset(n.phone, '"', sizeof(n.phone) - 1);
	memset(n.detail, '\\', sizeof(n.detail) - 1);
	n.state = STATE_PHONE_FAILED;
	n.new_files = n.new_bytes = n.missing_bytes = 999999999999;
	assert_int_equal(outbox_add(o,
			     "a name of this length for a box, which "
			     "is as long as one may be, 63",
			     &n),
	    RC_OK);
	assert_true(outbox_first(o, "x", &ev));
	assert_true(ev.len < HOOK_BODY_MAX - 1);
	outbox_close(o);
}

static void write_file_text(const char *text, size_t len)
{
	FILE *f = fopen(path(), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

/* A file that was cut anywhere, or that somebody has written. */
static void a_damaged_file_costs_no_more_than_itself(void **state)
{
	static const char *const bad[] = { "", "\n", "x", "{}\n",
		"{\"from\":\"zz\",\"next\":1}\n",
		"{\"from\":\"00000001\",\"next\":0}\n" };
	struct outbox *o = reopen(NULL);
	char text[8192];
	size_t len;
	FILE *f;

	(void)state;
	add(o, 1);
	add(o, 2);
	f = fopen(path(), "r");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	for (size_t cut = 0; cut <= len; cut += 5) {
		write_file_text(text, cut);
		o = reopen(o);
		assert_true(o->n <= 2);
		add(o, 3);
		assert_int_equal(o->items[o->n - 1].number, o->next - 1);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file_text(bad[i], strlen(bad[i]));
		o = reopen(o);
		assert_int_equal(o->n, 0);
	}
	f = fopen(path(), "w");
	assert_non_null(f);
	fprintf(f, "{\"from\":\"00000001\",\"next\":9}\n"
		   "{\"id\":\"00000001-3\"}\n{\"id\":\"00000001-3\"}\n"
		   "{\"id\":\"00000002-4\"}\n{\"id\":\"00000001-9\"}\n"
		   "{\"id\":7}\n[\n");
	for (int i = 0; i < 5000; i++)
		fputc('x', f);
	fprintf(f, "\n{\"id\":\"00000001-8\"}\n");
	fclose(f);
	o = reopen(o);
	assert_int_equal(o->n, 2);
	assert_int_equal(o->items[0].number, 3);
	assert_int_equal(o->items[1].number, 8);
	outbox_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(the_request),
		cmocka_unit_test(answers),
		cmocka_unit_test(an_answer_without_end_ends),
		cmocka_unit_test_setup_teardown(
		    events_wait_over_restarts, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    the_oldest_goes_when_too_many_wait, make_dir, drop_dir),
		cmocka_unit_test(it_is_signed),
		cmocka_unit_test(the_fullest_event_fits),
		cmocka_unit_test_setup_teardown(
		    a_damaged_file_costs_no_more_than_itself, make_dir,
		    drop_dir),
	};

	log_set_level(LOG_LEVEL_ERROR); /* each cut is told */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
