/* Large files past the page cache: every byte arrives, a failed write is told,
 * and a file system that refuses is written the plain way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool.h"

#define BIG (3u << 20)

static char dir[] = "/var/tmp/test-spool-XXXXXX";
static unsigned char *bytes; /* BIG of them */

static atomic_int writes, fail_at, fail_with;
static struct fileops ops;

static ssize_t count_write(void *ctx, int fd, const void *buf, size_t len)
{
	int n = atomic_fetch_add(&writes, 1) + 1;

	(void)ctx;
	if (atomic_load(&fail_at) && n >= atomic_load(&fail_at))
		return -atomic_load(&fail_with);
	return fileops_posix()->write(NULL, fd, buf, len);
}

/* One that takes O_DIRECT and then refuses to write with it. */
static ssize_t refuse_direct(void *ctx, int fd, const void *buf, size_t len)
{
	(void)ctx;
	if (fcntl(fd, F_GETFL) & O_DIRECT)
		return -EINVAL;
	return fileops_posix()->write(NULL, fd, buf, len);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	bytes = malloc(BIG);
	for (size_t i = 0; bytes && i < BIG; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 24);
	return bytes ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(bytes);
	return rmdir(dir);
}

static void reset(void)
{
	ops = *fileops_posix();
	ops.write = count_write;
	atomic_store(&writes, 0);
	atomic_store(&fail_at, 0);
}

static void path_of(char out[64], size_t i)
{
	snprintf(out, 64, "%s/%zu", dir, i);
}

static int make(size_t i)
{
	char path[64];
	int fd;

	path_of(path, i);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void holds(size_t i, size_t len)
{
	unsigned char *got = malloc(len + 1);
	char path[64];
	FILE *f;

	path_of(path, i);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(got);
	assert_int_equal(fread(got, 1, len + 1, f), len);
	assert_memory_equal(got, bytes, len);
	fclose(f);
	free(got);
	unlink(path);
}

static void give(struct spool *s, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece) {
		size_t some = len - at < piece ? len - at : piece;

		assert_int_equal(spool_write(s, bytes + at, some), RC_OK);
	}
	assert_int_equal(spool_end(s), RC_OK);
}

static const size_t sizes[] = { 131072, 262143, 262144, 262145, 524288,
	1048576 + 4096, 1048576 + 511, BIG };

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void every_byte_of_many_files_arrives(void **state)
{
	static const size_t pieces[] = { 262144, 7777, 4096 };
	struct spool *s;

	(void)state;
	reset();
	s = spool_new(&ops);
	assert_non_null(s);
	for (size_t p = 0; p < 3; p++) {
		for (size_t i = 0; i < N_SIZES; i++) {
			int fd = make(i);

			if (!spool_begin(s, fd)) {
				char path[64];

				path_of(path, i);
				unlink(path);
				close(fd);
				spool_free(s);
				print_message("# no O_DIRECT here\n");
				skip();
			}
			give(s, sizes[i], pieces[p]);
		}
		assert_int_equal(spool_drain(s), RC_OK);
		for (size_t i = 0; i < N_SIZES; i++)
			holds(i, sizes[i]);
	}
	spool_free(s);
}

static void a_refusal_is_written_the_plain_way(void **state)
{
	struct spool *s;
	int fd;

	(void)state;
	reset();
	ops.write = refuse_direct;
	s = spool_new(&ops);
	assert_non_null(s);
	fd = make(0);
	if (spool_begin(s, fd)) {
		give(s, BIG, 262144);
		assert_int_equal(spool_drain(s), RC_OK);
		holds(0, BIG);
	} else {
		char path[64];

		path_of(path, 0);
		unlink(path);
		close(fd);
	}
	/* Never tried again. */
	fd = make(1);
	assert_false(spool_begin(s, fd));
	close(fd);
	holds(1, 0);
	spool_free(s);
}

/* The n-th write fails, for every n: it is told, also for a file that had
 * been ended, and every descriptor is closed. */
static void a_failed_write_is_told(void **state)
{
	int tried = 0;

	(void)state;
	for (int n = 1; n <= (int)(2 * BIG >> 20); n++) { /* each of them */
		struct spool *s;
		enum rc rc = RC_OK;
		bool begun = true;
		int low;

		reset();
		low = dup(STDERR_FILENO);
		close(low);
		atomic_store(&fail_with, n % 2 ? ENOSPC : EIO);
		atomic_store(&fail_at, n);
		s = spool_new(&ops);
		assert_non_null(s);
		for (size_t i = 0; begun && i < 2; i++) {
			int fd = make(i);

			begun = spool_begin(s, fd);
			if (!begun) {
				close(fd);
				break;
			}
			for (size_t at = 0; !rc && at < BIG; at += 262144)
				rc = spool_write(s, bytes + at, 262144);
			if (spool_end(s) && !rc)
				rc = RC_BUG; /* told before, or by drain */
		}
		if (begun) {
			assert_int_equal(
			    spool_drain(s), n % 2 ? RC_NOSPC : RC_IO);
			tried++;
		}
		spool_free(s);
		for (size_t i = 0; i < 2; i++) {
			char path[64];

			path_of(path, i);
			unlink(path);
		}
		assert_int_equal(dup(STDERR_FILENO), low);
		close(low);
	}
	print_message("# %d failing writes tried\n", tried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_many_files_arrives),
		cmocka_unit_test(a_refusal_is_written_the_plain_way),
		cmocka_unit_test(a_failed_write_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
