/* The kernel below the image: what it tells, as files and datagrams. */
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

#include "blockdev.h"
#include "facts.h"
#include "kept_memory.h"
#include "modules.h"
#include "pstore.h"
#include "tool.h"
#include "uevent.h"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_machine.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* A file below the folder, with the folders that it needs. */
static void put_bytes(const char *name, const void *bytes, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (char *c = path + strlen(dir) + 1; *c; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(path, 0755);
			*c = '/';
		}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

static void point(const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(symlink(target, path), 0);
}

/* --- uevents ---------------------------------------------------------------------- */

#define PARSE(text) uevent_parse(text, sizeof(text), &ev)

static void fields_of_a_datagram(void **state)
{
	struct uevent ev;

	(void)state;
	PARSE("add@/devices/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda1\0"
	      "MODALIAS=usb:v1p2");
	assert_string_equal(ev.action, "add");
	assert_string_equal(ev.subsystem, "block");
	assert_string_equal(ev.name, "sda1");
	assert_string_equal(ev.modalias, "usb:v1p2");
}

static void a_datagram_that_is_none(void **state)
{
	static char text[6000];
	struct uevent ev;

	(void)state;
	memset(text, 'A', sizeof(text)); /* without an end */
	uevent_parse(text, sizeof(text), &ev);
	assert_string_equal(ev.action, "");
	memcpy(text, "MODALIAS=", 9); /* too long for its field */
	text[sizeof(text) - 1] = '\0';
	uevent_parse(text, sizeof(text), &ev);
	assert_string_equal(ev.modalias, "");
	uevent_parse("ACTION=add", 10, &ev); /* cut before its end */
	assert_string_equal(ev.action, "");
	uevent_parse("", 0, &ev);
}

/* --- modules ----------------------------------------------------------------------- */

static enum rc open_list(const char *text, struct modules **m)
{
	put("modules.txt", text);
	return modules_open(dir, m);
}

static void lists_that_make_no_sense(void **state)
{
	static const char *const bad[] = { "nonsense\n", "module ../etc/x\n",
		"alias usb:* missing\n", "module\n", "alias a\n",
		"module UPPER\n", "module a\nalias b\n" };
	struct modules *m = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(open_list(bad[i], &m), RC_CORRUPT);
	assert_int_equal(modules_open("/nonexistent", &m), RC_NOTFOUND);
}

/* Files that are no modules, so that no kernel takes them: what was tried is
 * seen by what is asked for again. */
static void only_what_a_device_wants_is_tried(void **state)
{
	struct modules *m = NULL;

	(void)state;
	assert_int_equal(open_list("always a\nmodule b a\nmodule c b\n"
				   "alias usb:v12* b\nalias of:N*T*Cx c\n",
			     &m),
	    RC_OK);
	put("a.ko", "no module");
	put("b.ko", "no module");
	assert_int_equal(modules_load_always(m), 0);
	assert_int_equal(modules_load_for(m, "usb:v99"), 0);
	assert_int_equal(modules_load_for(m, "usb:v12p4"), 0);
	/* Refused ones stay where they are. */
	put("check", "");
	assert_int_equal(modules_load_for_all(m, dir), 0);
	modules_close(m);
}

/* --- facts ---------------------------------------------------------------------------- */

static void the_first_real_ethernet_port(void **state)
{
	char name[16];

	(void)state;
	put("class/net/lo/type", "772\n");
	put("class/net/br0/type", "1\n"); /* no device behind it */
	put("class/net/wlan0/type", "1\n");
	put("class/net/wlan0/device/x", "");
	put("class/net/wlan0/wireless/x", "");
	assert_false(facts_ethernet(dir, name, sizeof(name)));
	put("class/net/eth1/type", "1\n");
	put("class/net/eth1/device/x", "");
	put("class/net/eth0/type", "1\n");
	put("class/net/eth0/device/x", "");
	assert_true(facts_ethernet(dir, name, sizeof(name)));
	assert_string_equal(name, "eth0");
}

static void a_watchdog_of_the_machine(void **state)
{
	char path[64];

	(void)state;
	put("class/watchdog/watchdog0/identity", "Software Watchdog\n");
	assert_false(facts_watchdog(dir, path, sizeof(path)));
	put("class/watchdog/watchdog1/identity", "Broadcom BCM2835\n");
	assert_true(facts_watchdog(dir, path, sizeof(path)));
	assert_string_equal(path, "/dev/watchdog1");
	assert_false(facts_was_bitten(dir));
	put("class/watchdog/watchdog0/bootstatus", "32\n");
	assert_false(facts_was_bitten(dir)); /* that one is software */
	put("class/watchdog/watchdog1/bootstatus", "2\n"); /* too hot */
	assert_false(facts_was_bitten(dir));
	put("class/watchdog/watchdog1/bootstatus", "34\n");
	assert_true(facts_was_bitten(dir));
}

static void a_chip_that_was_reset(void **state)
{
	static const char rsts[] = "firmware/devicetree/base/chosen/"
				   "bootloader/rsts";

	(void)state;
	assert_false(facts_was_reset(dir));
	put_bytes(rsts, "\0\0\x10\0", 4); /* the power came */
	assert_false(facts_was_reset(dir));
	put_bytes(rsts, "\0\0\0\x20", 4);
	assert_true(facts_was_reset(dir));
	put_bytes(rsts, "\0\0\0", 3);
	assert_false(facts_was_reset(dir));
}

/* --- memory that outlives a reset ---------------------------------------------------- */

#define RESERVED "firmware/devicetree/base/reserved-memory/"
#define NODE     RESERVED "log@b010000/"

static void put_node(const char *reg, size_t len)
{
	put_bytes(NODE "compatible", "nightstand,log", 15);
	put_bytes(NODE "reg", reg, len);
}

static void memory_kept_apart(void **state)
{
	struct kept_memory m;

	(void)state;
	assert_int_equal(kept_memory_find(dir, &m), RC_NOTFOUND);
	/* a Pi 3's tree: one cell each */
	put_bytes(RESERVED "#address-cells", "\0\0\0\1", 4);
	put_bytes(RESERVED "#size-cells", "\0\0\0\1", 4);
	put_bytes(RESERVED "linux,cma/compatible", "shared-dma-pool", 16);
	assert_int_equal(kept_memory_find(dir, &m), RC_NOTFOUND);
	put_node("\x0b\x01\0\0\0\1\0\0", 8);
	assert_int_equal(kept_memory_find(dir, &m), RC_CORRUPT); /* mapped */
	put(NODE "no-map", "");
	assert_int_equal(kept_memory_find(dir, &m), RC_OK);
	assert_int_equal(m.start, 0x0b010000);
	assert_int_equal(m.len, 0x10000);
	/* a Pi 4's: two and one; a Pi 5's: two each */
	put_bytes(RESERVED "#address-cells", "\0\0\0\2", 4);
	assert_int_equal(kept_memory_find(dir, &m), RC_CORRUPT);
	put_node("\0\0\0\1\x0b\x01\0\0\0\1\0\0", 12);
	assert_int_equal(kept_memory_find(dir, &m), RC_OK);
	assert_int_equal(m.start, 0x10b010000);
	put_bytes(RESERVED "#size-cells", "\0\0\0\2", 4);
	put_node("\0\0\0\0\x0b\x01\0\0\0\0\0\0\0\4\0\0", 16);
	assert_int_equal(kept_memory_find(dir, &m), RC_OK);
	assert_int_equal(m.len, KEPT_MEMORY_MAX);
}

static void memory_that_makes_no_sense(void **state)
{
	static const char *const bad[] = {
		"\0\0\0\0\0\1\0\0", /* at nothing */
		"\x0b\x01\0\0\0\0\0\0", /* of nothing */
		"\x0b\x01\0\0\0\4\x10\0", /* too large */
		"\x0b\x01\0\x08\0\1\0\0", /* no page */
		"\x0b\x01\0\0\0\1\0\1",
	};
	struct kept_memory m;

	(void)state;
	put(NODE "no-map", "");
	put_node(bad[0], 8);
	assert_int_equal(kept_memory_find(dir, &m), RC_CORRUPT); /* no cells */
	put_bytes(RESERVED "#address-cells", "\0\0\0\1", 4);
	put_bytes(RESERVED "#size-cells", "\0\0\0\1", 4);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_node(bad[i], 8);
		assert_int_equal(kept_memory_find(dir, &m), RC_CORRUPT);
	}
	put_node("\x0b\x01\0\0\0\1\0", 7);
	assert_int_equal(kept_memory_find(dir, &m), RC_CORRUPT);
	put_bytes(RESERVED "#size-cells", "\0\0\0\3", 4);
	assert_int_equal(kept_memory_find(dir, &m), RC_CORRUPT);
	/* nobody's name, or only the beginning of ours */
	put_bytes(NODE "compatible", "nightstand,logs", 16);
	assert_int_equal(kept_memory_find(dir, &m), RC_NOTFOUND);
}

