/*
 * Update files: signatures, shapes, pieces; the sector of the slots. The files
 * are made by tools/image/update.py, which shares no code with the reader.
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

#include "slots.h"
#include "update_file.h"

static char folder[] = "/tmp/nightstand-update.XXXXXX";
static struct update_keys keys, others;
static uint8_t *file;
static size_t file_len;

__attribute__((format(printf, 1, 2))) static void run(const char *fmt, ...)
{
	char command[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void read_key(const char *name, struct update_keys *out)
{
	char command[200];
	unsigned byte;
	FILE *f;

	snprintf(command, sizeof(command),
	    "tools/image/update.py public --key %s/%s", folder, name);
	f = popen(command, "r");
	assert_non_null(f);
	out->n = 1;
	for (size_t i = 0; i < SEAL_KEY; i++) {
		assert_int_equal(fscanf(f, "%2x", &byte), 1);
		out->keys[0][i] = (uint8_t)byte;
	}
	assert_int_equal(pclose(f), 0);
}

static void read_file(void)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/update", folder);
	f = fopen(path, "rb");
	assert_non_null(f);
	file = malloc(1 << 20);
	assert_non_null(file);
	file_len = fread(file, 1, 1 << 20, f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	run("cd %s && head -c 70000 /dev/urandom >k && head -c 300 /dev/zero "
	    ">i && echo quiet >c",
	    folder);
	run("for k in one two; do tools/image/update.py key --key %s/$k; done "
	    ">/dev/null",
	    folder);
	run("d=%s; tools/image/update.py make --key $d/one --board qemu-arm64 "
	    "--version 0.9.1 --build 77 --out $d/update kernel8.img=$d/k "
	    "initrd.img=$d/i cmdline.txt=$d/c >/dev/null",
	    folder);
	read_key("one", &keys);
	read_key("two", &others);
	read_file();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(file);
	run("rm -r %s", folder);
	return 0;
}

/* --- a sink that counts ------------------------------------------------------ */

struct got {
	enum rc say; /* to the head */
	unsigned begins, opens, closes;
	uint64_t bytes;
};

static enum rc on_begin(void *ctx, const struct update_head *head)
{
	struct got *g = ctx;

	(void)head;
	g->begins++;
	return g->say;
}

static enum rc on_open(void *ctx, const struct update_part *part)
{
	struct got *g = ctx;

	(void)part;
	g->opens++;
	return RC_OK;
}

static enum rc on_write(void *ctx, const void *data, size_t len)
{
	struct got *g = ctx;

	(void)data;
	g->bytes += len;
	return RC_OK;
}

static enum rc on_close(void *ctx, const struct update_part *part)
{
	struct got *g = ctx;

	(void)part;
	g->closes++;
	return RC_OK;
}

static enum rc feed(const struct update_keys *by, const uint8_t *data,
    size_t len, size_t piece, struct got *g)
{
	const struct update_sink sink = { g, on_begin, on_open, on_write,
		on_close };
	static struct update_take t;
	enum rc rc = update_take_begin(&t, by, &sink);

	for (size_t at = 0, n; !rc && at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = update_take_feed(&t, data + at, n);
	}
	assert_int_equal(update_take_end(&t) == RC_OK, g->closes == 3 && !rc);
	return t.rc;
}

/* --- files ------------------------------------------------------------------- */

static void good_one_in_pieces(void **state)
{
	static const size_t pieces[] = { 1, 7, 4095, 4096, 4097, 65536,
		1 << 20 };
	struct update_head h;

	(void)state;
	assert_int_equal(update_head_read(file, &keys, &h), RC_OK);
	assert_string_equal(h.board, "qemu-arm64");
	assert_string_equal(h.version, "0.9.1");
	assert_int_equal(h.build, 77);
	assert_int_equal(h.n_parts, 3);
	assert_int_equal(h.bytes, 70000 + 300 + 6);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct got g = { .say = RC_OK };

		assert_int_equal(
		    feed(&keys, file, file_len, pieces[i], &g), RC_OK);
		assert_int_equal(g.opens, 3);
		assert_int_equal(g.bytes, h.bytes);
	}
}

static void another_key_and_no_key(void **state)
{
	struct update_keys none = { 0 }, both = keys;
	struct got g = { .say = RC_OK };

	(void)state;
	assert_int_equal(feed(&others, file, file_len, 999, &g), RC_UNTRUSTED);
	assert_int_equal(feed(&none, file, file_len, 999, &g), RC_UNTRUSTED);
	assert_int_equal(g.begins, 0);
	/* Rotation: the newer key beside the older one. */
	memcpy(both.keys[1], both.keys[0], SEAL_KEY);
	memcpy(both.keys[0], others.keys[0], SEAL_KEY);
	both.n = 2;
	assert_int_equal(feed(&both, file, file_len, 999, &g), RC_OK);
}

static void each_byte_of_the_head_counts(void **state)
{
	struct update_head h;

	(void)state;
	for (size_t i = 0; i < UPDATE_HEAD; i++) {
		file[i] ^= 0x10;
		assert_int_equal(update_head_read(file, &keys, &h),
		    i < 16 ? RC_PROTO : RC_UNTRUSTED);
		file[i] ^= 0x10;
	}
}

