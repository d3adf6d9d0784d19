/* What the kernel tells of the machine, read from a folder that stands in for
 * /sys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "health.h"

static char sys[64];

static void put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		snprintf(
		    full, sizeof(full), "%s/%.*s", sys, (int)(at - path), path);
		mkdir(full, 0700);
	}
	snprintf(full, sizeof(full), "%s/%s", sys, path);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_sys(void **state)
{
	(void)state;
	snprintf(sys, sizeof(sys), "/tmp/ns-health-XXXXXX");
	return mkdtemp(sys) ? 0 : -1;
}

static int drop_sys(void **state)
{
	char cmd[96];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", sys);
	return system(cmd);
}

static void a_silent_machine_is_a_healthy_one(void **state)
{
	struct health h;

	(void)state;
	health_probe("/nowhere", &h);
	assert_false(h.has_temperature);
	assert_false(h.has_power);
	assert_false(h.weak_power);
}

static void the_warmest_zone_of_the_processor_counts(void **state)
{
	struct health h;

	(void)state;
	put("class/thermal/thermal_zone0/type", "cpu-thermal\n");
	put("class/thermal/thermal_zone0/temp", "48312\n");
	put("class/thermal/thermal_zone1/type", "soc\n");
	put("class/thermal/thermal_zone1/temp", "61999\n");
	put("class/thermal/thermal_zone2/type", "battery\n");
	put("class/thermal/thermal_zone2/temp", "90000\n");
	put("class/thermal/thermal_zone3/type", "cpu-broken\n");
	put("class/thermal/thermal_zone3/temp", "999999\n");
	put("class/thermal/thermal_zone4/type", "cpu-odd\n");
	put("class/thermal/thermal_zone4/temp", "hot\n");
	health_probe(sys, &h);
	assert_true(h.has_temperature);
	assert_int_equal(h.temperature_c, 61);
}

static void a_dip_of_the_supply_is_seen(void **state)
{
	struct health h;

	(void)state;
	put("class/hwmon/hwmon0/name", "cpu_thermal\n");
	put("class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
	put("class/hwmon/hwmon1/name", "rpi_volt\n");
	put("class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
	health_probe(sys, &h);
	assert_true(h.has_power);
	assert_false(h.weak_power);
	put("class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
	health_probe(sys, &h);
	assert_true(h.weak_power);
}

static void put_cell(const char *path, uint32_t n, size_t len)
{
	const uint8_t b[5] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n, 0 };
	char full[256];
	FILE *f;

	put(path, "");
	snprintf(full, sizeof(full), "%s/%s", sys, path);
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

#define POWER "firmware/devicetree/base/chosen/power/"

static void a_supply_says_what_it_can_give(void **state)
{
	struct health h;

	(void)state;
	put_cell(POWER "max_current", 3000, 4);
	put_cell(POWER "usb_max_current_enable", 0, 4);
	health_probe(sys, &h);
	assert_int_equal(h.supply_ma, 3000);
	assert_int_equal(h.usb_limit_ma, 600);
	put_cell(POWER "max_current", 5000, 4);
	put_cell(POWER "usb_max_current_enable", 1, 4);
	health_probe(sys, &h);
	assert_int_equal(h.supply_ma, 5000);
	assert_int_equal(h.usb_limit_ma, 0);
	/* Nonsense is nothing. */
	put_cell(POWER "max_current", 0xffffffff, 4);
	put_cell(POWER "usb_max_current_enable", 0, 3);
	health_probe(sys, &h);
	assert_int_equal(h.supply_ma, 0);
	assert_int_equal(h.usb_limit_ma, 0);
	put_cell(POWER "max_current", 5000, 5);
	health_probe(sys, &h);
	assert_int_equal(h.supply_ma, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_machine_is_a_healthy_one),
		cmocka_unit_test_setup_teardown(
		    the_warmest_zone_of_the_processor_counts, make_sys,
		    drop_sys),
		cmocka_unit_test_setup_teardown(
		    a_dip_of_the_supply_is_seen, make_sys, drop_sys),
		cmocka_unit_test_setup_teardown(
		    a_supply_says_what_it_can_give, make_sys, drop_sys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
