/*
 * A catalogue that somebody else wrote to: whatever it says, nothing outside
 * the phone's own folders is touched, and no call does more than say so.
 */
#include "vault_rig.h"

static struct rig_world world, next;

static void spoil(struct rig *r, const char *sql)
{
	char path[512];
	sqlite3 *h;

	snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/catalog.db",
	    r->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(h));
	sqlite3_close(h);
}

/* A vault with one good night, closed. */
static int64_t prepare(struct rig *r)
{
	struct vault_snapshot snap;

	rig_new(r);
	assert_int_equal(rig_open(r), RC_OK);
	assert_int_equal(rig_night(r, NULL, &world, &snap), RC_OK);
	rig_close(r);
	return snap.id;
}

static enum rc count_entry(void *arg, const struct vault_entry *e)
{
	(void)e;
	++*(unsigned *)arg;
	return RC_OK;
}

static void paths_that_lead_out_are_refused(void **state)
{
	static const char *const sql[] = {
		"UPDATE entry SET path='../../../etc/passwd' WHERE size>0",
		"UPDATE entry SET path='/etc/passwd' WHERE path LIKE '%/%2'",
		"UPDATE entry SET digest=x'00' WHERE size>0",
		"UPDATE entry SET digest='text' WHERE size>0",
		"UPDATE entry SET size=-5 WHERE kind=1",
		"UPDATE entry SET kind=77",
	};
	struct vault_check check;
	unsigned n;
	struct rig r;
	int64_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
		char one[256];

		id = prepare(&r);
		/* One row only: the key must stay unique. */
		snprintf(one, sizeof(one),
		    "%s%s path=(SELECT max(path) FROM entry WHERE"
		    " path LIKE '__/%%' AND size>0)",
		    sql[i], strstr(sql[i], "WHERE") ? " AND" : " WHERE");
		if (strstr(sql[i], "LIKE"))
			snprintf(one, sizeof(one),
			    "UPDATE entry SET path='/etc/passwd' WHERE "
			    "path='Status.plist'");
		spoil(&r, one);
		assert_int_equal(rig_open(&r), RC_OK);
		n = 0;
		assert_int_equal(
		    vault_each_entry(r.p, id, count_entry, &n), RC_CORRUPT);
		assert_int_equal(
		    vault_check_snapshot(r.p, id, &check), RC_CORRUPT);
		rig_free(&r);
	}
}

/* A journal that was not written by us moves nothing out of the folder. */
static void a_hostile_journal_is_refused(void **state)
{
	char victim[512], sql[1024];
	struct stat st;
	struct rig r;
	FILE *f;

	(void)state;
	prepare(&r);
	snprintf(victim, sizeof(victim), "%s/victim", r.dir);
	f = fopen(victim, "w");
	assert_non_null(f);
	fputs("mine", f);
	fclose(f);
	snprintf(sql, sizeof(sql),
	    "UPDATE snapshot SET state=1, placing=0; INSERT INTO move(what, path, size,"
	    " digest) VALUES(1, '../../../../victim', 4, zeroblob(32))");
	spoil(&r, sql);
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_close(&r);
	assert_int_equal(stat(victim, &st), 0);
	spoil(&r, "UPDATE move SET what=4, path='x', staged=-1");
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_close(&r);
	spoil(&r, "UPDATE move SET staged=1152921504606846976");
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_free(&r);
}

static void a_hostile_overlay_is_refused(void **state)
{
	struct vault_verdict v;
	struct rig r;

	(void)state;
	prepare(&r);
	/* A staged row without its file: the overlay is dropped. */
	spoil(&r, "INSERT INTO staged VALUES(5, 1, 1, zeroblob(32), NULL);"
		  "INSERT INTO pending VALUES('ab/x', 1, 5, 0)");
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_begin(&r, false), RC_OK);
	assert_false(r.resumed);
	rig_close(&r);
	/* A pending row without its staged row. */
	spoil(&r, "INSERT INTO pending VALUES('Status.plist', 1, 5, 0)");
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_begin(&r, false), RC_OK);
	assert_int_equal(vault_night_verify(r.n, NULL, NULL, &v), RC_CORRUPT);
	rig_close(&r);
	spoil(&r, "INSERT INTO staged VALUES(-7, 1, 1, zeroblob(32), NULL)");
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_free(&r);
}

static void a_damaged_catalogue_is_named(void **state)
{
	char path[512];
	struct rig r;
	FILE *f;

	(void)state;
	prepare(&r);
	snprintf(
	    path, sizeof(path), "%s/Nightstand/" RIG_UDID "/catalog.db", r.dir);
	spoil(&r, "PRAGMA user_version=9");
	assert_int_equal(rig_open(&r), RC_UNSUPPORTED);
	rig_close(&r);
	spoil(&r, "PRAGMA application_id=1");
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_close(&r);
	f = fopen(path, "w");
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this was a database once. ", f);
	fclose(f);
	assert_int_equal(rig_open(&r), RC_CORRUPT);
	rig_free(&r);
}

/* Files in our folders that we did not write stay (V7). */
static void strange_files_stay(void **state)
{
	static const char *const names[] = { "incoming/readme",
		"incoming/000000/notes.txt", "incoming/000000/0000zzzz",
		"incoming/000000/00ffff00", "incoming/ab/notes.txt",
		"incoming/ab/cd00000000000000000000000000000000000000",
		"objects/mine", "mine" };
	struct vault_snapshot snap;
	char path[512];
	struct stat st;
	struct rig r;
	FILE *f;

	(void)state;
	prepare(&r);
	snprintf(path, sizeof(path),
	    "%s/Nightstand/" RIG_UDID "/incoming/000000", r.dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/incoming/ab",
	    r.dir);
	mkdir(path, 0755);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/%s",
		    r.dir, names[i]);
		f = fopen(path, "w");
		assert_non_null(f);
		fclose(f);
	}
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, &world, &next, &snap), RC_OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/%s",
		    r.dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
	}
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_that_lead_out_are_refused),
		cmocka_unit_test(a_hostile_journal_is_refused),
		cmocka_unit_test(a_hostile_overlay_is_refused),
		cmocka_unit_test(a_damaged_catalogue_is_named),
		cmocka_unit_test(strange_files_stay),
	};

	log_set_level(LOG_LEVEL_ERROR);
	rig_first_world(&world, 8);
	rig_next_world(&next, &world, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