/* --- what a kernel said last ------------------------------------------------------------ */

static void a_record_by_its_first_line(void **state)
{
	static const char *const others[] = { "Oops#1 Part1\n", "Panic",
		"Panic#", "Panic#x Part1", "Panic#0 Part1", "Panic#1Part1",
		" Panic#1 Part1", "Panic#1 \n", "\xff\x01 noise",
		"panic#1 Part1" };
	unsigned count;

	(void)state;
	assert_int_equal(pstore_kind_of("", &count), PSTORE_NONE);
	assert_int_equal(
	    pstore_kind_of("Panic#2 Part1\n<0>x", &count), PSTORE_PANIC);
	assert_int_equal(count, 2);
	assert_int_equal(
	    pstore_kind_of("Panic#99999999999999999999 Part1", &count),
	    PSTORE_PANIC);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(
		    pstore_kind_of(others[i], &count), PSTORE_OTHER);
		assert_int_equal(count, 0);
	}
}

static void the_record_that_matters_is_read(void **state)
{
	static char big[100 * 1024], out[4096];
	char small[8];

	(void)state;
	assert_int_equal(
	    pstore_read("/nonexistent", out, sizeof(out)), PSTORE_NONE);
	assert_int_equal(pstore_read(dir, out, sizeof(out)), PSTORE_NONE);
	put("readme", "Panic#9 Part1\nno record\n");
	put("dmesg-ramoops-0", "Oops#1 Part1\nan oops\n");
	assert_int_equal(pstore_read(dir, out, sizeof(out)), PSTORE_OTHER);
	assert_string_equal(out, "Oops#1 Part1\nan oops\n");
	put("dmesg-ramoops-1", "Panic#2 Part1\na panic\n");
	put("dmesg-ramoops-2", "Panic#10 Part1\nthe newest\n");
	put("dmesg-ramoops-3", "");
	put("dmesg-ramoops-4.enc.z", "\x78\x9c noise");
	assert_int_equal(pstore_read(dir, out, sizeof(out)), PSTORE_PANIC);
	assert_string_equal(out, "Panic#10 Part1\nthe newest\n");
	assert_int_equal(pstore_read(dir, small, sizeof(small)), PSTORE_PANIC);
	assert_string_equal(small, "newest\n");
	/* The end of a long one, from a line's beginning. */
	memset(big, 'x', sizeof(big));
	memcpy(big, "Panic#11 Part1\n", 15);
	for (size_t i = 99; i < sizeof(big); i += 100)
		big[i] = '\n';
	put_bytes("dmesg-ramoops-2", big, sizeof(big));
	assert_int_equal(pstore_read(dir, out, sizeof(out)), PSTORE_PANIC);
	assert_true(strlen(out) < sizeof(out));
	assert_true(strlen(out) > sizeof(out) - 102);
	/* 64 KiB - 1 of it are read: so much of its last line. */
	assert_int_equal(strlen(out) % 100, (64 * 1024 - 1) % 100);
	pstore_drop(dir);
	assert_int_equal(pstore_read(dir, out, sizeof(out)), PSTORE_NONE);
	pstore_drop("/nonexistent");
}

