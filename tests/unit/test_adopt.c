/*
 * An Apple backup folder is adopted on a disk that is cut, or fails, at each
 * step. What is then on the disk is either the folder, byte for byte as it
 * was, or a good first snapshot with all of it; nothing between.
 */
#include "vault_rig.h"

#include <errno.h>
#include <sys/wait.h>

#include "vault_adopt.h"

enum how {
	HOW_COUNT,
	HOW_CUT,
	HOW_FAIL_ONCE,
	HOW_FAIL_ON
};

#define UNSYNCED_MAX 1024

static struct {
	enum how how;
	unsigned n, at; /* operations so far; the one that is hit */
	int err;
	unsigned seed;
	int root; /* of the last rename */
	unsigned n_unsynced;
	char from[UNSYNCED_MAX][200], to[UNSYNCED_MAX][200];
} disk;

static unsigned dice(void)
{
	disk.seed = disk.seed * 1103515245u + 12345u;
	return disk.seed >> 16;
}

/* The power goes: any of the renames since the last sync may not have been. */
static void take_back(void)
{
	for (unsigned i = disk.n_unsynced; i-- > 0;)
		if (dice() % 2)
			renameat(
			    disk.root, disk.to[i], disk.root, disk.from[i]);
}

static int hit(void)
{
	unsigned n = ++disk.n;

	if (disk.how == HOW_CUT && n == disk.at) {
		take_back();
		_exit(0);
	}
	if ((disk.how == HOW_FAIL_ONCE && n == disk.at) ||
	    (disk.how == HOW_FAIL_ON && n >= disk.at))
		return -disk.err;
	return 0;
}

static int fake_open(void *ctx, int dir, const char *path, int flags)
{
	int rv = hit();

	return rv ? rv : fileops_posix()->open(ctx, dir, path, flags);
}

static int fake_close(void *ctx, int fd)
{
	return fileops_posix()->close(ctx, fd);
}

static ssize_t fake_read(void *ctx, int fd, void *buf, size_t len)
{
	int rv = hit();

	return rv ? rv : fileops_posix()->read(ctx, fd, buf, len);
}

static ssize_t fake_pread(void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	return fileops_posix()->pread(ctx, fd, buf, len, at);
}

static ssize_t fake_write(void *ctx, int fd, const void *buf, size_t len)
{
	int rv = hit();

	return rv ? rv : fileops_posix()->write(ctx, fd, buf, len);
}

static int fake_fsync(void *ctx, int fd)
{
	int rv = hit();

	if (!rv) /* of folders, while the vault is made: no move waits */
		disk.n_unsynced = 0;
	return rv ? rv : fileops_posix()->fsync(ctx, fd);
}

static int fake_syncfs(void *ctx, int fd)
{
	int rv = hit();

	if (!rv)
		disk.n_unsynced = 0;
	return rv ? rv : fileops_posix()->syncfs(ctx, fd);
}

static int fake_rename(void *ctx, int dir, const char *from, const char *to)
{
	int rv = hit();

	rv = rv ? rv : fileops_posix()->rename(ctx, dir, from, to);
	if (rv || disk.how != HOW_CUT || disk.n_unsynced == UNSYNCED_MAX)
		return rv;
	disk.root = dir;
	snprintf(disk.from[disk.n_unsynced], sizeof(disk.from[0]), "%s", from);
	snprintf(disk.to[disk.n_unsynced++], sizeof(disk.to[0]), "%s", to);
	return 0;
}

static int fake_unlink(void *ctx, int dir, const char *path)
{
	int rv = hit();

	return rv ? rv : fileops_posix()->unlink(ctx, dir, path);
}

static int fake_mkdir(void *ctx, int dir, const char *path)
{
	int rv = hit();

	return rv ? rv : fileops_posix()->mkdir(ctx, dir, path);
}

static int fake_rmdir(void *ctx, int dir, const char *path)
{
	int rv = hit();

	return rv ? rv : fileops_posix()->rmdir(ctx, dir, path);
}

static int fake_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	return fileops_posix()->stat(ctx, dir, path, out);
}

