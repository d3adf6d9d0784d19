/*
 * The network inside the process: a plain socket on loopback, libslirp, lwIP
 * and the HTTP server, all turned by one loop here. Nothing leaves the
 * machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "mono.h"
#include "nic.h"
#include "web.h"

#define CLIENTS 80

static struct web *web;
static int port;

/* A port that was free a moment ago. */
static int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0), got;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	got = ntohs(a.sin_port);
	close(fd);
	return got;
}

static void turn(int ms)
{
	bool ready;

	assert_int_equal(web_turn(web, -1, ms, &ready), RC_OK);
	assert_false(ready);
}

static int dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)port);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static void say(int fd, const char *text)
{
	int64_t end = mono_ms() + 3000;
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		assert_true(mono_ms() < end);
		turn(2);
	}
}

/* Reads until `mark` has come, the peer closes or 3 s have passed. */
static size_t hear(int fd, const char *mark, char *out, size_t cap)
{
	int64_t end = mono_ms() + 3000;
	size_t n = 0;

	out[0] = '\0';
	while (mono_ms() < end && n < cap - 1) {
		ssize_t got = recv(fd, out + n, cap - 1 - n, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			break;
		if (got > 0) {
			n += (size_t)got;
			out[n] = '\0';
			if (mark && strstr(out, mark))
				break;
		}
		turn(2);
	}
	return n;
}

static int set_up(void **state)
{
	struct web_nic nic;

	(void)state;
	port = free_port();
	if (nic_open(&(struct nic_opts){ .kind = "slirp", .port = port },
		&nic) != RC_OK)
		return -1;
	return web_open(
		   &(struct web_opts){ .nic = &nic,
		       .open = AUTH_OPEN_ALL,
		       .net = { .name = "nightstand", .address = "dhcp" } },
		   &web) != RC_OK;
}

static int tear_down(void **state)
{
	(void)state;
	web_close(web);
	web = NULL;
	return 0;
}

#define GET "GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void the_page_comes_over_the_network(void **state)
{
	static char out[262144];
	const char *body;
	long len;
	int fd = dial();

	(void)state;
	say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	hear(fd, "</html>", out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200 OK"));
	len = strtol(strstr(out, "Content-Length: ") + 16, NULL, 10);
	body = strstr(out, "\r\n\r\n") + 4;
	assert_non_null(strstr(body, "</html>"));
	assert_true((long)strlen(body) >= len - 1); /* but the last newline */

	/* the same connection once more */
	say(fd, GET);
	hear(fd, "\"nights\":[]}", out, sizeof(out));
	assert_non_null(strstr(out, "\"nights\":[]}"));
	close(fd);
}

static void a_change_reaches_a_live_stream(void **state)
{
	static char out[262144];
	struct status st = { 0 };
	int fd = dial();

	(void)state;
	say(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
	hear(fd, "\"nights\":[]}\n\n", out, sizeof(out));
	assert_non_null(strstr(out, "\"state\":\"starting\""));
	st.box_state = st.state = STATE_NO_DISK;
	st.phone = -1;
	web_set_status(web, &st);
	hear(fd, "\"nights\":[]}\n\n", out, sizeof(out));
	assert_non_null(strstr(out, "\"state\":\"no_disk\""));
	close(fd);
}

/* More than there are places, all silent: who asks is answered. */
static void idle_connections_do_not_starve_the_page(void **state)
{
	static char out[262144];
	int fds[CLIENTS], fd;

	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = dial();
		for (int k = 0; k < 4; k++)
			turn(1); /* slirp listens with a backlog of one */
	}
	fd = dial();
	say(fd, GET);
	hear(fd, "\"nights\":[]}", out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200 OK"));
	close(fd);
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
	for (int i = 0; i < 20; i++)
		turn(5);
}

/* Both ends may go at any moment; the next one is served all the same. */
static void connections_may_break_anywhere(void **state)
{
	static char out[262144];
	int fd;

	(void)state;
	for (unsigned cut = 0; cut < sizeof(GET); cut += 3) {
		struct linger now = { .l_onoff = 1, .l_linger = 0 };
		char text[sizeof(GET)];

		memcpy(text, GET, sizeof(GET));
		text[cut < sizeof(GET) - 1 ? cut : sizeof(GET) - 1] = '\0';
		fd = dial();
		say(fd, text);
		if (cut % 2) /* a reset in place of an orderly end */
			setsockopt(
			    fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
		turn(1);
	}
	fd = dial();
	say(fd, GET);
	hear(fd, "\"nights\":[]}", out, sizeof(out));
	assert_non_null(strstr(out, "HTTP/1.1 200 OK"));
	close(fd);
}

static void the_loop_wakes_for_its_pipe(void **state)
{
	int64_t start = mono_ms();
	bool ready = false;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	while (!ready && mono_ms() - start < 2000)
		assert_int_equal(web_turn(web, fds[0], 2000, &ready), RC_OK);
	assert_true(ready);
	close(fds[0]);
	close(fds[1]);
}

static void a_taken_port_and_nonsense_are_refused(void **state)
{
	struct web_nic nic, other;
	int p = free_port();

	(void)state;
	assert_int_equal(
	    nic_open(&(struct nic_opts){ .kind = "slirp", .port = 0 }, &nic),
	    RC_CONFIG);
	assert_int_equal(
	    nic_open(
		&(struct nic_opts){ .kind = "slirp", .port = 70000 }, &nic),
	    RC_CONFIG);
	assert_int_equal(nic_open(&(struct nic_opts){ .kind = "slirp",
				      .listen = "localhost",
				      .port = p },
			     &nic),
	    RC_CONFIG);
	assert_int_equal(
	    nic_open(&(struct nic_opts){ .kind = "carrier pigeon", .port = p },
		&nic),
	    RC_UNSUPPORTED);
	assert_int_equal(
	    nic_open(&(struct nic_opts){ .kind = "slirp", .port = p }, &nic),
	    RC_OK);
	assert_int_equal(
	    nic_open(&(struct nic_opts){ .kind = "slirp", .port = p }, &other),
	    RC_BUSY);
	nic.ops->close(nic.ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_page_comes_over_the_network, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_change_reaches_a_live_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    idle_connections_do_not_starve_the_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    connections_may_break_anywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    the_loop_wakes_for_its_pipe, set_up, tear_down),
		cmocka_unit_test(a_taken_port_and_nonsense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
