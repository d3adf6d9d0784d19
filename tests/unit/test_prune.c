/*
 * Dropping snapshots: what is kept stays byte for byte, what nothing needs is
 * gone from the disk, a dry run says what a run does; then the power goes at
 * each file operation of it, and each of them fails.
 */
#include "vault_rig.h"

#include <errno.h>
#include <ftw.h>
#include <sys/wait.h>

#include "vault_keep.h"

#define NIGHTS 12

static struct rig_world worlds[NIGHTS + 1]; /* world of snapshot i + 1 */

static void sql(struct rig *r, const char *text)
{
	char path[512];
	sqlite3 *h;

	snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/catalog.db",
	    r->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (sqlite3_exec(h, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(h));
	sqlite3_close(h);
}

static int64_t number(struct rig *r, const char *text)
{
	char path[512];
	sqlite3_stmt *s;
	sqlite3 *h;
	int64_t n;

	snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/catalog.db",
	    r->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (sqlite3_prepare_v2(h, text, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(h));
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(h);
	return n;
}

/* A vault with `nights` snapshots, one a day; closed. */
static void make_nights(struct rig *r, int nights)
{
	struct vault_snapshot snap;

	rig_new(r);
	assert_int_equal(rig_open(r), RC_OK);
	for (int i = 0; i < nights; i++) {
		assert_int_equal(
		    rig_night(r, i ? &worlds[i - 1] : NULL, &worlds[i], &snap),
		    RC_OK);
		assert_int_equal(snap.id, i + 1);
	}
	rig_close(r);
	sql(r, "UPDATE snapshot SET finished=1770000000 + id * 86400");
}

static unsigned long objects;
static uint64_t object_bytes;

static int count_object(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F) {
		objects++;
		object_bytes += (uint64_t)st->st_blocks * 512;
	}
	return 0;
}

static void count_objects(struct rig *r)
{
	char path[512];

	snprintf(
	    path, sizeof(path), "%s/Nightstand/" RIG_UDID "/objects", r->dir);
	objects = 0;
	object_bytes = 0;
	assert_int_equal(nftw(path, count_object, 16, FTW_PHYS), 0);
}

/* Each object has a row and each row its object; a bit of `kept` a snapshot. */
static void check_vault(struct rig *r, unsigned kept, int nights)
{
	struct vault_check check;

	for (int id = 1; id <= nights; id++)
		if (kept & 1u << id)
			assert_true(rig_holds(r, id, &worlds[id - 1]));
		else
			assert_int_equal(vault_check_snapshot(r->p, id, &check),
			    RC_NOTFOUND);
	count_objects(r);
	assert_int_equal(
	    objects, number(r, "SELECT count(DISTINCT digest) FROM entry"
			       " WHERE last IS NOT NULL AND kind=1"));
	assert_int_equal(number(r, "SELECT count(*) FROM doomed"), 0);
	/* No entry that no kept snapshot needs. */
	assert_int_equal(
	    number(r, "SELECT count(*) FROM entry e WHERE last IS NOT NULL AND"
		      " NOT EXISTS(SELECT 1 FROM snapshot s WHERE state IN"
		      " (2,3) AND s.id BETWEEN e.first AND e.last)"),
	    0);
}

static void set_rules(
    struct rig *r, struct retention_rules rules, uint64_t floor_bytes)
{
	struct vault_keep keep = { .rules = rules, .floor_bytes = floor_bytes };

	vault_phone_set_keep(r->p, &keep);
}

struct seen {
	unsigned dropped; /* a bit each */
	unsigned for_room;
	uint64_t frees;
};

static enum rc see_fate(void *arg, const struct vault_fate *f)
{
	struct seen *s = arg;

	s->dropped |= f->dropped ? 1u << f->snap.id : 0;
	s->for_room |= f->for_room ? 1u << f->snap.id : 0;
	s->frees += f->frees;
	if (!f->dropped)
		assert_int_equal(f->frees, 0);
	return RC_OK;
}

static void the_rules_drop_and_the_rest_stays(void **state)
{
	struct retention_rules rules = { .last = 3, .weekly = 9 };
	struct vault_prune dry = { .dry_run = true }, job = { .want = 0 };
	struct seen said = { 0 }, done = { 0 };
	uint64_t before;
	struct rig r;

	(void)state;
	make_nights(&r, NIGHTS);
	assert_int_equal(rig_open(&r), RC_OK);
	check_vault(&r, 0x1ffe, NIGHTS);
	before = object_bytes;
	set_rules(&r, rules, 0);
	assert_int_equal(vault_prune(r.p, &dry, see_fate, &said), RC_OK);
	check_vault(&r, 0x1ffe, NIGHTS);
	assert_int_equal(vault_prune(r.p, &job, see_fate, &done), RC_OK);
	assert_memory_equal(&said, &done, sizeof(said));
	assert_true(done.dropped != 0 && job.dropped < NIGHTS - 3);
	assert_int_equal(job.kept + job.dropped, NIGHTS);
	assert_int_equal(dry.frees, job.frees);
	assert_int_equal(job.frees, done.frees);
	check_vault(&r, 0x1ffe & ~done.dropped, NIGHTS);
	assert_int_equal(job.freed, before - object_bytes);
	assert_int_equal(job.frees, job.freed);
	assert_true(job.freed > 0);
	/* Again: nothing is left to do. */
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 0);
	/* The next night and the next open are none the wiser. */
	{
		struct vault_snapshot snap;

		assert_int_equal(
		    rig_night(&r, &worlds[NIGHTS - 1], &worlds[NIGHTS], &snap),
		    RC_OK);
		assert_int_equal(snap.id, NIGHTS + 1);
		assert_true(rig_holds(&r, snap.id, &worlds[NIGHTS]));
	}
	rig_free(&r);
}

