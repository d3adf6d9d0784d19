/*
 * The other slot is written: the power goes, or a call fails, at each call in
 * turn. What the loader starts is then what it was, whole; a try is noted for
 * none but a slot that is whole and on the card.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "installer.c" /* firmware is in no archive */

static char folder[] = "/tmp/nightstand-slots.XXXXXX";
static int card;
static struct update_head head;
static uint8_t bytes[2][9000]; /* of kernel and initramfs */

/* --- the card ------------------------------------------------------------------ */

static struct {
	unsigned calls, at; /* the at-th one is the last; 0: none fails */
	bool once; /* it fails, and the next ones do not */
	bool rots; /* what is read is not what was written */
	unsigned unsynced; /* files that were written and not synced */
} disk;

/* The power has gone, or this call fails. */
static bool hit(void)
{
	disk.calls++;
	if (!disk.at)
		return false;
	return disk.once ? disk.calls == disk.at : disk.calls >= disk.at;
}

static int fake_open(void *ctx, int dir, const char *path, int flags)
{
	return hit() ? -EIO : fileops_posix()->open(ctx, dir, path, flags);
}

static int fake_close(void *ctx, int fd)
{
	return fileops_posix()->close(ctx, fd);
}

static ssize_t fake_read(void *ctx, int fd, void *buf, size_t len)
{
	ssize_t n = hit() ? -EIO : fileops_posix()->read(ctx, fd, buf, len);

	if (disk.rots && n > 0)
		((uint8_t *)buf)[n / 2] ^= 4;
	return n;
}

static ssize_t fake_pread(void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	return hit() ? -EIO : fileops_posix()->pread(ctx, fd, buf, len, at);
}

static ssize_t fake_write(void *ctx, int fd, const void *buf, size_t len)
{
	bool cut = hit();
	ssize_t n = fileops_posix()->write(ctx, fd, buf, cut ? len / 2 : len);

	disk.unsynced++;
	return cut ? -EIO : n;
}

static ssize_t fake_pwrite(
    void *ctx, int fd, const void *buf, size_t len, uint64_t at)
{
	if (hit())
		return -EIO;
	if (memmem(buf, len, "#try=ready", 10))
		assert_int_equal(disk.unsynced, 0);
	return fileops_posix()->pwrite(ctx, fd, buf, len, at);
}

static int fake_fsync(void *ctx, int fd)
{
	return hit() ? -EIO : fileops_posix()->fsync(ctx, fd);
}

static int fake_syncfs(void *ctx, int fd)
{
	if (hit())
		return -EIO;
	disk.unsynced = 0;
	return fileops_posix()->syncfs(ctx, fd);
}

static int fake_unlink(void *ctx, int dir, const char *path)
{
	return hit() ? -EIO : fileops_posix()->unlink(ctx, dir, path);
}

static int fake_mkdir(void *ctx, int dir, const char *path)
{
	return hit() ? -EIO : fileops_posix()->mkdir(ctx, dir, path);
}

static int fake_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	return hit() ? -EIO : fileops_posix()->stat(ctx, dir, path, out);
}

static const struct fileops fake = {
	.stat = fake_stat,
	.open = fake_open,
	.close = fake_close,
	.read = fake_read,
	.pread = fake_pread,
	.write = fake_write,
	.pwrite = fake_pwrite,
	.fsync = fake_fsync,
	.syncfs = fake_syncfs,
	.unlink = fake_unlink,
	.mkdir = fake_mkdir,
};

/* --- what a test begins with --------------------------------------------------- */

static void put(const char *path, const void *data, size_t len)
{
	char full[200];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	f = fopen(full, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put_slots(char boot, enum slots_try try)
{
	struct slots s = { .boot = boot, .board = "qemu-arm64", .try = try };
	char text[SLOTS_SIZE];

	if (try != SLOTS_NONE) {
		s.build = 3;
		strcpy(s.version, "0.3");
	}
	slots_print(&s, text);
	put(SLOTS_FILE, text, sizeof(text));
}

static void hash(const void *data, size_t len, uint8_t out[SEAL_HASH])
{
	struct seal_hash *h = seal_hash_new();

	assert_non_null(h);
	assert_int_equal(seal_hash_add(h, data, len), RC_OK);
	assert_int_equal(seal_hash_end(h, out), RC_OK);
	seal_hash_free(h);
}

static int set_up(void **state)
{
	char path[64];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	card = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int slot = 'a'; slot <= 'b'; slot++) {
		snprintf(path, sizeof(path), "%s/%c", folder, slot);
		if (mkdir(path, 0755) != 0)
			return -1;
	}
	head.build = 20;
	strcpy(head.board, "qemu-arm64");
	strcpy(head.version, "0.9");
	head.n_parts = 2;
	for (unsigned i = 0; i < 2; i++) {
		struct update_part *p = &head.parts[i];

		memset(bytes[i], 'k' + (int)i, sizeof(bytes[i]));
		strcpy(p->name, i ? "initrd.img" : "kernel8.img");
		p->bytes = sizeof(bytes[i]);
		head.bytes += p->bytes;
		hash(bytes[i], sizeof(bytes[i]), p->sha256);
	}
	return card < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	close(card);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* As it comes out of update_take_feed(). */
static enum rc install(struct installer *in)
{
	enum rc rc;

	in->fs = &fake;
	in->dir = card;
	rc = installer_begin(in);
	if (rc)
		return rc;
	rc = installer_sink.begin(in, &head);
	for (unsigned i = 0; !rc && i < 2; i++) {
		rc = installer_sink.open(in, &head.parts[i]);
		for (size_t at = 0; !rc && at < sizeof(bytes[i]); at += 3000)
			rc = installer_sink.write(in, bytes[i] + at, 3000);
		if (!rc)
			rc = installer_sink.close(in, &head.parts[i]);
	}
	return installer_end(in, rc);
}

static bool is_whole(char slot, unsigned part)
{
	static uint8_t got[sizeof(bytes[0]) + 1];
	char path[200];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%c/%s", folder, slot,
	    head.parts[part].name);
	f = fopen(path, "rb");
	if (!f)
		return false;
	n = fread(got, 1, sizeof(got), f);
	fclose(f);
	return n == sizeof(bytes[0]) && !memcmp(got, bytes[part], n);
}

static void begin_with(char boot, enum slots_try try)
{
	char path[20];

	memset(&disk, 0, sizeof(disk));
	put_slots(boot, try);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%c/%s", boot, head.parts[i].name);
		put(path, "runs", 4);
		path[0] = slots_other(boot);
		put(path, "left", 4);
	}
	snprintf(path, sizeof(path), "%c/old.dtb", slots_other(boot));
	put(path, "old", 3);
}