static struct fileops fake;

#ifdef __SANITIZE_ADDRESS__
#define STRIDE 5
#else
#define STRIDE 1
#endif

/* --- a folder as another program leaves it ---------------------------------- */

static struct rig_world world;

struct scene {
	struct rig r;
	char parent[128], folder[192];
};

static void put(
    const struct scene *s, const char *rel, const void *data, size_t len)
{
	char path[320];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", s->folder, rel);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put_text(const struct scene *s, const char *rel, const char *text)
{
	put(s, rel, text, strlen(text));
}

static void put_status(const struct scene *s, const char *state)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">"
	    "<dict><key>Version</key><string>3.3</string>"
	    "<key>Date</key><date>2024-05-03T20:15:00Z</date>"
	    "<key>SnapshotState</key><string>%s</string></dict></plist>",
	    state);
	put_text(s, "Status.plist", text);
}

static void put_manifest(const struct scene *s, const char *udid)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">"
	    "<dict><key>IsEncrypted</key><false/><key>Lockdown</key><dict>"
	    "<key>UniqueDeviceID</key><string>%s</string>"
	    "<key>DeviceName</key><string>Rig</string>"
	    "<key>ProductType</key><string>iPhone12,1</string>"
	    "<key>ProductVersion</key><string>17.0</string>"
	    "</dict></dict></plist>",
	    udid);
	put_text(s, "Manifest.plist", text);
}

static void put_files(const struct scene *s)
{
	char rel[64], buf[4096];

	for (int i = 0; i < RIG_FILES; i++) {
		const struct rig_file *f = &world.f[i];

		if (!f->version)
			continue;
		rig_fill(f, buf);
		snprintf(rel, sizeof(rel), "%.2s/%s", f->id, f->id);
		put(s, rel, buf, f->size);
	}
}

