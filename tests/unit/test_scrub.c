/* Reading finished snapshots again: where a run stops and goes on, what damage
 * makes of snapshots, healing, what the phone is shown, what a commit does with
 * damaged files. */
#include "vault_rig.h"

#include <errno.h>

#include "vault_scrub.h"

static const struct vault_check_opts none;

static char place[1024];

static const char *latest_of(struct rig *r, const char *rel)
{
	snprintf(place, sizeof(place), "%s/%s/latest/%s/%s", vault_path(r->v),
	    RIG_UDID, RIG_UDID, rel);
	return place;
}

static const char *file_of(struct rig *r, const struct rig_file *f)
{
	char rel[64];

	snprintf(rel, sizeof(rel), "%.2s/%s", f->id, f->id);
	return latest_of(r, rel);
}

/* One bit, in its middle; a byte more for an empty one. */
static void spoil(const char *path)
{
	FILE *f = fopen(path, "r+");
	struct stat st;
	int c;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	assert_int_equal(fseek(f, st.st_size / 2, SEEK_SET), 0);
	c = st.st_size ? fgetc(f) : 0;
	assert_int_equal(fseek(f, st.st_size / 2, SEEK_SET), 0);
	fputc(c ^ 4, f);
	assert_int_equal(fclose(f), 0);
}

static enum rc scrub(
    struct rig *r, struct vault_check_opts o, struct vault_check_result *out)
{
	return vault_scrub(r->p, &o, out);
}

struct look {
	int64_t id;
	enum vault_state state;
};

static enum rc note_state(void *arg, const struct vault_snapshot *s)
{
	struct look *l = arg;

	if (s->id == l->id)
		l->state = s->state;
	return RC_OK;
}

static enum vault_state state_of(struct rig *r, int64_t id)
{
	struct look l = { id, VAULT_PRUNED };

	assert_int_equal(vault_each_snapshot(r->p, note_state, &l), RC_OK);
	return l.state;
}

static struct vault_damage_sum sum_of(struct rig *r)
{
	struct vault_damage_sum sum;

	assert_int_equal(vault_damage_sum(r->p, &sum), RC_OK);
	return sum;
}

/* Worlds in which file 1 goes through these versions, a night each. */
static void nights(
    struct rig *r, struct rig_world *w, const unsigned *versions, unsigned n)
{
	struct vault_snapshot snap;

	for (unsigned i = 0; i < n; i++) {
		struct rig_world next;

		if (i == 0) {
			rig_first_world(&next, 12);
		} else {
			next = *w;
			next.db = NULL;
		}
		next.f[1].version = versions[i];
		rig_make_db(&next);
		assert_int_equal(
		    rig_night(r, i ? w : NULL, &next, &snap), RC_OK);
		assert_int_equal(snap.id, i + 1);
		if (i)
			rig_free_world(w);
		*w = next;
	}
}

static void begin(struct rig *r)
{
	rig_new(r);
	assert_int_equal(rig_open(r), RC_OK);
}

static void end(struct rig *r, struct rig_world *w)
{
	rig_free(r);
	rig_free_world(w);
}

static const unsigned once[] = { 1 };
static const unsigned there_and_back[] = { 1, 2, 1 };

/* --- where a run goes on ---------------------------------------------------- */

static void a_small_budget_reads_everything_in_turn(void **state)
{
	struct vault_check_opts little = { .max_bytes = 1 };
	struct vault_check_result all, part = { 0 };
	uint64_t files = 0, bytes = 0;
	struct rig_world w;
	unsigned runs = 0;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, there_and_back, 3);
	assert_int_equal(scrub(&r, none, &all), RC_OK);
	assert_true(all.all);
	assert_true(all.pass_began_at > 0);
	do {
		/* As the box does it: each run a process of its own. */
		rig_close(&r);
		assert_int_equal(rig_open(&r), RC_OK);
		assert_int_equal(scrub(&r, little, &part), RC_OK);
		files += part.files;
		bytes += part.bytes;
		assert_true(++runs < 100);
	} while (!part.all);
	assert_int_equal(files, all.files);
	assert_int_equal(bytes, all.bytes);
	assert_true(runs > 10);
	/* Then from the start again. */
	assert_int_equal(scrub(&r, little, &part), RC_OK);
	assert_false(part.all);
	assert_true(part.files >= 1 && part.files < 4);
	end(&r, &w);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void who_may_and_who_may_not(void **state)
{
	struct vault_check_opts stop = { .cancelled = always };
	struct vault_check_result res;
	struct vault_phone *ro;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, once, 1);
	assert_int_equal(scrub(&r, stop, &res), RC_CANCELLED);
	assert_int_equal(vault_verify(r.p, &stop, &res), RC_CANCELLED);
	assert_int_equal(vault_phone_open(r.v, RIG_UDID, true, &ro), RC_OK);
	assert_int_equal(vault_scrub(ro, &none, &res), RC_READONLY);
	assert_int_equal(vault_verify(ro, &none, &res), RC_OK);
	vault_phone_close(ro);
	assert_int_equal(rig_begin(&r, false), RC_OK);
	assert_int_equal(scrub(&r, none, &res), RC_BUSY);
	vault_night_end(r.n, false);
	assert_int_equal(scrub(&r, none, &res), RC_OK);
	end(&r, &w);
}

