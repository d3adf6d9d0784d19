/*
 * Nights through the vault's own door: first, next, interrupted, dropped, and
 * what each leaves on the disk.
 */
#include "vault_rig.h"

static void first_night_is_a_plain_folder(void **state)
{
	struct vault_snapshot snap;
	struct rig_world w;
	struct rig r;
	char path[512];
	struct stat st;

	(void)state;
	rig_first_world(&w, 12);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(vault_newest_good(r.p, &snap), RC_NOTFOUND);
	assert_int_equal(rig_night(&r, NULL, &w, &snap), RC_OK);
	assert_int_equal(snap.state, VAULT_GOOD);
	assert_int_equal(snap.files, 12 + 3); /* two manifests, one status */
	assert_int_equal(snap.new_files, snap.files);
	assert_string_equal(snap.device_name, "Rig");
	assert_true(rig_holds(&r, snap.id, &w));
	snprintf(path, sizeof(path), "%s/%s/latest/%s/%.2s/%s", vault_path(r.v),
	    RIG_UDID, RIG_UDID, w.f[0].id, w.f[0].id);
	assert_true(rig_bytes_are(path, &w.f[0]));
	/* A folder without a file stays: a phone makes all 256. */
	snprintf(path, sizeof(path), "%s/%s/latest/%s/%.2s", vault_path(r.v),
	    RIG_UDID, RIG_UDID, w.f[20].id);
	assert_int_equal(stat(path, &st), 0);
	snprintf(path, sizeof(path), "%s/%s/latest/%s/Snapshot",
	    vault_path(r.v), RIG_UDID, RIG_UDID);
	assert_int_equal(stat(path, &st), -1);
	rig_free(&r);
	rig_free_world(&w);
}

static void older_snapshots_stay_complete(void **state)
{
	struct vault_snapshot snap[4];
	struct rig_world w[4];
	struct rig r;

	(void)state;
	rig_first_world(&w[0], 12);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &w[0], &snap[0]), RC_OK);
	for (unsigned i = 1; i < 4; i++) {
		rig_next_world(&w[i], &w[i - 1], i);
		assert_int_equal(
		    rig_night(&r, &w[i - 1], &w[i], &snap[i]), RC_OK);
		assert_true(snap[i].new_files < snap[i].files);
		for (unsigned j = 0; j <= i; j++)
			assert_true(rig_holds(&r, snap[j].id, &w[j]));
		assert_false(rig_holds(&r, snap[i].id, &w[i - 1]));
		assert_int_equal(snap[i].files, rig_count(&w[i]) + 3);
	}
	rig_close(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	for (unsigned j = 0; j < 4; j++) {
		assert_true(rig_holds(&r, snap[j].id, &w[j]));
		rig_free_world(&w[j]);
	}
	rig_free(&r);
}

static void an_interrupted_night_goes_on(void **state)
{
	struct vault_snapshot snap;
	struct rig_world w0, w1;
	struct rig r;

	(void)state;
	rig_first_world(&w0, 12);
	rig_next_world(&w1, &w0, 3);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &w0, &snap), RC_OK);
	assert_int_equal(rig_begin(&r, true), RC_OK);
	assert_false(r.resumed);
	assert_int_equal(rig_send(&r, &w0, &w1), RC_OK);
	vault_night_end(r.n, true);
	rig_close(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_true(rig_holds(&r, snap.id, &w0));
	assert_int_equal(rig_begin(&r, false), RC_OK);
	assert_true(r.resumed);
	assert_int_equal(rig_settle(&r, &w0, &w1), RC_OK);
	assert_int_equal(rig_commit(&r, &snap), RC_OK);
	assert_true(rig_holds(&r, snap.id, &w1));
	assert_true(rig_holds(&r, snap.id - 1, &w0));
	rig_free(&r);
	rig_free_world(&w0);
	rig_free_world(&w1);
}

static unsigned count_files(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char sub[4096];
	unsigned n = 0;

	while (d && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		n += e->d_type == DT_DIR ? count_files(sub) : 1;
	}
	if (d)
		closedir(d);
	return n;
}

static void a_dropped_night_leaves_nothing(void **state)
{
	struct vault_snapshot snap;
	struct rig_world w0, w1;
	char incoming[512];
	struct rig r;

	(void)state;
	rig_first_world(&w0, 12);
	rig_next_world(&w1, &w0, 1);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	snprintf(incoming, sizeof(incoming), "%s/%s/incoming", vault_path(r.v),
	    RIG_UDID);
	assert_int_equal(rig_night(&r, NULL, &w0, &snap), RC_OK);
	assert_int_equal(count_files(incoming), 0);
	assert_int_equal(rig_begin(&r, true), RC_OK);
	assert_int_equal(rig_send(&r, &w0, &w1), RC_OK);
	assert_true(count_files(incoming) > 0);
	vault_night_end(r.n, false);
	assert_int_equal(count_files(incoming), 0);
	assert_int_equal(rig_begin(&r, false), RC_OK);
	assert_false(r.resumed);
	vault_night_end(r.n, true);
	assert_true(rig_holds(&r, snap.id, &w0));
	rig_free(&r);
	rig_free_world(&w0);
	rig_free_world(&w1);
}

