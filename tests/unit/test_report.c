/* The ring of log lines, and the report that is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LOG_MODULE "test"
#include "../../board/host/board.c"
#include "config.c"
#include "log.h"
#include "log_ring.c"
#include "parts.c"
#include "report.c"

static char text[200 * 1024];

static void lines_of_two_processes_are_there(void **state)
{
	struct log_ring *r, *again;
	int fd, status;
	pid_t pid;

	(void)state;
	assert_int_equal(log_ring_make(&r, &fd), RC_OK);
	assert_int_equal(log_ring_read(r, text, sizeof(text)), 0);
	log_ring_use(r);
	log_error("from the parent");
	log_debug("below the level");
	pid = fork();
	if (pid == 0) {
		log_ring_use(NULL);
		if (log_ring_join(fd, &again))
			_exit(1);
		log_ring_use(again);
		log_error("from the child\twith a tab");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	log_ring_use(NULL);
	log_error("not for the ring");
	log_ring_read(r, text, sizeof(text));
	assert_non_null(strstr(text, "from the parent\n"));
	assert_non_null(strstr(text, "from the child?with a tab\n"));
	assert_null(strstr(text, "below"));
	assert_null(strstr(text, "not for"));
	close(fd);
	log_ring_drop(r);
}

static void the_newest_whole_lines_stay(void **state)
{
	char line[600], last[32];
	struct log_ring *r;
	size_t n;
	int fd;

	(void)state;
	assert_int_equal(log_ring_make(&r, &fd), RC_OK);
	log_ring_use(r);
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "line %d %0*d.\n", i, i % 500, 0);
		add(line, strlen(line));
	}
	log_ring_use(NULL);
	n = log_ring_read(r, text, sizeof(text));
	assert_true(n > LOG_RING_TEXT - 600 && n <= LOG_RING_TEXT);
	assert_memory_equal(text, "line ", 5);
	snprintf(last, sizeof(last), "\nline %d ", 999);
	assert_non_null(strstr(text, last));
	n = log_ring_read(r, text, 700); /* a small place gets the newest */
	assert_true(n > 0 && n < 700);
	assert_memory_equal(text, "line 999 ", 9);
	assert_int_equal(log_ring_read(r, text, 1), 0);
	close(fd);
	log_ring_drop(r);
}

/* A child that parses bytes of strangers may write there what it likes. */
static void a_scribbled_ring_is_still_text(void **state)
{
	struct log_ring *r;
	size_t n;
	int fd;

	(void)state;
	assert_int_equal(log_ring_make(&r, &fd), RC_OK);
	memset(r, 0xff, sizeof(*r));
	n = log_ring_read(r, text, sizeof(text));
	assert_true(n <= LOG_RING_TEXT);
	assert_int_equal(strspn(text, "?"), n);
	memset(r->text, 7, sizeof(r->text));
	n = log_ring_read(r, text, sizeof(text));
	assert_int_equal(strspn(text, "?"), n);
	assert_int_not_equal(ftruncate(fd, 0), 0); /* sealed */
	close(fd);
	log_ring_drop(r);
}

static void what_is_no_ring_is_refused(void **state)
{
	struct log_ring *r;
	int fd = memfd_create("other", 0);

	(void)state;
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(log_ring_join(fd, &r), RC_NOTFOUND);
	assert_int_equal(log_ring_join(987, &r), RC_NOTFOUND);
}

static void mask(const char *in, const char *want)
{
	char s[256];

	snprintf(s, sizeof(s), "%s", in);
	report_mask(s);
	assert_string_equal(s, want);
}

static void of_a_udid_four_characters_stay(void **state)
{
	(void)state;
	mask("", "");
	mask("udid=00008120-0010BD9489E70017 rc=0", "udid=...0017 rc=0");
	mask("0123456789abcdef0123456789abcdef01234567", "...4567");
	mask("00008120-0010BD9489E70017", "...0017");
	mask("a date 2026-11-27 10:00 and 1234567890", "a date 2026-11-27 "
						       "10:00 and 1234567890");
	mask("x 00008120-0010BD9489E70017\n00008120-0010BD9489E70018",
	    "x ...0017\n...0018");
}

static void a_report_tells_nothing_of_anybody(void **state)
{
	static const char before[] = "lost udid=00008120-0010BD9489E70017\n";
	static struct status st;
	static struct config c;
	struct log_ring *r[3] = { NULL };
	static char out[64 * 1024];
	int fd[2];

	(void)state;
	config_defaults(&c);
	strcpy(c.mqtt_password, "a secret");
	strcpy(c.mqtt_user, "somebody");
	strcpy(c.wifi_name, "our flat");
	strcpy(c.wifi_password, "correct horse");
	st.wifi.state = STATUS_WIFI_CONNECTED;
	strcpy(st.wifi.name, "our flat");
	strcpy(c.hook_url, "http://house/with-a-key");
	strcpy(c.hook_secret, "another one");
	st.n_phones = 1;
	strcpy(st.phones[0].udid, "00008120-0010BD9489E70017");
	strcpy(st.phones[0].name, "Ana's iPhone");
	assert_int_equal(log_ring_make(&r[0], &fd[0]), RC_OK);
	assert_int_equal(log_ring_make(&r[1], &fd[1]), RC_OK);
	log_ring_use(r[0]);
	log_error("of the page");
	log_ring_use(r[1]);
	log_error("Ana's iPhone was here udid=00008120-0010BD9489E70017");
	log_ring_use(NULL);
	assert_true(report_make(&st, &c, (const struct log_ring *const *)r,
			before, out, sizeof(out)) > 1000);
	assert_non_null(strstr(out, "Nightstand "));
	assert_non_null(strstr(out, "== status ==\n{"));
	assert_non_null(strstr(out, "\n== parts ==\ntest_report pid="));
	assert_non_null(strstr(out, "password = ?\n"));
	assert_non_null(strstr(out, "of the page\n"));
	assert_non_null(strstr(out, "run before ==\nlost udid=...0017\n"));
	assert_non_null(strstr(out, "was here udid=...0017\n"));
	assert_null(strstr(out, "secret\n"));
	assert_null(strstr(out, "somebody"));
	assert_null(strstr(out, "our flat"));
	assert_null(strstr(out, "correct horse"));
	assert_non_null(strstr(out, "name = nightstand\n"));
	assert_null(strstr(out, "with-a-key"));
	assert_null(strstr(out, "another one"));
	assert_null(strstr(out, "Ana"));
	assert_null(strstr(out, "00008120"));
	for (unsigned cap = 1; cap < 4000; cap += 7) /* is cut anywhere */
		assert_true(
		    report_make(&st, &c, (const struct log_ring *const *)r,
			before, out, cap) < cap);
	for (int i = 0; i < 2; i++) {
		close(fd[i]);
		log_ring_drop(r[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_two_processes_are_there),
		cmocka_unit_test(the_newest_whole_lines_stay),
		cmocka_unit_test(a_scribbled_ring_is_still_text),
		cmocka_unit_test(what_is_no_ring_is_refused),
		cmocka_unit_test(of_a_udid_four_characters_stay),
		cmocka_unit_test(a_report_tells_nothing_of_anybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
