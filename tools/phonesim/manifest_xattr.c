/*
 * The extended attributes that Photos keeps on each picture, about 1.1 KB as
 * a binary plist of name → data, as recorded on 74 files of an iOS 14.3
 * phone. Values are made from the item's seed.
 */
#include <stdio.h>
#include <string.h>

#include "content_bytes.h"
#include "content_names.h"
#include "manifest_int.h"

#define PREFIX      "com.apple.assetsd."
#define MAX_ATTRS   20
#define MAX_OBJECTS (2 * MAX_ATTRS + 1)

struct attrs {
	const char *name[MAX_ATTRS];
	uint8_t value[MAX_ATTRS][64];
	size_t len[MAX_ATTRS];
	unsigned n;
};

static void attr(struct attrs *a, const char *name, const void *d, size_t n)
{
	a->name[a->n] = name;
	memcpy(a->value[a->n], d, n);
	a->len[a->n++] = n;
}

static void attr_uuid(struct attrs *a, const char *name, struct content_rng *r)
{
	char uuid[37];

	content_uuid(r, uuid);
	attr(a, name, uuid, 36);
}

/* A date inside a plist of its own. */
static void attr_date(struct attrs *a, const char *name, int64_t mtime)
{
	uint8_t d[50] = "bplist00\x33";
	double since = (double)(mtime - 978307200);
	uint64_t bits;

	memcpy(&bits, &since, 8);
	for (int i = 0; i < 8; i++)
		d[9 + i] = (uint8_t)(bits >> (56 - 8 * i));
	d[17] = 8; /* the offset table, then the trailer */
	d[24] = 1;
	d[25] = 1;
	d[33] = 1;
	d[49] = 17;
	attr(a, name, d, sizeof(d));
}

static void fill(struct attrs *a, const struct content_item *it)
{
	static const uint8_t zero[8], kind[2] = { 3, 0 }, by[2] = { 8, 0 };
	static const uint8_t zone[4] = { 0x10, 0x0E, 0, 0 };
	struct content_rng r = { it->seed };
	uint64_t half[2] = { content_rng_next(&r), content_rng_next(&r) };
	const char *base = strrchr(it->path, '/');
	size_t len = base ? strlen(++base) : 0;

	attr(a, PREFIX "favorite", zero, 2);
	attr(a, PREFIX "avalanche.type", zero, 2);
	attr(a, PREFIX "grouping.state", zero, 8);
	attr(a, PREFIX "assetType", kind, 2);
	attr_uuid(a, PREFIX "dbRebuildUuid", &r);
	attr(a, PREFIX "timeZoneOffset", zone, 4);
	attr(a, PREFIX "trashed", zero, 2);
	attr(a, PREFIX "creatorBundleID", "com.apple.springboard", 21);
	attr(a, PREFIX "importedBy", by, 2);
	attr(a, PREFIX "timeZoneName", "Europe/London", 13);
	attr(a, PREFIX "hidden", zero, 2);
	attr(a, PREFIX "videoComplementVisibility", zero, 2);
	attr_date(a, PREFIX "addedDate", it->mtime);
	attr(a, PREFIX "UUID", half, 16);
	attr_date(a, PREFIX "customCreationDate", it->birth);
	attr_uuid(a, PREFIX "publicGlobalUUID", &r);
	attr(a, PREFIX "deferredProcessing", zero, 2);
	if (len && len < 60)
		attr(a, PREFIX "originalFilename", base, len);
	attr_uuid(a, PREFIX "cloudAsset.UUID", &r);
}

static size_t put_object(uint8_t *p, unsigned kind, const void *d, size_t n)
{
	size_t head = 1;

	if (n < 15) {
		p[0] = (uint8_t)(kind | n);
	} else {
		p[0] = (uint8_t)(kind | 15);
		p[1] = 0x10;
		p[2] = (uint8_t)n;
		head = 3;
	}
	memcpy(p + head, d, n);
	return head + n;
}

static size_t put_trailer(
    uint8_t *buf, size_t n, const uint16_t *offset, unsigned count)
{
	size_t table = n;

	for (unsigned i = 0; i < count; i++) {
		buf[n++] = (uint8_t)(offset[i] >> 8);
		buf[n++] = (uint8_t)offset[i];
	}
	memset(buf + n, 0, 32);
	buf[n + 6] = 2;
	buf[n + 7] = 1;
	buf[n + 15] = (uint8_t)count;
	buf[n + 30] = (uint8_t)(table >> 8);
	buf[n + 31] = (uint8_t)table;
	return n + 32;
}

size_t manifest_photo_attributes(
    const struct content_item *it, uint8_t *buf, size_t cap)
{
	struct attrs a = { .n = 0 };
	uint16_t offset[MAX_OBJECTS];
	size_t n = 8;

	if (it->kind != CONTENT_FILE || cap < 2048 ||
	    strcmp(it->domain, "CameraRollDomain") != 0 ||
	    strncmp(it->path, "Media/DCIM/", 11) != 0)
		return 0;
	fill(&a, it);
	memcpy(buf, "bplist00", 8);
	offset[0] = (uint16_t)n;
	buf[n++] = 0xDF;
	buf[n++] = 0x10;
	buf[n++] = (uint8_t)a.n;
	for (unsigned i = 0; i < 2 * a.n; i++)
		buf[n++] = (uint8_t)(i + 1);
	for (unsigned i = 0; i < a.n; i++) {
		offset[1 + i] = (uint16_t)n;
		n += put_object(buf + n, 0x50, a.name[i], strlen(a.name[i]));
	}
	for (unsigned i = 0; i < a.n; i++) {
		offset[1 + a.n + i] = (uint16_t)n;
		n += put_object(buf + n, 0x40, a.value[i], a.len[i]);
	}
	return put_trailer(buf, n, offset, 2 * a.n + 1);
}
