/*
 * The catalogue's VFS beside SQLite's own: each must see the other's locks
 * and journals, and nothing may go past the table.
 */
#include "vault_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "db.h"

#define FILE_NAME "some.db"

/* What the table was asked for, in order. */
static struct {
	char opened[64][32];
	unsigned n_opened;
	char events[256]; /* w: journal or database written, d: fdatasync,
			     s: a folder synced */
	unsigned n_events;
} seen;

static struct fileops ops;
static char dir_path[64];
static int dir;

static void event(char what)
{
	if (seen.n_events < sizeof(seen.events) - 1)
		seen.events[seen.n_events++] = what;
}

static int seen_open(void *ctx, int at, const char *path, int flags)
{
	if (seen.n_opened < 64)
		snprintf(seen.opened[seen.n_opened++], 32, "%s", path);
	return fileops_posix()->open(ctx, at, path, flags);
}

static ssize_t seen_pwrite(
    void *ctx, int fd, const void *buf, size_t len, uint64_t at)
{
	event('w');
	/* Never all of it at once: short writes are legal. */
	return fileops_posix()->pwrite(
	    ctx, fd, buf, len > 1000 ? 1000 : len, at);
}

static ssize_t seen_pread(void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	return fileops_posix()->pread(ctx, fd, buf, len > 900 ? 900 : len, at);
}

static int seen_fdatasync(void *ctx, int fd)
{
	event('d');
	return fileops_posix()->fdatasync(ctx, fd);
}

static int seen_fsync(void *ctx, int fd)
{
	event('s');
	return fileops_posix()->fsync(ctx, fd);
}

static int set_up(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	ops = *fileops_posix();
	ops.open = seen_open;
	ops.pread = seen_pread;
	ops.pwrite = seen_pwrite;
	ops.fsync = seen_fsync;
	ops.fdatasync = seen_fdatasync;
	snprintf(dir_path, sizeof(dir_path), "/tmp/dbvfs-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	dir = open(dir_path, O_RDONLY | O_DIRECTORY);
	return dir < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir);
	rig_remove(dir_path);
	return 0;
}

static struct db *ours(enum db_mode mode)
{
	struct db *d = NULL;

	assert_int_equal(db_open(&ops, dir, FILE_NAME, mode, &d), RC_OK);
	return d;
}

/* Another program's handle: SQLite's own VFS, POSIX locks. */
static sqlite3 *theirs(void)
{
	char path[128];
	sqlite3 *h;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir_path);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	return h;
}

static int run(sqlite3 *h, const char *sql)
{
	return sqlite3_exec(h, sql, NULL, NULL, NULL);
}

static void fill(struct db *d)
{
	assert_int_equal(
	    db_exec(d, "CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
		       "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT"
		       " i+1 FROM n WHERE i<5000) INSERT INTO t SELECT i,"
		       " hex(randomblob(50)) FROM n"),
	    RC_OK);
}

static int64_t count(struct db *d)
{
	int64_t n = -1;

	assert_int_equal(db_number(d, "SELECT count(*) FROM t", &n), RC_OK);
	return n;
}

static void a_writer_keeps_others_from_writing(void **state)
{
	struct db *d = ours(DB_WRITE);
	sqlite3 *h;
	int fd;

	(void)state;
	fill(d);
	h = theirs();
	assert_int_equal(run(h, "SELECT count(*) FROM t"), SQLITE_OK);
	assert_int_equal(db_begin(d), RC_OK);
	assert_int_equal(run(h, "BEGIN IMMEDIATE"), SQLITE_BUSY);
	assert_int_equal(db_exec(d, "DELETE FROM t"), RC_OK);
	/* The trap of POSIX locks. */
	fd = openat(dir, FILE_NAME, O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run(h, "BEGIN IMMEDIATE"), SQLITE_BUSY);
	/* Readers are let in until the commit. */
	assert_int_equal(run(h, "SELECT count(*) FROM t"), SQLITE_OK);
	assert_int_equal(db_commit(d), RC_OK);
	assert_int_equal(run(h, "BEGIN IMMEDIATE; COMMIT"), SQLITE_OK);
	sqlite3_close(h);
	db_close(d);
}

