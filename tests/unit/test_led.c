/* The LED grammar against architecture.md's table, and the sysfs back end on
 * a folder. */
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

#include "led.h"
#include "led_pattern.h"

/* Rising edges in one round. */
static unsigned blinks(enum led_pattern p)
{
	int64_t period = led_pattern_period_ms(p);
	unsigned n = 0;

	for (int64_t ms = 0; ms < period; ms += 10)
		if (led_pattern_level(p, ms) == 255 &&
		    led_pattern_level(p, (ms + period - 10) % period) < 128)
			n++;
	return n;
}

static void rhythms_are_those_of_the_design(void **state)
{
	(void)state;
	assert_int_equal(blinks(LED_STARTING), 1);
	assert_int_equal(blinks(LED_READY), 1);
	assert_int_equal(led_pattern_period_ms(LED_READY), 10000);
	assert_int_equal(blinks(LED_LOOK), 2);
	assert_int_equal(blinks(LED_SAFE), 0);
	assert_int_equal(led_pattern_level(LED_SAFE, 123456789), 255);
	assert_int_equal(blinks(LED_OVERDUE), 1);
	assert_int_equal(led_pattern_period_ms(LED_OVERDUE), 4000);
	assert_int_equal(blinks(LED_NO_DISK), 3);
	assert_int_equal(blinks(LED_DISK_FULL), 4);
	assert_int_equal(blinks(LED_FAILED), 5);
	assert_int_equal(blinks(LED_FAULT), 6);
}

static void breathing_is_smooth(void **state)
{
	int last = led_pattern_level(LED_BACKING_UP, 0);

	(void)state;
	for (int64_t ms = 0; ms < 8000; ms += LED_PATTERN_RAMP_MS) {
		int level = led_pattern_level(LED_BACKING_UP, ms);

		assert_true(abs(level - last) < 16);
		last = level;
	}
	assert_true(led_pattern_level(LED_BACKING_UP, 2000) > 240);
	assert_true(led_pattern_level(LED_BACKING_UP, 0) < 20);
}

static void patterns_can_be_told_apart_without_colour(void **state)
{
	(void)state;
	for (int a = 0; a < LED_PATTERN_COUNT_; a++)
		for (int b = a + 1; b < LED_PATTERN_COUNT_; b++) {
			int64_t differ = 0;

			for (int64_t ms = 0; ms < 12000; ms += 20)
				differ +=
				    led_pattern_level(
					(enum led_pattern)a, ms) !=
				    led_pattern_level((enum led_pattern)b, ms);
			assert_true(differ > 20);
			assert_string_not_equal(
			    led_grammar((enum led_pattern)a)->id,
			    led_grammar((enum led_pattern)b)->id);
		}
}

static void the_next_change_is_known(void **state)
{
	(void)state;
	assert_int_equal(led_pattern_next_ms(LED_SAFE, 5), -1);
	assert_int_equal(led_pattern_next_ms(LED_READY, 0), 120);
	assert_int_equal(led_pattern_next_ms(LED_READY, 120), 9880);
	assert_int_equal(
	    led_pattern_next_ms(LED_BACKING_UP, 100), LED_PATTERN_RAMP_MS);
	for (int p = 0; p < LED_PATTERN_COUNT_; p++) {
		int64_t ms = 0;

		/* What is slept through never differs from what is shown. */
		for (int i = 0; i < 200; i++) {
			int64_t next =
			    led_pattern_next_ms((enum led_pattern)p, ms);

			if (next < 0)
				break;
			assert_true(next > 0);
			if (p != LED_BACKING_UP)
				assert_int_equal(
				    led_pattern_level((enum led_pattern)p, ms),
				    led_pattern_level(
					(enum led_pattern)p, ms + next - 1));
			ms += next;
		}
	}
	assert_non_null(led_grammar((enum led_pattern)99));
}

/* --- sysfs on a folder ------------------------------------------------------- */

static char dir[] = "/tmp/test-led-XXXXXX";