/* Any order of drops ends in the same disk: what a gap of several ids leaves
 * behind is found whichever end it grows from. */
static void any_order_of_drops(void **state)
{
	unsigned x = 12345;
	struct rig r;

	(void)state;
	for (int round = 0; round < 6; round++) {
		unsigned kept = 0x1ffe;

		make_nights(&r, NIGHTS);
		assert_int_equal(rig_open(&r), RC_OK);
		set_rules(&r, (struct retention_rules){ .last = 1 }, 0);
		sql(&r, "UPDATE snapshot SET pinned=1");
		for (int i = 0; i < 7; i++) {
			struct vault_prune job = { .want = 0 };
			char text[80];
			unsigned id;

			x = x * 1103515245u + 12345u;
			id = 1 + (x >> 16) % (NIGHTS - 2);
			snprintf(text, sizeof(text),
			    "UPDATE snapshot SET pinned=0 WHERE id=%u", id);
			sql(&r, text);
			assert_int_equal(
			    vault_prune(r.p, &job, NULL, NULL), RC_OK);
			assert_int_equal(job.dropped, kept >> id & 1);
			kept &= ~(1u << id);
			check_vault(&r, kept, NIGHTS);
		}
		rig_free(&r);
	}
}

static void the_two_newest_good_and_pins_stay(void **state)
{
	struct vault_prune job = { .want = 1 << 30 };
	struct seen seen = { 0 };
	struct rig r;

	(void)state;
	make_nights(&r, 6);
	sql(&r, "UPDATE snapshot SET pinned=1 WHERE id=2;"
		"UPDATE snapshot SET state=3 WHERE id=6");
	assert_int_equal(rig_open(&r), RC_OK);
	set_rules(&r, (struct retention_rules){ .last = 1 }, 1);
	assert_int_equal(vault_prune(r.p, &job, see_fate, &seen), RC_OK);
	/* 6 is damaged: 5 and 4 are the two newest good ones. */
	assert_int_equal(seen.dropped, 1u << 1 | 1u << 3);
	assert_int_equal(seen.for_room, 0);
	check_vault(&r, 1u << 2 | 1u << 4 | 1u << 5 | 1u << 6, 6);
	rig_free(&r);
}

