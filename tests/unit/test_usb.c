/* What an iPhone's descriptors and the kernel's events say. The bytes are
 * those of real phones (configurations 3 and 4 of an iPhone with iOS 17). */
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

#include "log.h"
#include "usb_descriptor.h"
#include "usb_hotplug.h"

#define PTP                                                                    \
	0x09, 0x04, 0x00, 0x00, 0x03, 0x06, 0x01, 0x01, 0x1b, 0x07, 0x05,      \
	    0x02, 0x02, 0x00, 0x02, 0x00, 0x07, 0x05, 0x81, 0x02, 0x00, 0x02,  \
	    0x00, 0x07, 0x05, 0x83, 0x03, 0x40, 0x00, 0x0a
#define MUX                                                                    \
	0x09, 0x04, 0x01, 0x00, 0x02, 0xff, 0xfe, 0x02, 0x0f, 0x07, 0x05,      \
	    0x04, 0x02, 0x00, 0x02, 0x00, 0x07, 0x05, 0x85, 0x02, 0x00, 0x02,  \
	    0x00

static const uint8_t device[] = { 0x12, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00,
	0x40, 0xac, 0x05, 0xa8, 0x12, 0x02, 0x15, 0x01, 0x02, 0x03, 0x04 };
static const uint8_t config1[] = { 0x09, 0x02, 0x27, 0x00, 0x01, 0x01, 0x05,
	0xc0, 0xfa, PTP };
static const uint8_t config3[] = { 0x09, 0x02, 0x3e, 0x00, 0x02, 0x03, 0x07,
	0xc0, 0xfa, PTP, MUX };
static const uint8_t config4[] = { 0x09, 0x02, 0x75, 0x00, 0x03, 0x04, 0x08,
	0xc0, 0xfa, PTP, MUX, 0x09, 0x04, 0x02, 0x00, 0x00, 0xff, 0xfd, 0x01,
	0x11, 0x09, 0x04, 0x02, 0x01, 0x02, 0xff, 0xfd, 0x01, 0x11, 0x07, 0x05,
	0x86, 0x02, 0x00, 0x02, 0x00, 0x07, 0x05, 0x05, 0x02, 0x00, 0x02, 0x00,
	0x09, 0x04, 0x02, 0x02, 0x02, 0xff, 0xfd, 0x01, 0x11, 0x07, 0x05, 0x86,
	0x02, 0x00, 0x02, 0x00, 0x07, 0x05, 0x05, 0x02, 0x00, 0x02, 0x00 };

static uint8_t bytes[1024];
static size_t n_bytes;

static void add(const uint8_t *p, size_t len)
{
	memcpy(bytes + n_bytes, p, len);
	n_bytes += len;
}

#define ADD(x) add(x, sizeof(x))

static void whole_phone(void)
{
	n_bytes = 0;
	ADD(device);
	ADD(config1);
	ADD(config3);
	ADD(config4);
}

static void the_multiplexer_is_found(void **state)
{
	struct usb_descriptor d;

	(void)state;
	whole_phone();
	assert_int_equal(usb_descriptor_parse(bytes, n_bytes, &d), RC_OK);
	assert_int_equal(d.vendor, 0x05ac);
	assert_int_equal(d.product, 0x12a8);
	assert_int_equal(d.release, 0x1502);
	assert_int_equal(d.n_configs, 4);
	assert_int_equal(d.n_mux, 2);
	assert_int_equal(d.mux[0].value, 3);
	assert_int_equal(d.mux[1].value, 4);
	assert_int_equal(d.mux[1].interface, 1);
	assert_int_equal(d.mux[1].ep_out, 0x04);
	assert_int_equal(d.mux[1].ep_in, 0x85);
	assert_int_equal(d.mux[1].max_out, 512);
}

static void the_active_configuration_is_kept(void **state)
{
	static const struct {
		int active, want;
	} cases[] = { { 0, 4 }, { 1, 4 }, { 3, 3 }, { 4, 4 } };
	struct usb_descriptor d;

	(void)state;
	whole_phone();
	assert_int_equal(usb_descriptor_parse(bytes, n_bytes, &d), RC_OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    usb_descriptor_choose(&d, cases[i].active)->value,
		    cases[i].want);
	/* Beyond 4 only when there is nothing else. */
	d.mux[0].value = 5;
	assert_int_equal(usb_descriptor_choose(&d, 1)->value, 4);
	d.mux[1].value = 6;
	assert_int_equal(usb_descriptor_choose(&d, 1)->value, 6);
	d.n_mux = 0;
	assert_null(usb_descriptor_choose(&d, 1));
}