static void assert_runs(char boot)
{
	for (unsigned i = 0; i < 2; i++) {
		char path[200], text[8] = "";
		FILE *f;

		snprintf(path, sizeof(path), "%s/%c/%s", folder, boot,
		    head.parts[i].name);
		f = fopen(path, "rb");
		assert_non_null(f);
		assert_int_equal(fread(text, 1, sizeof(text), f), 4);
		fclose(f);
		assert_string_equal(text, "runs");
	}
}

/* --- the tests ------------------------------------------------------------------ */

static void whole_way(void **state)
{
	struct installer in = { .page = true };
	struct slots s;

	(void)state;
	begin_with('b', SLOTS_NONE);
	assert_int_equal(install(&in), RC_OK);
	assert_int_equal(installer_slots(fileops_posix(), card, &s), RC_OK);
	assert_int_equal(s.boot, 'b');
	assert_int_equal(s.try, SLOTS_READY);
	assert_true(s.page);
	assert_int_equal(s.build, 20);
	assert_string_equal(s.version, "0.9");
	assert_true(is_whole('a', 0) && is_whole('a', 1));
	assert_int_not_equal(faccessat(card, "a/old.dtb", F_OK, 0), 0);
	assert_runs('b');
}

static unsigned walk(bool once, enum slots_try before)
{
	unsigned at = 0;
	enum rc rc;

	do {
		struct installer in = { 0 };
		struct slots s;

		begin_with('a', before);
		disk.at = ++at;
		disk.once = once;
		rc = install(&in);
		assert_runs('a');
		assert_int_equal(
		    installer_slots(fileops_posix(), card, &s), RC_OK);
		assert_int_equal(s.boot, 'a');
		/* The former try's slot may be half gone. */
		if (s.try == SLOTS_READY && s.build == 20)
			assert_true(is_whole('b', 0) && is_whole('b', 1));
		else if (s.try == SLOTS_READY)
			assert_int_equal(
			    faccessat(card, "b/old.dtb", F_OK, 0), 0);
		if (rc == RC_OK)
			assert_int_equal(s.try, SLOTS_READY);
	} while (rc || disk.calls >= at);
	return at - 1;
}

static void cut_at_each_call(void **state)
{
	(void)state;
	assert_in_range(walk(false, SLOTS_NONE), 20, 60);
	assert_in_range(walk(false, SLOTS_READY), 20, 60);
}

static void each_call_fails_once(void **state)
{
	(void)state;
	assert_in_range(walk(true, SLOTS_NONE), 20, 60);
	assert_in_range(walk(true, SLOTS_READY), 20, 60);
}

static void a_card_that_rots(void **state)
{
	struct installer in = { 0 };
	struct slots s;

	(void)state;
	begin_with('a', SLOTS_NONE);
	disk.rots = true;
	assert_int_equal(install(&in), RC_CORRUPT);
	assert_non_null(strstr(in.why, "wearing out"));
	assert_int_equal(installer_slots(fileops_posix(), card, &s), RC_OK);
	assert_int_equal(s.try, SLOTS_NONE);
}

static void who_may_come(void **state)
{
	struct installer in = { .running = 21 };

	(void)state;
	begin_with('a', SLOTS_NONE);
	assert_int_equal(install(&in), RC_REFUSED);
	assert_non_null(strstr(in.why, "older"));
	assert_false(is_whole('b', 0));
	in.older = true;
	assert_int_equal(install(&in), RC_OK);
	in = (struct installer){ .running = 20 };
	assert_int_equal(install(&in), RC_OK);
	strcpy(head.board, "rpi-arm64");
	assert_int_equal(install(&in), RC_UNSUPPORTED);
	assert_non_null(strstr(in.why, "another kind"));
	strcpy(head.board, "qemu-arm64");
	put(SLOTS_FILE, "nothing", 7);
	assert_int_equal(install(&in), RC_UNSUPPORTED);
	assert_non_null(strstr(in.why, "no place"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_way),
		cmocka_unit_test(cut_at_each_call),
		cmocka_unit_test(each_call_fails_once),
		cmocka_unit_test(a_card_that_rots),
		cmocka_unit_test(who_may_come),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
