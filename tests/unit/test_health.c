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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_machine_is_a_healthy_one),
		cmocka_unit_test_setup_teardown(
		    the_warmest_zone_of_the_processor_counts, make_sys,
		    drop_sys),
		cmocka_unit_test_setup_teardown(
		    a_dip_of_the_supply_is_seen, make_sys, drop_sys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
