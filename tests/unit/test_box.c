/* What the box remembers and how it judges: the ledger on a disk that is not
 * always kind, and the table of outcomes. */
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

#include "ledger.c" /* firmware is in no archive */
#undef LOG_MODULE
#include "outcome.c"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-box-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/nights.jsonl", dir);
	unlink(path);
	return rmdir(dir);
}

static struct status_night night(int64_t at, enum status_state state)
{
	struct status_night n = { .at = at, .state = state };

	snprintf(n.udid, sizeof(n.udid), "00008120-0010BD9489E70017");
	snprintf(n.phone, sizeof(n.phone), "Ana \"\u6f22\"");
	return n;
}

static void a_line_comes_back_as_it_went(void **state)
{
	struct status_night n = night(1795477260, STATE_DISK_FULL);
	struct status_night back;
	char line[LINE_MAX_];

	(void)state;
	n.pct_x100 = 3877;
	n.new_files = 1204;
	n.new_bytes = 2100000000;
	n.seconds = 720;
	n.missing_bytes = 34000000000;
	n.mb_code = 105;
	snprintf(n.detail, sizeof(n.detail), "a \\ b");
	assert_int_equal(ledger_format(&n, line, sizeof(line)), RC_OK);
	assert_null(strchr(line, '\n'));
	assert_int_equal(ledger_parse(line, &back), RC_OK);
	assert_memory_equal(&n, &back, sizeof(n));
	assert_int_equal(ledger_format(&n, line, 40), RC_LIMIT);
}

static void hostile_lines_are_refused(void **state)
{
	static const char *const bad[] = { "", "x", "[]", "{}", "null",
		"{\"at\":1}", "{\"at\":1,\"state\":\"nonsense\"}",
		"{\"at\":-1,\"state\":\"safe\"}",
		"{\"at\":1e300,\"state\":\"safe\"}",
		"{\"at\":\"1\",\"state\":\"safe\"}",
		"{\"at\":1,\"state\":\"safe\",\"udid\":\"../x\"}",
		"{\"at\":1,\"state\":7}", "{\"at\":1,\"state\":\"safe\"" };
	struct status_night n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ledger_parse(bad[i], &n), RC_CORRUPT);
	assert_int_equal(
	    ledger_parse("{\"at\":1,\"state\":\"safe\",\"pct\":1e9,"
			 "\"new_bytes\":-4,\"phone\":\"a\\u202e\\u001bb\"}",
		&n),
	    RC_OK);
	assert_int_equal(n.pct_x100, 0);
	assert_int_equal(n.new_bytes, 0);
	assert_string_equal(n.phone, "ab");
}

static struct ledger *reopen(struct ledger *l)
{
	ledger_close(l);
	assert_int_equal(ledger_open(dir, &l), RC_OK);
	return l;
}

static void nights_outlive_a_restart(void **state)
{
	struct status_night out[10];
	struct status_night n = night(1000000, STATE_SAFE);
	struct ledger *l = reopen(NULL);

	(void)state;
	assert_int_equal(ledger_newest(l, out, 10), 0);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	n = night(2000000, STATE_UNPLUGGED);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	l = reopen(l);
	assert_int_equal(ledger_newest(l, out, 10), 2);
	assert_int_equal(out[0].at, 2000000);
	assert_int_equal(out[1].state, STATE_SAFE);
	assert_int_equal(ledger_newest(l, out, 1), 1);
	assert_int_equal(ledger_last_of(l, n.udid)->at, 2000000);
	assert_null(ledger_last_of(l, "x"));
	ledger_close(l);
}

static void its_times_never_go_back(void **state)
{
	struct status_night out[10];
	struct status_night n = night(2000000, STATE_SAFE);
	struct ledger *l = reopen(NULL);

	(void)state;
	assert_int_equal(ledger_add(l, &n), RC_OK);
	/* The power was away, and the clock begins at its beginning. */
	l = reopen(l);
	n = night(100, STATE_UNPLUGGED);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	n = night(2000001, STATE_SAFE);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	l = reopen(l);
	assert_int_equal(ledger_newest(l, out, 10), 3);
	assert_int_equal(out[2].at, 2000000);
	assert_int_equal(out[1].at, 2000000);
	assert_int_equal(out[1].state, STATE_UNPLUGGED);
	assert_int_equal(out[0].at, 2000001);
	ledger_close(l);
}

