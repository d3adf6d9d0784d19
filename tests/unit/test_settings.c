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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../board/host/board.c"
#include "config.c" /* firmware is in no archive */

/* The steps of settings_store(), each of which a cut of power may stop. */
#include <fcntl.h>

static int cut_openat(int dir, const char *name, int flags, mode_t mode);
static int cut_fsync(int fd);
static int cut_renameat(int from, const char *a, int to, const char *b);

#define openat   cut_openat
#define fsync    cut_fsync
#define renameat cut_renameat
#include "settings_file.c"
#undef openat
#undef fsync
#undef renameat

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
		[SETTING_COUNTRY] = KEY_COUNTRY,
		[SETTING_SECRET] = KEY_WPA,
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
	refuses("box.name", ";a");
	refuses("box.name", "\xff");
	refuses("wifi.name", "123456789012345678901234567890123");
	refuses("wifi.password", "short 7");
	refuses("wifi.password", "caf\xc3\xa9 au lait");
	refuses("wifi.country", "de");
	refuses("wifi.country", "DEU");
	assert_null(setting_refuses(setting_of("wifi.name"), ""));
	assert_null(setting_refuses(setting_of("wifi.password"), ""));
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
	assert_null(setting_refuses(setting_of("box.name"), "<b> #\"1\""));
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
	strcpy(v.value[setting_of("policy.quiet_from") - settings], "22:30");
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	assert_int_equal(settings_store(dir, &c), RC_OK);
	config_defaults(&c);
	settings_load(dir, &c);
	settings_of(&c, &again);
	assert_memory_equal(&v, &again, sizeof(v));
}

/* The page does not know it, so what it sends back says nothing of it. */
static void secret_is_not_told_and_stays(void **state)
{
	const unsigned i = (unsigned)(setting_of("wifi.password") - settings);
	struct settings_values v;
	struct config c;
	char why[200];

	(void)state;
	config_defaults(&c);
	settings_of(&c, &v);
	strcpy(v.value[i], "correct horse");
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	assert_string_equal(c.wifi_password, "correct horse");
	settings_of(&c, &v);
	settings_hide(&v);
	for (unsigned k = 0; k < n_settings; k++)
		assert_null(strstr(v.value[k], "horse"));
	strcpy(v.value[setting_of("wifi.name") - settings], "home");
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	assert_string_equal(c.wifi_name, "home");
	assert_string_equal(c.wifi_password, "correct horse");
	assert_int_equal(settings_store(dir, &c), RC_OK);
	config_defaults(&c);
	settings_load(dir, &c);
	assert_string_equal(c.wifi_password, "correct horse");
	strcpy(v.value[i], SETTING_NO_SECRET);
	assert_int_equal(settings_apply(&c, &v, why, sizeof(why)), RC_OK);
	assert_string_equal(c.wifi_password, "");
	assert_true(c.on_page[i]);
}

static void set_one(struct config *c, const char *key, const char *value)
{
	struct settings_values v;
	char why[200];

	settings_of(c, &v);
	strcpy(v.value[setting_of(key) - settings], value);
	assert_int_equal(settings_apply(c, &v, why, sizeof(why)), RC_OK);
}

/* What nobody touched on the page follows the config file as before, also when
 * other things are set there twice. */
static void only_what_was_changed_is_kept(void **state)
{
	struct config c;

	(void)state;
	config_defaults(&c);
	c.open = CONFIG_OPEN_ALL; /* an option of this one start */
	set_one(&c, "keep.daily", "21");
	assert_int_equal(settings_store(dir, &c), RC_OK);
	config_defaults(&c);
	c.keep.rules.weekly = 33; /* the owner's config since */
	settings_load(dir, &c);
	assert_int_equal(c.keep.rules.daily, 21);
	assert_int_equal(c.keep.rules.weekly, 33);
	assert_int_equal(c.open, CONFIG_OPEN_AUTO);
	set_one(&c, "scrub.on", "no");
	assert_int_equal(settings_store(dir, &c), RC_OK);
	config_defaults(&c);
	settings_load(dir, &c);
	assert_int_equal(c.keep.rules.daily, 21);
	assert_int_equal(c.keep.rules.weekly, 8);
	assert_false(c.scrub);
}

/* What has no place on the page is not set by its file either. */
static void other_keys_have_no_place_in_it(void **state)
{
	struct config c, none;

	(void)state;
	config_defaults(&c);
	none = c;
	write_file("[box]\nvault = /elsewhere\nlog = debug\n"
		   "[webhook]\nurl = http://x/\n[phone]\nallow = 0123\n");
	settings_load(dir, &c);
	assert_memory_equal(&c, &none, sizeof(c));
}

/* --- a cut of power ----------------------------------------------------------- */

static int steps_left = -1; /* the cut comes then; below 0: never */
static int dirty_fd = -1; /* what is written there is not on the disk yet */

/* What was not synced is there in part, under whatever name it has now. */
static void step(void)
{
	struct stat st;

	if (steps_left < 0 || steps_left-- > 0)
		return;
	if (dirty_fd >= 0 && fstat(dirty_fd, &st) == 0 &&
	    ftruncate(dirty_fd, st.st_size / 2) != 0)
		_exit(3);
	_exit(9);
}

static int cut_openat(int at, const char *name, int flags, mode_t mode)
{
	int fd;

	step();
	fd = openat(at, name, flags, mode);
	dirty_fd = dup(fd); /* stays when the file is closed */
	return fd;
}

static int cut_fsync(int fd)
{
	struct stat st;
	int got;

	step();
	got = fsync(fd);
	if (got == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		close(dirty_fd);
		dirty_fd = -1;
	}
	return got;
}

static int cut_renameat(int from, const char *a, int to, const char *b)
{
	int got;

	step();
	got = renameat(from, a, to, b);
	step();
	return got;
}

/* The new ones, with the power cut before step n. True: it was not, as there
 * are fewer. */
static bool stores_with_cut(const struct config *c, int n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		steps_left = n;
		_exit(settings_store(dir, c) ? 4 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status) == 0;
}

static void a_cut_leaves_the_old_or_the_new(void **state)
{
	struct config old, new, now;
	unsigned n_old = 0, n_new = 0;
	bool ended = false;

	(void)state;
	config_defaults(&old);
	set_one(&old, "box.name", "attic");
	set_one(&old, "keep.yearly", "77");
	new = old;
	set_one(&new, "box.name", "cellar");
	set_one(&new, "keep.yearly", "88");
	for (int n = 0; !ended; n++) {
		assert_in_range(n, 0, 20);
		assert_int_equal(settings_store(dir, &old), RC_OK);
		ended = stores_with_cut(&new, n);
		config_defaults(&now);
		settings_load(dir, &now);
		if (!strcmp(now.box_name, "attic")) {
			assert_memory_equal(&now, &old, sizeof(now));
			n_old++;
		} else {
			assert_memory_equal(&now, &new, sizeof(now));
			n_new++;
		}
	}
	assert_true(n_old >= 3 && n_new >= 2); /* before and after the rename */
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
	assert_false(c.on_page[setting_of("keep.daily") - settings]);
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
		    secret_is_not_told_and_stays, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    only_what_was_changed_is_kept, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    other_keys_have_no_place_in_it, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    a_cut_leaves_the_old_or_the_new, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    a_broken_line_costs_only_itself, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
