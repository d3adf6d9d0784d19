/* The button: from a contact that bounces to presses, and the kernel's events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "button_input.c"

/* --- the contact ------------------------------------------------------------------- */

static void press_is_short(void **state)
{
	struct button_contact c;

	(void)state;
	button_contact_begin(&c, false, 0);
	assert_int_equal(button_contact_next(&c), 0);
	assert_int_equal(button_contact_edge(&c, true, 1000), BUTTON_NONE);
	assert_int_equal(button_contact_next(&c), 1030);
	assert_int_equal(button_contact_due(&c, 1030), BUTTON_NONE);
	assert_true(c.down);
	assert_int_equal(button_contact_next(&c), 4000);
	assert_int_equal(button_contact_edge(&c, false, 1200), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 1229), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 1230), BUTTON_SHORT);
	assert_int_equal(button_contact_due(&c, 1231), BUTTON_NONE);
	assert_int_equal(button_contact_next(&c), 0);
}

static void press_is_long_while_it_is_held(void **state)
{
	struct button_contact c;

	(void)state;
	button_contact_begin(&c, false, 0);
	assert_int_equal(button_contact_edge(&c, true, 1000), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 3999), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 4000), BUTTON_LONG);
	assert_int_equal(button_contact_due(&c, 90000), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 90000), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 90100), BUTTON_NONE);
	assert_false(c.down);
}

static void neither_short_nor_long_is_nothing(void **state)
{
	struct button_contact c;

	(void)state;
	button_contact_begin(&c, false, 0);
	assert_int_equal(button_contact_edge(&c, true, 1000), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 2500), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 9000), BUTTON_NONE);
	/* One ms less is a short one. */
	assert_int_equal(button_contact_edge(&c, true, 10000), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 11499), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 12000), BUTTON_SHORT);
}

/* A late look at 5 s: the press had been let go at 2.9 s. */
static void late_loop_makes_no_long_press(void **state)
{
	struct button_contact c;

	(void)state;
	button_contact_begin(&c, false, 0);
	assert_int_equal(button_contact_edge(&c, true, 0), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 2900), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 5000), BUTTON_NONE);
	/* And one that was held for 3.2 s was a long one. */
	assert_int_equal(button_contact_edge(&c, true, 6000), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 9200), BUTTON_LONG);
	assert_int_equal(button_contact_due(&c, 9900), BUTTON_NONE);
}

/* Whatever a contact does for less than 30 ms at a time is one press. */
static void bouncing_is_one_press(void **state)
{
	struct button_contact c;
	unsigned n = 0;
	int64_t t = 1000;

	(void)state;
	button_contact_begin(&c, false, 0);
	for (int i = 0; i < 9; i++, t += 1 + i * 3)
		n += button_contact_edge(&c, i % 2 == 0, t) != BUTTON_NONE;
	t += 300;
	for (int i = 0; i < 9; i++, t += 1 + i * 3)
		n += button_contact_edge(&c, i % 2 == 1, t) != BUTTON_NONE;
	assert_int_equal(n, 0);
	assert_int_equal(button_contact_due(&c, t + 100), BUTTON_SHORT);
	/* A spike is none at all. */
	assert_int_equal(button_contact_edge(&c, true, 9000), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 9020), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 9100), BUTTON_NONE);
}

static void held_from_the_start_is_no_press(void **state)
{
	struct button_contact c;

	(void)state;
	button_contact_begin(&c, true, 0);
	assert_int_equal(button_contact_due(&c, 60000), BUTTON_NONE);
	assert_int_equal(button_contact_next(&c), 0);
	assert_int_equal(button_contact_edge(&c, false, 60000), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 61000), BUTTON_NONE);
	assert_false(c.down);
	assert_int_equal(button_contact_edge(&c, true, 62000), BUTTON_NONE);
	assert_int_equal(button_contact_edge(&c, false, 62200), BUTTON_NONE);
	assert_int_equal(button_contact_due(&c, 62300), BUTTON_SHORT);
}

static void each_press_has_words(void **state)
{
	(void)state;
	for (int i = 0; i < BUTTON_PRESS_COUNT_ + 1; i++) {
		const struct button_grammar *g =
		    button_grammar((enum button_press)i);

		assert_non_null(g->press);
		assert_non_null(g->says);
		assert_true(!g->below_ms || g->below_ms > g->from_ms);
	}
	assert_true(button_grammar(BUTTON_SHORT)->below_ms <
		    button_grammar(BUTTON_LONG)->from_ms);
}

/* --- events ------------------------------------------------------------------------ */

