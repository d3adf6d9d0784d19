/*
 * An update that is sent through the page, without a network or a box: the form
 * around it cut everywhere, the body taken only as fast as it goes on, and what
 * ends it. Bytes in, bytes out, a clock by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http_conn.h"
#include "log.h"
#include "mono.h"
#include "multipart.h"
#include "site.h"

/* --- the form -------------------------------------------------------------------- */

static struct got {
	char fields[256]; /* "name=value;" */
	unsigned files;
	char data[4096];
	size_t len;
} got;

static enum rc on_field(void *ctx, const char *name, const char *value)
{
	size_t n = strlen(got.fields);

	(void)ctx;
	snprintf(got.fields + n, sizeof(got.fields) - n, "%s=%s;", name, value);
	return RC_OK;
}

static enum rc on_file(void *ctx)
{
	(void)ctx;
	got.files++;
	return RC_OK;
}

static enum rc on_data(void *ctx, const char *data, size_t len)
{
	(void)ctx;
	assert_true(len > 0 && len <= sizeof(got.data) - got.len);
	assert_int_equal(got.files, 1);
	memcpy(got.data + got.len, data, len);
	got.len += len;
	return RC_OK;
}

static const struct multipart_sink sink = { NULL, on_field, on_file, on_data };

#define TYPE "multipart/form-data; boundary=XyZ"

/* In pieces of `step`, the first one of `first`. */
static enum rc feed(const char *form, size_t len, size_t first, size_t step)
{
	struct multipart m;
	enum rc rc = multipart_begin(&m, TYPE, &sink);
	size_t n = first;

	memset(&got, 0, sizeof(got));
	for (size_t at = 0; !rc && at < len; at += n, n = step) {
		size_t before = got.len;

		if (n > len - at)
			n = len - at;
		rc = multipart_feed(&m, form + at, n);
		assert_true(got.len - before <= n + MULTIPART_MARK_MAX);
	}
	if (rc)
		return rc;
	return multipart_is_whole(&m) ? RC_OK : RC_BUSY;
}

/* What looks like a mark nearly. */
static const char contents[] = "\r\n--XyQ\r\n--Xy\r\r\n--X\0\r\n-\r\n\r\n--XyZ-"
			       "\r\n--xyz\r\n---XyZ--XyZ\r";
/* The mark within them is one whole: it ends the file. */
#define FILE_LEN (sizeof("\r\n--XyQ\r\n--Xy\r\r\n--X\0\r\n-\r\n") - 1)

static size_t form_of(char *out, const char *data, size_t len)
{
	static const char before[] =
	    "--XyZ\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n"
	    "0123\r\n--XyZ\r\ncontent-disposition: form-data; "
	    "filename=\"a; name=\\\"csrf\\\".update\"; name=\"file\"\r\n"
	    "Content-Type: application/octet-stream\r\n\r\n";
	static const char after[] = "\r\n--XyZ--\r\n";
	size_t n = sizeof(before) - 1;

	memcpy(out, before, n);
	memcpy(out + n, data, len);
	memcpy(out + n + len, after, sizeof(after) - 1);
	return n + len + sizeof(after) - 1;
}

static void the_form_is_read_however_it_is_cut(void **state)
{
	char form[1024];
	size_t len = form_of(form, contents, FILE_LEN);

	(void)state;
	for (size_t step = 1; step <= len; step++)
		for (size_t first = 1; first <= (step < 8 ? len : 1); first++) {
			assert_int_equal(feed(form, len, first, step), RC_OK);
			assert_string_equal(got.fields, "csrf=0123;");
			assert_int_equal(got.len, FILE_LEN);
			assert_memory_equal(got.data, contents, FILE_LEN);
		}
	/* Not whole before its last mark is. */
	for (size_t n = 0; n < len - 2; n++)
		assert_int_equal(feed(form, n, n ? n : 1, 1), RC_BUSY);
	len = form_of(form, "", 0);
	assert_int_equal(feed(form, len, 1, 7), RC_OK);
	assert_int_equal(got.len, 0);
}

static void each_byte_of_a_form_may_be_another(void **state)
{
	char form[1024];
	size_t len = form_of(form, "abc\r\n", 5);

	(void)state;
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			enum rc rc;

			form[i] = (char)(form[i] ^ (1 << bit));
			rc = feed(form, len, 3, 5);
			assert_true(got.files <= 1 && got.len < len);
			/* What is whole has had a file. */
			assert_true(rc != RC_OK || got.files == 1);
			form[i] = (char)(form[i] ^ (1 << bit));
		}
}

