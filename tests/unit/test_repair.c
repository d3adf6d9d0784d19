/*
 * A broken catalogue made anew: cut at each of its steps, with a rename that
 * no sync covers taken back; rows that can't be; what the box leaves to a
 * person.
 */
#include "vault_rig.h"

#include <errno.h>
#include <sys/wait.h>

#include "vault_repair.h"

/* --- a disk that is cut ------------------------------------------------------ */

static struct {
	unsigned n, at; /* changes so far; the one that is cut; 0: none */
	bool open_rename; /* not yet synced */
	int dir;
	char from[128], to[128];
	bool replaced;
} disk;

static void hit(void)
{
	if (++disk.n != disk.at)
		return;
	/* A new name that the folder's sync had not made sure of. What a
	 * rename replaced can't be told back here: SQLite's test does that. */
	if (disk.open_rename && !disk.replaced)
		renameat(disk.dir, disk.to, disk.dir, disk.from);
	_exit(7);
}

static int cut_open(void *ctx, int dir, const char *path, int flags)
{
	if (flags & O_CREAT)
		hit();
	return fileops_posix()->open(ctx, dir, path, flags);
}

static ssize_t cut_write(void *ctx, int fd, const void *buf, size_t len)
{
	hit();
	return fileops_posix()->write(ctx, fd, buf, len);
}

static int cut_fsync(void *ctx, int fd)
{
	int rv;

	hit();
	rv = fileops_posix()->fsync(ctx, fd);
	disk.open_rename = false;
	return rv;
}

static int cut_rename(void *ctx, int dir, const char *from, const char *to)
{
	struct stat st;

	hit();
	disk.replaced = fstatat(dir, to, &st, 0) == 0;
	disk.open_rename = true;
	disk.dir = dir;
	snprintf(disk.from, sizeof(disk.from), "%s", from);
	snprintf(disk.to, sizeof(disk.to), "%s", to);
	return fileops_posix()->rename(ctx, dir, from, to);
}

static int cut_unlink(void *ctx, int dir, const char *path)
{
	hit();
	return fileops_posix()->unlink(ctx, dir, path);
}

static const struct fileops *cut_ops(void)
{
	static struct fileops ops;

	ops = *fileops_posix();
	ops.open = cut_open;
	ops.write = cut_write;
	ops.fsync = cut_fsync;
	ops.rename = cut_rename;
	ops.unlink = cut_unlink;
	return &ops;
}

/* --- a vault of two nights, and its copy --------------------------------------- */

struct scene {
	struct rig r;
	struct rig_world w[2];
	char copy[128], catalog[160];
};

static void scene_new(struct scene *s)
{
	struct vault_snapshot snap;

	rig_first_world(&s->w[0], 18);
	rig_next_world(&s->w[1], &s->w[0], 3);
	rig_new(&s->r);
	snprintf(s->copy, sizeof(s->copy), "%s/copy.db", s->r.dir);
	snprintf(s->catalog, sizeof(s->catalog),
	    "%s/Nightstand/" RIG_UDID "/catalog.db", s->r.dir);
	assert_int_equal(rig_open(&s->r), RC_OK);
	assert_int_equal(rig_night(&s->r, NULL, &s->w[0], &snap), RC_OK);
	assert_int_equal(rig_night(&s->r, &s->w[0], &s->w[1], &snap), RC_OK);
	assert_int_equal(vault_phone_backup_catalog(s->r.p, s->copy), RC_OK);
	rig_close(&s->r);
}

static void scene_free(struct scene *s)
{
	rig_free(&s->r);
	rig_free_world(&s->w[0]);
	rig_free_world(&s->w[1]);
}

static void overwrite(const char *path, const char *text)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static bool is_garbage(const char *path)
{
	size_t len = 0;
	char *text = rig_slurp(path, &len);
	bool same = text && len == 7000 && memcmp(text, "garbage", 7) == 0;

	free(text);
	return same;
}