static void the_same_news_is_one_line(void **state)
{
	struct status_night out[10];
	struct status_night n;
	struct ledger *l = reopen(NULL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		n = night(1000000 + i * 600, STATE_PASSCODE_MISSED);
		assert_int_equal(ledger_add(l, &n), RC_OK);
	}
	assert_int_equal(ledger_newest(l, out, 10), 1);
	assert_int_equal(out[0].at, 1001200);
	n = night(1000000 + 86400, STATE_PASSCODE_MISSED);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	assert_int_equal(ledger_newest(l, out, 10), 2);
	/* A password that was set, then changed, is two, and no backup. */
	n = night(1090000, STATE_PASSWORD_SET);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	n.at += 60;
	assert_int_equal(ledger_add(l, &n), RC_OK);
	assert_int_equal(ledger_newest(l, out, 10), 4);
	assert_int_equal(
	    ledger_last_of(l, n.udid)->state, STATE_PASSCODE_MISSED);
	/* Two good backups are two. */
	n = night(1100000, STATE_SAFE);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	n.at += 60;
	assert_int_equal(ledger_add(l, &n), RC_OK);
	assert_int_equal(ledger_newest(l, out, 10), 6);
	l = reopen(l);
	assert_int_equal(ledger_newest(l, out, 10), 6);
	ledger_close(l);
}

/* A power cut at each byte of the last line: the lines before it stay, and
 * the next one is whole. */
static void a_cut_line_costs_only_itself(void **state)
{
	struct status_night out[10];
	struct status_night n = night(1000000, STATE_SAFE);
	struct ledger *l = reopen(NULL);
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/nights.jsonl", dir);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	assert_int_equal(stat(path, &st), 0);
	for (off_t cut = 1; cut < st.st_size; cut += 7) {
		n.at = 2000000;
		l = reopen(l);
		assert_int_equal(ledger_add(l, &n), RC_OK);
		assert_int_equal(truncate(path, st.st_size + cut), 0);
		l = reopen(l);
		assert_int_equal(ledger_newest(l, out, 10), 1);
		n.at = 3000000;
		assert_int_equal(ledger_add(l, &n), RC_OK);
		l = reopen(l);
		assert_int_equal(ledger_newest(l, out, 10), 2);
		assert_int_equal(out[0].at, 3000000);
		assert_int_equal(out[1].at, 1000000);
		assert_int_equal(truncate(path, st.st_size), 0);
	}
	ledger_close(l);
}

static void it_does_not_grow_for_ever(void **state)
{
	struct status_night out[KEPT];
	struct status_night n;
	struct ledger *l = reopen(NULL);

	(void)state;
	/* As if it had grown: the next line makes it short. */
	for (int i = 0; i < 100; i++) {
		n = night(1000000 + i, STATE_SAFE);
		if (i == 99)
			l->size = FILE_MAX + 1;
		assert_int_equal(ledger_add(l, &n), RC_OK);
	}
	assert_true(l->size < 20000);
	l = reopen(l);
	assert_int_equal(ledger_newest(l, out, KEPT), KEPT);
	assert_int_equal(out[0].at, 1000099);
	ledger_close(l);
}

static void without_a_folder_it_is_kept_in_memory(void **state)
{
	struct status_night out[1];
	struct status_night n = night(1000000, STATE_SAFE);
	struct ledger *l = NULL;

	(void)state;
	assert_int_equal(ledger_open("", &l), RC_OK);
	assert_int_equal(ledger_add(l, &n), RC_OK);
	assert_int_equal(ledger_newest(l, out, 1), 1);
	ledger_close(l);
	assert_int_not_equal(ledger_open("/dev/null/x", &l), RC_OK);
}

/* --- outcomes ---------------------------------------------------------------- */