#define PART(head) "--XyZ\r\n" head "\r\n\r\n"
#define FILE_PART                                                              \
	PART("Content-Disposition: form-data; name=\"f\"; filename=\"\"")
#define END "\r\n--XyZ--"

static void what_is_no_such_form_is_refused(void **state)
{
	static const char *const bad[] = {
		"preamble\r\n" FILE_PART "a" END,
		"\r\n" FILE_PART "a" END,
		"--XyZ\r\n\r\na" END,
		PART("Content-Type: text/plain") "a" END,
		PART("Content-Disposition: attachment; name=\"a\"") "a" END,
		PART("Content-Disposition: form-data") "a" END,
		PART("Content-Disposition: form-data; name=\"a") "a" END,
		PART("Content-Disposition: form-data; name=\"a\" x") "a" END,
		PART("Content-Disposition: form-data; name=\"a\"; "
		     "name=\"b\"") "a" END,
		PART("Content-Disposition: form-data; name=\"a\"\r\n"
		     "Content-Disposition: form-data; name=\"b\"") "a" END,
		PART("Content-Disposition: form-data;\r\n name=\"a\"") "a" END,
		PART(
		    "Content-Disposition: form-data; "
		    "name=\"0123456789012345678901234567890123456789\"") "a" END,
		FILE_PART "a\r\n" FILE_PART "b" END, /* two files */
		FILE_PART "a\r\n" PART(
		    "Content-Disposition: form-data; name=\"a\"") "b" END,
		FILE_PART "a\r\n--XyZ\n",
		FILE_PART "a\r\n--XyZx",
		FILE_PART "a\r\n--XyZ-x",
	};
	static const char *const types[] = { "", "text/plain",
		"multipart/form-data", "multipart/form-data; boundary=",
		"multipart/form-data; boundary=a\rb",
		"multipart/form-data; boundary=\"a",
		"multipart/form-data; boundary=\"a \"",
		"multipart/form-data; boundary=a; boundary=b",
		"multipart/form-datax; boundary=a",
		"multipart/form-data; boundary="
		"0123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789" };
	char head[1500] = "--XyZ\r\nX: ";
	struct multipart m;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (size_t step = 1; step < 99; step += 49)
			if (feed(bad[i], strlen(bad[i]), step, step) !=
			    RC_PROTO)
				fail_msg("form %zu is taken", i);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (multipart_begin(&m, types[i], &sink) != RC_PROTO)
			fail_msg("type %zu is taken", i);
	assert_int_equal(
	    multipart_begin(
		&m, "Multipart/Form-Data ;x=\"a;b\"; Boundary=\"a b\"", &sink),
	    RC_OK);
	assert_string_equal(m.mark, "\r\n--a b");
	/* What goes on for ever. */
	memset(head + strlen(head), 'x', 1400);
	assert_int_equal(feed(head, 1400, 7, 7), RC_LIMIT);
	memcpy(head, PART("Content-Disposition: form-data; name=\"a\""), 52);
	assert_int_equal(feed(head, 1400, 7, 7), RC_LIMIT);
}

/* --- the body, on its way to the box ------------------------------------------------ */

#define PIN "123456"

static struct site *site;
static struct http_conn conn;
static struct box {
	unsigned begins, ends, drops;
	uint32_t number;
	char data[200000];
	size_t len;
	bool deaf; /* it takes nothing */
	bool answers; /* begin is answered at once */
	const char *why; /* it refuses the end */
} box;
static char out[200000], cookie[128], csrf[65];
static int64_t now;

static size_t drain(struct http_conn *c)
{
	struct http_piece piece;
	bool lasting;
	size_t n = 0;

	while (http_conn_peek(c, &piece, &lasting)) {
		assert_true(n + piece.len < sizeof(out));
		memcpy(out + n, piece.data, piece.len);
		n += piece.len;
		http_conn_queued(c, piece.len);
		http_conn_acked(c, piece.len, now);
	}
	out[n] = '\0';
	return n;
}

static void say(bool over)
{
	struct web_upload_said said = {
		.number = box.number,
		.taken = box.len,
		.over = over,
		.good = over && !box.why,
		.version = "9.9",
	};

	if (box.why)
		snprintf(said.why, sizeof(said.why), "%s", box.why);
	site_upload_said(site, &said);
}

