#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE  "/usr/share/zones.txt" /* of the image: "NAME RULE" lines */
#define FOLDER "/usr/share/zoneinfo" /* of a PC: files of RFC 8536 */

/* A part of a path, and nothing above it. */
static bool is_name(const char *s)
{
	return s[0] && s[0] != '/' && strlen(s) < 64 && !strstr(s, "..") &&
	       s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvw"
			   "xyz0123456789_+-/")] == '\0';
}

static bool from_table(FILE *f, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);
	char line[160];

	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, name, len) && line[len] == ' ')
			return snprintf(out, cap, "%s", line + len + 1) <
			       (int)cap;
	}
	return false;
}

/* The file's last line: a newline, the rule, a newline. */
static bool from_file(FILE *f, char *out, size_t cap)
{
	char text[128];
	size_t len;
	char *begin;

	if (fread(text, 1, 4, f) != 4 || memcmp(text, "TZif", 4) != 0)
		return false;
	if (fseek(f, -(long)(sizeof(text) - 1), SEEK_END) != 0)
		rewind(f); /* a short one */
	len = fread(text, 1, sizeof(text) - 1, f);
	if (len < 2 || text[len - 1] != '\n')
		return false;
	text[len - 1] = '\0';
	begin = memrchr(text, '\n', len - 1);
	return begin && begin[1] &&
	       snprintf(out, cap, "%s", begin + 1) < (int)cap;
}

bool zone_rule(const char *name, char *out, size_t cap)
{
	bool found = false;
	char path[128];
	FILE *f;

	if (!is_name(name))
		return false;
	f = fopen(TABLE, "re");
	if (f) {
		found = from_table(f, name, out, cap);
		fclose(f);
		return found;
	}
	snprintf(path, sizeof(path), FOLDER "/%s", name);
	f = fopen(path, "re");
	if (f) {
		found = from_file(f, out, cap);
		fclose(f);
	}
	return found;
}

bool zone_use(const char *name)
{
	char rule[80];

	if (!zone_rule(name, rule, sizeof(rule)) || setenv("TZ", rule, 1) != 0)
		return false;
	tzset();
	return true;
}