static void broken_descriptors_are_passed_over(void **state)
{
	struct usb_descriptor d;

	(void)state;
	whole_phone();
	for (size_t len = 0; len < n_bytes; len++) {
		enum rc rc = usb_descriptor_parse(bytes, len, &d);

		assert_int_equal(rc, len < 18 ? RC_PROTO : RC_OK);
	}
	/* A length of 0 ends it. */
	bytes[18] = 0;
	assert_int_equal(usb_descriptor_parse(bytes, n_bytes, &d), RC_OK);
	assert_int_equal(d.n_mux, 0);
	whole_phone();
	bytes[1] = 2;
	assert_int_equal(usb_descriptor_parse(bytes, n_bytes, &d), RC_PROTO);
}

static void serials_become_udids(void **state)
{
	static const char padded[40] = "000081200010BD9489E70017";
	char out[48];

	(void)state;
	assert_int_equal(usb_descriptor_udid(padded, 40, out), RC_OK);
	assert_string_equal(out, "00008120-0010BD9489E70017");
	assert_int_equal(
	    usb_descriptor_udid(
		"0123456789abcdef0123456789abcdef01234567", 40, out),
	    RC_OK);
	assert_int_equal(strlen(out), 40);
	assert_int_equal(usb_descriptor_udid("C8QXXXXX", 8, out), RC_PROTO);
	assert_int_equal(
	    usb_descriptor_udid("../../../etc/passwd/....", 24, out), RC_PROTO);
	assert_string_equal(out, "");
}

static void kinds_go_by_product(void **state)
{
	(void)state;
	assert_int_equal(usb_descriptor_kind(0x05ac, 0x12a8), USB_KIND_PHONE);
	assert_int_equal(
	    usb_descriptor_kind(0x05ac, 0x1281), USB_KIND_RECOVERY);
	assert_int_equal(usb_descriptor_kind(0x05ac, 0x1227), USB_KIND_DFU);
	assert_int_equal(
	    usb_descriptor_kind(0x05ac, 0x024f), USB_KIND_OTHER); /* keyboard */
	assert_int_equal(usb_descriptor_kind(0x1d6b, 0x12a8), USB_KIND_OTHER);
}

/* --- events -------------------------------------------------------------------- */

static const char plugged[] =
    "add@/devices/pci0000:00/0000:00:14.0/usb1/1-1\0ACTION=add\0"
    "DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-1\0SUBSYSTEM=usb\0"
    "MAJOR=189\0MINOR=6\0DEVNAME=bus/usb/001/007\0DEVTYPE=usb_device\0"
    "PRODUCT=5ac/12a8/1502\0TYPE=0/0/0\0BUSNUM=001\0DEVNUM=007\0SEQNUM=2";

static void the_kernels_events_are_read(void **state)
{
	struct usb_event ev;
	char other[sizeof(plugged)];
	char *type;

	(void)state;
	assert_true(usb_hotplug_parse(plugged, sizeof(plugged), &ev));
	assert_true(ev.added);
	assert_int_equal(ev.vendor, 0x05ac);
	assert_int_equal(ev.product, 0x12a8);
	assert_int_equal(ev.at.bus, 1);
	assert_int_equal(ev.at.address, 7);
	for (size_t len = 0; len < sizeof(plugged) - 10; len++)
		assert_false(usb_hotplug_parse(plugged, len, &ev) &&
			     plugged[len - 1] != '\0');
	memcpy(other, plugged, sizeof(other));
	type = memmem(other, sizeof(other), "usb_device", 10);
	assert_non_null(type);
	memcpy(type, "usb_interf", 10);
	assert_false(usb_hotplug_parse(other, sizeof(other), &ev));
}

static char root[64];

static void put(const char *name, const void *data, size_t len)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/bus/usb/devices/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void count(void *ctx, const struct usb_event *ev)
{
	unsigned *n = ctx;

	assert_int_equal(ev->product, 0x12a8);
	(*n)++;
}

