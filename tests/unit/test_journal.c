/*
 * The second night is cut at each of its steps, and fails at each of them;
 * after each the disk is opened again and must hold the first snapshot whole,
 * and the second one whole or not at all. A cut also takes back what no sync
 * has made sure: renames in any subset, and bytes of files just written.
 */
#include "vault_rig.h"

#include <errno.h>
#include <sys/wait.h>

enum how {
	HOW_COUNT,
	HOW_CUT,
	HOW_FAIL_ONCE,
	HOW_FAIL_ON
};

#define UNSYNCED_MAX 512

struct unsynced {
	bool is_rename;
	bool replaced; /* something was at `to`: not taken back */
	char from[256], to[256];
};

static struct {
	enum how how;
	unsigned n, at; /* operations so far; the one that is hit */
	unsigned synced; /* the last one of them that synced the disk */
	int err; /* for HOW_FAIL_* */
	unsigned seed;
	int root; /* of the last operation: the phone's folder */
	unsigned n_unsynced;
	struct unsynced unsynced[UNSYNCED_MAX];
} disk;

static unsigned dice(void)
{
	disk.seed = disk.seed * 1103515245u + 12345u;
	return disk.seed >> 16;
}

/* The disk as it may be after the power went: newest changes first. */
static void take_back(void)
{
	for (unsigned i = disk.n_unsynced; i-- > 0;) {
		const struct unsynced *u = &disk.unsynced[i];
		int fd;

		if (dice() % 2)
			continue;
		if (u->is_rename && !u->replaced) {
			renameat(disk.root, u->to, disk.root, u->from);
		} else if (!u->is_rename) {
			fd = openat(disk.root, u->to, O_WRONLY);
			if (fd >= 0 && ftruncate(fd, dice() % 40) == 0)
				close(fd);
		}
	}
}

static void remember(bool is_rename, const char *from, const char *to)
{
	struct unsynced *u = &disk.unsynced[disk.n_unsynced];
	struct stat st;

	if (disk.how != HOW_CUT || disk.n_unsynced == UNSYNCED_MAX)
		return;
	u->is_rename = is_rename;
	u->replaced =
	    is_rename && fstatat(disk.root, to, &st, AT_SYMLINK_NOFOLLOW) == 0;
	snprintf(u->from, sizeof(u->from), "%s", from);
	snprintf(u->to, sizeof(u->to), "%s", to);
	disk.n_unsynced++;
}

/* 0, or what the operation shall return instead of being done. */
static int hit(int dir)
{
	unsigned n = ++disk.n;

	if (dir >= 0)
		disk.root = dir;
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
	int rv = flags & O_CREAT ? hit(dir) : 0;

	if (!rv && flags & O_CREAT && strncmp(path, "catalog.db", 10) != 0)
		remember(false, path, path);
	return rv ? rv : fileops_posix()->open(ctx, dir, path, flags);
}

static int fake_close(void *ctx, int fd)
{
	return fileops_posix()->close(ctx, fd);
}

static ssize_t fake_read(void *ctx, int fd, void *buf, size_t len)
{
	return fileops_posix()->read(ctx, fd, buf, len);
}

static ssize_t fake_pread(void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	return fileops_posix()->pread(ctx, fd, buf, len, at);
}

static ssize_t fake_write(void *ctx, int fd, const void *buf, size_t len)
{
	int rv = hit(-1);

	if (rv) /* half of it arrives */
		return fileops_posix()->write(ctx, fd, buf, len / 2) < 0 ? -EIO
									 : rv;
	return fileops_posix()->write(ctx, fd, buf, len);
}

static ssize_t fake_pread(
    void *ctx, int fd, void *buf, size_t len, int64_t offset)
{
	return fileops_posix()->pread(ctx, fd, buf, len, offset);
}

static ssize_t fake_pwrite(
    void *ctx, int fd, const void *buf, size_t len, int64_t offset)
{
	int rv = hit(-1);

	return rv ? rv : fileops_posix()->pwrite(ctx, fd, buf, len, offset);
}

static int fake_truncate(void *ctx, int fd, int64_t size)
{
	int rv = hit(-1);

	return rv ? rv : fileops_posix()->truncate(ctx, fd, size);
}

static int64_t fake_size(void *ctx, int fd)
{
	return fileops_posix()->size(ctx, fd);
}

static int fake_fdatasync(void *ctx, int fd)
{
	int rv = hit(-1);

	return rv ? rv : fileops_posix()->fdatasync(ctx, fd);
}

static int fake_fsync(void *ctx, int fd)
{
	int rv = hit(-1);

	return rv ? rv : fileops_posix()->fsync(ctx, fd);
}

static int fake_syncfs(void *ctx, int fd)
{
	int rv = hit(-1);

	if (!rv)
		disk.n_unsynced = 0;
	disk.synced = disk.n;
	return rv ? rv : fileops_posix()->syncfs(ctx, fd);
}

static int fake_rename(void *ctx, int dir, const char *from, const char *to)
{
	int rv = hit(dir);

	if (!rv)
		remember(true, from, to);
	return rv ? rv : fileops_posix()->rename(ctx, dir, from, to);
}

static int fake_unlink(void *ctx, int dir, const char *path)
{
	int rv = hit(dir);

	return rv ? rv : fileops_posix()->unlink(ctx, dir, path);
}

static int fake_mkdir(void *ctx, int dir, const char *path)
{
	int rv = hit(dir);

	return rv ? rv : fileops_posix()->mkdir(ctx, dir, path);
}

static int fake_rmdir(void *ctx, int dir, const char *path)
{
	int rv = hit(dir);

	return rv ? rv : fileops_posix()->rmdir(ctx, dir, path);
}

