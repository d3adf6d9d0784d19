/* The config: prints what it reads, and names line and key of what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "board.h"
#include "config.c" /* firmware is in no archive */

const struct board board = {
	.id = "test",
	.name = "testbox",
	.state_dir = "",
	.vault_dir = "",
	.led_backend = "none",
	.led_dir = "/sys/class/leds",
	.led_ok = "",
	.led_alert = "",
	.button = "none",
	.nic = "slirp",
	.interface = "",
	.listen = "127.0.0.1",
	.port = 8080,
	.watchdog = "",
};

/* Reads `text`; the complaints are in `err`, until the next call. */
static enum rc parse(struct config *c, const char *text, const char **err)
{
	static char said[2000];
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	FILE *out;
	enum rc rc;

	out = fmemopen(said, sizeof(said), "w");
	assert_non_null(in);
	assert_non_null(out);
	said[0] = '\0';
	rc = config_read_stream(c, in, "box.conf", out);
	fclose(in);
	fclose(out);
	*err = said;
	return rc;
}

static char *print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	config_print(c, f);
	fclose(f);
	return text;
}

static void what_is_printed_parses_back_to_itself(void **state)
{
	static const char *const text =
	    "[box]\nvault = /mnt/my disk\nstate=/var/lib/x\nlog = debug\n"
	    "reserve = 1536M\n[keep]\nlast = 7\nyearly = 0\nfloor = 5G\n"
	    "loss_percent = 0\n[web]\non = no\nport=65535\n[led]\n"
	    "backend = sysfs\nok = green:status\n[policy]\n"
	    "quiet_from = 23:30\nagain_hours = 0\n[phone]\n"
	    "trust_wait_s = 2\nallow = 00008120-0010BD9489E70017\n"
	    "allow = 0123456789012345678901234567890123456789\n";
	struct config a;
	struct config b;
	const char *err;
	char *first;
	char *second;

	(void)state;
	config_defaults(&a);
	config_defaults(&b);
	assert_int_equal(parse(&a, text, &err), RC_OK);
	assert_string_equal(err, "");
	assert_string_equal(a.vault, "/mnt/my disk");
	assert_true(a.reserve_bytes == 1536ULL << 20);
	assert_int_equal(a.quiet_from, 23 * 60 + 30);
	assert_int_equal(a.keep.rules.last, 7);
	assert_int_equal(a.keep.rules.daily, 14);
	assert_int_equal(a.keep.rules.yearly, 0);
	assert_true(a.keep.floor_bytes == 5ULL << 30);
	assert_int_equal(a.keep.loss_pct, 0);
	assert_int_equal(a.n_allow, 2);
	first = print(&a);
	assert_int_equal(parse(&b, first, &err), RC_OK);
	assert_string_equal(err, "");
	second = print(&b);
	assert_string_equal(first, second);
	assert_memory_equal(&a, &b, sizeof(a));
	free(first);
	free(second);
}

static void the_defaults_print_and_parse(void **state)
{
	struct config a;
	struct config b;
	const char *err;
	char *text;

	(void)state;
	config_defaults(&a);
	assert_string_equal(a.box_name, "testbox");
	assert_int_equal(a.port, 8080);
	assert_true(a.reserve_bytes == 64 << 20);
	text = print(&a);
	memset(&b, 0, sizeof(b));
	assert_int_equal(parse(&b, text, &err), RC_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	free(text);
}

static void mistakes_name_line_and_key(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "[web]\nport = 70000\n",
		    "box.conf:2: key web.port: out of range\n" },
		{ "[web]\n\nport = 8x\n",
		    "box.conf:3: key web.port: must be a number\n" },
		{ "[web]\nprot = 1\n",
		    "box.conf:2: key web.prot: no such key\n" },
		{ "port = 1\n", "box.conf:1: key port: no such key\n" },
		{ "[box]\nlog = loud\n",
		    "box.conf:2: key box.log: not one of its words\n" },
		{ "[web]\non = maybe\n",
		    "box.conf:2: key web.on: must be yes or no\n" },
		{ "[policy]\nquiet_to = 24:00\n",
		    "box.conf:2: key policy.quiet_to: must be a time as "
		    "01:00\n" },
		{ "[box]\nreserve = -1\n",
		    "box.conf:2: key box.reserve: must be a number of bytes, "
		    "with K, M, G or T behind it\n" },
		{ "[box]\nreserve = 99999999T\n",
		    "box.conf:2: key box.reserve: out of range\n" },
		{ "[keep]\nmonthly = 10000\n",
		    "box.conf:2: key keep.monthly: out of range\n" },
		{ "[box]\nname =\n",
		    "box.conf:2: key box.name: must not be empty\n" },
		{ "[box]\nvault=/a\nvault=/b\n",
		    "box.conf:3: key box.vault: given twice\n" },
		{ "[phone]\nallow = ../x\n",
		    "box.conf:2: key phone.allow: not a UDID\n" },
		{ "[box\n", "box.conf:1: neither [section] nor key = value\n" },
	};
	const char *err;
	struct config c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		config_defaults(&c);
		assert_int_equal(parse(&c, cases[i].text, &err), RC_CONFIG);
		assert_string_equal(err, cases[i].says);
	}
}