/* What the box's role does with all that is passed on. */
static void turn(void)
{
	static struct web_upload u;

	while (!box.deaf && site_take_upload(site, &u)) {
		if (u.what == WEB_UPLOAD_BEGIN) {
			box.begins++;
			box.number = u.number;
			box.len = 0;
			if (box.answers)
				say(false);
			continue;
		}
		if (u.what == WEB_UPLOAD_DROP) {
			box.drops++;
			continue;
		}
		assert_int_equal(u.number, box.number);
		if (u.what == WEB_UPLOAD_DATA) {
			assert_true(u.len > 0 && u.len <= WEB_UPLOAD_PIECE);
			assert_true(box.len + u.len <= sizeof(box.data));
			memcpy(box.data + box.len, u.data, u.len);
			box.len += u.len;
			say(false);
		} else {
			box.ends++;
			say(true);
		}
	}
}

static void ask(const char *text)
{
	struct http_conn c;

	http_conn_init(&c, site_http(site), now);
	assert_int_equal(
	    http_conn_feed(&c, text, strlen(text), now), strlen(text));
	drain(&c);
	http_conn_fini(&c);
}

static void sign_in(void)
{
	const char *at;
	char text[512];

	ask("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
	    "\r\npin=" PIN);
	at = strstr(out, "Set-Cookie: ");
	assert_non_null(at);
	at += strlen("Set-Cookie: ");
	snprintf(cookie, sizeof(cookie), "Cookie: %.*s\r\n",
	    (int)strcspn(at, ";"), at);
	snprintf(text, sizeof(text),
	    "GET /api/session HTTP/1.1\r\nHost: localhost\r\n%s\r\n", cookie);
	ask(text);
	at = strstr(out, "\"csrf\":\"");
	assert_non_null(at);
	memcpy(csrf, at + 8, 64);
}

static int set_up(void **state)
{
	static const uint8_t salt[AUTH_SALT] = "salt";
	struct status st = { .now_at = 1700000000, .phone = -1 };
	uint8_t hash[AUTH_HASH];

	(void)state;
	memset(&box, 0, sizeof(box));
	box.answers = true;
	now = 1000;
	assert_int_equal(site_new(NULL, AUTH_OPEN_ALL, false, &site), RC_OK);
	st.update.can = true;
	site_set_status(site, &st);
	auth_hash_pin(salt, PIN, hash);
	site_set_pin(site, salt, hash);
	sign_in();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	site_free(site);
	return 0;
}

static void begin(const char *path, const char *more, size_t len)
{
	static char head[2048];

	snprintf(head, sizeof(head),
	    "POST %s HTTP/1.1\r\nHost: localhost\r\n%sX-CSRF: %s\r\n%s"
	    "Content-Length: %zu\r\n\r\n",
	    path, cookie, csrf, more, len);
	http_conn_init(&conn, site_http(site), now);
	assert_int_equal(
	    http_conn_feed(&conn, head, strlen(head), now), strlen(head));
}

/* All of it, in pieces of `step`; how much was taken. */
static size_t send_all(const char *data, size_t len, size_t step)
{
	size_t at = 0, tries = 0;

	while (at < len && ++tries < 1000000) {
		size_t n = len - at < step ? len - at : step;
		size_t used = http_conn_feed(&conn, data + at, n, now);

		assert_true(used <= n);
		at += used;
		assert_int_equal(http_conn_tick(&conn, now), HTTP_CONN_KEEP);
		if (conn.state != HTTP_CONN_BODY)
			break;
		turn();
		if (!used && box.deaf)
			break;
	}
	turn();
	http_conn_tick(&conn, now);
	turn();
	http_conn_tick(&conn, now);
	return at;
}

static int answered(void)
{
	int status = 0;

	drain(&conn);
	assert_int_equal(sscanf(out, "HTTP/1.1 %d", &status), 1);
	return status;
}

static char file[150000];

static void fill_file(void)
{
	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (char)(i * 7 + i / 251);
}

static void all_of_it_goes_on_however_it_is_cut(void **state)
{
	static const size_t lens[] = { 0, 1, 4096, WEB_UPLOAD_PIECE - 1,
		WEB_UPLOAD_PIECE, WEB_UPLOAD_PIECE + 1, 150000 };

	(void)state;
	fill_file();
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (size_t step = 1; step < 70000; step = step * 5 + 1) {
			begin("/api/update", "", lens[i]);
			assert_int_equal(
			    send_all(file, lens[i], step), lens[i]);
			assert_int_equal(answered(), 200);
			assert_non_null(strstr(out, "\"ok\":true"));
			assert_int_equal(box.len, lens[i]);
			assert_memory_equal(box.data, file, lens[i]);
			/* The connection is good for another request. */
			assert_int_equal(conn.state, HTTP_CONN_IDLE);
			http_conn_fini(&conn);
		}
	assert_int_equal(box.begins, box.ends);
	assert_int_equal(box.drops, 0);
}

