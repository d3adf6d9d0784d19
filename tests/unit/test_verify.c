/*
 * What verification accepts and what it refuses: each case is a whole night
 * with one thing wrong.
 */
#include "vault_rig.h"

#include <fcntl.h>

#include "quickhash.h"
#include "rereader.h"

static struct rig_world world;

struct night {
	struct rig r;
	struct vault_verdict v;
};

static void night_sent(struct night *t)
{
	memset(t, 0, sizeof(*t));
	rig_new(&t->r);
	assert_int_equal(rig_open(&t->r), RC_OK);
	assert_int_equal(rig_begin(&t->r, true), RC_OK);
	assert_int_equal(rig_send(&t->r, NULL, &world), RC_OK);
}

static void night_new(struct night *t)
{
	night_sent(t);
	assert_int_equal(rig_settle(&t->r, NULL, &world), RC_OK);
}

static void night_free(struct night *t)
{
	vault_night_end(t->r.n, false);
	rig_free(&t->r);
}

static enum rc verify(struct night *t)
{
	return vault_night_verify(t->r.n, NULL, NULL, &t->v);
}

/* The verdict is "not whole", with `word` in its sentence. */
static void expect_refusal(struct night *t, const char *word)
{
	const struct vault_facts facts = { .ios = "17" };
	struct vault_snapshot snap;

	assert_int_equal(verify(t), RC_CORRUPT);
	assert_int_equal(t->v.rc, RC_CORRUPT);
	if (!strstr(t->v.why, word))
		fail_msg("wanted \"%s\" in \"%s\"", word, t->v.why);
	/* And what was refused cannot be committed. */
	assert_int_equal(vault_night_commit(t->r.n, &facts, &snap), RC_BUG);
	t->r.n = NULL;
	assert_int_equal(vault_newest_good(t->r.p, &snap), RC_NOTFOUND);
}

static void count_progress(void *arg, uint64_t files, uint64_t files_total,
    uint64_t bytes, uint64_t bytes_total)
{
	assert_true(files <= files_total && bytes <= bytes_total);
	++*(unsigned *)arg;
}

static void a_whole_night_is_good(void **state)
{
	unsigned calls = 0;
	struct night t;

	(void)state;
	night_new(&t);
	assert_int_equal(
	    vault_night_verify(t.r.n, count_progress, &calls, &t.v), RC_OK);
	assert_string_equal(t.v.why, "");
	assert_int_equal(t.v.manifest_rows, 8);
	assert_int_equal(t.v.manifest_files, 8);
	assert_int_equal(t.v.read_back_files, 8 + 3);
	assert_int_equal(t.v.size_warnings, 0);
	assert_int_equal(calls, 11);
	assert_false(t.v.encrypted);
	night_free(&t);
}

static void an_unfinished_run_is_refused(void **state)
{
	struct night t;

	(void)state;
	night_new(&t);
	assert_int_equal(rig_status(&t.r, "removing"), RC_OK);
	expect_refusal(&t, "did not finish");
	night_free(&t);

	night_new(&t);
	assert_int_equal(rig_rm(&t.r, "Status.plist"), RC_OK);
	expect_refusal(&t, "Status.plist is missing");
	night_free(&t);

	night_new(&t);
	assert_int_equal(rig_put(&t.r, "Status.plist", "", 0), RC_OK);
	expect_refusal(&t, "Status.plist cannot be read");
	night_free(&t);

	night_new(&t);
	assert_int_equal(rig_put(&t.r, "Snapshot/ab/x", "", 0), RC_OK);
	expect_refusal(&t, "Snapshot");
	night_free(&t);
}

static void a_missing_file_is_found(void **state)
{
	char rel[64];
	struct night t;

	(void)state;
	night_new(&t);
	snprintf(rel, sizeof(rel), "%.2s/%s", world.f[4].id, world.f[4].id);
	assert_int_equal(rig_rm(&t.r, rel), RC_OK); /* an empty one, even */
	expect_refusal(&t, world.f[4].id);
	night_free(&t);

	night_new(&t);
	assert_int_equal(rig_rm(&t.r, "Manifest.db"), RC_OK);
	expect_refusal(&t, "Manifest.db is missing");
	night_free(&t);
}

