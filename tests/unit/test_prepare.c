/* A disk that is being prepared while the power goes: a file plays the disk. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "prepare.h"
#include "tool.h"

#define DISK_BYTES ((off_t)72 << 20)
#define BLOCK      4096
#define CUTS       300

static char dir[64], disk[128];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_prepare.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(disk, sizeof(disk), "%s/disk", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void new_disk(void)
{
	int fd = open(disk, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
	assert_int_equal(close(fd), 0);
}

static void put(const char *path, const void *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void run(const char *const *argv, int wanted)
{
	int status = -1;

	assert_int_equal(tool_run(argv, 60, &status), RC_OK);
	assert_int_equal(status, wanted);
}

static enum prepare_mark look(void)
{
	struct blockdev_content c;

	assert_int_equal(blockdev_look(disk, &c), RC_OK);
	return prepare_look(disk, &c, dir);
}

/* A whole ext4 that leaves the last MiB out, and holds no trace of a mark. */
static void is_finished(void)
{
	const char *const fsck[] = { "/usr/sbin/e2fsck", "-fn", disk, NULL };
	char kept[160];
	char tail[BLOCK];
	int fd = open(disk, O_RDONLY);

	run(fsck, 0);
	assert_int_equal(look(), PREPARE_NONE);
	snprintf(kept, sizeof(kept), "%s/preparing", dir);
	assert_int_not_equal(access(kept, F_OK), 0);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, tail, BLOCK, DISK_BYTES - (1 << 20)), BLOCK);
	close(fd);
	for (int i = 0; i < BLOCK; i++)
		assert_int_equal(tail[i], 0);
}

/* Cut after prepare_begin(). */
static void begin(char id[PREPARE_ID])
{
	new_disk();
	assert_int_equal(prepare_begin(disk, dir, id), RC_OK);
}

static void an_empty_disk_becomes_ext4(void **state)
{
	struct blockdev_content c;

	(void)state;
	new_disk();
	assert_int_equal(look(), PREPARE_NONE);
	assert_int_equal(prepare_disk(disk, "nightstand", dir), RC_OK);
	is_finished();
	assert_int_equal(blockdev_look(disk, &c), RC_OK);
	assert_string_equal(c.type, "ext4");
	assert_string_equal(c.label, "nightstand");
}

static void what_was_there_before_is_gone_at_once(void **state)
{
	const char *const mkfs[] = { "/usr/sbin/mkfs.vfat", disk, NULL };
	struct blockdev_content c;
	char id[PREPARE_ID];

	(void)state;
	new_disk();
	run(mkfs, 0);
	assert_int_equal(prepare_begin(disk, dir, id), RC_OK);
	assert_int_equal(blockdev_look(disk, &c), RC_OK);
	assert_string_equal(c.type, "");
	assert_int_equal(look(), PREPARE_OURS);
	assert_int_equal(prepare_disk(disk, "nightstand", dir), RC_OK);
	is_finished();
}

/* --- cuts ------------------------------------------------------------------------------ */

static char *read_disk(void)
{
	char *all = malloc((size_t)DISK_BYTES);
	int fd = open(disk, O_RDONLY);

	assert_non_null(all);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, all, (size_t)DISK_BYTES, 0), DISK_BYTES);
	close(fd);
	return all;
}

/* Nothing was flushed: any of the blocks may have arrived, or half of one. */
static unsigned put_some(const char *before, const char *after, int percent)
{
	int fd = open(disk, O_WRONLY);
	unsigned n = 0;

	assert_true(fd >= 0);
	for (off_t at = 0; at < DISK_BYTES; at += BLOCK) {
		bool is_there = rand() % 100 < percent;
		const char *from = is_there ? after : before;
		size_t len = is_there && rand() % 20 == 0 ? BLOCK / 2 : BLOCK;

		if (memcmp(before + at, after + at, BLOCK) == 0)
			continue;
		assert_int_equal(pwrite(fd, before + at, BLOCK, at), BLOCK);
		assert_int_equal(pwrite(fd, from + at, len, at), (ssize_t)len);
		n++;
	}
	assert_int_equal(close(fd), 0);
	return n;
}

static void any_cut_is_begun_again(void **state)
{
	char id[PREPARE_ID];
	char *before, *after;
	unsigned blocks = 0;

	(void)state;
	begin(id);
	before = read_disk();
	assert_int_equal(look(), PREPARE_OURS);
	assert_int_equal(prepare_make(disk, "nightstand", id), RC_OK);
	assert_int_equal(look(), PREPARE_OURS); /* made, and not said so yet */
	after = read_disk();
	srand(1);
	for (int i = 0; i < CUTS; i++) {
		blocks = put_some(before, after, i % 101);
		assert_int_equal(look(), PREPARE_OURS);
	}
	assert_true(blocks > 10);
	for (int i = 0; i < 5; i++) {
		put_some(before, after, 20 * i + 10);
		assert_int_equal(prepare_disk(disk, "nightstand", dir), RC_OK);
		is_finished();
	}
	printf("%d cuts among %u blocks\n", CUTS, blocks);
	free(before);
	free(after);
}