/* --- disks ------------------------------------------------------------------------------ */

static void disks_and_their_parts(void **state)
{
	static struct blockdev_list list;

	(void)state;
	put("devices/usb1/1-1/block/sda/size", "1000\n");
	put("devices/usb1/1-1/block/sda/device/model", "Fast \x01 Disk  \n");
	put("devices/usb1/1-1/block/sda/sda1/size", "900\n");
	put("devices/usb1/1-1/block/sda/sda1/partition", "1\n");
	put("devices/mmc/block/mmcblk0/size", "2000\n");
	put("devices/mmc/block/mmcblk0/ro", "1\n");
	put("devices/mmc/block/mmcblk0boot0/size", "8\n");
	put("devices/virtual/block/loop0/size", "8\n");
	put("devices/x/block/sdb/size", "0\n"); /* a reader without a card */
	put("class/block/keep", "");
	point("class/block/sda", "../../devices/usb1/1-1/block/sda");
	point("class/block/sda1", "../../devices/usb1/1-1/block/sda/sda1");
	point("class/block/mmcblk0", "../../devices/mmc/block/mmcblk0");
	point(
	    "class/block/mmcblk0boot0", "../../devices/mmc/block/mmcblk0boot0");
	point("class/block/loop0", "../../devices/virtual/block/loop0");
	point("class/block/sdb", "../../devices/x/block/sdb");
	assert_int_equal(blockdev_list(dir, &list), RC_OK);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.devs[0].name, "mmcblk0");
	assert_true(list.devs[0].is_readonly && !list.devs[0].is_usb);
	assert_string_equal(list.devs[1].name, "sda");
	assert_true(list.devs[1].has_parts && list.devs[1].is_usb);
	assert_string_equal(list.devs[1].model, "Fast   Disk");
	assert_true(list.devs[2].is_part);
	assert_string_equal(list.devs[2].disk, "sda");
	assert_int_equal(list.devs[2].bytes, 900 * 512);
}