/* --- what damage makes of snapshots ------------------------------------------- */

struct told {
	unsigned n;
	struct vault_damaged last;
	char path[128];
};

static enum rc on_damaged(void *arg, const struct vault_damaged *d)
{
	struct told *t = arg;

	t->n++;
	t->last = *d;
	snprintf(t->path, sizeof(t->path), "%s", d->path);
	return RC_OK;
}

static void a_damaged_snapshot_is_not_offered(void **state)
{
	struct told t = { 0 };
	struct vault_check_opts tell = { .damaged = on_damaged, .arg = &t };
	struct vault_check_result res;
	struct vault_snapshot snap;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, there_and_back, 2);
	spoil(file_of(&r, &w.f[1])); /* version 2: snapshot 2 alone */
	assert_int_equal(scrub(&r, tell, &res), RC_CORRUPT);
	assert_int_equal(res.damaged, 1);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.path + 3, w.f[1].id);
	assert_true(t.last.newest && t.last.whole_at > 0);
	assert_int_equal(t.last.what, VAULT_ALTERED);
	assert_int_equal(t.last.n_snapshots, 1);
	assert_int_equal(t.last.snapshots[0], 2);
	assert_int_equal(state_of(&r, 1), VAULT_GOOD);
	assert_int_equal(state_of(&r, 2), VAULT_DAMAGED);
	assert_int_equal(vault_newest_good(r.p, &snap), RC_OK);
	assert_int_equal(snap.id, 1);
	assert_int_equal(sum_of(&r).newest, 1);
	assert_int_equal(sum_of(&r).older, 0);
	/* What is whole again (a cable, a copy by hand) is good again. */
	spoil(file_of(&r, &w.f[1]));
	assert_int_equal(scrub(&r, tell, &res), RC_OK);
	assert_int_equal(state_of(&r, 2), VAULT_GOOD);
	end(&r, &w);
}

static void a_look_without_reading(void **state)
{
	struct vault_check_opts quick = { .quick = true };
	struct vault_check_result res;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, once, 1);
	spoil(file_of(&r, &w.f[1]));
	assert_int_equal(vault_verify(r.p, &quick, &res), RC_OK);
	assert_int_equal(truncate(file_of(&r, &w.f[1]), 3), 0);
	assert_int_equal(vault_verify(r.p, &quick, &res), RC_CORRUPT);
	assert_int_equal(unlink(file_of(&r, &w.f[2])), 0);
	assert_int_equal(mkdir(file_of(&r, &w.f[2]), 0755), 0);
	assert_int_equal(vault_verify(r.p, &quick, &res), RC_CORRUPT);
	assert_int_equal(res.damaged, 2);
	quick.snapshot = 7;
	assert_int_equal(vault_verify(r.p, &quick, &res), RC_NOTFOUND);
	end(&r, &w);
}