static void a_reader_holds_up_their_commit(void **state)
{
	struct db *w = ours(DB_WRITE), *r;
	struct db_stmt *s;
	sqlite3 *h;
	bool row;

	(void)state;
	fill(w);
	db_close(w);
	r = ours(DB_READ);
	h = theirs();
	assert_int_equal(db_prepare(r, "SELECT a FROM t", &s), RC_OK);
	assert_int_equal(db_step(s, &row), RC_OK);
	assert_int_equal(run(h, "BEGIN; DELETE FROM t WHERE a=1"), SQLITE_OK);
	assert_int_equal(run(h, "COMMIT"), SQLITE_BUSY);
	db_reset(s);
	assert_int_equal(run(h, "COMMIT"), SQLITE_OK);
	assert_int_equal(count(r), 4999);
	assert_int_not_equal(db_exec(r, "DELETE FROM t"), RC_OK);
	db_finish(s);
	db_close(r);
	sqlite3_close(h);
}

static void *commit(void *arg)
{
	return db_commit(arg) == RC_OK ? arg : NULL;
}

/* The first step of a reader of another process. (Another handle of this one
 * would not do: SQLite's own VFS lets it share what its brother has.) The
 * descriptor is the caller's: closing any of this process would take their
 * reader's POSIX lock with it. */
static bool a_reader_may_come(int fd)
{
	struct flock fl = {
		.l_type = F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = 0x40000000,
		.l_len = 1,
	};

	if (fcntl(fd, F_OFD_SETLK, &fl) != 0)
		return false;
	fl.l_type = F_UNLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	return true;
}

