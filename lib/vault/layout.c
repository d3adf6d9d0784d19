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

void layout_named_dir(char out[LAYOUT_PATH], unsigned first_byte)
{
	snprintf(out, LAYOUT_PATH, LAYOUT_INCOMING "/%02x", first_byte & 0xff);
}

static char *put_hex(char *out, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = digits[byte >> 4];
	*out++ = digits[byte & 15];
	return out;
}

/* By hand: this is done several times for each file of a phone. */
static void named(char out[LAYOUT_PATH], const uint8_t id[LAYOUT_ID_LEN])
{
	char *p = out + sizeof(LAYOUT_INCOMING);

	memcpy(out, LAYOUT_INCOMING "/", sizeof(LAYOUT_INCOMING));
	p = put_hex(p, id[0]);
	*p++ = '/';
	for (int i = 0; i < LAYOUT_ID_LEN; i++)
		p = put_hex(p, id[i]);
	*p = '\0';
}

void layout_staged(char out[LAYOUT_PATH], const struct layout_place *place)
{
	if (place->named)
		named(out, place->id);
	else
		snprintf(out, LAYOUT_PATH, LAYOUT_INCOMING "/%06x/%08x",
		    place->num / LAYOUT_STAGED_PER_DIR, place->num);
}

void layout_staged_dir(char out[LAYOUT_PATH], const struct layout_place *place)
{
	if (place->named)
		layout_named_dir(out, place->id[0]);
	else
		snprintf(out, LAYOUT_PATH, LAYOUT_INCOMING "/%06x",
		    place->num / LAYOUT_STAGED_PER_DIR);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool layout_parse_id(const char *name, uint8_t out[LAYOUT_ID_LEN])
{
	for (int i = 0; i < LAYOUT_ID_LEN; i++) {
		int hi = hex_value(name[2 * i]);
		int lo = hi < 0 ? -1 : hex_value(name[2 * i + 1]);

		if (lo < 0)
			return false; /* also at the end of a shorter one */
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return name[2 * LAYOUT_ID_LEN] == '\0';
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

bool layout_parse_digest(const char *name, uint8_t out[DIGEST_LEN])
{
	char part[9];
	uint32_t v;

	if (strlen(name) != DIGEST_HEX_LEN)
		return false;
	for (size_t i = 0; i < DIGEST_LEN / 4; i++) {
		memcpy(part, name + 8 * i, 8);
		part[8] = '\0';
		if (!layout_parse_hex(part, 8, &v))
			return false;
		out[4 * i] = (uint8_t)(v >> 24);
		out[4 * i + 1] = (uint8_t)(v >> 16);
		out[4 * i + 2] = (uint8_t)(v >> 8);
		out[4 * i + 3] = (uint8_t)v;
	}
	return true;
}