static struct button *open_at(const char *dir, int *peer)
{
	struct button_opts opts = { dir, "auto", KEY_POWER };
	struct button *b;
	int fds[2];

	assert_int_equal(button_open(&opts, &b), RC_OK);
	if (peer) {
		assert_return_code(
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds),
		    errno);
		b->fd = fds[0];
		*peer = fds[1];
	}
	return b;
}

static void send_event(int fd, int type, int code, int value, int64_t ms)
{
	struct input_event ev = {
		.type = (uint16_t)type, .code = (uint16_t)code, .value = value
	};

	ev.input_event_sec = (time_t)(ms / 1000);
	ev.input_event_usec = (suseconds_t)(ms % 1000 * 1000);
	assert_int_equal(write(fd, &ev, sizeof(ev)), sizeof(ev));
}

static void events_become_presses(void **state)
{
	int peer;
	struct button *b = open_at("/nowhere", &peer);

	(void)state;
	send_event(peer, EV_KEY, KEY_A, 1, 900);
	send_event(peer, EV_KEY, KEY_POWER, 1, 1000);
	send_event(peer, EV_SYN, SYN_REPORT, 0, 1000);
	send_event(peer, EV_KEY, KEY_POWER, 2, 1050);
	send_event(peer, EV_KEY, KEY_POWER, 0, 1100);
	send_event(peer, EV_KEY, KEY_POWER, 77, 1110);
	send_event(peer, EV_KEY, KEY_A, 0, 1120);
	/* The loop comes late; two short ones were made meanwhile. */
	send_event(peer, EV_KEY, KEY_POWER, 1, 2000);
	send_event(peer, EV_KEY, KEY_POWER, 0, 2100);
	assert_int_equal(button_take(b, 9000), BUTTON_SHORT);
	assert_int_equal(button_take(b, 9000), BUTTON_SHORT);
	assert_int_equal(button_take(b, 9000), BUTTON_NONE);
	send_event(peer, EV_KEY, KEY_POWER, 1, 10000);
	assert_int_equal(button_take(b, 10001), BUTTON_NONE);
	assert_int_equal(button_next(b), 10030);
	assert_int_equal(button_take(b, 10040), BUTTON_NONE);
	assert_true(button_is_down(b));
	assert_int_equal(button_take(b, 13000), BUTTON_LONG);
	close(peer);
	button_close(b);
}

/* A device that goes, in the middle of a press, leaves nothing behind. */
static void device_goes(void **state)
{
	int peer;
	struct button *b = open_at("/nowhere", &peer);

	(void)state;
	send_event(peer, EV_KEY, KEY_POWER, 1, 1000);
	assert_int_equal(button_take(b, 1100), BUTTON_NONE);
	assert_true(button_is_down(b));
	close(peer);
	assert_int_equal(button_take(b, 1200), BUTTON_NONE);
	assert_int_equal(button_fd(b), -1);
	assert_false(button_is_down(b));
	assert_int_equal(button_next(b), 1200 + LOOK_MS);
	assert_int_equal(button_take(b, 9000), BUTTON_NONE);
	button_close(b);
}

/* What is no input device in that folder is not taken for one. */
static void files_are_no_devices(void **state)
{
	char dir[] = "/tmp/test_button.XXXXXX", path[64];
	struct button *b;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/event0", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	b = open_at(dir, NULL);
	assert_int_equal(button_take(b, 10), BUTTON_NONE);
	assert_int_equal(button_fd(b), -1);
	button_close(b);
	unlink(path);
	rmdir(dir);
}

static void bad_codes_are_refused(void **state)
{
	struct button_opts opts = { "/dev/input", "auto", 0 };
	struct button *b;

	(void)state;
	assert_int_equal(button_open(&opts, &b), RC_CONFIG);
	opts.key = KEY_MAX + 1;
	assert_int_equal(button_open(&opts, &b), RC_CONFIG);
	assert_int_equal(button_fd(NULL), -1);
	assert_int_equal(button_take(NULL, 0), BUTTON_NONE);
	assert_int_equal(button_next(NULL), 0);
	button_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(press_is_short),
		cmocka_unit_test(press_is_long_while_it_is_held),
		cmocka_unit_test(neither_short_nor_long_is_nothing),
		cmocka_unit_test(late_loop_makes_no_long_press),
		cmocka_unit_test(bouncing_is_one_press),
		cmocka_unit_test(held_from_the_start_is_no_press),
		cmocka_unit_test(each_press_has_words),
		cmocka_unit_test(events_become_presses),
		cmocka_unit_test(device_goes),
		cmocka_unit_test(files_are_no_devices),
		cmocka_unit_test(bad_codes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