static int fake_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	return fileops_posix()->stat(ctx, dir, path, out);
}

static const struct fileops fake = {
	.open = fake_open,
	.close = fake_close,
	.read = fake_read,
	.pread = fake_pread,
	.write = fake_write,
	.pread = fake_pread,
	.pwrite = fake_pwrite,
	.truncate = fake_truncate,
	.size = fake_size,
	.fdatasync = fake_fdatasync,
	.fsync = fake_fsync,
	.syncfs = fake_syncfs,
	.rename = fake_rename,
	.unlink = fake_unlink,
	.mkdir = fake_mkdir,
	.rmdir = fake_rmdir,
	.stat = fake_stat,
};

/* Under the sanitizers a case costs seven times as much. */
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 3
#else
#define STRIDE 1
#endif

static struct rig_world world0, world1; /* made once */

struct scene {
	struct rig r;
	int64_t first; /* the first snapshot */
};

static void scene_new(struct scene *s)
{
	struct vault_snapshot snap;

	memset(s, 0, sizeof(*s));
	rig_new(&s->r);
	assert_int_equal(rig_open(&s->r), RC_OK);
	assert_int_equal(rig_night(&s->r, NULL, &world0, &snap), RC_OK);
	s->first = snap.id;
	rig_close(&s->r);
}

static void scene_free(struct scene *s)
{
	rig_free(&s->r);
}

/* What must be true of the disk at any time. True: the second night is in. */
static bool check_disk(struct scene *s)
{
	struct vault_snapshot snap;
	bool is_in;

	s->r.ops = NULL;
	assert_int_equal(rig_open(&s->r), RC_OK);
	assert_true(rig_holds(&s->r, s->first, &world0));
	assert_int_equal(vault_newest_good(s->r.p, &snap), RC_OK);
	is_in = snap.id != s->first;
	if (is_in)
		assert_true(rig_holds(&s->r, snap.id, &world1));
	return is_in;
}

/* The next night comes through, and all is as if nothing had been. */
static void check_next_night(struct scene *s, bool is_in)
{
	struct vault_snapshot snap;

	assert_int_equal(
	    rig_night(&s->r, is_in ? &world1 : &world0, &world1, &snap), RC_OK);
	assert_true(rig_holds(&s->r, snap.id, &world1));
	assert_true(rig_holds(&s->r, s->first, &world0));
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

/* Opens with the faulty disk and tries the second night. */
static enum rc try_night(struct scene *s)
{
	struct vault_snapshot snap;
	enum rc rc;

	s->r.ops = &fake;
	rc = rig_open(&s->r);
	if (!rc)
		rc = rig_night(&s->r, &world0, &world1, &snap);
	return rc;
}

static unsigned count_steps(void)
{
	struct scene s;

	scene_new(&s);
	set_disk(HOW_COUNT, 0, 0, 0);
	assert_int_equal(try_night(&s), RC_OK);
	scene_free(&s);
	return disk.n;
}

static void cut_at(unsigned at, unsigned seed, unsigned *cases, unsigned *in)
{
	struct scene s;
	int status;
	bool is_in;
	pid_t pid;

	scene_new(&s);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		set_disk(HOW_CUT, at, 0, seed);
		_exit(try_night(&s) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	is_in = check_disk(&s);
	check_next_night(&s, is_in);
	scene_free(&s);
	(*cases)++;
	*in += is_in;
}

static void the_power_goes_at_each_step(void **state)
{
	unsigned steps = count_steps(), cases = 0, in = 0;

	(void)state;
	for (unsigned at = 1; at <= steps; at += STRIDE)
		for (unsigned seed = 1; seed <= 2; seed++)
			cut_at(at, seed * 77 + at, &cases, &in);
	/* Both ends were seen. */
	assert_true(in > 0 && in < cases);
	print_message("  %u cuts in %u steps, %u after the commit point\n",
	    cases, steps, in);
}

static void fail_at(enum how how, unsigned at, int err, unsigned *cases)
{
	struct scene s;
	bool is_in;
	enum rc rc;

	scene_new(&s);
	set_disk(how, at, err, 1);
	rc = try_night(&s);
	if (disk.n >= at && how == HOW_FAIL_ON)
		assert_int_not_equal(rc, RC_OK);
	if (rc && err == ENOSPC)
		assert_true(rc == RC_NOSPC);
	if (rc && err == EROFS)
		assert_true(rc == RC_READONLY);
	rig_close(&s.r);
	is_in = check_disk(&s);
	if (!rc)
		assert_true(is_in);
	check_next_night(&s, is_in);
	scene_free(&s);
	(*cases)++;
}

static void each_call_fails(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EROFS };
	unsigned steps = count_steps(), cases = 0;

	(void)state;
	/* The last ones only tidy up, and may fail without a word. */
	for (unsigned at = 1; at <= steps; at += STRIDE)
		fail_at(HOW_FAIL_ONCE, at, errors[at % 3], &cases);
	print_message("  %u single failures in %u steps\n", cases, steps);
}

static void all_calls_fail_from_then_on(void **state)
{
	unsigned cases = 0;

	(void)state;
	count_steps(); /* what comes after the last sync only tidies up */
	for (unsigned at = 1, end = disk.synced; at <= end; at += STRIDE)
		fail_at(HOW_FAIL_ON, at, at % 2 ? EIO : ENOSPC, &cases);
	print_message("  %u lasting failures\n", cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_power_goes_at_each_step),
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(all_calls_fail_from_then_on),
	};

	log_set_level(LOG_LEVEL_ERROR);
	rig_first_world(&world0, 7);
	rig_next_world(&world1, &world0, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