static void a_cut_of_its_last_step_costs_nothing(void **state)
{
	static const char zeroes[BLOCK];
	char id[PREPARE_ID];

	(void)state;
	begin(id);
	assert_int_equal(prepare_make(disk, "nightstand", id), RC_OK);
	put(disk, zeroes, BLOCK, DISK_BYTES - (1 << 20));
	assert_int_equal(look(), PREPARE_NONE); /* an ext4 like others */
	assert_int_equal(prepare_disk(disk, "nightstand", dir), RC_OK);
}

/* --- what is never touched ------------------------------------------------------------- */

static void a_disk_that_somebody_has_used_since(void **state)
{
	const char *const mkfs[][6] = {
		{ "/usr/sbin/mkfs.vfat", disk, NULL },
		{ "/usr/sbin/mkfs.exfat", disk, NULL },
		{ "/usr/sbin/mkswap", disk, NULL },
		{ "/usr/sbin/mke2fs", "-qFtext4", disk, "70m", NULL },
		{ "/usr/sbin/mke2fs", "-qFtext2", disk, "70m", NULL },
	};
	/* One partition of a DOS table. */
	static const unsigned char table[66] = { 0, 0, 2, 0, 7, 0, 0, 0, 0, 8,
		0, 0, 0, 0, 1, 0, [64] = 0x55, [65] = 0xaa };
	char id[PREPARE_ID];

	(void)state;
	for (size_t i = 0; i < sizeof(mkfs) / sizeof(mkfs[0]); i++) {
		begin(id);
		run(mkfs[i], 0);
		assert_int_equal(look(), PREPARE_NONE);
	}
	begin(id);
	put(disk, table, sizeof(table), 446);
	assert_int_equal(look(), PREPARE_NONE);
}

static void a_file_system_that_was_mounted_since(void **state)
{
	static const unsigned char mounts[2] = { 1, 0 }, at[4] = { 0, 0, 1, 0 };
	static const unsigned char none[4];
	char id[PREPARE_ID];

	(void)state;
	begin(id);
	assert_int_equal(prepare_make(disk, "nightstand", id), RC_OK);
	put(disk, mounts, sizeof(mounts), 1024 + 0x34);
	assert_int_equal(look(), PREPARE_NONE);
	put(disk, none, 2, 1024 + 0x34);
	put(disk, at, sizeof(at), 1024 + 0x2c);
	assert_int_equal(look(), PREPARE_NONE);
}

static void what_another_box_has_begun(void **state)
{
	char id[PREPARE_ID], kept[160];
	FILE *f;

	(void)state;
	begin(id);
	snprintf(kept, sizeof(kept), "%s/preparing", dir);
	assert_int_equal(unlink(kept), 0);
	assert_int_equal(look(), PREPARE_FOREIGN);
	id[0] = id[0] == '0' ? '1' : '0';
	f = fopen(kept, "w");
	assert_non_null(f);
	assert_true(fputs(id, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(look(), PREPARE_FOREIGN);
	assert_int_equal(truncate(kept, 20), 0); /* torn */
	assert_int_equal(look(), PREPARE_FOREIGN);
	assert_int_equal(unlink(kept), 0);
}

static void marks_that_are_none(void **state)
{
	off_t at = DISK_BYTES - (1 << 20);
	char id[PREPARE_ID], junk[BLOCK];

	(void)state;
	begin(id);
	put(disk, "X", 1, at);
	assert_int_equal(look(), PREPARE_NONE);
	begin(id);
	put(disk, "/", 1, at + 30); /* within the id */
	assert_int_equal(look(), PREPARE_NONE);
	begin(id);
	memset(junk, 'a', sizeof(junk)); /* without an end */
	put(disk, junk, sizeof(junk) - 27, at + 27);
	assert_int_equal(look(), PREPARE_NONE);
	new_disk();
	assert_int_equal(truncate(disk, 4096), 0);
	assert_int_equal(look(), PREPARE_NONE);
	assert_int_equal(prepare_disk(disk, "x", dir), RC_UNSUPPORTED);
	new_disk(); /* what was kept of another goes with the next one */
	assert_int_equal(prepare_disk(disk, "x", dir), RC_OK);
	is_finished();
}

static void without_a_folder_it_is_prepared_all_the_same(void **state)
{
	char id[PREPARE_ID];

	(void)state;
	new_disk();
	assert_int_equal(prepare_disk(disk, "nightstand", ""), RC_OK);
	is_finished();
	new_disk();
	assert_int_equal(prepare_begin(disk, "/nonexistent", id), RC_OK);
	assert_int_equal(look(), PREPARE_FOREIGN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_disk_becomes_ext4),
		cmocka_unit_test(what_was_there_before_is_gone_at_once),
		cmocka_unit_test(any_cut_is_begun_again),
		cmocka_unit_test(a_cut_of_its_last_step_costs_nothing),
		cmocka_unit_test(a_disk_that_somebody_has_used_since),
		cmocka_unit_test(a_file_system_that_was_mounted_since),
		cmocka_unit_test(what_another_box_has_begun),
		cmocka_unit_test(marks_that_are_none),
		cmocka_unit_test(without_a_folder_it_is_prepared_all_the_same),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