static void by_a_form_however_it_is_cut(void **state)
{
	static char form[160000];
	char type[128], *at;
	size_t len;

	(void)state;
	fill_file();
	snprintf(type, sizeof(type), "Content-Type: " TYPE "\r\n");
	len = (size_t)sprintf(form,
	    "--XyZ\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n%s"
	    "\r\n--XyZ\r\nContent-Disposition: form-data; name=\"file\"; "
	    "filename=\"a\"\r\n\r\n",
	    csrf);
	at = csrf; /* in the form, not in the head */
	memcpy(form + len, file, sizeof(file));
	len += sizeof(file);
	len += (size_t)sprintf(form + len, "\r\n--XyZ--\r\n");
	*at ^= 1;
	for (size_t step = 1; step < 70000; step = step * 5 + 1) {
		begin("/update", type, len);
		assert_int_equal(send_all(form, len, step), len);
		assert_int_equal(answered(), 303);
		assert_non_null(strstr(out, "Location: /update\r\n"));
		assert_int_equal(box.len, sizeof(file));
		assert_memory_equal(box.data, file, sizeof(file));
		http_conn_fini(&conn);
	}
	/* Its last mark is missing. */
	begin("/update", type, len - 4);
	send_all(form, len - 4, 999);
	assert_int_equal(answered(), 400);
	http_conn_fini(&conn);
	turn();
	assert_int_equal(box.drops, 1);
	/* Another token: nothing of the file goes on. */
	form[strcspn(form, "\n") + 60] ^= 1;
	box.begins = 0;
	begin("/update", type, len);
	send_all(form, len, 999);
	assert_int_equal(answered(), 403);
	assert_int_equal(box.begins, 0);
	http_conn_fini(&conn);
}

static void no_byte_before_its_owner_is_known(void **state)
{
	(void)state;
	begin("/api/update", "Origin: http://elsewhere\r\n", 5000);
	assert_int_equal(conn.state, HTTP_CONN_REPLY);
	assert_int_equal(answered(), 403);
	http_conn_fini(&conn);
	csrf[3] ^= 1;
	begin("/api/update", "", 5000);
	assert_int_equal(answered(), 403);
	csrf[3] ^= 1;
	http_conn_fini(&conn);
	cookie[20] ^= 1;
	begin("/api/update", "Expect: 100-continue\r\n", 5000);
	assert_int_equal(answered(), 401);
	assert_null(strstr(out, "100 Continue"));
	/* The rest is thrown away, for a while, then the end. */
	assert_int_equal(http_conn_tick(&conn, now), HTTP_CONN_KEEP);
	assert_int_equal(http_conn_feed(&conn, file, 3000, now), 3000);
	assert_int_equal(
	    http_conn_tick(&conn, now + HTTP_CONN_REST_MS), HTTP_CONN_KEEP);
	assert_int_equal(http_conn_tick(&conn, now + HTTP_CONN_REST_MS + 1),
	    HTTP_CONN_CLOSE);
	assert_int_equal(http_conn_feed(&conn, file, 2000, now), 2000);
	assert_int_equal(http_conn_tick(&conn, now), HTTP_CONN_CLOSE);
	http_conn_fini(&conn);
	cookie[20] ^= 1;
	begin("/api/update", "", WEB_UPLOAD_MAX + 1);
	assert_int_equal(answered(), 413);
	http_conn_fini(&conn);
	turn();
	assert_int_equal(box.begins, 0);
}

static void it_is_asked_for_with_100_continue(void **state)
{
	(void)state;
	begin("/api/update", "Expect: 100-Continue\r\n", 5000);
	assert_int_equal(answered(), 100);
	assert_int_equal(conn.state, HTTP_CONN_BODY);
	send_all(file, 5000, 700);
	assert_int_equal(answered(), 200);
	http_conn_fini(&conn);
}

/* The box takes nothing: no more is taken of the peer than it can hold. */
static void a_slow_card_slows_the_peer_down(void **state)
{
	size_t at;

	(void)state;
	fill_file();
	box.deaf = true;
	begin("/api/update", "", sizeof(file));
	at = send_all(file, sizeof(file), 1460);
	assert_int_equal(at, WEB_UPLOAD_PIECE);
	/* That is not the peer's fault, for a minute or so. */
	now += HTTP_CONN_BODY_MS + 1;
	assert_int_equal(http_conn_tick(&conn, now), HTTP_CONN_KEEP);
	assert_int_equal(conn.state, HTTP_CONN_BODY);
	box.deaf = false;
	send_all(file + at, sizeof(file) - at, 1460);
	assert_int_equal(answered(), 200);
	assert_int_equal(box.len, sizeof(file));
	assert_memory_equal(box.data, file, sizeof(file));
	http_conn_fini(&conn);
}

