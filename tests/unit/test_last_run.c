/* What is kept of the run before, in a folder that outlives it. */
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

#include "last_run.c"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/nightstand-run-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static void drop(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static int drop_dir(void **state)
{
	(void)state;
	drop(MARK);
	drop(TAIL);
	drop(BEFORE);
	drop("word");
	return rmdir(dir);
}

static const struct last_run_signs nothing,
    bitten = { .was_bitten = true }, powered = { .had_power = true },
    panicked = { .panicked = true, .was_bitten = true, .had_power = true };

static void a_run_without_an_end_is_known(void **state)
{
	(void)state;
	assert_int_equal(last_run_begin(dir, &bitten), STATUS_RESET_UNKNOWN);
	assert_int_equal(last_run_begin(dir, &nothing), STATUS_RESET_POWER);
	assert_int_equal(last_run_begin(dir, &bitten), STATUS_RESET_WATCHDOG);
	assert_int_equal(last_run_begin(dir, &powered), STATUS_RESET_STOPPED);
	assert_int_equal(last_run_begin(dir, &panicked), STATUS_RESET_PANIC);
	assert_int_equal(last_run_end(dir, false), RC_OK);
	/* It was asked for: a bit that stayed from earlier changes nothing. */
	assert_int_equal(last_run_begin(dir, &bitten), STATUS_RESET_ASKED);
	assert_int_equal(last_run_end(dir, true), RC_OK);
	assert_int_equal(last_run_begin(dir, &powered), STATUS_RESET_OFF);
	assert_int_equal(last_run_begin(dir, &nothing), STATUS_RESET_POWER);
	/* In the very last moment of an orderly end. */
	assert_int_equal(last_run_end(dir, false), RC_OK);
	assert_int_equal(last_run_begin(dir, &panicked), STATUS_RESET_PANIC);
}

static void a_mark_that_means_nothing_says_nothing(void **state)
{
	static const char *const marks[] = { "", "x", "watchdog", "power",
		"up\n", "unknown",
		"a line that is longer than any mark can be, by far" };

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		assert_int_equal(
		    put_file(dir, MARK, marks[i], strlen(marks[i])), RC_OK);
		assert_int_equal(
		    last_run_begin(dir, &nothing), STATUS_RESET_UNKNOWN);
	}
	assert_int_equal(
	    last_run_begin("/nowhere", &nothing), STATUS_RESET_UNKNOWN);
	assert_int_equal(last_run_end("/nowhere", false), RC_NOTFOUND);
}

static void the_box_is_told(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/word", dir);
	assert_int_equal(last_run_told(path), STATUS_RESET_UNKNOWN);
	for (int i = 0; i < STATUS_RESET_COUNT_; i++) {
		assert_int_equal(
		    last_run_tell(path, (enum status_reset)i), RC_OK);
		assert_int_equal(last_run_told(path), i);
	}
	assert_int_equal(put_file(dir, "word", "nonsense", 8), RC_OK);
	assert_int_equal(last_run_told(path), STATUS_RESET_UNKNOWN);
}

static void the_log_of_the_run_before_is_read(void **state)
{
	static char text[LAST_RUN_LOG];
	struct log_ring *r[3] = { NULL };
	const struct log_ring *const *rings = (const struct log_ring *const *)r;
	int fd[2];

	(void)state;
	assert_int_equal(log_ring_make(&r[0], &fd[0]), RC_OK);
	assert_int_equal(log_ring_make(&r[1], &fd[1]), RC_OK);
	for (int i = 0; i < 1000; i++) {
		log_ring_use(r[i % 2]);
		log_error("line %d of a long night", i);
	}
	log_ring_use(NULL);
	assert_int_equal(last_run_log(dir, text, sizeof(text)), 0);
	assert_int_equal(last_run_keep_log(dir, rings), RC_OK);
	assert_int_equal(last_run_log(dir, text, sizeof(text)), 0);
	last_run_begin(dir, &nothing);
	assert_true(last_run_log(dir, text, sizeof(text)) > LAST_RUN_LOG / 2);
	assert_non_null(strstr(text, "line 998 of"));
	assert_non_null(strstr(text, "line 999 of"));
	assert_null(strstr(text, "line 0 of"));
	for (size_t cap = 0; cap < 100; cap++)
		assert_true(last_run_log(dir, text, cap) < (cap ? cap : 1));
	/* A run that wrote none: that of an older one is not shown for it. */
	last_run_begin(dir, &nothing);
	assert_int_equal(last_run_log(dir, text, sizeof(text)), 0);
	assert_int_equal(put_file(dir, BEFORE, "a\x1b[2J\xff\n", 7), RC_OK);
	assert_int_equal(last_run_log(dir, text, sizeof(text)), 7);
	assert_string_equal(text, "a?[2J?\n");
	for (int i = 0; i < 2; i++) {
		log_ring_drop(r[i]);
		close(fd[i]);
	}
}

static void what_memory_had_is_put_beside(void **state)
{
	static char text[LAST_RUN_LOG], log[LAST_RUN_LOG], kernel[LAST_RUN_LOG];

	(void)state;
	assert_int_equal(last_run_found(dir, "", ""), RC_OK);
	assert_int_equal(last_run_log(dir, text, sizeof(text)), 0);
	assert_int_equal(last_run_found(dir, "a line\n", ""), RC_OK);
	assert_true(last_run_log(dir, text, sizeof(text)) > 0);
	assert_string_equal(text, "a line\n");
	/* Without a log in memory that of the folder stays. */
	assert_int_equal(last_run_found(dir, "", "<0>panic\n"), RC_OK);
	assert_true(last_run_log(dir, text, sizeof(text)) > 0);
	assert_string_equal(
	    text, "a line\n\n-- its kernel's last words --\n<0>panic\n");
	/* Noise; both longer than there is room for: their ends. */
	for (size_t i = 0; i < sizeof(log) - 1; i++) {
		log[i] = i % 50 == 49 ? '\n' : 'l';
		kernel[i] = i % 50 == 49 ? '\n' : (char)(0x80 + i % 0x40);
	}
	memcpy(log + sizeof(log) - 6, "last\n", 6);
	memcpy(kernel + sizeof(kernel) - 7, "words\n", 7);
	assert_int_equal(last_run_found(dir, log, kernel), RC_OK);
	assert_true(last_run_log(dir, text, sizeof(text)) > LAST_RUN_LOG - 200);
	assert_non_null(strstr(text, "last\n\n-- its kernel's"));
	assert_string_equal(text + strlen(text) - 6, "words\n");
	assert_true(strstr(text, "--\n") - text > LAST_RUN_KERNEL - 200);
	assert_int_equal(last_run_found("/nowhere", "x", ""), RC_NOTFOUND);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(a_run_without_an_end_is_known),
		WITH_DIR(a_mark_that_means_nothing_says_nothing),
		WITH_DIR(the_box_is_told),
		WITH_DIR(the_log_of_the_run_before_is_read),
		WITH_DIR(what_memory_had_is_put_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
