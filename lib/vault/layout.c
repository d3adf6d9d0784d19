#include "layout.h"

#include <stdio.h>
#include <string.h>

void layout_latest(char out[LAYOUT_PATH], const char *udid, const char *rel)
{
	snprintf(out, LAYOUT_PATH, LAYOUT_LATEST "/%s%s%s", udid,
	    rel[0] ? "/" : "", rel);
}

void layout_object(char out[LAYOUT_PATH], const uint8_t digest[DIGEST_LEN])
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(digest, hex);
	snprintf(out, LAYOUT_PATH, LAYOUT_OBJECTS "/%.2s/%s", hex, hex);
}

void layout_object_dir(char out[LAYOUT_PATH], const uint8_t digest[DIGEST_LEN])
{
	snprintf(out, LAYOUT_PATH, LAYOUT_OBJECTS "/%02x", digest[0]);
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