static void a_file_that_grew_is_only_counted(void **state)
{
	char rel[64];
	struct night t;

	(void)state;
	night_new(&t);
	snprintf(rel, sizeof(rel), "%.2s/%s", world.f[1].id, world.f[1].id);
	assert_int_equal(rig_put(&t.r, rel, "other", 5), RC_OK);
	assert_int_equal(verify(&t), RC_OK);
	assert_int_equal(t.v.size_warnings, 1);
	night_free(&t);
}

static void a_damaged_database_is_found(void **state)
{
	char *db = malloc(world.db_len);
	struct night t;

	(void)state;
	memcpy(db, world.db, world.db_len);
	memset(db + 4096, 0x5a, 2000); /* the second page */
	night_new(&t);
	assert_int_equal(rig_put(&t.r, "Manifest.db", db, world.db_len), RC_OK);
	expect_refusal(&t, "Manifest.db is damaged");
	night_free(&t);

	night_new(&t);
	assert_int_equal(rig_put(&t.r, "Manifest.db", db, 4096), RC_OK);
	expect_refusal(&t, "Manifest.db is damaged");
	night_free(&t);
	free(db);
}

static enum rc put_manifest(
    struct rig *r, const char *udid, bool encrypted, bool key)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "<plist><dict><key>IsEncrypted</key><%s/>%s<key>Lockdown</key>"
	    "<dict><key>UniqueDeviceID</key><string>%s</string></dict>"
	    "</dict></plist>",
	    encrypted ? "true" : "false",
	    key ? "<key>ManifestKey</key><data>AAAA</data>" : "", udid);
	return rig_put(r, "Manifest.plist", text, strlen(text));
}

static void the_manifest_must_fit_the_phone(void **state)
{
	struct night t;

	(void)state;
	night_new(&t);
	assert_int_equal(
	    put_manifest(&t.r, "00008030-00112233445566FF", false, false),
	    RC_OK);
	expect_refusal(&t, "another phone");
	night_free(&t);

	night_new(&t);
	assert_int_equal(put_manifest(&t.r, RIG_UDID, true, false), RC_OK);
	expect_refusal(&t, "has no key");
	night_free(&t);

	night_new(&t);
	assert_int_equal(put_manifest(&t.r, RIG_UDID, false, true), RC_OK);
	expect_refusal(&t, "but has a key");
	night_free(&t);

	night_new(&t);
	assert_int_equal(put_manifest(&t.r, RIG_UDID, true, true), RC_OK);
	expect_refusal(&t, "is not encrypted");
	night_free(&t);
}

/* All data files in whole blocks, and a Manifest.db that is none. */
static void encrypt(struct rig *r, size_t odd)
{
	static const char cipher[4096 + 16] = { 'x' };
	char rel[64];

	assert_int_equal(put_manifest(r, RIG_UDID, true, true), RC_OK);
	assert_int_equal(
	    rig_put(r, "Manifest.db", cipher, sizeof(cipher)), RC_OK);
	for (int i = 0; i < RIG_FILES; i++) {
		if (!world.f[i].version)
			continue;
		snprintf(
		    rel, sizeof(rel), "%.2s/%s", world.f[i].id, world.f[i].id);
		assert_int_equal(
		    rig_put(r, rel, cipher, 32 + (i == 3 ? odd : 0)), RC_OK);
	}
}

static void encrypted_backups_are_judged_by_their_lengths(void **state)
{
	struct night t;

	(void)state;
	night_new(&t);
	encrypt(&t.r, 0);
	assert_int_equal(verify(&t), RC_OK);
	assert_true(t.v.encrypted);
	assert_int_equal(t.v.manifest_rows, 0);
	night_free(&t);

	night_new(&t);
	encrypt(&t.r, 1);
	expect_refusal(&t, "impossible length");
	night_free(&t);

	night_new(&t);
	encrypt(&t.r, 0);
	assert_int_equal(rig_put(&t.r, "Manifest.db", "short", 5), RC_OK);
	expect_refusal(&t, "impossible length");
	night_free(&t);
}