/* A writer that waits for readers lets no new ones in, and gets its turn. */
static void our_commit_waits_for_their_reader(void **state)
{
	struct db *d = ours(DB_WRITE);
	sqlite3_stmt *s;
	pthread_t thread;
	sqlite3 *h;
	void *ok;
	int fd, tries = 0;

	(void)state;
	fill(d);
	fd = openat(dir, FILE_NAME, O_RDONLY);
	assert_true(fd >= 0);
	h = theirs();
	assert_int_equal(
	    sqlite3_prepare_v2(h, "SELECT a FROM t", -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_int_equal(db_begin(d), RC_OK);
	assert_int_equal(db_exec(d, "DELETE FROM t WHERE a<100"), RC_OK);
	assert_int_equal(pthread_create(&thread, NULL, commit, d), 0);
	while (a_reader_may_come(fd) && tries++ < 5000)
		usleep(1000);
	assert_true(tries < 5000);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW); /* it reads on */
	sqlite3_finalize(s);
	assert_int_equal(pthread_join(thread, &ok), 0);
	assert_ptr_equal(ok, d);
	assert_int_equal(count(d), 4901);
	assert_true(a_reader_may_come(fd));
	sqlite3_close(h);
	close(fd);
	db_close(d);
}

/* Dies with half a transaction in the file. */
static void die_half_way(bool is_ours)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		static const char sql[] = "PRAGMA cache_size=10; BEGIN;"
					  "UPDATE t SET b='x' || b;";
		int bad;

		if (is_ours)
			bad = db_exec(ours(DB_WRITE), sql) != RC_OK;
		else
			bad = run(theirs(), sql) != SQLITE_OK;
		_exit(bad);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void each_rolls_back_what_the_other_left(void **state)
{
	struct db *d = ours(DB_WRITE);
	sqlite3_stmt *s;
	sqlite3 *h;
	int64_t n = -1;

	(void)state;
	fill(d);
	db_close(d);
	die_half_way(false);
	d = ours(DB_WRITE);
	assert_int_equal(db_quick_check(d), RC_OK);
	assert_int_equal(
	    db_number(d, "SELECT count(*) FROM t WHERE b LIKE 'x%'", &n),
	    RC_OK);
	assert_int_equal(n, 0);
	db_close(d);
	die_half_way(true);
	h = theirs();
	assert_int_equal(
	    sqlite3_prepare_v2(
		h, "SELECT count(*) FROM t WHERE b LIKE 'x%'", -1, &s, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(s, 0), 0);
	sqlite3_finalize(s);
	sqlite3_close(h);
}

/* The journal's name is synced between its bytes and the database's. */
static void the_journal_is_named_before_it_counts(void **state)
{
	struct db *d = ours(DB_WRITE);
	char *first, *sync;

	(void)state;
	assert_int_equal(
	    db_exec(d, "CREATE TABLE t(a); INSERT INTO t VALUES(1);"), RC_OK);
	memset(&seen, 0, sizeof(seen));
	db_close(d);
	/* It was made just now; in a second process it is there already. */
	d = ours(DB_WRITE);
	assert_int_equal(db_begin(d), RC_OK);
	assert_int_equal(db_exec(d, "DELETE FROM t"), RC_OK);
	assert_int_equal(db_commit(d), RC_OK);
	first = strchr(seen.events, 'd');
	sync = strchr(seen.events, 's');
	assert_non_null(first);
	assert_non_null(sync);
	assert_ptr_equal(sync, first + 1);
	/* journal, its header, database, and that the journal is over */
	assert_int_equal(strspn(sync + 1, "wd"), strlen(sync + 1));
	db_close(d);
}

/* Sorting, temporary tables, statements that may fail half way. */
static void nothing_goes_past_the_table(void **state)
{
	struct db *d = ours(DB_WRITE);

	(void)state;
	fill(d);
	assert_int_equal(
	    db_exec(d, "PRAGMA cache_size=10; BEGIN;"
		       "CREATE UNIQUE INDEX u ON t(b);"
		       "CREATE TEMP TABLE big AS SELECT * FROM t ORDER BY b;"
		       "UPDATE t SET b=b || 'y';"
		       "DELETE FROM t WHERE a IN (SELECT a FROM big WHERE"
		       " a % 2 ORDER BY b DESC);"
		       "COMMIT;"),
	    RC_OK);
	assert_int_equal(count(d), 2500);
	db_close(d);
	for (unsigned i = 0; i < seen.n_opened; i++)
		assert_true(strcmp(seen.opened[i], FILE_NAME) == 0 ||
			    strcmp(seen.opened[i], FILE_NAME "-journal") == 0 ||
			    strcmp(seen.opened[i], ".") == 0);
	assert_true(seen.n_opened > 2 && seen.n_opened < 64);
}

/* Real Manifest.db are in WAL format. */
static void an_immutable_one_leaves_no_trace(void **state)
{
	sqlite3 *h = theirs();
	struct db *d;

	(void)state;
	assert_int_equal(run(h, "PRAGMA journal_mode=WAL; CREATE TABLE t(a);"
				"INSERT INTO t VALUES(1), (2);"),
	    SQLITE_OK);
	sqlite3_close(h);
	d = ours(DB_IMMUTABLE);
	assert_int_equal(count(d), 2);
	assert_int_equal(faccessat(dir, FILE_NAME "-wal", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, FILE_NAME "-shm", F_OK, 0), -1);
	assert_int_not_equal(db_exec(d, "DELETE FROM t"), RC_OK);
	db_close(d);
	/* It cannot be had any other way. */
	assert_int_not_equal(
	    db_open(&ops, dir, FILE_NAME, DB_WRITE, &d), RC_OK);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_writer_keeps_others_from_writing),
		CASE(a_reader_holds_up_their_commit),
		CASE(our_commit_waits_for_their_reader),
		CASE(each_rolls_back_what_the_other_left),
		CASE(the_journal_is_named_before_it_counts),
		CASE(nothing_goes_past_the_table),
		CASE(an_immutable_one_leaves_no_trace),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
