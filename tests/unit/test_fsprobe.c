/* The probe of a disk: what it finds in memory's file system, what it leaves
 * behind (nothing), and the sums that are made of it. */
#include "vault_rig.h"

#include <fcntl.h>

#include "fsprobe.h"

static void make_dir(char dir[32])
{
	snprintf(dir, 32, "/tmp/fsprobe-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static unsigned names_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

static void a_folder_is_probed_and_left_empty(void **state)
{
	struct fsprobe p;
	char dir[32];

	(void)state;
	make_dir(dir);
	assert_int_equal(fsprobe(dir, FSPROBE_SYNC, &p), RC_OK);
	assert_string_equal(p.why, "");
	assert_true(p.rename_over && p.rename_folder_over && p.long_names);
	assert_true(p.largest_file >= 1ull << 32 && p.syncs);
	assert_true(p.piece_bytes > 0 && p.total_bytes > 0);
	assert_int_equal(names_in(dir), 0);
	rig_remove(dir);
}

static void the_vaults_folder_is_taken_where_it_is(void **state)
{
	char dir[32], sub[64], in[128];
	struct fsprobe p;

	(void)state;
	make_dir(dir);
	snprintf(sub, sizeof(sub), "%s/Nightstand", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	/* Somebody's file of that name is not ours to take away. */
	snprintf(in, sizeof(in), "%s/.nightstand-probe", sub);
	assert_int_equal(close(open(in, O_CREAT | O_WRONLY, 0600)), 0);
	assert_int_not_equal(fsprobe(dir, 0, &p), RC_OK);
	assert_int_equal(access(in, F_OK), 0);
	assert_int_equal(unlink(in), 0);
	assert_int_equal(fsprobe(dir, 0, &p), RC_OK);
	assert_int_equal(names_in(dir), 1);
	assert_int_equal(names_in(sub), 0);
	rig_remove(dir);
}

static void what_is_no_folder_is_not_found(void **state)
{
	struct fsprobe p;

	(void)state;
	assert_int_equal(fsprobe("/nowhere/at/all", 0, &p), RC_NOTFOUND);
	assert_int_equal(fsprobe("/dev/null", 0, &p), RC_NOTFOUND);
}

static void a_place_that_takes_no_files_is_refused_with_words(void **state)
{
	struct fsprobe p;

	(void)state;
	assert_int_not_equal(fsprobe("/proc/self", 0, &p), RC_OK);
	assert_true(p.why[0]);
}

static void waste_is_half_a_piece_a_file(void **state)
{
	struct fsprobe p = { .piece_bytes = 128 << 10 };

	(void)state;
	assert_int_equal(fsprobe_waste(&p, 0), 256ull * (128 << 10));
	assert_int_equal(fsprobe_waste(&p, 300000),
	    300000ull * (64 << 10) + 256ull * (128 << 10));
	p.piece_bytes = 512;
	assert_int_equal(fsprobe_waste(&p, 1), 256 + 256 * 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_is_probed_and_left_empty),
		cmocka_unit_test(the_vaults_folder_is_taken_where_it_is),
		cmocka_unit_test(what_is_no_folder_is_not_found),
		cmocka_unit_test(
		    a_place_that_takes_no_files_is_refused_with_words),
		cmocka_unit_test(waste_is_half_a_piece_a_file),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