/* Room: the oldest go, no more of them than it takes, and none for nothing. */
static void room_is_made_from_the_oldest(void **state)
{
	struct retention_rules all = { .last = 100 };
	struct vault_prune job = { .want = 1 };
	struct seen seen = { 0 };
	struct rig r;

	(void)state;
	make_nights(&r, NIGHTS);
	assert_int_equal(rig_open(&r), RC_OK);
	/* Without a floor the rules have the last word. */
	set_rules(&r, all, 0);
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 0);
	assert_int_equal(job.missing, 1);
	set_rules(&r, all, 1);
	job.want = 1ull << 40;
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 0);
	assert_int_equal(job.missing, 1ull << 40);
	job.want = 1;
	assert_int_equal(vault_prune(r.p, &job, see_fate, &seen), RC_OK);
	assert_int_equal(seen.for_room, 1u << 1);
	assert_int_equal(job.missing, 0);
	assert_true(job.freed >= 1);
	check_vault(&r, 0x1ffe & ~(1u << 1), NIGHTS);
	job.want = 3 * job.freed;
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_true(job.freed >= job.want);
	assert_true(job.dropped > 1 && job.dropped < NIGHTS - 3);
	rig_free(&r);
}

/* Not even for room. */
static void the_two_newest_do_not_go_for_room(void **state)
{
	struct vault_prune job = { .want = 1, .dry_run = true };
	struct rig r;

	(void)state;
	make_nights(&r, 4);
	sql(&r, "UPDATE snapshot SET pinned=1 WHERE id=2");
	assert_int_equal(rig_open(&r), RC_OK);
	set_rules(&r, (struct retention_rules){ .last = 9 }, 1);
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 1);
	job.want = job.frees + 1; /* more than the only one has */
	job.dry_run = false;
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 0);
	assert_int_equal(job.missing, job.want);
	job.want--;
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 1);
	check_vault(&r, 7u << 2, 4);
	rig_free(&r);
}

/* The phone asks for room when half of its files are here. */
static void room_in_the_middle_of_a_night(void **state)
{
	struct vault_prune job = { .want = 0 };
	struct vault_snapshot snap;
	uint64_t freed = 0;
	struct rig r;

	(void)state;
	make_nights(&r, NIGHTS);
	assert_int_equal(rig_open(&r), RC_OK);
	set_rules(&r, (struct retention_rules){ .last = 4 }, 0);
	assert_int_equal(rig_begin(&r, true), RC_OK);
	assert_int_equal(
	    rig_send(&r, &worlds[NIGHTS - 1], &worlds[NIGHTS]), RC_OK);
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, NIGHTS - 4);
	check_vault(&r, 15u << (NIGHTS - 3), NIGHTS);
	set_rules(&r, (struct retention_rules){ .last = 2 }, 0);
	assert_int_equal(r.s->ops->purge(r.s->ctx, 1 << 30, &freed), RC_OK);
	/* Others use this disk, too: what was freed is e2e's to look at. */
	check_vault(&r, 3u << (NIGHTS - 1), NIGHTS);
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 0);
	assert_int_equal(
	    rig_settle(&r, &worlds[NIGHTS - 1], &worlds[NIGHTS]), RC_OK);
	assert_int_equal(rig_commit(&r, &snap), RC_OK);
	assert_true(rig_holds(&r, snap.id, &worlds[NIGHTS]));
	assert_true(rig_holds(&r, NIGHTS, &worlds[NIGHTS - 1]));
	rig_free(&r);
}

/* Content that is to be unlinked, and then is needed again. */
static void what_comes_to_be_needed_again_stays(void **state)
{
	struct rig r;

	(void)state;
	make_nights(&r, 5);
	sql(&r, "INSERT INTO doomed SELECT DISTINCT digest FROM entry"
		" WHERE last IS NOT NULL AND kind=1");
	assert_int_equal(rig_open(&r), RC_OK);
	check_vault(&r, 0x3e, 5);
	rig_free(&r);
}