static void a_changed_part_is_seen_at_its_end(void **state)
{
	static const struct {
		size_t at;
		unsigned closes;
	} all[] = { { 0, 0 }, { 69999, 0 }, { 70000, 1 }, { 70305, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct got g = { .say = RC_OK };

		file[UPDATE_HEAD + all[i].at] ^= 1;
		assert_int_equal(
		    feed(&keys, file, file_len, 512, &g), RC_CORRUPT);
		assert_int_equal(g.closes, all[i].closes);
		file[UPDATE_HEAD + all[i].at] ^= 1;
	}
}

static void short_and_long_ones(void **state)
{
	static const size_t lens[] = { 0, 1, 15, 4095, 4096, 4097, 74096 };
	struct got g;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		g = (struct got){ .say = RC_OK };
		assert_int_equal(feed(&keys, file, lens[i], 512, &g), RC_PROTO);
	}
	g = (struct got){ .say = RC_OK };
	assert_int_equal(feed(&keys, file, file_len - 1, 512, &g), RC_PROTO);
	file[file_len] = 0; /* there is room */
	g = (struct got){ .say = RC_OK };
	assert_int_equal(feed(&keys, file, file_len + 1, 512, &g), RC_PROTO);
}

static void who_installs_may_refuse(void **state)
{
	struct got g = { .say = RC_REFUSED };

	(void)state;
	assert_int_equal(feed(&keys, file, file_len, 512, &g), RC_REFUSED);
	assert_int_equal(g.opens, 0);
	assert_int_equal(g.bytes, 0);
}

/* --- the sector ---------------------------------------------------------------- */

static void slots_round_trip(void **state)
{
	char text[SLOTS_SIZE];
	struct slots s, got;

	(void)state;
	for (unsigned i = 0; i < 2 * SLOTS_TRY_COUNT_; i++) {
		memset(&s, 0, sizeof(s));
		s.boot = i % 2 ? 'b' : 'a';
		s.try = (enum slots_try)(i / 2);
		memcpy(s.board, "rpi-arm64", 10);
		if (s.try != SLOTS_NONE) {
			s.page = i % 2;
			s.build = UINT64_MAX - i;
			memcpy(s.version, "10.2.3-rc1", 11);
		}
		slots_print(&s, text);
		assert_int_equal(slots_read(text, sizeof(text), &got), RC_OK);
		assert_memory_equal(&s, &got, sizeof(s));
	}
}

static void what_is_no_sector(void **state)
{
	static const char *const none[] = { "", "os_prefix=a/\n",
		"os_prefix=c/\n#board=x\n#try=none\n",
		"os_prefix=a/\n#board=\n#try=none\n",
		"os_prefix=a/\n#board=0123456789abcdef\n#try=none\n",
		"os_prefix=a/\n#board=x\n#try=\n",
		"os_prefix=a/\n#board=x\n#try=none \n",
		"os_prefix=a/\n#board=x\n#try=ready\n",
		"os_prefix=a/\n#board=x\n#try=ready page x 1\n",
		"os_prefix=a/\n#board=x\n#try=ready pages 1 1\n",
		"os_prefix=a/\n#board=x\n#try=ready page 1 1 1\n",
		"os_prefix=a/\n#board=x\n#try=ready page 1 ../1\n",
		"os_prefix=a/\n#board=x\n#try=none" };
	char text[SLOTS_SIZE];
	struct slots s;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		memset(text, ' ', sizeof(text));
		memcpy(text, none[i], strlen(none[i]));
		assert_int_equal(
		    slots_read(text, sizeof(text), &s), RC_CORRUPT);
		assert_int_equal(s.boot, 'a');
		assert_int_equal(s.try, SLOTS_NONE);
	}
	memset(text, 0, sizeof(text));
	assert_int_equal(slots_read(text, sizeof(text), &s), RC_CORRUPT);
}

static void what_a_start_is(void **state)
{
	struct slots s = { .boot = 'a' };

	(void)state;
	assert_int_equal(slots_start(&s, false), SLOTS_PLAIN);
	s.try = SLOTS_READY;
	assert_int_equal(slots_start(&s, false), SLOTS_TRY_NOW);
	s.try = SLOTS_BEGAN;
	assert_int_equal(slots_start(&s, true), SLOTS_TRIAL);
	assert_int_equal(slots_start(&s, false), SLOTS_CAME_BACK);
	s.try = SLOTS_RAN;
	assert_int_equal(slots_start(&s, false), SLOTS_CAME_BACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_one_in_pieces),
		cmocka_unit_test(another_key_and_no_key),
		cmocka_unit_test(each_byte_of_the_head_counts),
		cmocka_unit_test(a_changed_part_is_seen_at_its_end),
		cmocka_unit_test(short_and_long_ones),
		cmocka_unit_test(who_installs_may_refuse),
		cmocka_unit_test(slots_round_trip),
		cmocka_unit_test(what_is_no_sector),
		cmocka_unit_test(what_a_start_is),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
