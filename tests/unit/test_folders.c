/*
 * The commit of a phone's first night moves whole folders where it may, and
 * file by file where it must; what comes out is the same.
 */
#include "vault_rig.h"

#include <errno.h>

static struct rig_world world;

static struct {
	unsigned folders, files; /* renames of incoming/ab and of what is in */
	int folder_err; /* for renames of a folder */
	unsigned fail_at; /* all renames from this one on: EIO */
} disk;

static int counting_rename(void *ctx, int dir, const char *from, const char *to)
{
	bool is_folder = strlen(from) == strlen("incoming/ab");

	if (disk.fail_at && disk.folders + disk.files + 1 >= disk.fail_at)
		return -EIO;
	if (is_folder)
		disk.folders++;
	else
		disk.files++;
	if (is_folder && disk.folder_err)
		return -disk.folder_err;
	return fileops_posix()->rename(ctx, dir, from, to);
}

static struct fileops table;

static void begin(struct rig *r)
{
	memset(&disk, 0, sizeof(disk));
	table = *fileops_posix();
	table.rename = counting_rename;
	rig_new(r);
	r->ops = &table;
	assert_int_equal(rig_open(r), RC_OK);
	assert_int_equal(rig_begin(r, true), RC_OK);
	assert_int_equal(rig_send(r, NULL, &world), RC_OK);
}

static enum rc finish(struct rig *r, struct vault_snapshot *snap)
{
	enum rc rc = rig_settle(r, NULL, &world);

	if (!rc)
		rc = rig_commit(r, snap);
	if (rc && r->n)
		vault_night_end(r->n, true);
	r->n = NULL;
	return rc;
}

static unsigned world_folders(void)
{
	bool seen[256] = { false };
	unsigned n = 0;

	for (unsigned i = 0; i < RIG_FILES; i++) {
		unsigned at;

		if (!world.f[i].version ||
		    sscanf(world.f[i].id, "%2x", &at) != 1 || seen[at])
			continue;
		seen[at] = true;
		n++;
	}
	return n;
}

static void whole_folders_are_moved(void **state)
{
	struct vault_snapshot snap;
	struct rig r;

	(void)state;
	begin(&r);
	assert_int_equal(finish(&r, &snap), RC_OK);
	assert_int_equal(disk.folders, world_folders());
	assert_in_range(disk.files, 3, 5); /* the property lists and the db */
	assert_true(rig_holds(&r, snap.id, &world));
	rig_free(&r);
}

static void one_by_one_where_folders_cannot_be(void **state)
{
	static const int errors[] = { ENOTEMPTY, EEXIST, EINVAL, ENOTSUP };
	struct vault_snapshot snap;
	struct rig r;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		begin(&r);
		disk.folder_err = errors[i];
		assert_int_equal(finish(&r, &snap), RC_OK);
		assert_true(disk.files > world_folders());
		assert_true(rig_holds(&r, snap.id, &world));
		rig_free(&r);
	}
}

static void in_folder(char out[512], struct rig *r, const char *name)
{
	snprintf(out, 512, "%s/" RIG_UDID "/incoming/%.2s/%s", vault_path(r->v),
	    world.f[0].id, name);
}

static void a_strangers_file_stays_where_it_was(void **state)
{
	struct vault_snapshot snap;
	char path[512];
	struct stat st;
	struct rig r;
	FILE *f;

	(void)state;
	begin(&r);
	in_folder(path, &r, ".DS_Store");
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(finish(&r, &snap), RC_OK);
	assert_int_equal(disk.folders, world_folders() - 1);
	assert_true(rig_holds(&r, snap.id, &world));
	assert_int_equal(stat(path, &st), 0);
	rig_free(&r);
}

static void a_file_that_came_twice_is_the_second_one(void **state)
{
	struct vault_snapshot snap;
	char path[64];
	char *bytes;
	struct rig r;

	(void)state;
	begin(&r);
	snprintf(path, sizeof(path), "%.2s/%s", world.f[0].id, world.f[0].id);
	bytes = malloc(world.f[0].size + 1);
	assert_non_null(bytes);
	rig_fill(&world.f[0], bytes);
	assert_int_equal(rig_put(&r, path, "not this", 8), RC_OK);
	assert_int_equal(rig_put(&r, path, bytes, world.f[0].size), RC_OK);
	free(bytes);
	assert_int_equal(finish(&r, &snap), RC_OK);
	assert_true(rig_holds(&r, snap.id, &world));
	rig_free(&r);
}

static void it_ends_after_any_interruption(void **state)
{
	struct vault_snapshot snap;
	unsigned cases = 0;

	(void)state;
	for (unsigned at = 1; at <= world_folders() + 3; at++) {
		struct rig r;

		begin(&r);
		disk.fail_at = at;
		assert_int_equal(finish(&r, &snap), RC_IO);
		rig_close(&r);
		r.ops = NULL;
		assert_int_equal(rig_open(&r), RC_OK);
		assert_int_equal(vault_newest_good(r.p, &snap), RC_OK);
		assert_true(rig_holds(&r, snap.id, &world));
		rig_free(&r);
		cases++;
	}
	print_message("  %u interruptions\n", cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_folders_are_moved),
		cmocka_unit_test(one_by_one_where_folders_cannot_be),
		cmocka_unit_test(a_strangers_file_stays_where_it_was),
		cmocka_unit_test(a_file_that_came_twice_is_the_second_one),
		cmocka_unit_test(it_ends_after_any_interruption),
	};

	log_set_level(LOG_LEVEL_ERROR);
	rig_first_world(&world, 7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
