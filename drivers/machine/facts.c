#include "facts.h"

#include <dirent.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_CAP       400
#define ETHERNET       "1" /* ARPHRD_ETHER */
#define PM_RSTS_HADWRF 0x20

static bool read_line(
    const char *sys, const char *name, const char *file, char *out, size_t cap)
{
	char path[PATH_CAP];
	FILE *f;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/class/%s/%s", sys, name, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(out, (int)cap, f))
		out[0] = '\0';
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return out[0] != '\0';
}

static bool exists(const char *sys, const char *name, const char *file)
{
	char path[PATH_CAP];

	snprintf(path, sizeof(path), "%s/class/%s/%s", sys, name, file);
	return access(path, F_OK) == 0;
}

/* The first entry of sys/class/KIND, by name, that passes. */
static bool first_of(const char *sys, const char *kind,
    bool (*passes)(const char *sys, const char *name), char *out, size_t cap)
{
	char path[PATH_CAP];
	struct dirent **list;
	bool found = false;
	int n;

	snprintf(path, sizeof(path), "%s/class/%s", sys, kind);
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0)
		return false;
	for (int i = 0; i < n; i++) {
		const char *entry = list[i]->d_name;
		char name[128];

		snprintf(name, sizeof(name), "%s/%.64s", kind, entry);
		if (!found && entry[0] != '.' && strlen(entry) < cap &&
		    passes(sys, name)) {
			snprintf(out, cap, "%s", entry);
			found = true;
		}
		free(list[i]);
	}
	free(list);
	return found;
}

static bool is_ethernet(const char *sys, const char *name)
{
	char type[16];

	return read_line(sys, name, "type", type, sizeof(type)) &&
	       !strcmp(type, ETHERNET) && exists(sys, name, "device") &&
	       !exists(sys, name, "wireless") && !exists(sys, name, "phy80211");
}

static bool is_wifi(const char *sys, const char *name)
{
	char type[16];

	return read_line(sys, name, "type", type, sizeof(type)) &&
	       !strcmp(type, ETHERNET) && exists(sys, name, "phy80211");
}

static bool is_hardware(const char *sys, const char *name)
{
	char who[64];

	return read_line(sys, name, "identity", who, sizeof(who)) &&
	       strncmp(who, "Software", 8) != 0;
}

bool facts_ethernet(const char *sys, char *out, size_t cap)
{
	return first_of(sys, "net", is_ethernet, out, cap);
}

bool facts_wifi(const char *sys, char *out, size_t cap)
{
	return first_of(sys, "net", is_wifi, out, cap);
}

bool facts_watchdog(const char *sys, char *out, size_t cap)
{
	char name[32];

	if (!first_of(sys, "watchdog", is_hardware, name, sizeof(name)))
		return false;
	snprintf(out, cap, "/dev/%s", name);
	return true;
}

static bool has_bitten(const char *sys, const char *name)
{
	char bits[16];

	return is_hardware(sys, name) &&
	       read_line(sys, name, "bootstatus", bits, sizeof(bits)) &&
	       (strtoul(bits, NULL, 10) & WDIOF_CARDRESET);
}

bool facts_was_bitten(const char *sys)
{
	char name[32];

	return first_of(sys, "watchdog", has_bitten, name, sizeof(name));
}

bool facts_was_reset(const char *sys)
{
	char path[PATH_CAP];
	unsigned char raw[4] = { 0 };
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path),
	    "%s/firmware/devicetree/base/chosen/bootloader/rsts", sys);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fread(raw, 1, sizeof(raw), f) == sizeof(raw);
	fclose(f);
	return ok && (raw[3] & PM_RSTS_HADWRF);
}

bool facts_led(const char *sys, const char *name)
{
	char path[PATH_CAP];

	snprintf(path, sizeof(path), "%s/class/leds/%s/brightness", sys, name);
	return access(path, W_OK) == 0;
}