static void what_a_reader_found_is_looked_at_again(void **state)
{
	struct vault_suspect s = { .newest = true };
	struct told t = { 0 };
	struct vault_check_opts tell = { .damaged = on_damaged, .arg = &t };
	struct vault_check_result res;
	struct vault_phone *ro;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, once, 1);
	spoil(file_of(&r, &w.f[1]));
	assert_int_equal(vault_phone_open(r.v, RIG_UDID, true, &ro), RC_OK);
	assert_int_equal(vault_verify(ro, &tell, &res), RC_CORRUPT);
	snprintf(s.path, sizeof(s.path), "%s", t.path);
	assert_int_equal(vault_note_damage(ro, &s, 1), RC_READONLY);
	vault_phone_close(ro);
	assert_int_equal(state_of(&r, 1), VAULT_GOOD); /* nothing written */
	/* A hash that no row has is nobody's damage. */
	assert_int_equal(vault_note_damage(r.p, &s, 1), RC_OK);
	assert_int_equal(sum_of(&r).newest, 0);
	assert_int_equal(scrub(&r, none, &res), RC_CORRUPT);
	assert_int_equal(sum_of(&r).newest, 1);
	end(&r, &w);
}

/* --- healing --------------------------------------------------------------------- */

/* Files 4 and 9 are empty: one content at two places. */
static void a_copy_heals(void **state)
{
	struct vault_check_result res;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, there_and_back, 3);
	spoil(file_of(&r, &w.f[4]));
	assert_int_equal(scrub(&r, none, &res), RC_OK);
	assert_int_equal(res.damaged, 1);
	assert_int_equal(res.healed, 1);
	assert_true(rig_holds(&r, 3, &w));
	/* Version 1 is an object, too: each heals the other. */
	spoil(file_of(&r, &w.f[1]));
	assert_int_equal(scrub(&r, none, &res), RC_OK);
	assert_int_equal(res.healed, 1);
	assert_int_equal(unlink(file_of(&r, &w.f[1])), 0);
	place[strlen(place) - 41] = '\0';
	assert_int_equal(rmdir(place), 0); /* its folder, too */
	assert_int_equal(scrub(&r, none, &res), RC_OK);
	assert_int_equal(res.healed, 1);
	assert_true(rig_holds(&r, 3, &w));
	assert_int_equal(state_of(&r, 3), VAULT_GOOD);
	end(&r, &w);
}

/* Every file operation of a repair fails once. */
static struct {
	int left; /* calls until one fails; -1: none */
	bool fired;
	struct fileops real;
} faulty;

static int due(void)
{
	if (faulty.left < 0 || faulty.left-- > 0)
		return 0;
	faulty.left = -1;
	faulty.fired = true;
	return -EIO;
}

static ssize_t bad_write(void *ctx, int fd, const void *buf, size_t len)
{
	int rv = due();

	return rv ? rv : faulty.real.write(ctx, fd, buf, len);
}

static int bad_fsync(void *ctx, int fd)
{
	int rv = due();

	return rv ? rv : faulty.real.fsync(ctx, fd);
}

static int bad_rename(void *ctx, int dir, const char *from, const char *to)
{
	int rv = due();

	return rv ? rv : faulty.real.rename(ctx, dir, from, to);
}

static void a_repair_that_fails_changes_nothing_else(void **state)
{
	struct fileops ops = *fileops_posix();
	struct vault_check_result res;
	struct rig_world w;
	struct rig r;
	unsigned n = 0, noted = 0;

	(void)state;
	faulty.real = ops;
	faulty.left = -1;
	ops.write = bad_write;
	ops.fsync = bad_fsync;
	ops.rename = bad_rename;
	rig_new(&r);
	r.ops = &ops;
	assert_int_equal(rig_open(&r), RC_OK);
	nights(&r, &w, there_and_back, 3);
	do {
		spoil(file_of(&r, &w.f[1]));
		faulty.fired = false;
		faulty.left = (int)n++;
		/* Known, unless it is the catalogue that could not be
		 * written. */
		if (scrub(&r, none, &res) && faulty.fired)
			noted += sum_of(&r).newest != 0;
		faulty.left = -1;
		rig_close(&r);
		assert_int_equal(rig_open(&r), RC_OK);
		assert_int_equal(scrub(&r, none, &res), RC_OK);
		assert_true(rig_holds(&r, 3, &w));
		assert_int_equal(state_of(&r, 1), VAULT_GOOD);
		assert_int_equal(state_of(&r, 3), VAULT_GOOD);
	} while (faulty.fired && n < 50);
	assert_true(n > 4 && n < 50 && noted > 2);
	end(&r, &w);
}

/* --- a commit among damaged files ------------------------------------------------- */

static void next_night(
    struct rig *r, struct rig_world *w, unsigned version, enum rc want)
{
	struct vault_snapshot snap;
	struct rig_world next = *w;

