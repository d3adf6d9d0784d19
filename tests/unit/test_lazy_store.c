/*
 * Where a session's backup goes when the box mounts disks: to one that is
 * mounted there, and nowhere else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* clang-format off */
#include "lazy_store.c" /* firmware is in no archive */
#undef LOG_MODULE
#include "mend.c"
/* clang-format on */

static unsigned asked, good_for; /* mounted for so many questions */

bool disk_is_mount_point(const char *dir)
{
	(void)dir;
	return asked++ < good_for;
}

static enum rc open_with(
    const char *dir, bool mounted, unsigned questions, bool *has_vault)
{
	const struct lazy_store_opts opts = {
		.dir = dir,
		.udid = "00008030-001122334455667A",
		.state_dir = "",
		.mounted = mounted,
	};
	struct lazy_store *l;
	enum rc rc;

	asked = 0;
	good_for = questions;
	assert_int_equal(lazy_store_begin(&opts, &l), RC_OK);
	rc = lazy_store_wait(l);
	*has_vault = lazy_store_vault(l) != NULL;
	if (rc)
		assert_true(lazy_store_has_failed(l));
	lazy_store_end(l);
	return rc;
}

static bool is_empty(const char *dir)
{
	return rmdir(dir) == 0 && mkdir(dir, 0755) == 0;
}

static void a_folder_without_its_disk_takes_nothing(void **state)
{
	char dir[] = "/tmp/nightstand-lazy-XXXXXX";
	char rm[64];
	bool has_vault;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(open_with(dir, true, 0, &has_vault), RC_NOTFOUND);
	assert_false(has_vault);
	assert_true(is_empty(dir));
	/* Pulled while it is opened. */
	assert_int_equal(open_with(dir, true, 1, &has_vault), RC_NOTFOUND);
	/* There, and where nobody mounts. */
	assert_int_equal(open_with(dir, true, 2, &has_vault), RC_OK);
	assert_true(has_vault);
	assert_int_equal(open_with(dir, false, 0, &has_vault), RC_OK);
	assert_int_equal(asked, 0);
	snprintf(rm, sizeof(rm), "rm -rf %s", dir);
	assert_int_equal(system(rm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_without_its_disk_takes_nothing),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