static void put(const char *lamp, const char *file, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, lamp);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, lamp, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *get(const char *lamp, const char *file)
{
	static char text[64];
	char path[256];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, lamp, file);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	put("green", "brightness", "77\n");
	put("green", "trigger", "heartbeat\n");
	put("green", "max_brightness", "1\n");
	put("red", "brightness", "0\n");
	return 0;
}

static int drop_dir(void **state)
{
	static const char *const files[] = { "green/brightness",
		"green/trigger", "green/max_brightness", "red/brightness",
		"green", "red" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		remove(path);
	}
	return rmdir(dir);
}

static struct led *open_sysfs(const char *ok, const char *alert)
{
	struct led_opts opts = { LED_BACKEND_SYSFS, dir, ok, alert, -1 };
	struct led *l = NULL;

	assert_int_equal(led_open(&opts, &l), RC_OK);
	return l;
}

static void two_leds_share_the_patterns(void **state)
{
	struct led *l = open_sysfs("green", "red");

	(void)state;
	assert_string_equal(get("green", "trigger"), "none\n");
	led_show(l, LED_SAFE, "", 1000);
	assert_string_equal(get("green", "brightness"), "1\n");
	assert_string_equal(get("red", "brightness"), "0\n");
	led_show(l, LED_FAILED, "", 2000);
	assert_string_equal(get("green", "brightness"), "0\n");
	assert_string_equal(get("red", "brightness"), "255\n");
	assert_int_equal(led_turn(l, 2000), 200);
	led_turn(l, 2200);
	assert_string_equal(get("red", "brightness"), "0\n");
	led_show(l, LED_SAFE, "", 3000);
	led_close(l);
	assert_string_equal(get("green", "brightness"), "0\n");
}

static void it_writes_only_on_change(void **state)
{
	struct led *l = open_sysfs("red", "");

	(void)state;
	led_show(l, LED_SAFE, "a", 0);
	assert_string_equal(get("red", "brightness"), "255\n");
	put("red", "brightness", "untouched\n");
	assert_int_equal(led_turn(l, 5000), -1);
	led_show(l, LED_SAFE, "b", 6000);
	assert_string_equal(get("red", "brightness"), "untouched\n");
	led_close(l);
}

static void a_led_that_is_not_there_is_told(void **state)
{
	struct led_opts opts = { LED_BACKEND_SYSFS, dir, "blue", "", -1 };
	struct led *l = NULL;

	(void)state;
	assert_int_equal(led_open(&opts, &l), RC_NOTFOUND);
	assert_null(l);
	led_close(NULL);
}

static void a_plain_terminal_gets_each_news_once(void **state)
{
	struct led_opts opts = { .backend = LED_BACKEND_TERMINAL };
	struct led *l = NULL;
	char text[400];
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	opts.fd = fds[1];
	assert_int_equal(led_open(&opts, &l), RC_OK);
	led_show(l, LED_READY, "Ready \u00b7 Plug in.", 0);
	led_turn(l, 200);
	led_show(l, LED_BACKING_UP, "Backing up: 1 % \u00b7 x", 300);
	led_show(l, LED_BACKING_UP, "Backing up: 2 % \u00b7 y", 400);
	led_show(l, LED_BACKING_UP, "Checking \u00b7 z\x1b[2J", 500);
	led_close(l);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "[ready] Ready \u00b7 Plug in.\n"
				  "[backing_up] Backing up: 1 % \u00b7 x\n"
				  "[backing_up] Checking \u00b7 z[2J\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rhythms_are_those_of_the_design),
		cmocka_unit_test(breathing_is_smooth),
		cmocka_unit_test(patterns_can_be_told_apart_without_colour),
		cmocka_unit_test(the_next_change_is_known),
		cmocka_unit_test(two_leds_share_the_patterns),
		cmocka_unit_test(it_writes_only_on_change),
		cmocka_unit_test(a_led_that_is_not_there_is_told),
		cmocka_unit_test(a_plain_terminal_gets_each_news_once),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