static void before_the_box_answers_nothing_goes_on(void **state)
{
	(void)state;
	box.answers = false;
	begin("/api/update", "", sizeof(file));
	assert_int_equal(
	    http_conn_feed(&conn, file, 30000, now), WEB_UPLOAD_PIECE);
	turn();
	assert_int_equal(box.begins, 1);
	assert_int_equal(box.len, 0);
	say(false);
	turn();
	assert_int_equal(box.len, WEB_UPLOAD_PIECE);
	http_conn_fini(&conn);
	turn();
	assert_int_equal(box.drops, 1);
}

static void who_stalls_is_told_and_dropped(void **state)
{
	(void)state;
	begin("/api/update", "", sizeof(file));
	http_conn_feed(&conn, file, 100, now);
	turn();
	now += HTTP_CONN_BODY_MS;
	assert_int_equal(http_conn_tick(&conn, now), HTTP_CONN_KEEP);
	assert_int_equal(conn.state, HTTP_CONN_BODY);
	now++;
	http_conn_tick(&conn, now);
	assert_int_equal(answered(), 408);
	assert_int_equal(conn.state, HTTP_CONN_OVER);
	http_conn_fini(&conn);
	turn();
	assert_int_equal(box.drops, 1);
	/* A byte at a time does not last for ever. */
	begin("/api/update", "", sizeof(file));
	for (int64_t end = now + HTTP_CONN_WHOLE_MS; now <= end; now += 15000) {
		assert_int_equal(conn.state, HTTP_CONN_BODY);
		http_conn_feed(&conn, file, 1, now);
		turn();
		http_conn_tick(&conn, now);
	}
	http_conn_tick(&conn, now);
	assert_int_equal(answered(), 408);
	http_conn_fini(&conn);
}

static void one_at_a_time(void **state)
{
	struct http_conn first;

	(void)state;
	begin("/api/update", "", sizeof(file));
	first = conn;
	begin("/api/update", "", sizeof(file));
	assert_int_equal(answered(), 409);
	assert_non_null(strstr(out, "being sent already"));
	http_conn_fini(&conn);
	turn();
	assert_int_equal(box.drops, 0);
	http_conn_fini(&first);
	turn();
	assert_int_equal(box.begins, 1);
	assert_int_equal(box.drops, 1);
	begin("/api/update", "", 100);
	send_all(file, 100, 100);
	assert_int_equal(answered(), 200);
	http_conn_fini(&conn);
}

/* The box says no in the middle, or at the end; what it says of another one
 * does not count. */
static void why_not_is_told(void **state)
{
	struct web_upload_said other = { .number = 99, .over = 1, .good = 1 };

	(void)state;
	box.why = "it is <b>";
	begin("/api/update", "", sizeof(file));
	http_conn_feed(&conn, file, 20000, now);
	turn();
	site_upload_said(site, &other);
	http_conn_tick(&conn, now);
	assert_int_equal(conn.state, HTTP_CONN_BODY);
	say(true);
	http_conn_tick(&conn, now);
	assert_int_equal(conn.state, HTTP_CONN_REPLY);
	/* The rest still comes. */
	assert_int_equal(http_conn_feed(&conn, file, 50000, now), 50000);
	assert_int_equal(answered(), 400);
	assert_non_null(strstr(out, "{\"error\":\"Not taken: it is <b>.\"}"));
	assert_non_null(strstr(out, "Connection: close"));
	http_conn_fini(&conn);
	begin("/api/update", "", 100);
	send_all(file, 100, 100);
	assert_int_equal(answered(), 400);
	assert_non_null(strstr(out, "Connection: keep-alive"));
	http_conn_fini(&conn);
	assert_int_equal(box.drops, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_form_is_read_however_it_is_cut),
		cmocka_unit_test(each_byte_of_a_form_may_be_another),
		cmocka_unit_test(what_is_no_such_form_is_refused),
		cmocka_unit_test_setup_teardown(
		    all_of_it_goes_on_however_it_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    by_a_form_however_it_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    no_byte_before_its_owner_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    it_is_asked_for_with_100_continue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_slow_card_slows_the_peer_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    before_the_box_answers_nothing_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_stalls_is_told_and_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    one_at_a_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    why_not_is_told, set_up, tear_down),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