/* Encryption was switched off; `all`: the phone sends all files again. */
static enum rc plain_after_encrypted(bool all)
{
	const struct vault_facts facts = { .ios = "17" };
	struct vault_snapshot snap;
	struct rig_world next;
	struct night t;
	enum rc rc;

	night_new(&t);
	encrypt(&t.r, 0);
	assert_int_equal(verify(&t), RC_OK);
	assert_int_equal(vault_night_commit(t.r.n, &facts, &snap), RC_OK);
	rig_next_world(&next, &world, 1);
	assert_int_equal(rig_begin(&t.r, true), RC_OK);
	assert_int_equal(rig_send(&t.r, all ? NULL : &world, &next), RC_OK);
	/* What went is removed in any case. */
	for (int i = 0; all && i < RIG_FILES; i++) {
		char rel[64];

		snprintf(
		    rel, sizeof(rel), "%.2s/%s", world.f[i].id, world.f[i].id);
		if (world.f[i].version && !next.f[i].version)
			assert_int_equal(rig_rm(&t.r, rel), RC_OK);
	}
	assert_int_equal(rig_settle(&t.r, all ? NULL : &world, &next), RC_OK);
	rc = verify(&t);
	if (rc && !strstr(t.v.why, "Encryption was switched"))
		fail_msg("%s", t.v.why);
	rig_free_world(&next);
	night_free(&t);
	return rc;
}

static void nothing_is_kept_when_encryption_was_switched(void **state)
{
	(void)state;
	assert_int_equal(plain_after_encrypted(false), RC_CORRUPT);
	assert_int_equal(plain_after_encrypted(true), RC_OK);
}

/* Changes one byte in the phone's n-th file, behind the vault's back. */
static void spoil_incoming(struct rig *r, unsigned num, bool remove_it)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" RIG_UDID "/incoming/%.2s/%s",
	    vault_path(r->v), world.f[num].id, world.f[num].id);
	if (remove_it) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	f = fopen(path, "r+");
	assert_non_null(f);
	fputc('!', f);
	fclose(f);
}

/* Before the first checkpoint, behind which it may be read back at once. */
static void expect_found(bool remove_it, const char *word)
{
	struct night t;

	night_sent(&t);
	spoil_incoming(&t.r, 2, remove_it);
	assert_int_equal(rig_settle(&t.r, NULL, &world), RC_OK);
	expect_refusal(&t, word);
	night_free(&t);
}

static void what_the_disk_changed_is_found(void **state)
{
	(void)state;
	expect_found(false, "other bytes");
	expect_found(true, "vanished");
}

static void a_change_after_the_check_asks_for_another(void **state)
{
	const struct vault_facts facts = { .ios = "17" };
	struct vault_snapshot snap;
	struct night t;

	(void)state;
	night_new(&t);
	assert_int_equal(verify(&t), RC_OK);
	assert_int_equal(rig_put(&t.r, "Info.plist", "x", 1), RC_OK);
	assert_int_equal(vault_night_commit(t.r.n, &facts, &snap), RC_BUG);
	/* Nothing is lost: the overlay was kept. */
	assert_int_equal(rig_begin(&t.r, false), RC_OK);
	assert_true(t.r.resumed);
	assert_int_equal(verify(&t), RC_OK);
	assert_int_equal(vault_night_commit(t.r.n, &facts, &snap), RC_OK);
	t.r.n = NULL;
	assert_true(rig_holds(&t.r, snap.id, &world));
	night_free(&t);
}

/* The same content again is no new version; it heals a damaged file. */
static void the_same_again_costs_nothing_and_heals(void **state)
{
	struct vault_snapshot one, two;
	char path[512];
	struct rig r;
	FILE *f;

	(void)state;
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(rig_night(&r, NULL, &world, &one), RC_OK);
	snprintf(path, sizeof(path),
	    "%s/" RIG_UDID "/latest/" RIG_UDID "/%.2s/%s", vault_path(r.v),
	    world.f[1].id, world.f[1].id);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_false(rig_holds(&r, one.id, &world));
	assert_int_equal(rig_night(&r, NULL, &world, &two), RC_OK);
	assert_int_equal(two.new_files, 0);
	assert_int_equal(two.files, one.files);
	assert_int_equal(two.bytes, one.bytes);
	assert_true(rig_holds(&r, one.id, &world));
	assert_true(rig_holds(&r, two.id, &world));
	rig_free(&r);
}