	next.db = NULL;
	next.f[1].version = version;
	rig_make_db(&next);
	assert_int_equal(rig_night(r, w, &next, &snap), want);
	rig_free_world(w);
	*w = next;
}

/* latest/ holds version 1 again, damaged, and objects/ a whole one: the damaged
 * one must not be moved over it. */
static void a_damaged_file_does_not_replace_a_whole_object(void **state)
{
	struct vault_check_result res;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, there_and_back, 3);
	spoil(file_of(&r, &w.f[1]));
	assert_int_equal(vault_verify(r.p, &none, &res), RC_CORRUPT);
	assert_int_equal(state_of(&r, 1), VAULT_GOOD);
	assert_int_equal(state_of(&r, 3), VAULT_DAMAGED);
	next_night(&r, &w, 5, RC_OK);
	for (int64_t id = 1; id <= 4; id++)
		assert_int_equal(state_of(&r, id), VAULT_GOOD);
	assert_int_equal(vault_verify(r.p, &none, &res), RC_OK);
	end(&r, &w);
}

struct find {
	const char *id;
	char file[1024];
};

static enum rc find_one(void *arg, const struct vault_entry *e)
{
	struct find *f = arg;

	if (e->file && strstr(e->path, f->id))
		snprintf(f->file, sizeof(f->file), "%s", e->file);
	return RC_OK;
}

static void a_whole_file_replaces_a_damaged_object(void **state)
{
	struct vault_check_result res;
	struct rig_world w;
	struct find f;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, there_and_back, 3);
	f.id = w.f[1].id;
	assert_int_equal(vault_each_entry(r.p, 1, find_one, &f), RC_OK);
	assert_non_null(strstr(f.file, "/objects/"));
	spoil(f.file);
	assert_int_equal(vault_verify(r.p, &none, &res), RC_CORRUPT);
	assert_int_equal(sum_of(&r).older, 1);
	assert_int_equal(state_of(&r, 1), VAULT_DAMAGED);
	assert_int_equal(state_of(&r, 3), VAULT_GOOD);
	next_night(&r, &w, 6, RC_OK);
	for (int64_t id = 1; id <= 4; id++)
		assert_int_equal(state_of(&r, id), VAULT_GOOD);
	assert_int_equal(vault_verify(r.p, &none, &res), RC_OK);
	end(&r, &w);
}

/* --- what the phone is shown ------------------------------------------------------- */

/* Rows of the Manifest.db that a phone downloads now; -1: it gets none. */
static int rows_lent(struct rig *r, const char *name, const char *id)
{
	char path[] = "/tmp/rig-lent-XXXXXX", sql[128], buf[4096];
	const struct store_ops *ops = r->s->ops;
	struct store_file *f;
	sqlite3_stmt *s;
	uint64_t size, sum = 0;
	int fd, n = -1;
	sqlite3 *h;
	size_t len;

	snprintf(buf, sizeof(buf), RIG_UDID "/%s", name);
	if (ops->open(r->s->ctx, buf, &f, &size))
		return -1;
	fd = mkstemp(path);
	while (!ops->read(f, buf, sizeof(buf), &len) && len > 0) {
		assert_int_equal(write(fd, buf, len), (ssize_t)len);
		sum += len;
	}
	ops->close(f);
	close(fd);
	assert_int_equal(sum, size);
	if (strstr(name, ".plist")) {
		unlink(path);
		return 0;
	}
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM Files WHERE fileID LIKE '%s'", id);
	assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(h);
	unlink(path);
	return n;
}

