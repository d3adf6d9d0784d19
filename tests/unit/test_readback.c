/* Reading back: every kind of file gets its verdict, in order, whatever way
 * the reads go and whichever of them a kernel or a file system refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digest.h"
#include "quickhash.h"
#include "readback.h"

#define MIB (1u << 20)
#define BIG (5 * MIB + 4097)

static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65535, 65536, 300000,
	MIB - 1, MIB, MIB + 1, 2 * MIB, BIG };

enum fate {
	GOOD,
	DAMAGED,
	CUT_BYTE,
	CUT_HALF,
	GROWN,
	GROWN_MUCH,
	GONE,
	FATES
};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define SMALL   150 /* good ones of 4 KiB, before and after the others */
#define N_FILES (SMALL + N_SIZES * FATES + SMALL)

static char dir[] = "/var/tmp/test-readback-XXXXXX";
static int dir_fd;
static unsigned char *bytes; /* BIG of them and more */
static struct readback_item items[N_FILES];
static enum rc expected[N_FILES];

/* --- the files, made once -------------------------------------------------- */

static enum rc expect(size_t size, enum fate fate)
{
	if (fate == GONE)
		return RC_NOTFOUND;
	if (fate == GOOD || (size == 0 && fate < GROWN))
		return RC_OK;
	return RC_CORRUPT;
}

static int make_file(const char *path, size_t seed, size_t size, enum fate fate)
{
	const unsigned char *data = bytes + seed % 251;
	int fd = openat(dir_fd, path, O_RDWR | O_CREAT, 0600);
	off_t len = (off_t)size;
	unsigned char odd;
	bool ok = fd >= 0 && write(fd, data, size) == (ssize_t)size;

	if (fate == DAMAGED && size > 0) { /* one bit */
		odd = data[size / 2] ^ 4;
		ok = ok && pwrite(fd, &odd, 1, (off_t)size / 2) == 1;
	}
	if (fate == CUT_BYTE || fate == CUT_HALF)
		len = fate == CUT_HALF || len == 0 ? len / 2 : len - 1;
	if (fate == GROWN || fate == GROWN_MUCH)
		len += fate == GROWN ? 1 : MIB;
	ok = ok && ftruncate(fd, len) == 0;
	if (fate == GONE)
		ok = ok && unlinkat(dir_fd, path, 0) == 0;
	if (fd >= 0)
		close(fd);
	return ok ? 0 : -1;
}

/* Either hash, in turn. */
static int make_item(size_t i, size_t size, enum fate fate)
{
	struct readback_item *item = &items[i];
	struct digest *strong = digest_new();
	struct quickhash *quick = quickhash_new();
	const unsigned char *data = bytes + i % 251;

	snprintf(item->path, sizeof(item->path), "%zu", i);
	item->size = size;
	item->tag = (uint32_t)i;
	item->is_quick = i % 2;
	if (!strong || !quick)
		return -1;
	quickhash_begin(quick);
	quickhash_update(quick, data, size);
	item->quick = quickhash_final(quick);
	digest_begin(strong);
	digest_update(strong, data, size);
	digest_final(strong, item->digest);
	digest_free(strong);
	quickhash_free(quick);
	expected[i] = expect(size, fate);
	return make_file(item->path, i, size, fate);
}

static int set_up(void **state)
{
	int rv = 0;

	(void)state;
	bytes = malloc(BIG + 256);
	if (!bytes || !mkdtemp(dir))
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < BIG + 256; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 24);
	for (size_t i = 0; !rv && i < N_FILES; i++) {
		size_t k = i - SMALL; /* wraps: then it is none of these */

		if (k < N_SIZES * FATES)
			rv = make_item(i, sizes[k % N_SIZES], k / N_SIZES);
		else
			rv = make_item(i, 4096, GOOD);
	}
	return rv || syncfs(dir_fd) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_FILES; i++)
		unlinkat(dir_fd, items[i].path, 0);
	close(dir_fd);
	free(bytes);
	return rmdir(dir);
}

/* --- ways to read ---------------------------------------------------------- */

