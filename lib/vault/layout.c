#include "layout.h"

#include <stdio.h>
#include <string.h>

#include "sha256.h"

void layout_latest(char out[LAYOUT_PATH], const char *udid, const char *rel)
{
	snprintf(out, LAYOUT_PATH, LAYOUT_LATEST "/%s%s%s", udid,
	    rel[0] ? "/" : "", rel);
}

void layout_object(char out[LAYOUT_PATH], const uint8_t sha[32])
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(sha, hex);
	snprintf(out, LAYOUT_PATH, LAYOUT_OBJECTS "/%.2s/%s", hex, hex);
}

void layout_object_dir(char out[LAYOUT_PATH], const uint8_t sha[32])
{
	snprintf(out, LAYOUT_PATH, LAYOUT_OBJECTS "/%02x", sha[0]);
}

void layout_staged(char out[LAYOUT_PATH], uint32_t num)
{
	snprintf(out, LAYOUT_PATH, LAYOUT_INCOMING "/%06x/%08x",
	    num / LAYOUT_STAGED_PER_DIR, num);
}

void layout_staged_dir(char out[LAYOUT_PATH], uint32_t num)
{
	snprintf(out, LAYOUT_PATH, LAYOUT_INCOMING "/%06x",
	    num / LAYOUT_STAGED_PER_DIR);
}

bool layout_parse_hex(const char *name, unsigned digits, uint32_t *out)
{
	uint32_t v = 0;

	if (strlen(name) != digits ||
	    strspn(name, "0123456789abcdef") != digits)
		return false;
	for (const char *p = name; *p; p++)
		v = v << 4 | (uint32_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	*out = v;
	return true;
}
