#include "health.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLI 1000
/* What no processor of ours reaches alive is a broken sensor. */
#define COLD_C (-50)
#define HOT_C  150
/* USB-C ends at 5 A; PoE and bench supplies may say more. */
#define SUPPLY_MAX_MA 20000
/* A Pi 5 with a supply of less than 5 A, all ports together. */
#define USB_LOW_MA 600

/* The first line of DIR/ENTRY/NAME, without its end. */
static bool read_line(
    const char *dir, const char *entry, const char *name, char *out, size_t cap)
{
	char path[320];
	FILE *f;
	bool ok;
	int n;

	n = snprintf(path, sizeof(path), "%s/%s/%s", dir, entry, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(out, (int)cap, f) != NULL;
	fclose(f);
	if (ok)
		out[strcspn(out, "\n")] = '\0';
	return ok;
}

static bool read_number(
    const char *dir, const char *entry, const char *name, long *out)
{
	char line[32], *end;

	if (!read_line(dir, entry, name, line, sizeof(line)))
		return false;
	*out = strtol(line, &end, 10);
	return end != line && *end == '\0';
}

/* A cell of the device tree. */
static bool read_cell(const char *dir, const char *name, uint32_t *out)
{
	uint8_t b[4];
	char path[320];
	FILE *f;
	bool ok;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fread(b, 1, sizeof(b), f) == sizeof(b) && fgetc(f) == EOF;
	fclose(f);
	*out = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
	return ok;
}

static void read_supply(const char *sys, struct health *h)
{
	char dir[256];
	uint32_t n;

	snprintf(
	    dir, sizeof(dir), "%s/firmware/devicetree/base/chosen/power", sys);
	if (read_cell(dir, "max_current", &n) && n <= SUPPLY_MAX_MA)
		h->supply_ma = (int)n;
	if (read_cell(dir, "usb_max_current_enable", &n) && n == 0)
		h->usb_limit_ma = USB_LOW_MA;
}

static void each_entry(const char *dir,
    void (*fn)(const char *dir, const char *entry, struct health *h),
    struct health *h)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			fn(dir, e->d_name, h);
	closedir(d);
}

static void on_zone(const char *dir, const char *entry, struct health *h)
{
	static const char *const ours[] = { "cpu", "soc", "x86_pkg_temp" };
	char type[64];
	bool is_cpu = false;
	long milli;

	if (!read_line(dir, entry, "type", type, sizeof(type)))
		return;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		is_cpu |= strncmp(type, ours[i], strlen(ours[i])) == 0;
	if (!is_cpu || !read_number(dir, entry, "temp", &milli) ||
	    milli < COLD_C * MILLI || milli > HOT_C * MILLI)
		return;
	if (!h->has_temperature || h->temperature_c < (int)(milli / MILLI))
		h->temperature_c = (int)(milli / MILLI);
	h->has_temperature = true;
}

static void on_monitor(const char *dir, const char *entry, struct health *h)
{
	char name[32];
	long alarm;

	if (!read_line(dir, entry, "name", name, sizeof(name)) ||
	    strcmp(name, "rpi_volt") != 0 ||
	    !read_number(dir, entry, "in0_lcrit_alarm", &alarm))
		return;
	h->has_power = true;
	h->weak_power = alarm != 0;
}

void health_probe(const char *sys, struct health *out)
{
	char dir[256];

	memset(out, 0, sizeof(*out));
	snprintf(dir, sizeof(dir), "%s/class/thermal", sys);
	each_entry(dir, on_zone, out);
	snprintf(dir, sizeof(dir), "%s/class/hwmon", sys);
	each_entry(dir, on_monitor, out);
	read_supply(sys, out);
}