static void make_folders(const struct scene *s)
{
	char path[320];

	for (int i = 0; i < RIG_FILES; i++) {
		snprintf(
		    path, sizeof(path), "%s/%.2s", s->folder, world.f[i].id);
		(void)mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s/photos", s->folder);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* `strangers`: what another program has put beside, and into, the backup. */
static void scene_new(struct scene *s, bool strangers)
{
	char two[256];

	memset(s, 0, sizeof(*s));
	rig_new(&s->r);
	snprintf(s->parent, sizeof(s->parent), "%s/Backup", s->r.dir);
	snprintf(s->folder, sizeof(s->folder), "%s/" RIG_UDID, s->parent);
	assert_int_equal(mkdir(s->parent, 0755), 0);
	assert_int_equal(mkdir(s->folder, 0755), 0);
	make_folders(s);
	put_files(s);
	put_status(s, "finished");
	put_manifest(s, RIG_UDID);
	put_text(s, "Info.plist", "<plist/>");
	put(s, "Manifest.db", world.db, world.db_len);
	snprintf(two, sizeof(two), "%s/photos", s->folder);
	if (!strangers) {
		assert_int_equal(rmdir(two), 0);
		return;
	}
	put_text(s, "photos/a.jpg", "a picture");
	snprintf(two, sizeof(two), "%.2s/.DS_Store", world.f[0].id);
	put_text(s, two, "of Finder's");
}

static void scene_free(struct scene *s)
{
	rig_free(&s->r);
}

/* The folder is whole: each file of the world, the lists, the strangers. */
static bool folder_is_whole(const struct scene *s)
{
	char path[320];
	size_t len = 0;
	char *db;
	bool same;

	for (int i = 0; i < RIG_FILES; i++) {
		snprintf(path, sizeof(path), "%s/%.2s/%s", s->folder,
		    world.f[i].id, world.f[i].id);
		if (world.f[i].version && !rig_bytes_are(path, &world.f[i]))
			return false;
	}
	snprintf(path, sizeof(path), "%s/Manifest.db", s->folder);
	db = rig_slurp(path, &len);
	same = db && len == world.db_len && !memcmp(db, world.db, len);
	free(db);
	snprintf(path, sizeof(path), "%s/Status.plist", s->folder);
	same = same && access(path, R_OK) == 0;
	snprintf(path, sizeof(path), "%s/Info.plist", s->folder);
	same = same && access(path, R_OK) == 0;
	snprintf(path, sizeof(path), "%s/Manifest.plist", s->folder);
	return same && access(path, R_OK) == 0;
}

static bool strangers_are_there(const struct scene *s)
{
	char path[320], two[320];

	snprintf(path, sizeof(path), "%s/photos/a.jpg", s->folder);
	snprintf(
	    two, sizeof(two), "%s/%.2s/.DS_Store", s->folder, world.f[0].id);
	return access(path, R_OK) == 0 && access(two, R_OK) == 0;
}

static enum rc adopt(struct scene *s, bool copy, struct vault_adopt_report *out)
{
	struct vault_adopt_opts opts = { .copy = copy, .reserve = 1 };
	enum rc rc = vault_open(s->r.ops, s->r.dir, true, &s->r.v);

	memset(out, 0, sizeof(*out));
	if (!rc)
		rc = vault_adopt(s->r.v, s->folder, &opts, out);
	vault_close(s->r.v);
	s->r.v = NULL;
	return rc;
}

/* Opens what a cut or failure left. True: the adoption is in. */
static bool check_disk(struct scene *s, bool copy)
{
	struct vault_snapshot snap;
	enum rc rc;

	s->r.ops = NULL;
	assert_int_equal(rig_open(&s->r), RC_OK);
	rc = vault_newest_good(s->r.p, &snap);
	if (!rc) {
		assert_true(rig_holds(&s->r, snap.id, &world));
		assert_true(copy || !folder_is_whole(s));
	} else {
		assert_int_equal(rc, RC_NOTFOUND);
		assert_true(folder_is_whole(s));
	}
	assert_true(!copy || folder_is_whole(s));
	assert_true(strangers_are_there(s));
	rig_close(&s->r);
	return !rc;
}

/* And then it can be adopted, if it was not. */
static void check_again(struct scene *s, bool is_in)
{
	struct vault_adopt_report out;
	struct vault_snapshot snap;

	if (!is_in)
		assert_int_equal(adopt(s, false, &out), RC_OK);
	assert_int_equal(rig_open(&s->r), RC_OK);
	assert_int_equal(vault_newest_good(s->r.p, &snap), RC_OK);
	assert_true(rig_holds(&s->r, snap.id, &world));
	rig_close(&s->r);
}

static void set_disk(enum how how, unsigned at, int err, unsigned seed)
{
	memset(&disk, 0, sizeof(disk));
	disk.how = how;
	disk.at = at;
	disk.err = err;
	disk.seed = seed;
}

static unsigned count_steps(bool copy)
{
	struct vault_adopt_report out;
	struct scene s;

	scene_new(&s, true);
	set_disk(HOW_COUNT, 0, 0, 0);
	s.r.ops = &fake;
	assert_int_equal(adopt(&s, copy, &out), RC_OK);
	scene_free(&s);
	return disk.n;
}

static void cut_at(bool copy, unsigned at, unsigned seed, unsigned *in)
{
	struct vault_adopt_report out;
	struct scene s;
	int status;
	bool is_in;
	pid_t pid;

	scene_new(&s, true);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		set_disk(HOW_CUT, at, 0, seed);
		s.r.ops = &fake;
		_exit(adopt(&s, copy, &out) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	is_in = check_disk(&s, copy);
	check_again(&s, is_in);
	*in += is_in;
	scene_free(&s);
}

static void cut_everywhere(bool copy, unsigned stride, unsigned seeds)
{
	unsigned steps = count_steps(copy), cases = 0, in = 0;

	for (unsigned at = 1; at <= steps; at += stride * STRIDE)
		for (unsigned seed = 1; seed <= seeds; seed++, cases++)
			cut_at(copy, at, seed * 77 + at, &in);
	assert_true(in > 0 && in < cases); /* both ends were seen */
	print_message("  %u cuts in %u steps, %u after the commit point\n",
	    cases, steps, in);
}

static void the_power_goes_at_each_step(void **state)
{
	(void)state;
	cut_everywhere(false, 1, 2);
}

static void the_power_goes_at_each_step_of_a_copy(void **state)
{
	(void)state;
	/* A night in all but its source: test_journal has each step. */
	cut_everywhere(true, 5, 1);
}

/* True: it was refused. */
static bool fail_at(unsigned at, enum how how, int err)
{
	struct vault_adopt_report out;
	struct scene s;
	bool is_in;
	enum rc rc;

	scene_new(&s, true);
	set_disk(how, at, err, 1);
	s.r.ops = &fake;
	rc = adopt(&s, false, &out);
	is_in = check_disk(&s, false);
	assert_true(rc || is_in);
	check_again(&s, is_in);
	scene_free(&s);
	return rc != RC_OK;
}

static void each_call_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EROFS, EXDEV };
	unsigned steps = count_steps(false), refused = 0;

	(void)state;
	for (unsigned at = 1; at <= steps; at += STRIDE)
		refused += fail_at(at, at % 2 ? HOW_FAIL_ON : HOW_FAIL_ONCE,
		    errors[at / 2 % 4]);
	assert_true(refused > 0);
	print_message("  %u of %u failures refused it\n", refused, steps);
}

/* --- what it says ---------------------------------------------------------------
 */

static void a_folder_is_adopted_whole(void **state)
{
	struct vault_adopt_report out;
	struct scene s;

	(void)state;
	scene_new(&s, false);
	assert_int_equal(adopt(&s, false, &out), RC_OK);
	assert_string_equal(out.why, "");
	assert_int_equal(out.strangers, 0);
	assert_true(out.folder_is_gone);
	assert_int_equal(access(s.folder, F_OK), -1);
	assert_int_equal(access(s.parent, F_OK), 0);
	assert_int_equal(out.snapshot.state, VAULT_GOOD);
	assert_int_equal(out.snapshot.files, rig_count(&world) + 4);
	assert_string_equal(out.snapshot.device_name, "Rig");
	assert_string_equal(out.snapshot.model, "iPhone12,1");
	/* Status.plist's own date */
	assert_int_equal(out.snapshot.finished_at, 1714767300);
	check_again(&s, true);
	scene_free(&s);
}

static void strangers_stay_and_are_named(void **state)
{
	struct vault_adopt_report out;
	struct scene s;
	char two[96];
	bool a, b;

	(void)state;
	scene_new(&s, true);
	assert_int_equal(adopt(&s, false, &out), RC_OK);
	assert_int_equal(out.strangers, 2);
	assert_false(out.folder_is_gone);
	snprintf(two, sizeof(two), "%.2s/.DS_Store", world.f[0].id);
	a = !strcmp(out.stranger[0], two) || !strcmp(out.stranger[1], two);
	b = !strcmp(out.stranger[0], "photos") ||
	    !strcmp(out.stranger[1], "photos");
	assert_true(a && b);
	assert_true(strangers_are_there(&s));
	check_again(&s, true);
	scene_free(&s);
}

static void refused_with(struct scene *s, enum rc want, const char *words)
{
	struct vault_adopt_report out;

	assert_int_equal(adopt(s, false, &out), want);
	if (!strstr(out.why, words))
		fail_msg("\"%s\" is not in \"%s\"", words, out.why);
}

static void only_whole_backups_are_taken(void **state)
{
	struct scene s;

	(void)state;
	scene_new(&s, false);
	put_status(&s, "moving");
	refused_with(&s, RC_CORRUPT, "moving");
	put_status(&s, "finished");
	put_text(&s, "Status.plist", "");
	refused_with(&s, RC_CORRUPT, "Status.plist");
	put_status(&s, "finished");
	put_manifest(&s, "../../../etc");
	refused_with(&s, RC_CORRUPT, "Manifest.plist");
	put_manifest(&s, RIG_UDID);
	put_text(&s, "Manifest.db", "not a database");
	refused_with(&s, RC_CORRUPT, "Manifest.db");
	put(&s, "Manifest.db", world.db, world.db_len);
	assert_true(folder_is_whole(&s));
	check_again(&s, false);
	scene_free(&s);
}

static void what_came_in_the_way_is_not_overwritten(void **state)
{
	struct scene s;
	char path[512];

	(void)state;
	scene_new(&s, false);
	assert_int_equal(rig_open(&s.r), RC_OK);
	rig_close(&s.r);
	snprintf(path, sizeof(path),
	    "%s/Nightstand/" RIG_UDID "/latest/" RIG_UDID "/Info.plist",
	    s.r.dir);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0644)), 0);
	refused_with(&s, RC_EXISTS, "Move it away");
	assert_true(folder_is_whole(&s));
	assert_int_equal(unlink(path), 0);
	check_again(&s, false);
	scene_free(&s);
}