static void one_holder_at_a_time(void **state)
{
	struct vault_snapshot snap;
	struct vault_phone *other;
	struct vault_night *second;
	struct rig_world w;
	struct rig r;
	bool resumed;

	(void)state;
	rig_first_world(&w, 5);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &w, &snap), RC_OK);
	assert_int_equal(
	    vault_phone_open(r.v, RIG_UDID, false, &other), RC_BUSY);
	assert_int_equal(
	    vault_phone_open(r.v, "../../etc", false, &other), RC_REFUSED);
	assert_int_equal(rig_begin(&r, true), RC_OK);
	assert_int_equal(
	    vault_night_begin(r.p, false, &second, &resumed), RC_BUSY);
	/* Lists beside a running backup. */
	assert_int_equal(vault_phone_open(r.v, RIG_UDID, true, &other), RC_OK);
	assert_int_equal(vault_newest_good(other, &snap), RC_OK);
	assert_int_equal(
	    vault_night_begin(other, false, &second, &resumed), RC_READONLY);
	vault_phone_close(other);
	vault_night_end(r.n, false);
	rig_free(&r);
	rig_free_world(&w);
}

static void a_foreign_folder_is_left_alone(void **state)
{
	struct vault *v;
	char path[512];
	struct rig r;
	FILE *f;

	(void)state;
	rig_new(&r);
	assert_int_equal(vault_open(NULL, r.dir, false, &v), RC_NOTFOUND);
	snprintf(path, sizeof(path), "%s/Nightstand", r.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/Nightstand/diary", r.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(vault_open(NULL, r.dir, true, &v), RC_CORRUPT);
	snprintf(path, sizeof(path), "%s/Nightstand/VAULT", r.dir);
	f = fopen(path, "w");
	fputs("nightstand-vault 2\nid 00112233445566778899aabbccddeeff\n", f);
	fclose(f);
	assert_int_equal(vault_open(NULL, r.dir, true, &v), RC_UNSUPPORTED);
	rig_free(&r);
}

/* The catalogue is gone, the files are not: never begin anew over them. */
static void a_lost_catalogue_is_not_a_new_phone(void **state)
{
	struct vault_snapshot snap;
	struct rig_world w;
	char path[512];
	struct rig r;

	(void)state;
	rig_first_world(&w, 5);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &w, &snap), RC_OK);
	snprintf(path, sizeof(path), "%s/copy.db", r.dir);
	assert_int_equal(vault_phone_backup_catalog(r.p, path), RC_OK);
	rig_close(&r);
	snprintf(
	    path, sizeof(path), "%s/Nightstand/" RIG_UDID "/catalog.db", r.dir);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_close(&r);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_close(&r);
	/* With the copy that the box keeps, all is there again. */
	{
		char copy[512];

		snprintf(copy, sizeof(copy), "%s/copy.db", r.dir);
		assert_int_equal(rename(copy, path), 0);
	}
	assert_int_equal(rig_open(&r), RC_OK);
	assert_true(rig_holds(&r, snap.id, &w));
	rig_free(&r);
	rig_free_world(&w);
}

static void damage_is_found(void **state)
{
	struct vault_snapshot snap;
	struct vault_check check;
	struct rig_world w;
	char path[512];
	struct rig r;
	FILE *f;

	(void)state;
	rig_first_world(&w, 5);
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &w, &snap), RC_OK);
	snprintf(path, sizeof(path), "%s/%s/latest/%s/%.2s/%s", vault_path(r.v),
	    RIG_UDID, RIG_UDID, w.f[1].id, w.f[1].id);
	f = fopen(path, "r+");
	assert_non_null(f);
	fputc('x', f);
	fclose(f);
	assert_int_equal(
	    vault_check_snapshot(r.p, snap.id, &check), RC_CORRUPT);
	assert_int_equal(check.bad, 1);
	assert_non_null(strstr(check.first_bad, w.f[1].id));
	rig_free(&r);
	rig_free_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_night_is_a_plain_folder),
		cmocka_unit_test(older_snapshots_stay_complete),
		cmocka_unit_test(an_interrupted_night_goes_on),
		cmocka_unit_test(a_dropped_night_leaves_nothing),
		cmocka_unit_test(one_holder_at_a_time),
		cmocka_unit_test(a_foreign_folder_is_left_alone),
		cmocka_unit_test(a_lost_catalogue_is_not_a_new_phone),
		cmocka_unit_test(damage_is_found),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