/* A path changes its kind from night to night. */
static void files_become_folders_and_back(void **state)
{
	struct vault_snapshot snap[3];
	struct rig r;

	(void)state;
	rig_new(&r);
	assert_int_equal(rig_open(&r), RC_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rig_begin(&r, false), RC_OK);
		if (i > 0)
			assert_int_equal(rig_rm(&r, "thing"), RC_OK);
		if (i == 1)
			assert_int_equal(
			    rig_put(&r, "thing/in/it", "abc", 3), RC_OK);
		else
			assert_int_equal(
			    rig_put(&r, "thing", "abcdef", 6), RC_OK);
		assert_int_equal(rig_send(&r, NULL, &world), RC_OK);
		assert_int_equal(rig_settle(&r, NULL, &world), RC_OK);
		assert_int_equal(rig_commit(&r, &snap[i]), RC_OK);
		for (int j = 0; j <= i; j++)
			assert_true(rig_holds(&r, snap[j].id, &world));
	}
	rig_free(&r);
}

/* Behind the session: it says "good" of what it has read and found right, and
 * of nothing else. */
static void files_are_read_back_while_the_night_runs(void **state)
{
	char incoming[128], path[256];
	uint64_t files = 0, bytes = 0;
	uint64_t quick;
	struct quickhash *q = quickhash_new();
	struct rereader *rr;
	struct rig r;
	int dir;

	(void)state;
	rig_new(&r);
	snprintf(incoming, sizeof(incoming), "%s/incoming", r.dir);
	assert_int_equal(mkdir(incoming, 0755), 0);
	snprintf(path, sizeof(path), "%s/000000", incoming);
	assert_int_equal(mkdir(path, 0755), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "%s/000000/%08x", incoming, i);
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(i == 7 ? "thf bytes" : "the bytes", f);
		fclose(f);
	}
	quickhash_begin(q);
	quickhash_update(q, "the bytes", 9);
	quick = quickhash_final(q);
	quickhash_free(q);
	dir = open(r.dir, O_RDONLY | O_DIRECTORY);
	rr = rereader_new(fileops_posix(), dir);
	assert_non_null(rr);
	for (uint32_t i = 0; i < 101; i++) /* the last one is not there */
		rereader_add(rr, &(struct layout_place){ .num = i },
		    i == 8 ? 10 : 9, quick);
	rereader_checkpoint(rr);
	rereader_add(rr, &(struct layout_place){ .num = 0 }, 9,
	    quick); /* not covered by a checkpoint */
	assert_true(rereader_wait(rr, 60000, &files, &bytes));
	assert_int_equal(files, 98);
	assert_int_equal(bytes, 98 * 9);
	for (uint32_t i = 0; i < 101; i++)
		assert_int_equal(
		    rereader_is_good(rr, i), i != 7 && i != 8 && i != 100);
	rereader_free(rr);
	close(dir);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_night_is_good),
		cmocka_unit_test(an_unfinished_run_is_refused),
		cmocka_unit_test(a_missing_file_is_found),
		cmocka_unit_test(a_file_that_grew_is_only_counted),
		cmocka_unit_test(a_damaged_database_is_found),
		cmocka_unit_test(the_manifest_must_fit_the_phone),
		cmocka_unit_test(encrypted_backups_are_judged_by_their_lengths),
		cmocka_unit_test(nothing_is_kept_when_encryption_was_switched),
		cmocka_unit_test(what_the_disk_changed_is_found),
		cmocka_unit_test(a_change_after_the_check_asks_for_another),
		cmocka_unit_test(the_same_again_costs_nothing_and_heals),
		cmocka_unit_test(files_become_folders_and_back),
		cmocka_unit_test(files_are_read_back_while_the_night_runs),
	};

	log_set_level(LOG_LEVEL_ERROR);
	rig_first_world(&world, 8);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