static void only_what_is_verified_is_safe(void **state)
{
	(void)state;
	for (int end = 0; end < SESSION_END_COUNT_; end++)
		for (int rc = 0; rc < RC_COUNT_; rc++) {
			struct msg_result r = { .end = (uint8_t)end,
				.rc = (uint8_t)rc };
			struct outcome o = outcome_of(&r);

			assert_int_not_equal(o.state, STATE_SAFE);
			assert_int_not_equal(o.exit, EXIT_DONE);
			assert_int_not_equal(o.event, PHONE_EV_END_SAFE);
			assert_true(o.event >= PHONE_EV_END_SAFE &&
				    o.event <= PHONE_EV_END_GONE);
		}
	struct msg_result good = { .verified = 1 };

	assert_int_equal(outcome_of(&good).exit, EXIT_DONE);
	assert_int_equal(outcome_of(&good).state, STATE_SAFE);
}

static void exit_statuses_are_told_apart(void **state)
{
	const size_t n = sizeof(exits) / sizeof(exits[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			assert_int_not_equal(exits[i].code, exits[k].code);
			assert_string_not_equal(exits[i].id, exits[k].id);
		}
	/* Each that a session can end with is in the list. */
	for (int end = 0; end < SESSION_END_COUNT_; end++) {
		struct msg_result r = { .end = (uint8_t)end };
		size_t i = 0;

		while (i < n && exits[i].code != outcome_of(&r).exit)
			i++;
		assert_true(i < n);
	}
}

static void each_end_says_why_in_a_sentence(void **state)
{
	(void)state;
	for (int end = 0; end <= SESSION_END_COUNT_; end++)
		assert_true(outcome_says((enum session_end)end)[0] != '\0');
	assert_string_equal(outcome_says(SESSION_END_PASSWORD),
	    "the backup password is wrong or missing");
}

static void the_disks_part_is_told(void **state)
{
	struct msg_result r = { .end = SESSION_END_DONE, .rc = RC_NOSPC };

	(void)state;
	assert_int_equal(outcome_of(&r).exit, EXIT_DISK_FULL);
	r.rc = RC_IO;
	assert_int_equal(outcome_of(&r).state, STATE_DISK_FAILING);
	r.rc = RC_CORRUPT;
	assert_int_equal(outcome_of(&r).exit, EXIT_CHECK);
	r.end = SESSION_END_HOST_DISK;
	assert_int_equal(outcome_of(&r).state, STATE_DISK_UNFIT);
	r.catalog_broken = 1; /* the disk is fit: nobody shall format it */
	assert_int_equal(outcome_of(&r).state, STATE_CATALOG_BROKEN);
	assert_int_equal(outcome_of(&r).exit, EXIT_DAMAGED);
	r.catalog_broken = 0;
	r.rc = RC_READONLY;
	assert_int_equal(outcome_of(&r).state, STATE_DISK_READONLY);
	r.rc = RC_BUSY;
	assert_int_equal(outcome_of(&r).exit, EXIT_BUSY);
	/* "Not ready" passes by itself, an unknown code does not. */
	r = (struct msg_result){ .end = SESSION_END_PHONE_OTHER, .mb_code = 1 };
	assert_int_equal(outcome_of(&r).event, PHONE_EV_END_RETRY);
	r.mb_code = 77;
	assert_int_equal(outcome_of(&r).event, PHONE_EV_END_FAILED);
	r = (struct msg_result){ .end = SESSION_END_BROKEN_BACKUP };
	assert_true(outcome_of(&r).is_broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_comes_back_as_it_went),
		cmocka_unit_test(hostile_lines_are_refused),
		cmocka_unit_test_setup_teardown(
		    nights_outlive_a_restart, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    its_times_never_go_back, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    the_same_news_is_one_line, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    a_cut_line_costs_only_itself, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(
		    it_does_not_grow_for_ever, make_dir, drop_dir),
		cmocka_unit_test(without_a_folder_it_is_kept_in_memory),
		cmocka_unit_test(only_what_is_verified_is_safe),
		cmocka_unit_test(exit_statuses_are_told_apart),
		cmocka_unit_test(each_end_says_why_in_a_sentence),
		cmocka_unit_test(the_disks_part_is_told),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