static struct fileops ops;
static struct fileops_async async;
static unsigned opens, starts, taken, preads, refused, most;
static int open_says, start_says, reap_says, reads_say;
static bool start_half, half_reads;

static int t_open(void *ctx, unsigned depth, void **queue)
{
	opens++;
	return open_says ? open_says : fileops_aio.open(ctx, depth, queue);
}

static int t_start(
    void *ctx, void *queue, struct fileops_read *const *reads, size_t n)
{
	int some;

	starts++;
	if (start_says)
		return start_says;
	some =
	    fileops_aio.start(ctx, queue, reads, start_half ? (n + 1) / 2 : n);
	if (some > 0)
		taken += (unsigned)some;
	if (some > 0 && (unsigned)some > most)
		most = (unsigned)some;
	return some;
}

static int t_reap(void *ctx, void *queue, size_t min)
{
	return reap_says ? reap_says : fileops_aio.reap(ctx, queue, min);
}

/* The results of one read after the other are spoiled, in a queue that does
 * its reads at once. */
static int spoil_start(
    void *ctx, void *queue, struct fileops_read *const *reads, size_t n)
{
	(void)queue;
	for (size_t i = 0; i < n; i++) {
		size_t len = reads[i]->len;

		if (half_reads && len > 8192)
			len = len / 2 & ~4095u;
		reads[i]->n = fileops_posix()->pread(
		    ctx, reads[i]->fd, reads[i]->buf, len, reads[i]->at);
		if (reads_say) {
			memset(reads[i]->buf, 0xa5, reads[i]->len);
			reads[i]->n = reads_say;
		}
		reads[i]->state = FILEOPS_READ_DONE;
		taken++;
	}
	return (int)n;
}

static ssize_t t_pread(void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	preads++;
	return fileops_posix()->pread(ctx, fd, buf, len, at);
}

static ssize_t pread_no_direct(
    void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return t_pread(ctx, fd, buf, len, at);
	refused++;
	return -EINVAL;
}

static int open_no_direct(void *ctx, int at, const char *path, int flags)
{
	refused += (flags & O_DIRECT) != 0;
	return flags & O_DIRECT ? -EINVAL
				: fileops_posix()->open(ctx, at, path, flags);
}

static int open_not_ours(void *ctx, int at, const char *path, int flags)
{
	refused += (flags & O_NOATIME) != 0;
	return flags & O_NOATIME ? -EPERM
				 : fileops_posix()->open(ctx, at, path, flags);
}

static void reset(void)
{
	async = fileops_aio;
	async.open = t_open;
	async.start = t_start;
	async.reap = t_reap;
	ops = *fileops_posix();
	ops.async = &async;
	ops.pread = t_pread;
	opens = starts = taken = preads = refused = most = 0;
	open_says = start_says = reap_says = reads_say = 0;
	start_half = half_reads = false;
}

/* --- reading them all ------------------------------------------------------- */

struct seen {
	size_t n, wrong;
	size_t stop_at; /* its answer there is RC_BUG */
};

static enum rc see(void *arg, const struct readback_item *item, enum rc rc)
{
	struct seen *seen = arg;

	if (item->tag != seen->n || rc != expected[seen->n]) {
		print_message("# file %u size %llu: %s, not %s\n", item->tag,
		    (unsigned long long)item->size, rc_words(rc),
		    rc_words(expected[item->tag]));
		seen->wrong++;
	}
	seen->n++;
	return seen->stop_at && seen->n == seen->stop_at ? RC_BUG : RC_OK;
}

static int lowest_fd(void)
{
	int fd = dup(dir_fd);

	close(fd);
	return fd;
}

static size_t read_all(struct seen *seen)
{
	struct readback *rb = readback_new(&ops, dir_fd, see, seen);
	enum rc rc = rb ? RC_OK : RC_NOMEM;

	for (size_t i = 0; !rc && i < N_FILES; i++)
		rc = readback_add(rb, &items[i]);
	if (!rc)
		rc = readback_flush(rb);
	readback_free(rb);
	return !rc && seen->n == N_FILES ? seen->wrong : N_FILES;
}

