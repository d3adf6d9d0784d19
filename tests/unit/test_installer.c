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
#include <openssl/evp.h>

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

/* --- one that waits for its owner's word ----------------------------------------- */

/* Anybody may know it: see tests/keyed. RFC 8032 7.1, test 1. */
static const uint8_t secret[32] = { 0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a,
	0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
	0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f,
	0x60 };
static struct update_keys keys;
static uint8_t raw[UPDATE_HEAD];

static void put_number(uint8_t *at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++, v >>= 8)
		at[i] = (uint8_t)v;
}

/* `head` as it stands in a file. */
static void sign(void)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = SEAL_SIGNATURE, key_len = SEAL_KEY;
	size_t signs = UPDATE_HEAD - SEAL_SIGNATURE;

	memset(raw, 0, sizeof(raw));
	memcpy(raw, "nightstand-upd1\n", 16);
	put_number(raw + 16, head.n_parts, 4);
	put_number(raw + 24, head.build, 8);
	strcpy((char *)raw + 32, head.board);
	strcpy((char *)raw + 48, head.version);
	for (unsigned i = 0; i < head.n_parts; i++) {
		uint8_t *at = raw + 128 + 96 * (size_t)i;

		strcpy((char *)at, head.parts[i].name);
		put_number(at + 32, head.parts[i].bytes, 8);
		memcpy(at + 40, head.parts[i].sha256, SEAL_HASH);
	}
	assert_non_null(key);
	assert_non_null(ctx);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, raw + signs, &len, raw, signs), 1);
	keys.n = 1;
	assert_int_equal(
	    EVP_PKEY_get_raw_public_key(key, keys.keys[0], &key_len), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

/* As it is sent, and then left. */
static enum rc leave(struct installer *in)
{
	enum rc rc;

	sign();
	in->fs = &fake;
	in->dir = card;
	rc = installer_begin(in);
	if (!rc)
		rc = installer_sink.begin(in, &head);
	for (unsigned i = 0; !rc && i < 2; i++) {
		rc = installer_sink.open(in, &head.parts[i]);
		if (!rc)
			rc = installer_sink.write(
			    in, bytes[i], sizeof(bytes[i]));
		if (!rc)
			rc = installer_sink.close(in, &head.parts[i]);
	}
	return installer_leave(in, raw, rc);
}

static enum rc take_left(struct installer *in)
{
	enum rc rc;

	in->fs = &fake;
	in->dir = card;
	rc = installer_begin(in);
	return rc ? rc : installer_take_left(in, &keys);
}

static enum slots_try noted(void)
{
	struct slots s;

	assert_int_equal(installer_slots(fileops_posix(), card, &s), RC_OK);
	assert_int_equal(s.boot, 'a');
	return s.try;
}

static void it_waits_and_then_is_noted(void **state)
{
	struct installer in = { 0 }, again = { .page = true };

	(void)state;
	begin_with('a', SLOTS_READY);
	assert_int_equal(take_left(&again), RC_NOTFOUND);
	assert_int_equal(leave(&in), RC_OK);
	assert_int_equal(noted(), SLOTS_NONE);
	assert_true(is_whole('b', 0) && is_whole('b', 1));
	assert_int_equal(take_left(&again), RC_OK);
	assert_int_equal(noted(), SLOTS_READY);
	assert_string_equal(again.head.version, "0.9");
	assert_runs('a');
}

/* Whoever had the card meanwhile. */
static void what_waits_is_not_believed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct installer in = { 0 }, again = { .running = 30 };
		enum rc want = RC_CORRUPT;

		begin_with('a', SLOTS_NONE);
		assert_int_equal(leave(&in), RC_OK);
		again.older = i != 0;
		if (i == 0) {
			want = RC_REFUSED; /* older than what runs */
		} else if (i == 1) {
			bytes[1][7] ^= 1;
			put("b/initrd.img", bytes[1], sizeof(bytes[1]));
			bytes[1][7] ^= 1;
		} else if (i == 2) {
			put("b/initrd.img", bytes[1], sizeof(bytes[1]) - 1);
		} else if (i == 3) {
			raw[50] ^= 1;
			put("b/" INSTALLER_HEAD, raw, sizeof(raw));
			want = RC_UNTRUSTED;
		} else if (i == 4) {
			put("b/" INSTALLER_HEAD, raw, sizeof(raw) - 1);
		} else {
			disk.rots = true; /* the head, or a part */
		}
		assert_int_equal(take_left(&again), want);
		assert_int_equal(noted(), SLOTS_NONE);
		assert_runs('a');
	}
}

/* Cut, or one failure, at each call: what is noted is whole. */
static void it_is_cut_while_it_is_left_and_noted(void **state)
{
	(void)state;
	for (unsigned once = 0; once < 2; once++) {
		unsigned at = 0;
		enum rc rc;

		do {
			struct installer in = { 0 }, again = { 0 };

			begin_with('a', SLOTS_NONE);
			disk.at = ++at;
			disk.once = once;
			rc = leave(&in);
			if (!rc) {
				assert_int_equal(noted(), SLOTS_NONE);
				rc = take_left(&again);
			}
			assert_runs('a');
			if (noted() == SLOTS_READY)
				assert_true(
				    is_whole('b', 0) && is_whole('b', 1));
			else
				assert_int_not_equal(rc, RC_OK);
			/* With the power again it is taken, or it is not. */
			memset(&disk, 0, sizeof(disk));
			if (rc && !take_left(&again))
				assert_true(
				    is_whole('b', 0) && is_whole('b', 1));
			disk.at = at;
			disk.calls = rc ? at : 0;
		} while (rc);
		assert_in_range(at, 25, 90);
	}
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
		cmocka_unit_test(it_waits_and_then_is_noted),
		cmocka_unit_test(what_waits_is_not_believed),
		cmocka_unit_test(it_is_cut_while_it_is_left_and_noted),
		cmocka_unit_test(cut_at_each_call),
		cmocka_unit_test(each_call_fails_once),
		cmocka_unit_test(a_card_that_rots),
		cmocka_unit_test(who_may_come),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
