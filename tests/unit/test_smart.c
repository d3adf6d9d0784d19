/*
 * What disks say of themselves. The attributes are those of real disks, as the
 * project libatasmart has recorded and published them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smart.h"

#define NONE STATUS_SMART_UNKNOWN

struct attribute {
	uint8_t id, raw[6];
};

static void make_sum(uint8_t data[SMART_SECTOR])
{
	uint8_t sum = 0;

	for (int i = 0; i < SMART_SECTOR - 1; i++)
		sum = (uint8_t)(sum + data[i]);
	data[SMART_SECTOR - 1] = (uint8_t)-sum;
}

static void make_table(
    const struct attribute *a, size_t n, uint8_t data[SMART_SECTOR])
{
	memset(data, 0, SMART_SECTOR);
	data[0] = 0x10; /* revision */
	for (size_t i = 0; i < n; i++) {
		data[2 + i * 12] = a[i].id;
		memcpy(data + 2 + i * 12 + 5, a[i].raw, 6);
	}
	make_sum(data);
}

static void attributes_of_real_disks(void **state)
{
	static const struct {
		const char *model;
		struct attribute a[4];
		int32_t reallocated, hours, celsius, pending;
	} disks[] = {
		{ "WDC WD5000AAKS-00TMA0",
		    { { 5, { 0x3f } }, { 9, { 0x90, 0x3a } }, { 194, { 0x28 } },
			{ 197, { 0x11, 0x02 } } },
		    63, 14992, 40, 529 },
		{ "SAMSUNG HD501LJ",
		    { { 5, { 1 } }, { 9, { 0x9e, 0x1c } }, { 190, { 0x2f } },
			{ 197, { 1 } } },
		    1, 7326, 47, 1 },
		/* Its hours are above 32 bits, too; 194 holds the coldest. */
		{ "ST9100821AS",
		    { { 5, { 0 } }, { 9, { 0x19, 0x11, 0, 0, 0xb3, 0x70 } },
			{ 194, { 0x22, 0, 0, 0, 0x14 } }, { 197, { 0 } } },
		    0, 4377, 34, 0 },
		/* Spare sectors above those replaced; 197 is something else. */
		{ "FUJITSU MHY2250BH",
		    { { 5, { 0, 0, 0, 0, 0xd0, 0x07 } },
			{ 9, { 0x70, 0x22, 0x09 } },
			{ 194, { 0x27, 0, 0x10, 0, 0x31 } },
			{ 197, { 3, 0, 0x8f, 0x1e, 0xc5, 0x27 } } },
		    0, NONE, 39, NONE },
		/* Minutes. */
		{ "TOSHIBA MK1651GSY",
		    { { 5, { 1 } }, { 9, { 0x15, 0xc7, 0x05 } },
			{ 194, { 0x29, 0, 0x0f, 0, 0x35 } } },
		    1, NONE, 41, NONE },
		/* No thermometer, and says so by a zero. */
		{ "MCCOE64GEMPP",
		    { { 9, { 1 } }, { 190, { 0 } }, { 197, { 0 } } }, NONE, 1,
		    NONE, 0 },
	};
	uint8_t data[SMART_SECTOR];
	struct status_smart s;

	(void)state;
	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		make_table(disks[i].a, 4, data);
		status_smart_unknown(&s);
		if (!smart_attributes(data, &s))
			fail_msg("%s: nothing found", disks[i].model);
		if (s.reallocated != disks[i].reallocated ||
		    s.hours != disks[i].hours ||
		    s.temperature_c != disks[i].celsius ||
		    s.pending != disks[i].pending)
			fail_msg("%s: %d %d %d %d", disks[i].model,
			    (int)s.reallocated, (int)s.hours,
			    (int)s.temperature_c, (int)s.pending);
	}
}

static void tables_that_are_none(void **state)
{
	const struct attribute a[] = { { 5, { 7 } }, { 194, { 30 } } };
	uint8_t data[SMART_SECTOR] = { 0 };
	struct status_smart s, before;

	(void)state;
	status_smart_unknown(&s);
	before = s;
	assert_false(smart_attributes(data, &s)); /* all zeroes: a sum of 0 */
	make_table(a, 2, data);
	data[300] ^= 1;
	assert_false(smart_attributes(data, &s));
	memset(data, 0xff, sizeof(data));
	assert_false(smart_attributes(data, &s));
	assert_memory_equal(&s, &before, sizeof(s));
	make_table(a, 2, data);
	assert_true(smart_attributes(data, &s));
	assert_int_equal(s.reallocated, 7);
}