static enum rc repair(struct scene *s, const struct fileops *ops,
    struct vault_repair_opts o, struct vault_repair_report *rep)
{
	struct vault *v = NULL;
	enum rc rc = vault_open(ops, s->r.dir, false, &v);

	o.udid = RIG_UDID;
	if (!rc)
		rc = vault_repair_phone(v, &o, rep);
	vault_close(v);
	return rc;
}

static void assert_both_nights(struct scene *s)
{
	assert_int_equal(rig_open(&s->r), RC_OK);
	assert_true(rig_holds(&s->r, 1, &s->w[0]));
	assert_true(rig_holds(&s->r, 2, &s->w[1]));
	rig_close(&s->r);
}

/* True: it came to its end before that. */
static bool repair_cut_at(struct scene *s, unsigned at)
{
	const struct vault_repair_opts o = { .copy = s->copy };
	struct vault_repair_report rep;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		disk.n = 0;
		disk.at = at;
		_exit(repair(s, cut_ops(), o, &rep) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7);
	return WEXITSTATUS(status) == 0;
}

static void a_cut_leaves_the_old_or_the_new_one(void **state)
{
	const struct vault_repair_opts o = { .copy = NULL };
	bool ended = false;
	unsigned at, repaired = 0;

	(void)state;
	for (at = 1; !ended && at < 200; at++) {
		struct vault_repair_report rep;
		struct scene s;

		scene_new(&s);
		overwrite(s.catalog, "garbage");
		ended = repair_cut_at(&s, at);
		if (!is_garbage(s.catalog)) {
			/* It is the repaired one, and needs nothing. */
			repaired++;
			assert_int_equal(repair(&s, NULL, o, &rep), RC_OK);
			assert_int_equal(rep.state, VAULT_REPAIR_FINE);
		}
		{
			const struct vault_repair_opts again = { .copy =
								     s.copy };

			assert_int_equal(repair(&s, NULL, again, &rep), RC_OK);
		}
		assert_both_nights(&s);
		scene_free(&s);
	}
	assert_true(ended);
	assert_true(at > 8);
	assert_true(repaired >= 1);
	print_message("cut at %u places\n", at - 1);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *h;

	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
}

/* A database that is whole, with rows that are not ours. */
static void rows_that_cannot_be_go(void **state)
{
	const struct vault_repair_opts o = { .copy = NULL };
	struct vault_repair_report rep;
	struct scene s;

	(void)state;
	scene_new(&s);
	sql(s.catalog,
	    "INSERT INTO entry VALUES('../evil', 1, NULL, 1, 3, 0,"
	    " zeroblob(32)), ('short', 1, NULL, 1, 3, 0, zeroblob(3)),"
	    " ('back', 2, 1, 1, 3, 0, zeroblob(32))");
	assert_int_equal(repair(&s, NULL, o, &rep), RC_OK);
	assert_int_equal(rep.state, VAULT_REPAIR_BROKEN);
	assert_int_equal(rep.base, VAULT_REPAIR_FROM_ROWS);
	assert_int_equal(rep.bad_rows, 3);
	assert_int_equal(rep.good, 2);
	assert_true(rep.is_whole);
	assert_both_nights(&s);
	scene_free(&s);
}

/* A base with a commit that is long done on the disk: its moves are old. */
static void an_old_commit_is_not_done_again(void **state)
{
	struct vault_repair_report rep;
	struct scene s;

	(void)state;
	scene_new(&s);
	sql(s.copy,
	    "INSERT INTO move(num, what, path, size, digest)"
	    " SELECT 1, 1, path, size, digest FROM entry WHERE last IS NULL AND"
	    " kind=1 AND size>0 LIMIT 1; INSERT INTO staged(num, size, mtime,"
	    " digest) VALUES(5, 1, 1, zeroblob(32))");
	overwrite(s.catalog, "garbage");
	{
		const struct vault_repair_opts o = { .copy = s.copy };

		assert_int_equal(repair(&s, NULL, o, &rep), RC_OK);
	}
	assert_int_equal(rep.base, VAULT_REPAIR_FROM_COPY);
	assert_both_nights(&s);
	scene_free(&s);
}

