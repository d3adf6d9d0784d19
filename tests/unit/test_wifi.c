/* What wpa_supplicant tells, and a supplicant that this test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wifi_supplicant.c"

static struct wifi_state searching(void)
{
	return (struct wifi_state){ .state = STATUS_WIFI_SEARCHING };
}

static void it_joins_and_leaves(void **state)
{
	struct wifi_state s = searching();

	(void)state;
	assert_false(wifi_event_take(&s, "<3>CTRL-EVENT-SCAN-STARTED "));
	assert_false(wifi_event_take(&s, "<3>Trying to associate"));
	assert_true(wifi_event_take(&s,
	    "<3>CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:01:00 "
	    "completed [id=0 id_str=]"));
	assert_int_equal(s.state, STATUS_WIFI_CONNECTED);
	assert_false(wifi_event_take(&s, "<3>CTRL-EVENT-CONNECTED again"));
	assert_true(wifi_event_take(
	    &s, "<3>CTRL-EVENT-DISCONNECTED bssid=02:00:00:00:01:00 reason=3"));
	assert_int_equal(s.state, STATUS_WIFI_SEARCHING);
	assert_true(wifi_event_take(&s, "<3>CTRL-EVENT-NETWORK-NOT-FOUND "));
	assert_int_equal(s.state, STATUS_WIFI_NOT_FOUND);
}

/* It is tried again and again: each try ends with a disconnection. */
static void wrong_password_stays_wrong(void **state)
{
	struct wifi_state s = searching();

	(void)state;
	assert_false(wifi_event_take(
	    &s, "<3>CTRL-EVENT-DISCONNECTED bssid=02:00 reason=15"));
	assert_true(wifi_event_take(&s,
	    "<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"Ana's \\\"home\" "
	    "auth_failures=1 duration=10 reason=WRONG_KEY"));
	assert_int_equal(s.state, STATUS_WIFI_PASSWORD);
	assert_false(wifi_event_take(
	    &s, "<3>CTRL-EVENT-DISCONNECTED bssid=02:00 reason=15"));
	assert_int_equal(s.state, STATUS_WIFI_PASSWORD);
	assert_true(wifi_event_take(&s, "<3>CTRL-EVENT-CONNECTED - "));
	s = searching();
	assert_true(wifi_event_take(&s,
	    "<3>CTRL-EVENT-AUTH-REJECT 02:00:00:00:01:00 auth_type=3 "
	    "auth_transaction=2 status_code=15"));
	assert_int_equal(s.state, STATUS_WIFI_PASSWORD);
}

/* A network may be called like a reason. */
static void names_are_no_reasons(void **state)
{
	struct wifi_state s = searching();

	(void)state;
	assert_false(wifi_event_take(&s,
	    "<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"x "
	    "reason=WRONG_KEY\" auth_failures=1 duration=10 "
	    "reason=CONN_FAILED"));
	assert_false(wifi_event_take(
	    &s, "<3>Trying to associate with SSID 'CTRL-EVENT-CONNECTED'"));
	assert_false(wifi_event_take(&s, ""));
	assert_false(wifi_event_take(&s, "<"));
	assert_false(wifi_event_take(&s, "<3"));
	assert_int_equal(s.state, STATUS_WIFI_SEARCHING);
}

static void weak_is_told_once(void **state)
{
	struct wifi_state s = searching();

	(void)state;
	assert_false(wifi_event_signal(&s, "RSSI=-90\n"));
	assert_int_equal(s.signal_dbm, 0);
	assert_true(wifi_event_take(&s, "<3>CTRL-EVENT-CONNECTED - "));
	assert_false(wifi_event_signal(&s, "RSSI=-51\nLINKSPEED=54\n"));
	assert_int_equal(s.signal_dbm, -51);
	assert_true(wifi_event_signal(&s, "RSSI=-76\n"));
	assert_int_equal(s.state, STATUS_WIFI_WEAK);
	/* Around the bound nothing flutters. */
	assert_false(wifi_event_signal(&s, "RSSI=-74\n"));
	assert_false(wifi_event_signal(&s, "RSSI=-76\n"));
	assert_true(wifi_event_signal(&s, "RSSI=-70\n"));
	assert_int_equal(s.state, STATUS_WIFI_CONNECTED);
	assert_false(wifi_event_signal(&s, "RSSI=9999\n"));
	assert_false(wifi_event_signal(&s, "RSSI=-9999\n"));
	assert_false(wifi_event_signal(&s, "FAIL\n"));
	assert_int_equal(s.signal_dbm, -70);
}