static void all_as_expected(void)
{
	struct seen seen = { 0 };
	int low = lowest_fd();

	assert_int_equal(read_all(&seen), 0);
	assert_int_equal(lowest_fd(), low);
}

static void in_the_background(void **state)
{
	(void)state;
	reset();
	all_as_expected();
	assert_int_equal(opens, 1);
	if (!taken) {
		print_message("# the kernel has no queue for us\n");
		skip();
	}
	/* The small ones went 32 at a time, and none was read alone but what
	 * was looked at again because it was too short. */
	assert_int_equal(most, 32);
	assert_true(taken >= N_FILES - N_SIZES);
	assert_true(preads <= 4 * N_SIZES);
}

static void without_a_queue(void **state)
{
	(void)state;
	reset();
	ops.async = NULL;
	all_as_expected();
	assert_true(preads >= N_FILES - N_SIZES);
}

static void no_queue_to_be_had(void **state)
{
	static const int says[] = { -ENOSYS, -EPERM, -EAGAIN, -ENOMEM };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		reset();
		open_says = says[i];
		all_as_expected();
		assert_int_equal(opens, 1); /* not asked again */
		assert_true(preads >= N_FILES - N_SIZES);
	}
}

static void a_queue_that_takes_nothing(void **state)
{
	static const int says[] = { -EPERM, -ENOSYS, -EINVAL };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		reset();
		start_says = says[i];
		all_as_expected();
		assert_true(starts <= 1); /* not asked again */
		assert_true(preads >= N_FILES - N_SIZES);
	}
	reset();
	start_says = -EAGAIN; /* may pass */
	all_as_expected();
	assert_true(starts != 1);
}

static void a_queue_that_takes_half(void **state)
{
	(void)state;
	reset();
	start_half = true;
	all_as_expected();
	if (taken)
		assert_in_range(preads, N_FILES / 3, taken + 4 * N_SIZES);
}

static void a_queue_that_breaks(void **state)
{
	(void)state;
	reset();
	reap_says = -EIO;
	all_as_expected();
	assert_true(preads >= N_FILES - N_SIZES);
}

static void reads_that_the_queue_cannot_do(void **state)
{
	static const int says[] = { -EINVAL, -ENOSYS, -EAGAIN, -EOPNOTSUPP };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		reset();
		async.start = spoil_start;
		reads_say = says[i];
		all_as_expected();
		assert_true(!taken || preads >= taken);
	}
}

static void reads_that_end_early(void **state)
{
	(void)state;
	reset();
	async.start = spoil_start;
	half_reads = true;
	all_as_expected();
	assert_true(!taken || preads > 0);
}

static void no_direct_reads(void **state)
{
	(void)state;
	reset();
	ops.async = NULL;
	ops.pread = pread_no_direct;
	all_as_expected();
	if (!refused)
		print_message("# no O_DIRECT here\n");
	reset();
	ops.open = open_no_direct;
	all_as_expected();
	assert_int_equal(refused, 1);
	assert_int_equal(taken, 0);
}

static void files_of_another_owner(void **state)
{
	(void)state;
	reset();
	ops.open = open_not_ours;
	all_as_expected();
	assert_int_equal(refused, 1);
}

/* --- a medium that fails ------------------------------------------------------ */

static enum rc told;

static enum rc tell(void *arg, const struct readback_item *item, enum rc rc)
{
	(void)arg;
	(void)item;
	told = rc;
	return RC_OK;
}

static ssize_t bad_sector(void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	preads++;
	if (at >= 8192)
		return -EIO;
	if (at + len > 8192)
		len = (size_t)(8192 - at);
	return fileops_posix()->pread(ctx, fd, buf, len, at);
}

static void an_unreadable_file_is_no_damaged_one(void **state)
{
	struct readback *rb;

	(void)state;
	for (int way = 0; way < 2; way++) {
		reset();
		if (way == 0) {
			ops.async = NULL;
			ops.pread = bad_sector;
		} else {
			async.start = spoil_start;
			reads_say = -EIO;
		}
		told = RC_BUG;
		rb = readback_new(&ops, dir_fd, tell, NULL);
		assert_non_null(rb);
		assert_int_equal(
		    readback_add(rb, &items[SMALL + 7]), RC_OK); /* 300,000 */
		assert_int_equal(readback_flush(rb), RC_OK);
		assert_true(told == RC_IO || (way == 1 && !taken));
		if (way == 1 && taken) /* the medium is not asked twice */
			assert_int_equal(preads, 0);
		readback_free(rb);
	}
}

