/* What may be set on the page: its table against the config's, what it refuses,
 * and the file that keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../board/host/board.c"
#include "config.c" /* firmware is in no archive */
#include "settings_file.c"

static const struct setting *setting_of(const char *key)
{
	for (unsigned i = 0; i < n_settings; i++)
		if (!strcmp(settings[i].key, key))
			return &settings[i];
	return NULL;
}

/* --- the two tables --------------------------------------------------------- */

static void each_is_a_key_of_the_config(void **state)
{
	static const enum key_type same[] = {
		[SETTING_TEXT] = KEY_TEXT,
		[SETTING_FLAG] = KEY_FLAG,
		[SETTING_INT] = KEY_INT,
		[SETTING_TIME] = KEY_TIME,
		[SETTING_CHOICE] = KEY_CHOICE,
	};

	(void)state;
	assert_non_null(settings[0].group);
	for (unsigned i = 0; i < n_settings; i++) {
		const struct setting *s = &settings[i];
		const struct key *k = find_full(s->key);
		unsigned n = 0;

		assert_non_null(k);
		assert_int_equal(k->type, same[s->type]);
		if (s->type == SETTING_INT) {
			assert_int_equal(k->min, s->min);
			assert_int_equal(k->max, s->max);
		}
		if (s->type != SETTING_CHOICE)
			continue;
		for (; k->choices[n]; n++)
			assert_string_equal(k->choices[n], s->choices[n].value);
		assert_null(s->choices[n].value);
	}
}

static void the_defaults_are_fine_and_come_back(void **state)
{
	struct settings_values v, again;
	struct config c;
	char why[200];

	(void)state;
	config_defaults(&c);
	settings_of(&c, &v);
	for (unsigned i = 0; i < n_settings; i++)
		assert_null(setting_refuses(&settings[i], v.value[i]));
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	settings_of(&c, &again);
	assert_memory_equal(&v, &again, sizeof(v));
}

static void refuses(const char *key, const char *value)
{
	assert_non_null(setting_refuses(setting_of(key), value));
}

static void what_makes_no_sense_is_refused(void **state)
{
	(void)state;
	refuses("box.name", "");
	refuses("box.name", " attic");
	refuses("box.name", "a\nb");
	refuses("box.name", "a ; b");
	refuses("box.name", "<b>");
	refuses("box.name", "\xff");
	refuses("keep.daily", "");
	refuses("keep.daily", "-1");
	refuses("keep.daily", "1.5");
	refuses("keep.daily", "99999999999999999999");
	refuses("policy.overdue_days", "0");
	refuses("policy.quiet_from", "24:00");
	refuses("policy.quiet_from", "1:00");
	refuses("policy.quiet_from", "01:00x");
	refuses("web.open", "everything");
	refuses("scrub.on", "maybe");
	assert_null(setting_refuses(setting_of("box.name"), "Büro 2"));
	assert_null(setting_refuses(setting_of("policy.quiet_to"), "23:59"));
}

/* What the table takes the config takes, and the other way round nothing
 * changes when one of them is wrong. */
static void all_or_none(void **state)
{
	struct settings_values v;
	struct config c, before;
	char why[200];

	(void)state;
	config_defaults(&c);
	settings_of(&c, &v);
	strcpy(v.value[0], "attic");
	strcpy(v.value[n_settings - 1], "1441");
	before = c;
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_CONFIG);
	assert_non_null(strstr(why, settings[n_settings - 1].key));
	assert_memory_equal(&c, &before, sizeof(c));
	strcpy(v.value[n_settings - 1], "1440");
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	assert_string_equal(c.box_name, "attic");
}

/* --- the file ---------------------------------------------------------------------- */

static char dir[] = "/tmp/ns-settings-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ns-settings-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	return system(cmd);
}

static void write_file(const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" SETTINGS_FILE, dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void they_outlive_a_restart(void **state)
{
	struct settings_values v, again;
	struct config c;
	char why[200];

	(void)state;
	config_defaults(&c);
	settings_of(&c, &v);
	strcpy(v.value[0], "Ana's Büro");
	strcpy(v.value[4], "22:30");
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	assert_int_equal(settings_store(dir, &c), RC_OK);
	config_defaults(&c);
	settings_load(dir, &c);
	settings_of(&c, &again);
	assert_memory_equal(&v, &again, sizeof(v));
}

static void a_broken_line_costs_only_itself(void **state)
{
	struct config c, none;

	(void)state;
	write_file("[keep]\ndaily = many\nweekly = 5\n[nonsense]\nx = 1\n"
		   "no line at all\n[box]\nname = attic\n");
	config_defaults(&c);
	settings_load(dir, &c);
	assert_int_equal(c.keep.rules.daily, 14);
	assert_int_equal(c.keep.rules.weekly, 5);
	assert_string_equal(c.box_name, "attic");
	config_defaults(&c);
	config_defaults(&none);
	settings_load("/nowhere", &c);
	settings_load("", &c);
	assert_memory_equal(&c, &none, sizeof(c));
	assert_int_not_equal(settings_store("/nowhere", &c), RC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_a_key_of_the_config),
		cmocka_unit_test(the_defaults_are_fine_and_come_back),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(all_or_none),
		cmocka_unit_test_setup_teardown(
		    they_outlive_a_restart, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    a_broken_line_costs_only_itself, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
