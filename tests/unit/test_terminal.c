/* What `nightstand backup` shows, on a pipe and as a live line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meter.c" /* firmware is in no archive */
#include "terminal.c"

static struct status st;

static struct status_phone *reset(void)
{
	struct status_phone *p = &st.phones[0];

	memset(&st, 0, sizeof(st));
	st.n_phones = 1;
	st.now_at = 1795477260;
	snprintf(p->name, sizeof(p->name), "Ana's iPhone");
	p->eta_s = -1;
	p->attached = true;
	return p;
}

static void the_live_line(void **state)
{
	struct status_phone *p = reset();
	char line[200];

	(void)state;
	p->state = STATE_RECEIVING;
	p->pct_x100 = 3850;
	p->bytes_done = 2100000000;
	p->bytes_rate = 45000000;
	p->eta_s = 720;
	terminal_line(&st, 100, line, sizeof(line));
	assert_string_equal(line,
	    "Backing up [#######.............]  38 %  2.1 GB  45 MB/s  "
	    "12 minutes left");
	terminal_line(&st, 40, line, sizeof(line));
	assert_true(strlen(line) < 40);
	p->state = STATE_CHECKING;
	p->pct_x100 = 99999;
	p->bytes_rate = 0;
	p->eta_s = -1;
	terminal_line(&st, 100, line, sizeof(line));
	assert_string_equal(
	    line, "Checking   [####################] 100 %  2.1 GB");
}

static void a_pipe_gets_plain_lines(void **state)
{
	struct status_phone *p = reset();
	struct terminal t;
	FILE *f = tmpfile();
	char text[1000];
	size_t n;

	(void)state;
	assert_non_null(f);
	terminal_init(&t, f);
	assert_false(t.is_tty);
	p->state = STATE_WANTS_PASSCODE;
	terminal_show(&t, &st);
	terminal_show(&t, &st);
	p->state = STATE_RECEIVING;
	for (p->pct_x100 = 0; p->pct_x100 < 2500; p->pct_x100 += 10)
		terminal_show(&t, &st);
	p->state = STATE_SAFE;
	p->last_files = 12345;
	p->last_bytes = 38000000000;
	p->last_new_files = 1;
	p->last_new_bytes = 999;
	p->versions = 3;
	terminal_summary(&t, &st, "/mnt/x", 75);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	assert_null(strchr(text, '\r'));
	assert_null(strchr(text, '\x1b'));
	assert_string_equal(text,
	    "Enter the passcode on Ana's iPhone. iOS asks for it at every "
	    "backup. The box waits about three minutes, then asks again when "
	    "you unlock it.\n"
	    "Backing up Ana's iPhone: 0 %. Leave it plugged in.\n"
	    "Backing up [##..................]  10 %  0 bytes\n"
	    "Backing up [####................]  20 %  0 bytes\n"
	    "Everything on Ana's iPhone is safe: 12,345 files, 38 GB, each "
	    "read back and checked.\n"
	    "New this time: 1 file, 999 bytes, in 1 minute. Versions kept: "
	    "3.\n"
	    "It is in /mnt/x\n");
}

static void speed_and_time_left(void **state)
{
	struct status_phone *p = reset();
	struct msg_progress in = { .phase = MSG_PHASE_RECEIVING };
	struct meter m;

	(void)state;
	meter_reset(&m, p);
	/* 10 MB and one percent a second. */
	for (int s = 0; s <= 20; s++) {
		in.pct_x100 = (uint32_t)s * 100;
		in.bytes_done = (uint64_t)s * 10000000;
		meter_progress(&m, p, &in, 5000 + s * 1000);
		if (s < 2)
			assert_int_equal(p->eta_s, -1);
	}
	assert_int_equal(p->bytes_rate, 10000000);
	assert_int_equal(p->eta_s, 80);
	/* The check counts anew. */
	in = (struct msg_progress){ .phase = MSG_PHASE_VERIFYING };
	meter_progress(&m, p, &in, 26000);
	assert_int_equal(p->bytes_rate, 0);
	assert_int_equal(p->eta_s, -1);
	/* Nor does a number that steps back do harm. */
	in.bytes_done = 5;
	in.pct_x100 = 10000;
	meter_progress(&m, p, &in, 28000);
	in.bytes_done = 1;
	in.pct_x100 = 0;
	meter_progress(&m, p, &in, 30000);
	assert_int_equal(p->eta_s, -1);
}

static void what_the_phone_says_comes_before_the_vault(void **state)
{
	struct status_phone *p = reset();
	struct msg_phone phone = { .battery_pct = 80 };
	struct msg_kept kept = { .versions = 3, .at = 77 };

	(void)state;
	snprintf(phone.name, sizeof(phone.name), "New name");
	snprintf(phone.product_type, sizeof(phone.product_type), "iPhone15,4");
	snprintf(kept.name, sizeof(kept.name), "Old name");
	snprintf(kept.ios, sizeof(kept.ios), "18.1");
	meter_phone(p, &phone);
	meter_kept(p, &kept);
	assert_string_equal(p->name, "New name");
	assert_string_equal(p->model, "iPhone 15");
	assert_string_equal(p->ios, "18.1");
	assert_int_equal(p->versions, 3);
	assert_int_equal(p->last_good_at, 77);
}

static void each_phase_has_a_state(void **state)
{
	(void)state;
	for (int i = 0; i < MSG_PHASE_COUNT_; i++)
		assert_int_not_equal(
		    meter_state((enum msg_phase)i), STATE_BOX_FAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_live_line),
		cmocka_unit_test(a_pipe_gets_plain_lines),
		cmocka_unit_test(speed_and_time_left),
		cmocka_unit_test(what_the_phone_says_comes_before_the_vault),
		cmocka_unit_test(each_phase_has_a_state),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