static void all_mistakes_are_told_at_once(void **state)
{
	const char *err;
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(
	    parse(&c, "[web]\nport = 0\non = x\n[led]\nblink = 1\n", &err),
	    RC_CONFIG);
	assert_string_equal(err, "box.conf:2: key web.port: out of range\n"
				 "box.conf:3: key web.on: must be yes or no\n"
				 "box.conf:5: key led.blink: no such key\n");
}

/* What an owner writes: what the machine settles is a mistake, the rest counts. */
static void settings_of_an_owner(void **state)
{
	static const char text[] = "\xef\xbb\xbf[box]\r\nname = bedside\r\n"
				   "vault = /etc\r\n[web]\r\nport = 1\r\n"
				   "[policy]\r\noverdue_days = 9\r\n";
	char said[500] = "";
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	FILE *out = fmemopen(said, sizeof(said), "w");
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(
	    config_read_settings(&c, in, "SETTINGS.txt", out), RC_CONFIG);
	fclose(in);
	fclose(out);
	assert_string_equal(c.box_name, "bedside");
	assert_int_equal(c.overdue_days, 9);
	assert_string_equal(c.vault, "");
	assert_int_equal(c.port, 8080);
	assert_non_null(strstr(said, "SETTINGS.txt:3: key box.vault: "));
	assert_non_null(strstr(said, "SETTINGS.txt:5: key web.port: "));
}

static void a_line_without_end_is_no_trap(void **state)
{
	char text[2000];
	const char *err;
	struct config c;

	(void)state;
	config_defaults(&c);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "[box]\nvault=/", 13);
	assert_int_equal(parse(&c, text, &err), RC_CONFIG);
	assert_string_equal(err, "box.conf:2: the line is too long\n");
	assert_string_equal(c.vault, "");
}

static void values_that_would_not_come_back_are_refused(void **state)
{
	static const char *const bad[] = { " x", "x ", "a ;b", ";a", "a\nb" };
	FILE *null = fopen("/dev/null", "w");
	struct config c;

	(void)state;
	assert_non_null(null);
	config_defaults(&c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    config_set(&c, "box.vault", bad[i], null), RC_CONFIG);
	assert_int_equal(config_set(&c, "box.vault", "/a", null), RC_OK);
	assert_int_equal(config_set(&c, "vault", "/a", null), RC_CONFIG);
	fclose(null);
}

static void only_allowed_phones(void **state)
{
	const char *udid = "00008120-0010BD9489E70017";
	struct config c;
	const char *err;

	(void)state;
	config_defaults(&c);
	assert_true(config_may_backup(&c, udid));
	assert_int_equal(
	    parse(&c,
		"[phone]\nallow = 0123456789012345678901234567890123456789\n",
		&err),
	    RC_OK);
	assert_false(config_may_backup(&c, udid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_parses_back_to_itself),
		cmocka_unit_test(the_defaults_print_and_parse),
		cmocka_unit_test(mistakes_name_line_and_key),
		cmocka_unit_test(all_mistakes_are_told_at_once),
		cmocka_unit_test(settings_of_an_owner),
		cmocka_unit_test(a_line_without_end_is_no_trap),
		cmocka_unit_test(values_that_would_not_come_back_are_refused),
		cmocka_unit_test(only_allowed_phones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