/* Of the two thermometers the disk's own counts, wherever it stands. */
static void the_better_thermometer(void **state)
{
	const struct attribute a[] = { { 194, { 31 } }, { 190, { 45 } } };
	const struct attribute b[] = { { 190, { 45 } }, { 194, { 31 } } };
	const struct attribute c[] = { { 194, { 200 } }, { 190, { 45 } } };
	uint8_t data[SMART_SECTOR];
	struct status_smart s;

	(void)state;
	status_smart_unknown(&s);
	make_table(a, 2, data);
	assert_true(smart_attributes(data, &s));
	assert_int_equal(s.temperature_c, 31);
	status_smart_unknown(&s);
	make_table(b, 2, data);
	assert_true(smart_attributes(data, &s));
	assert_int_equal(s.temperature_c, 31);
	status_smart_unknown(&s);
	make_table(c, 2, data);
	assert_true(smart_attributes(data, &s));
	assert_int_equal(s.temperature_c, 45);
}

/* --- registers ------------------------------------------------------------------------- */

static void registers_in_both_formats(void **state)
{
	uint8_t descriptor[22] = { 0x72, 1, 0, 0x1d, 0, 0, 0, 14, 9, 12, 0, 0,
		0, 0x80, 0, 0, 0, 0xf4, 0, 0x2c, 0, 0x50 };
	uint8_t fixed[18] = { 0x70, 0, 1, 0, 0x50, 0, 0xff, 10, 0, 0, 0x4f,
		0xc2, 0, 0x1d };
	struct smart_regs r;
	bool failing;

	(void)state;
	assert_int_equal(
	    smart_sense(descriptor, sizeof(descriptor), &r), RC_OK);
	assert_int_equal(r.count, 0x80);
	assert_true(smart_verdict(&r, &failing));
	assert_true(failing);
	assert_int_equal(smart_sense(fixed, sizeof(fixed), &r), RC_OK);
	assert_int_equal(r.count, 0xff);
	assert_true(smart_verdict(&r, &failing));
	assert_false(failing);
	r.lba_mid = 0; /* a bridge that leaves the registers out */
	r.lba_high = 0;
	assert_false(smart_verdict(&r, &failing));
	fixed[4] = 0x51; /* the disk refused */
	assert_int_equal(smart_sense(fixed, sizeof(fixed), &r), RC_UNSUPPORTED);
	descriptor[21] = 0x51;
	assert_int_equal(
	    smart_sense(descriptor, sizeof(descriptor), &r), RC_UNSUPPORTED);
}

static void senses_without_registers(void **state)
{
	/* INVALID COMMAND OPERATION CODE, as a bridge says that passes none */
	uint8_t refused[18] = { 0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0x4f, 0xc2,
		0x20, 0 };
	/* Another descriptor, one that says it is longer than all, none. */
	uint8_t other[22] = { 0x72, 1, 0, 0x1d, 0, 0, 0, 14, 0, 10, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 9, 12 };
	uint8_t large[10] = { 0x72, 1, 0, 0x1d, 0, 0, 0, 255, 3, 255 };
	uint8_t none[8] = { 0x72, 1, 0, 0x1d, 0, 0, 0, 0 };
	struct smart_regs r;

	(void)state;
	assert_int_equal(
	    smart_sense(refused, sizeof(refused), &r), RC_UNSUPPORTED);
	assert_int_equal(smart_sense(other, sizeof(other), &r), RC_UNSUPPORTED);
	assert_int_equal(smart_sense(large, sizeof(large), &r), RC_UNSUPPORTED);
	assert_int_equal(smart_sense(none, sizeof(none), &r), RC_UNSUPPORTED);
	assert_int_equal(smart_sense(none, 0, &r), RC_UNSUPPORTED);
	for (size_t n = 0; n < sizeof(other); n++)
		assert_int_equal(smart_sense(other, n, &r), RC_UNSUPPORTED);
}

/* A folder and a file are no disks; nor is what is not there. */
static void what_is_no_disk_says_nothing(void **state)
{
	struct status_smart s = { .told = true };

	(void)state;
	assert_int_equal(smart_read("/dev/null", &s), RC_UNSUPPORTED);
	assert_false(s.told);
	assert_int_equal(smart_read("/nonexistent", &s), RC_GONE);
	assert_int_equal(s.temperature_c, NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_of_real_disks),
		cmocka_unit_test(tables_that_are_none),
		cmocka_unit_test(the_better_thermometer),
		cmocka_unit_test(registers_in_both_formats),
		cmocka_unit_test(senses_without_registers),
		cmocka_unit_test(what_is_no_disk_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