/* The place that an interrupted adoption goes back to comes from the disk. */
static void set_place(struct scene *s, const char *place)
{
	char path[512];
	sqlite3 *h;
	char *sql;

	snprintf(path, sizeof(path), "%s/Nightstand/" RIG_UDID "/catalog.db",
	    s->r.dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	sql =
	    sqlite3_mprintf("DELETE FROM adopt; INSERT INTO adopt(name, place)"
			    " VALUES('', %Q), ('Manifest.db', NULL)",
		place);
	assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_free(sql);
	sqlite3_close(h);
}

static void hostile_places_are_refused(void **state)
{
	static const char *const places[] = { "/etc", "latest", "", "../x/../y",
		"../../../../../../../../../../proc/nightstand", "../a//b",
		".." };
	struct vault_adopt_report out;
	struct scene s;
	char latest[512];

	(void)state;
	scene_new(&s, false);
	assert_int_equal(adopt(&s, false, &out), RC_OK);
	snprintf(latest, sizeof(latest),
	    "%s/Nightstand/" RIG_UDID "/latest/" RIG_UDID "/Manifest.db",
	    s.r.dir);
	for (size_t i = 0; i + 1 < sizeof(places) / sizeof(places[0]); i++) {
		set_place(&s, places[i]);
		assert_int_not_equal(rig_open(&s.r), RC_OK);
		rig_close(&s.r);
		assert_int_equal(access(latest, R_OK), 0);
	}
	scene_free(&s);
}

static void udids_are_compared_as_people_write_them(void **state)
{
	(void)state;
	assert_true(vault_adopt_same_udid(
	    "00008030-001122334455667A", "00008030001122334455667a"));
	assert_true(vault_adopt_same_udid("abc", "ABC"));
	assert_false(vault_adopt_same_udid("abc", "abcd"));
	assert_false(vault_adopt_same_udid("", "a"));
	assert_true(vault_adopt_same_udid("", ""));
}

/* SQLite's own writes are cut by tests/power; here they go through. */
static void make_table(void)
{
	fake = *fileops_posix();
	fake.open = fake_open;
	fake.close = fake_close;
	fake.read = fake_read;
	fake.pread = fake_pread;
	fake.write = fake_write;
	fake.fsync = fake_fsync;
	fake.syncfs = fake_syncfs;
	fake.rename = fake_rename;
	fake.unlink = fake_unlink;
	fake.mkdir = fake_mkdir;
	fake.rmdir = fake_rmdir;
	fake.stat = fake_stat;
	fake.async = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_is_adopted_whole),
		cmocka_unit_test(strangers_stay_and_are_named),
		cmocka_unit_test(only_whole_backups_are_taken),
		cmocka_unit_test(what_came_in_the_way_is_not_overwritten),
		cmocka_unit_test(hostile_places_are_refused),
		cmocka_unit_test(udids_are_compared_as_people_write_them),
		cmocka_unit_test(the_power_goes_at_each_step),
		cmocka_unit_test(the_power_goes_at_each_step_of_a_copy),
		cmocka_unit_test(each_call_fails),
	};

	make_table();
	log_set_level(LOG_LEVEL_ERROR);
	rig_first_world(&world, 7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