static void not_while_it_may_not(void **state)
{
	struct vault_prune job = { .want = 0 }, dry = { .dry_run = true };
	struct vault_phone *p;
	struct rig r;

	(void)state;
	make_nights(&r, 5);
	assert_int_equal(rig_open(&r), RC_OK);
	assert_int_equal(vault_phone_open(r.v, RIG_UDID, true, &p), RC_OK);
	assert_int_equal(vault_prune(p, &job, NULL, NULL), RC_READONLY);
	assert_int_equal(vault_prune(p, &dry, NULL, NULL), RC_OK);
	assert_int_equal(dry.kept, 5);
	vault_phone_close(p);
	set_rules(&r, (struct retention_rules){ .last = 1 }, 0);
	sql(&r, "UPDATE snapshot SET state=1 WHERE id=3");
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_BUSY);
	sql(&r, "UPDATE snapshot SET state=2 WHERE id=3;"
		"INSERT INTO move(what, path) VALUES(2, 'x')");
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_BUSY);
	sql(&r, "DELETE FROM move");
	check_vault(&r, 0x3e, 5);
	rig_free(&r);
}

/* --- cuts and failures ---------------------------------------------------- */

enum how {
	HOW_COUNT,
	HOW_CUT,
	HOW_FAIL
};

#define GRAVES 512

static struct {
	enum how how;
	unsigned n, at; /* operations so far; the one that is hit */
	unsigned seed;
	char dir[128]; /* where unlinked files lie until a sync */
	unsigned n_graves;
	int root;
	char graves[GRAVES][128];
} disk;

static unsigned roll(void)
{
	disk.seed = disk.seed * 1103515245u + 12345u;
	return disk.seed >> 16;
}

/* The power is back: any subset of what was unlinked since the last sync is
 * there again. */
static void take_back(void)
{
	for (unsigned i = 0; i < disk.n_graves; i++) {
		char from[160];

		snprintf(from, sizeof(from), "%s/%u", disk.dir, i);
		if (roll() % 2)
			renameat(AT_FDCWD, from, disk.root, disk.graves[i]);
	}
}

static int hit(int dir)
{
	if (dir >= 0)
		disk.root = dir;
	if (++disk.n != disk.at)
		return 0;
	if (disk.how == HOW_CUT) {
		take_back();
		_exit(0);
	}
	return disk.how == HOW_FAIL ? -EIO : 0;
}

static int fake_unlink(void *ctx, int dir, const char *path)
{
	int rv = hit(dir);
	char to[160];

	if (rv || disk.how != HOW_CUT || disk.n_graves == GRAVES)
		return rv ? rv : fileops_posix()->unlink(ctx, dir, path);
	snprintf(to, sizeof(to), "%s/%u", disk.dir, disk.n_graves);
	snprintf(disk.graves[disk.n_graves++], 128, "%s", path);
	return renameat(dir, path, AT_FDCWD, to) < 0 ? -errno : 0;
}

static int fake_syncfs(void *ctx, int fd)
{
	int rv = hit(fd);

	disk.n_graves = rv ? disk.n_graves : 0;
	return rv ? rv : fileops_posix()->syncfs(ctx, fd);
}

static int fake_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	int rv = hit(dir);

	return rv ? rv : fileops_posix()->stat(ctx, dir, path, out);
}

static struct fileops fake;

static const struct retention_rules last_two = { .last = 2 };

static enum rc prune_on_fake(struct rig *r, enum how how, unsigned at)
{
	struct vault_prune job = { .want = 0 };
	enum rc rc;

	fake = *fileops_posix();
	fake.unlink = fake_unlink;
	fake.syncfs = fake_syncfs;
	fake.stat = fake_stat;
	r->ops = &fake;
	disk.how = HOW_COUNT;
	rc = rig_open(r);
	if (rc)
		return rc;
	disk.how = how;
	disk.at = at;
	disk.n = 0;
	disk.n_graves = 0;
	set_rules(r, last_two, 0);
	return vault_prune(r->p, &job, NULL, NULL);
}

/* After it the disk is opened again: whichever part of it was done, the kept
 * ones are whole and nothing is left behind. */