/* --- ends ------------------------------------------------------------------- */

struct patience {
	unsigned left, cancelled;
};

static bool lose_it(void *arg)
{
	struct patience *p = arg;

	if (p->left == 0)
		return true;
	p->left--;
	return false;
}

static enum rc count_cancelled(
    void *arg, const struct readback_item *item, enum rc rc)
{
	struct patience *p = arg;

	(void)item;
	p->cancelled += rc == RC_CANCELLED;
	return rc == RC_CANCELLED ? rc : RC_OK;
}

/* At any point: among the small ones, in the middle of a large one. */
static void cancelled(void **state)
{
	unsigned ends = 0;

	(void)state;
	reset();
	for (unsigned after = 0; after < N_FILES + 50; after += 9) {
		struct patience p = { .left = after };
		int low = lowest_fd();
		struct readback *rb =
		    readback_new(&ops, dir_fd, count_cancelled, &p);
		enum rc rc = RC_OK;

		assert_non_null(rb);
		readback_set_cancel(rb, lose_it, &p);
		for (size_t i = 0; !rc && i < N_FILES; i++)
			rc = readback_add(rb, &items[i]);
		if (!rc)
			rc = readback_flush(rb);
		if (rc == RC_CANCELLED) {
			ends++;
			assert_int_equal(readback_add(rb, &items[0]), rc);
			assert_int_equal(readback_flush(rb), rc);
			assert_int_equal(p.cancelled, 1);
		} else {
			assert_int_equal(p.cancelled, 0);
		}
		readback_free(rb);
		assert_int_equal(lowest_fd(), low);
	}
	assert_true(ends >= (N_FILES - 2 * N_SIZES) / 9);
}

/* The work ends where fn says so; what was read ahead is let go of. */
static void ended_by_its_caller(void **state)
{
	(void)state;
	reset();
	for (size_t at = 1; at < N_FILES; at += 17) {
		struct seen seen = { .stop_at = at };
		int low = lowest_fd();

		assert_int_equal(read_all(&seen), N_FILES);
		assert_int_equal(seen.n, at);
		assert_int_equal(seen.wrong, 0);
		assert_int_equal(lowest_fd(), low);
	}
}

/* --- a kernel that says no --------------------------------------------------- */

/* From now on this process's `call` ends in `err`. */
static int forbid(unsigned call, unsigned err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* 0: all as expected, and by plain reads. */
static int in_a_sand_box(unsigned call, unsigned err)
{
	struct seen seen = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		reset();
		if (forbid(call, err) < 0)
			_exit(77);
		_exit(read_all(&seen) || taken || preads < SMALL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void forbidden_by_the_kernel(void **state)
{
	static const unsigned calls[] = { SYS_io_setup, SYS_io_submit };
	static const unsigned errors[] = { EPERM, ENOSYS, EAGAIN };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		int rv = in_a_sand_box(calls[i / 3], errors[i % 3]);

		if (rv == 77) {
			print_message("# nothing can be forbidden here\n");
			skip();
		}
		assert_int_equal(rv, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_background),
		cmocka_unit_test(without_a_queue),
		cmocka_unit_test(no_queue_to_be_had),
		cmocka_unit_test(a_queue_that_takes_nothing),
		cmocka_unit_test(a_queue_that_takes_half),
		cmocka_unit_test(a_queue_that_breaks),
		cmocka_unit_test(reads_that_the_queue_cannot_do),
		cmocka_unit_test(reads_that_end_early),
		cmocka_unit_test(no_direct_reads),
		cmocka_unit_test(files_of_another_owner),
		cmocka_unit_test(an_unreadable_file_is_no_damaged_one),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(ended_by_its_caller),
		cmocka_unit_test(forbidden_by_the_kernel),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