static void the_phone_is_asked_in_two_ways(void **state)
{
	struct vault_check_result res;
	struct rig_world w;
	struct rig r;
	int all;

	(void)state;
	begin(&r);
	nights(&r, &w, once, 1);
	spoil(file_of(&r, &w.f[3]));
	assert_int_equal(scrub(&r, none, &res), RC_CORRUPT);
	/* First by a Manifest.db that does not know the file. */
	assert_int_equal(rig_begin(&r, true), RC_OK);
	all = rows_lent(&r, "Manifest.db", "%");
	assert_int_equal(all, rig_count(&w) - 1);
	assert_int_equal(rows_lent(&r, "Manifest.db", w.f[3].id), 0);
	assert_int_equal(rows_lent(&r, "Status.plist", ""), 0);
	vault_night_end(r.n, false);
	/* The one in latest/ is as it was, and nothing of the other is left. */
	assert_int_equal(access(latest_of(&r, "Manifest.db-wal"), F_OK), -1);
	assert_int_equal(
	    access(latest_of(&r, "../../incoming/Manifest.db"), F_OK), -1);
	/* A phone that does not send it: from then on by full backups, … */
	for (unsigned night = 2; night < 4; night++) {
		next_night(&r, &w, night, RC_OK);
		assert_int_equal(state_of(&r, night), VAULT_DAMAGED);
		assert_true(sum_of(&r).wants_full);
		assert_int_equal(rig_begin(&r, true), RC_OK);
		assert_int_equal(rows_lent(&r, "Status.plist", ""), -1);
		assert_int_equal(rows_lent(&r, "Manifest.db", w.f[3].id), 1);
		vault_night_end(r.n, false);
	}
	/* … but not for ever. */
	next_night(&r, &w, 9, RC_OK);
	assert_false(sum_of(&r).wants_full);
	end(&r, &w);
}

/* A night is interrupted, a file rots, the night goes on; `full`: the phone
 * was sending everything. Is what it had sent still there? */
static bool is_resumed_beside_damage(bool full)
{
	static const char status[] =
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">"
	    "<dict><key>SnapshotState</key><string>uploading</string>"
	    "<key>IsFullBackup</key><%s/></dict></plist>";
	struct vault_check_result res;
	struct rig_world w, later;
	char text[512];
	struct rig r;
	bool resumed;

	begin(&r);
	nights(&r, &w, once, 1);
	rig_next_world(&later, &w, 5);
	assert_int_equal(rig_begin(&r, true), RC_OK);
	assert_int_equal(rig_send(&r, &w, &later), RC_OK);
	snprintf(text, sizeof(text), status, full ? "true" : "false");
	assert_int_equal(
	    rig_put(&r, "Status.plist", text, strlen(text)), RC_OK);
	vault_night_end(r.n, true);
	spoil(file_of(&r, &w.f[3]));
	assert_int_equal(scrub(&r, none, &res), RC_CORRUPT);
	assert_int_equal(rig_begin(&r, false), RC_OK);
	resumed = r.resumed;
	/* What was dropped is gone as a whole, and the phone is asked. */
	if (!resumed)
		assert_int_equal(rows_lent(&r, "Manifest.db", w.f[3].id), 0);
	vault_night_end(r.n, false);
	rig_free_world(&later);
	end(&r, &w);
	return resumed;
}

static void damage_comes_before_going_on(void **state)
{
	(void)state;
	assert_false(is_resumed_beside_damage(false));
	assert_true(is_resumed_beside_damage(true));
}

static void a_damaged_manifest_wants_a_full_backup(void **state)
{
	struct vault_check_result res;
	struct vault_snapshot snap;
	struct rig_world w;
	struct rig r;

	(void)state;
	begin(&r);
	nights(&r, &w, once, 1);
	spoil(latest_of(&r, "Manifest.db"));
	assert_int_equal(scrub(&r, none, &res), RC_CORRUPT);
	assert_true(sum_of(&r).wants_full);
	/* The full backup: all of it again, of the same content. */
	assert_int_equal(rig_night(&r, NULL, &w, &snap), RC_OK);
	assert_int_equal(sum_of(&r).newest, 0);
	assert_int_equal(snap.state, VAULT_GOOD);
	assert_int_equal(state_of(&r, 1), VAULT_GOOD);
	end(&r, &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_budget_reads_everything_in_turn),
		cmocka_unit_test(who_may_and_who_may_not),
		cmocka_unit_test(a_damaged_snapshot_is_not_offered),
		cmocka_unit_test(a_look_without_reading),
		cmocka_unit_test(what_a_reader_found_is_looked_at_again),
		cmocka_unit_test(a_copy_heals),
		cmocka_unit_test(a_repair_that_fails_changes_nothing_else),
		cmocka_unit_test(
		    a_damaged_file_does_not_replace_a_whole_object),
		cmocka_unit_test(a_whole_file_replaces_a_damaged_object),
		cmocka_unit_test(the_phone_is_asked_in_two_ways),
		cmocka_unit_test(damage_comes_before_going_on),
		cmocka_unit_test(a_damaged_manifest_wants_a_full_backup),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