static void a_disk_is_blank_or_not(void **state)
{
	char path[128];
	bool blank;
	int fd;

	(void)state;
	put("disk", "");
	snprintf(path, sizeof(path), "%s/disk", dir);
	assert_int_equal(truncate(path, 64 << 20), 0);
	assert_int_equal(blockdev_is_blank(path, &blank), RC_OK);
	assert_true(blank);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	/* the very last byte */
	assert_int_equal(pwrite(fd, "x", 1, (64 << 20) - 1), 1);
	assert_int_equal(blockdev_is_blank(path, &blank), RC_OK);
	assert_false(blank);
	close(fd);
	assert_int_equal(
	    blockdev_is_blank("/nonexistent", &blank), RC_NOTFOUND);
}

static void what_lies_on_a_disk(void **state)
{
	struct blockdev_content c;
	char path[128];

	(void)state;
	put("disk", "");
	snprintf(path, sizeof(path), "%s/disk", dir);
	assert_int_equal(truncate(path, 1 << 20), 0);
	assert_int_equal(blockdev_look(path, &c), RC_OK);
	assert_string_equal(c.type, "");
	assert_string_equal(c.table, "");
	assert_int_equal(blockdev_look("/nonexistent", &c), RC_NOTFOUND);
}

/* --- programs ------------------------------------------------------------------------------ */

static void a_program_ends_or_is_ended(void **state)
{
	const char *const fine[] = { "/bin/sh", "-c", "exit 3", NULL };
	const char *const slow[] = { "/bin/sh", "-c", "exec sleep 60", NULL };
	const char *const none[] = { "/nonexistent", NULL };
	const char *const dies[] = { "/bin/sh", "-c", "kill -9 $$", NULL };
	/* longer than a line of the log, with bytes that are no text */
	const char *const loud[] = { "/bin/sh", "-c",
		"head -c 100000 /dev/urandom; printf '%0500d' 7", NULL };
	int status;

	(void)state;
	assert_int_equal(tool_run(fine, 20, &status), RC_OK);
	assert_int_equal(status, 3);
	assert_int_equal(tool_run(slow, 1, &status), RC_TIMEOUT);
	assert_int_equal(tool_run(none, 20, &status), RC_NOTFOUND);
	assert_int_equal(tool_run(dies, 20, &status), RC_BUG);
	assert_int_equal(tool_run(loud, 20, &status), RC_OK);
}

/* What it reads is all of it, and then the end. */
static void a_program_that_is_fed(void **state)
{
	const char *const count[] = { "/bin/sh", "-c", "exit $(wc -c)", NULL };
	const char *const deaf[] = { "/bin/sh", "-c", "exec <&-; exit 4",
		NULL };
	static char text[5000];
	int status;

	(void)state;
	assert_int_equal(tool_feed(count, 20, "correct", 7, &status), RC_OK);
	assert_int_equal(status, 7);
	assert_int_equal(tool_feed(count, 20, "", 0, &status), RC_OK);
	assert_int_equal(status, 0);
	memset(text, 'a', sizeof(text));
	assert_int_equal(tool_feed(deaf, 20, text, 4096, &status), RC_OK);
	assert_int_equal(status, 4);
	assert_int_equal(
	    tool_feed(count, 20, text, sizeof(text), &status), RC_LIMIT);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_datagram),
		cmocka_unit_test(a_datagram_that_is_none),
		IN_DIR(lists_that_make_no_sense),
		IN_DIR(only_what_a_device_wants_is_tried),
		IN_DIR(the_first_real_ethernet_port),
		IN_DIR(a_watchdog_of_the_machine),
		IN_DIR(a_chip_that_was_reset),
		IN_DIR(memory_kept_apart),
		IN_DIR(memory_that_makes_no_sense),
		cmocka_unit_test(a_record_by_its_first_line),
		IN_DIR(the_record_that_matters_is_read),
		IN_DIR(disks_and_their_parts),
		IN_DIR(a_disk_is_blank_or_not),
		IN_DIR(what_lies_on_a_disk),
		cmocka_unit_test(a_program_ends_or_is_ended),
		cmocka_unit_test(a_program_that_is_fed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