static void the_box_leaves_doubts_to_a_person(void **state)
{
	struct vault_repair_opts o = { .careful = true };
	struct vault_repair_report rep;
	char victim[256], aside[128];
	struct scene s;

	(void)state;
	scene_new(&s);
	overwrite(s.catalog, "garbage");
	/* No copy: it would have to guess. */
	assert_int_equal(repair(&s, NULL, o, &rep), RC_REFUSED);
	assert_true(is_garbage(s.catalog));
	/* A copy, but a file of the newest night is missing. */
	snprintf(victim, sizeof(victim),
	    "%s/Nightstand/" RIG_UDID "/latest/" RIG_UDID "/Manifest.plist",
	    s.r.dir);
	snprintf(aside, sizeof(aside), "%s/aside", s.r.dir);
	assert_int_equal(rename(victim, aside), 0);
	o.copy = s.copy;
	assert_int_equal(repair(&s, NULL, o, &rep), RC_REFUSED);
	assert_true(is_garbage(s.catalog));
	assert_int_equal(rename(aside, victim), 0);
	assert_int_equal(repair(&s, NULL, o, &rep), RC_OK);
	assert_true(rep.repaired);
	assert_both_nights(&s);
	scene_free(&s);
}

static bool stop(void *arg)
{
	return --*(int *)arg < 0;
}

static void it_can_be_cancelled(void **state)
{
	struct vault_repair_report rep;
	struct scene s;

	(void)state;
	scene_new(&s);
	overwrite(s.catalog, "garbage");
	for (int after = 0; after < 4; after++) {
		int left = after;
		const struct vault_repair_opts o = { .cancelled = stop,
			.arg = &left };

		assert_int_equal(repair(&s, NULL, o, &rep), RC_CANCELLED);
		assert_true(is_garbage(s.catalog));
	}
	scene_free(&s);
}

static void a_newer_one_is_left_alone(void **state)
{
	const struct vault_repair_opts o = { .force = true };
	struct vault_repair_report rep;
	struct scene s;

	(void)state;
	scene_new(&s);
	sql(s.catalog, "PRAGMA user_version=99");
	assert_int_equal(repair(&s, NULL, o, &rep), RC_UNSUPPORTED);
	scene_free(&s);
}

struct lost_arg {
	unsigned n;
	uint64_t bytes;
};

static enum rc on_lost(void *arg, const struct vault_lost *l)
{
	struct lost_arg *a = arg;

	a->n++;
	a->bytes += l->size;
	return RC_OK;
}

static void what_has_no_name_is_listed(void **state)
{
	const struct vault_repair_opts o = { .copy = NULL };
	struct vault_repair_report rep;
	struct lost_arg lost = { 0 };
	struct scene s;

	(void)state;
	scene_new(&s);
	assert_int_equal(unlink(s.catalog), 0);
	assert_int_equal(repair(&s, NULL, o, &rep), RC_OK);
	assert_int_equal(rep.state, VAULT_REPAIR_MISSING);
	assert_int_equal(rep.base, VAULT_REPAIR_FROM_DISK);
	assert_true(rep.lost_objects > 0);
	assert_int_equal(rep.lost_bad, 0);
	assert_int_equal(rig_open(&s.r), RC_OK);
	assert_true(rig_holds(&s.r, 1, &s.w[1]));
	assert_int_equal(vault_each_lost(s.r.p, on_lost, &lost), RC_OK);
	assert_int_equal(lost.n, rep.lost_objects);
	assert_int_equal(lost.bytes, rep.lost_bytes);
	scene_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_leaves_the_old_or_the_new_one),
		cmocka_unit_test(rows_that_cannot_be_go),
		cmocka_unit_test(an_old_commit_is_not_done_again),
		cmocka_unit_test(the_box_leaves_doubts_to_a_person),
		cmocka_unit_test(it_can_be_cancelled),
		cmocka_unit_test(a_newer_one_is_left_alone),
		cmocka_unit_test(what_has_no_name_is_listed),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