static void check_after(struct rig *r)
{
	unsigned kept = 0;

	r->ops = NULL;
	assert_int_equal(rig_open(r), RC_OK);
	for (int id = 1; id <= 6; id++) {
		char text[80];

		snprintf(text, sizeof(text),
		    "SELECT state=2 FROM snapshot WHERE id=%d", id);
		kept |= (unsigned)number(r, text) << id;
	}
	assert_int_equal(kept & 3u << 5, 3u << 5);
	check_vault(r, kept, 6);
}

static unsigned count_steps(void)
{
	struct rig r;
	unsigned steps;

	make_nights(&r, 6);
	assert_int_equal(prune_on_fake(&r, HOW_COUNT, 0), RC_OK);
	steps = disk.n;
	check_vault(&r, 3u << 5, 6);
	rig_free(&r);
	return steps;
}

static void the_power_goes_at_each_step(void **state)
{
	unsigned steps = count_steps();

	(void)state;
	assert_true(steps > 10);
	for (unsigned at = 1; at <= steps + 1; at++) {
		struct rig r;
		int status;
		pid_t pid;

		make_nights(&r, 6);
		snprintf(disk.dir, sizeof(disk.dir), "%s/graves", r.dir);
		assert_int_equal(mkdir(disk.dir, 0700), 0);
		disk.seed = at * 77;
		fflush(NULL);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			enum rc rc = prune_on_fake(&r, HOW_CUT, at);

			take_back(); /* the cut after the last one */
			_exit(rc || at <= steps);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		check_after(&r);
		rig_free(&r);
	}
	print_message("  %u cuts\n", steps + 1);
}

static void each_call_fails(void **state)
{
	unsigned steps = count_steps();

	(void)state;
	for (unsigned at = 1; at <= steps; at++) {
		struct rig r;

		make_nights(&r, 6);
		assert_int_equal(prune_on_fake(&r, HOW_FAIL, at), RC_IO);
		rig_close(&r);
		check_after(&r);
		rig_free(&r);
	}
	print_message("  %u failures\n", steps);
}

/* Between the transactions of two snapshots, and after them all. */
static void the_rows_are_gone_and_no_file_yet(void **state)
{
	struct rig r;

	(void)state;
	make_nights(&r, 6);
	sql(&r, "UPDATE snapshot SET state=4 WHERE id=3;"
		"INSERT INTO doomed SELECT digest FROM entry WHERE last=3 AND"
		" first=3 AND kind=1 EXCEPT SELECT digest FROM entry WHERE"
		" last IS NOT NULL AND NOT (first=3 AND last=3);"
		"DELETE FROM entry WHERE first=3 AND last=3");
	assert_true(number(&r, "SELECT count(*) FROM doomed") > 0);
	assert_int_equal(rig_open(&r), RC_OK);
	check_vault(&r, 0x7e & ~(1u << 3), 6);
	rig_free(&r);
}

/* --- the guard ---------------------------------------------------------------- */

static void a_night_that_lost_much_pins_the_one_before(void **state)
{
	struct vault_keep keep = {
		.rules = { .last = 1 }, .loss_pct = 20, .loss_files = 4
	};
	struct rig_world small = worlds[1];
	struct vault_prune job = { .want = 0 };
	struct vault_snapshot snap;
	struct vault_loss loss;
	uint64_t losses, pins;
	unsigned gone = 0;
	struct rig r;

	(void)state;
	make_nights(&r, 2);
	assert_int_equal(rig_open(&r), RC_OK);
	vault_phone_set_keep(r.p, &keep);
	assert_int_equal(vault_newest_loss(r.p, &loss), RC_NOTFOUND);
	for (int i = 0; i < RIG_FILES && gone < 4; i++) {
		gone += small.f[i].version != 0;
		small.f[i].version = 0;
	}
	small.db = NULL;
	rig_make_db(&small);
	assert_int_equal(rig_night(&r, &worlds[1], &small, &snap), RC_OK);
	assert_int_equal(vault_newest_loss(r.p, &loss), RC_OK);
	assert_int_equal(loss.snapshot, 3);
	assert_int_equal(loss.before, 2);
	assert_int_equal(loss.lost, 4);
	assert_int_equal(loss.was, rig_count(&worlds[1]));
	assert_string_equal(loss.domain, "HomeDomain");
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_night(&r, &small, &small, &snap), RC_OK);
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 3); /* 1, 3, 4 */
	assert_true(rig_holds(&r, 2, &worlds[1]));
	assert_int_equal(vault_dismiss(r.p, false, &losses, &pins), RC_OK);
	assert_int_equal(losses, 1);
	assert_int_equal(pins, 0);
	assert_int_equal(vault_newest_loss(r.p, &loss), RC_NOTFOUND);
	assert_int_equal(vault_dismiss(r.p, true, &losses, &pins), RC_OK);
	assert_int_equal(losses, 0);
	assert_int_equal(pins, 1);
	assert_int_equal(vault_prune(r.p, &job, NULL, NULL), RC_OK);
	assert_int_equal(job.dropped, 1);
	rig_free_world(&small);
	rig_free(&r);
}