static void sysfs_tells_who_is_there(void **state)
{
	const struct usb_place at = { 1, 7 }, nobody = { 1, 8 };
	struct usb_device_facts f;
	char cmd[400];
	unsigned n = 0;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/nightstand-usb-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(cmd, sizeof(cmd),
	    "mkdir -p %s/bus/usb/devices/1-1 %s/bus/usb/devices/1-1:1.0 "
	    "%s/bus/usb/devices/usb1",
	    root, root, root);
	assert_int_equal(system(cmd), 0);
	whole_phone();
	put("1-1/descriptors", bytes, n_bytes);
	put("1-1/busnum", "1\n", 2);
	put("1-1/devnum", "7\n", 2);
	put("1-1/idVendor", "05ac\n", 5);
	put("1-1/idProduct", "12a8\n", 5);
	put("1-1/serial", "000081200010BD9489E70017\n", 25);
	put("1-1/speed", "480\n", 4);
	put("1-1/bConfigurationValue", "1\n", 2);
	usb_hotplug_scan(root, count, &n);
	assert_int_equal(n, 1);
	assert_int_equal(usb_hotplug_facts(root, &at, &f), RC_OK);
	assert_string_equal(f.udid, "00008120-0010BD9489E70017");
	assert_int_equal(f.active, 1);
	assert_int_equal(f.speed, 480000000);
	assert_int_equal(f.descriptor.n_mux, 2);
	assert_int_equal(f.descriptor.mux[1].max_power, 250);
	assert_string_equal(f.power.port, "1-1");
	assert_int_equal(f.power.mbit, 480);
	assert_int_equal(f.power.gives_ma, 500);
	assert_false(f.power.weak_hub);
	put("1-1/bConfigurationValue", "\n", 1); /* not configured */
	assert_int_equal(usb_hotplug_facts(root, &at, &f), RC_OK);
	assert_int_equal(f.active, 0);
	assert_int_equal(usb_hotplug_facts(root, &nobody, &f), RC_GONE);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	assert_int_equal(system(cmd), 0);
}

/* A hub is between, which says what it lives on. */
static void power_behind_a_hub(
    const char *attributes, const char *speed, struct usb_power *out)
{
	const struct usb_place at = { 1, 9 };
	struct usb_device_facts f;
	char cmd[400];

	snprintf(root, sizeof(root), "/tmp/nightstand-usb-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(cmd, sizeof(cmd),
	    "mkdir -p %s/bus/usb/devices/1-2.4 %s/bus/usb/devices/1-2", root,
	    root);
	assert_int_equal(system(cmd), 0);
	whole_phone();
	put("1-2.4/descriptors", bytes, n_bytes);
	put("1-2.4/busnum", "1\n", 2);
	put("1-2.4/devnum", "9\n", 2);
	put("1-2.4/bMaxPower", "498mA\n", 6);
	put("1-2.4/speed", speed, strlen(speed));
	if (attributes)
		put("1-2/bmAttributes", attributes, strlen(attributes));
	assert_int_equal(usb_hotplug_facts(root, &at, &f), RC_OK);
	*out = f.power;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	assert_int_equal(system(cmd), 0);
}

static void sysfs_tells_what_the_port_gives(void **state)
{
	struct usb_power p;

	(void)state;
	power_behind_a_hub("e0\n", "480\n", &p);
	assert_string_equal(p.port, "1-2.4");
	assert_int_equal(p.gives_ma, 500);
	assert_false(p.weak_hub);
	power_behind_a_hub("a0\n", "480\n", &p);
	assert_int_equal(p.gives_ma, 100);
	assert_int_equal(p.asks_ma, 498);
	assert_true(p.weak_hub);
	power_behind_a_hub("e0\n", "5000\n", &p);
	assert_int_equal(p.gives_ma, 900);
	power_behind_a_hub("80\n", "10000\n", &p);
	assert_int_equal(p.gives_ma, 150);
	/* One that says nothing is taken for a good one; no speed, no word. */
	power_behind_a_hub(NULL, "480\n", &p);
	assert_int_equal(p.gives_ma, 500);
	power_behind_a_hub("e0\n", "fast\n", &p);
	assert_int_equal(p.mbit, 0);
	assert_int_equal(p.gives_ma, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_multiplexer_is_found),
		cmocka_unit_test(the_active_configuration_is_kept),
		cmocka_unit_test(broken_descriptors_are_passed_over),
		cmocka_unit_test(serials_become_udids),
		cmocka_unit_test(kinds_go_by_product),
		cmocka_unit_test(the_kernels_events_are_read),
		cmocka_unit_test(sysfs_tells_who_is_there),
		cmocka_unit_test(sysfs_tells_what_the_port_gives),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