static void commands_hold_any_name(void **state)
{
	char out[128];

	(void)state;
	assert_true(wifi_set_hex(out, sizeof(out), "ssid", "a\"\n\xc3\xa9"));
	assert_string_equal(out, "SET_NETWORK 0 ssid 61220ac3a9");
	assert_false(wifi_set_hex(out, 20, "ssid", "toolong"));
	assert_true(wifi_set_quoted(out, sizeof(out), "psk", "a\"b c;d"));
	assert_string_equal(out, "SET_NETWORK 0 psk \"a\"b c;d\"");
	assert_false(wifi_set_quoted(out, 20, "psk", "toolong"));
}

/* --- a supplicant that is played ------------------------------------------------ */

#define SAID_MAX 2000

struct play {
	int fd;
	struct wifi w;
	char dir[32], said[SAID_MAX];
};

/* Answers `n` commands; "FAIL" to the one that begins with `refuse`. */
static void play(struct play *p, unsigned n, const char *refuse)
{
	char line[WIFI_LINE_MAX];
	struct sockaddr_un from;
	socklen_t len;

	for (unsigned i = 0; i < n; i++) {
		const char *answer = "OK\n";
		ssize_t got;

		len = sizeof(from);
		got = recvfrom(p->fd, line, sizeof(line) - 1, 0,
		    (struct sockaddr *)&from, &len);
		assert_true(got > 0);
		line[got] = '\0';
		if (!strcmp(line, "ADD_NETWORK"))
			answer = "0\n";
		if (refuse && !strncmp(line, refuse, strlen(refuse)))
			answer = "FAIL\n";
		/* What happened meanwhile comes before the answer. */
		assert_true(sendto(p->fd, "<3>CTRL-EVENT-NETWORK-NOT-FOUND ",
				32, 0, (struct sockaddr *)&from, len) > 0);
		assert_true(sendto(p->fd, answer, strlen(answer), 0,
				(struct sockaddr *)&from, len) > 0);
	}
}

static void open_play(struct play *p)
{
	struct wifi_opts o = { .interface = "wlan0", .dir = p->dir };
	struct sockaddr_un a;

	memset(p, 0, sizeof(*p));
	strcpy(p->dir, "/tmp/test_wifi.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(open_socket(&o, &p->w.fd), RC_OK);
	p->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_true(address(&a, p->dir, "wlan0"));
	assert_return_code(
	    bind(p->fd, (struct sockaddr *)&a, sizeof(a)), errno);
	assert_int_equal(connect_it(&o, &p->w), RC_OK);
}

static void close_play(struct play *p)
{
	char command[64];

	wifi_close(&p->w);
	close(p->fd);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
}

static enum rc join(
    struct play *p, const char *password, unsigned n, const char *refuse)
{
	pid_t pid = fork();
	int status;
	enum rc rc;

	if (pid == 0) {
		play(p, n, refuse);
		_exit(0);
	}
	rc = wifi_join(&p->w, "home", password, "DE");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return rc;
}

static void it_is_told_what_to_join(void **state)
{
	struct play p;

	(void)state;
	open_play(&p);
	assert_int_equal(join(&p, "correct horse", 8, NULL), RC_OK);
	assert_int_equal(p.w.now.state, STATUS_WIFI_NOT_FOUND);
	assert_int_equal(join(&p, "", 6, NULL), RC_OK);
	/* A country that it does not know costs only that. */
	assert_int_equal(join(&p, "", 6, "SET country"), RC_OK);
	assert_int_equal(
	    join(&p, "correct horse", 5, "SET_NETWORK 0 psk"), RC_PROTO);
	close_play(&p);
}

static void its_end_is_seen(void **state)
{
	struct play p;
	bool changed;

	(void)state;
	open_play(&p);
	assert_int_equal(wifi_ask_signal(&p.w), RC_OK);
	assert_int_equal(wifi_read(&p.w, &changed), RC_OK);
	assert_false(changed);
	close(p.fd);
	p.fd = -1;
	assert_int_equal(wifi_ask_signal(&p.w), RC_IO);
	close_play(&p);
}

/* The whole of wifi_open() with a program that is none. */
static void no_program_is_told(void **state)
{
	char dir[] = "/tmp/test_wifi.XXXXXX", command[64];
	struct wifi_opts o = { "wlan0", "/nowhere/wpa_supplicant", dir,
		"nobody" };
	struct wifi w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(wifi_open(&o, &w), RC_NOTFOUND);
	assert_int_equal(w.fd, -1);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_joins_and_leaves),
		cmocka_unit_test(wrong_password_stays_wrong),
		cmocka_unit_test(names_are_no_reasons),
		cmocka_unit_test(weak_is_told_once),
		cmocka_unit_test(commands_hold_any_name),
		cmocka_unit_test(it_is_told_what_to_join),
		cmocka_unit_test(its_end_is_seen),
		cmocka_unit_test(no_program_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