/* As it looks without the password. */
static void encrypt(struct rig_world *w)
{
	w->encrypted = true;
	w->db[0] = 'X';
	for (int i = 0; i < RIG_FILES; i++)
		w->f[i].size = 16 + w->f[i].size / 16 * 16;
}

/* Just below the share, just below the number, encrypted, switched off. */
static void a_little_loss_is_no_news(void **state)
{
	static const struct {
		struct vault_keep keep;
		bool encrypted, news;
	} rows[] = {
		{ { .loss_pct = 1, .loss_files = 3 }, false, true },
		{ { .loss_pct = 1, .loss_files = 4 }, false, false },
		{ { .loss_pct = 99, .loss_files = 1 }, false, false },
		{ { .loss_pct = 0, .loss_files = 0 }, false, false },
		{ { .loss_pct = 1, .loss_files = 3 }, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig_world first, less;
		struct vault_snapshot snap;
		struct vault_loss loss;
		unsigned gone = 0;
		struct rig r;

		rig_first_world(&first, 20);
		less = first;
		for (int k = 0; gone < 3; k++, gone++)
			less.f[k].version = 0;
		less.db = NULL;
		rig_make_db(&less);
		if (rows[i].encrypted) {
			encrypt(&first);
			encrypt(&less);
		}
		rig_new(&r);
		assert_int_equal(rig_open(&r), RC_OK);
		vault_phone_set_keep(r.p, &rows[i].keep);
		assert_int_equal(rig_night(&r, NULL, &first, &snap), RC_OK);
		assert_int_equal(rig_night(&r, &first, &less, &snap), RC_OK);
		if (vault_newest_loss(r.p, &loss) !=
		    (rows[i].news ? RC_OK : RC_NOTFOUND))
			fail_msg("row %zu", i);
		if (rows[i].news)
			assert_string_equal(
			    loss.domain, rows[i].encrypted ? "" : "HomeDomain");
		rig_free(&r);
		rig_free_world(&first);
		rig_free_world(&less);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rules_drop_and_the_rest_stays),
		cmocka_unit_test(any_order_of_drops),
		cmocka_unit_test(the_two_newest_good_and_pins_stay),
		cmocka_unit_test(room_is_made_from_the_oldest),
		cmocka_unit_test(the_two_newest_do_not_go_for_room),
		cmocka_unit_test(room_in_the_middle_of_a_night),
		cmocka_unit_test(what_comes_to_be_needed_again_stays),
		cmocka_unit_test(not_while_it_may_not),
		cmocka_unit_test(the_power_goes_at_each_step),
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(the_rows_are_gone_and_no_file_yet),
		cmocka_unit_test(a_night_that_lost_much_pins_the_one_before),
		cmocka_unit_test(a_little_loss_is_no_news),
	};

	log_set_level(LOG_LEVEL_ERROR);
	rig_first_world(&worlds[0], 18);
	for (int i = 1; i <= NIGHTS; i++)
		rig_next_world(&worlds[i], &worlds[i - 1], (unsigned)i);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
