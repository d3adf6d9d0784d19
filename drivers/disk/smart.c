/* SMART's answers: bytes to values. No input and output here. */
#include "smart.h"

#include <string.h>

#define ATA_ERROR (0x01 | 0x20) /* ERR, DF of the status register */

/* A sense of SPC-4; the disk's registers in it: SAT-3, 12.2.2.7. */
#define FIXED             0x70
#define DESCRIPTOR        0x72
#define DESC_ATA          0x09
#define DESC_ATA_BYTES    14
#define KEY_RECOVERED     1
#define ASC_ATA_REGS      0x00
#define ASCQ_ATA_REGS     0x1d
#define FIXED_SENSE_LEAST 14

static bool is_of_registers(uint8_t key, uint8_t asc, uint8_t ascq)
{
	return (key & 0x0f) <= KEY_RECOVERED && asc == ASC_ATA_REGS &&
	       ascq == ASCQ_ATA_REGS;
}

static bool take_fixed(const uint8_t *s, size_t len, struct smart_regs *out)
{
	if (len < FIXED_SENSE_LEAST || !is_of_registers(s[2], s[12], s[13]))
		return false;
	out->error = s[3];
	out->status = s[4];
	out->count = s[6];
	out->lba_mid = s[10];
	out->lba_high = s[11];
	return true;
}

static bool take_descriptor(
    const uint8_t *s, size_t len, struct smart_regs *out)
{
	if (len < 8 || !is_of_registers(s[1], s[2], s[3]))
		return false;
	if (len > (size_t)s[7] + 8)
		len = (size_t)s[7] + 8;
	for (size_t at = 8; at + 2 <= len; at += 2 + (size_t)s[at + 1]) {
		const uint8_t *d = s + at;

		if (d[0] != DESC_ATA)
			continue;
		if (at + DESC_ATA_BYTES > len)
			return false;
		out->error = d[3];
		out->count = d[5];
		out->lba_mid = d[9];
		out->lba_high = d[11];
		out->status = d[13];
		return true;
	}
	return false;
}

enum rc smart_sense(const uint8_t *sense, size_t len, struct smart_regs *out)
{
	bool found = false;

	memset(out, 0, sizeof(*out));
	if (len > 0 && (sense[0] & 0x7e) == FIXED)
		found = take_fixed(sense, len, out);
	else if (len > 0 && (sense[0] & 0x7e) == DESCRIPTOR)
		found = take_descriptor(sense, len, out);
	return found && !(out->status & ATA_ERROR) ? RC_OK : RC_UNSUPPORTED;
}

bool smart_verdict(const struct smart_regs *r, bool *failing)
{
	/* ACS-3, 7.48.8: untouched is well, turned over is not. */
	bool well = r->lba_mid == 0x4f && r->lba_high == 0xc2;
	bool ill = r->lba_mid == 0xf4 && r->lba_high == 0x2c;

	*failing = ill;
	return well || ill;
}

/* --- attributes --------------------------------------------------------------------- */

#define FIRST      2 /* after the revision */
#define ATTR_BYTES 12
#define ATTRS      30
#define RAW_AT     5
/* Some makers count minutes or seconds: no disk is that old. */
#define HOURS_MAX   100000
#define SECTORS_MAX 1000000
#define TEMP_MAX    120

static uint64_t le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static int32_t at_most(uint64_t v, int32_t max)
{
	return v <= (uint64_t)max ? (int32_t)v : STATUS_SMART_UNKNOWN;
}

static void take_attribute(const uint8_t *a, struct status_smart *out)
{
	const uint8_t *raw = a + RAW_AT;
	int32_t warm;

	switch (a[0]) {
	case 5: /* sectors that were replaced; some keep more above */
		out->reallocated = (int32_t)le(raw, 2);
		break;
	case 9: /* hours of work; what some makers keep above is no hour */
		out->hours = at_most(le(raw, 4), HOURS_MAX);
		break;
	case 190: /* of the air; where there is no 194 */
	case 194: /* degrees Celsius; the extremes lie above */
		warm = raw[0] && raw[0] <= TEMP_MAX ? raw[0]
						    : STATUS_SMART_UNKNOWN;
		if (a[0] == 194 || out->temperature_c == STATUS_SMART_UNKNOWN)
			out->temperature_c = warm;
		break;
	case 197: /* sectors that can't be read, and are not replaced yet */
		out->pending = at_most(le(raw, 4), SECTORS_MAX);
		break;
	default:
		break;
	}
}

bool smart_attributes(
    const uint8_t data[SMART_SECTOR], struct status_smart *out)
{
	struct status_smart found = *out;
	uint8_t sum = 0;

	for (size_t i = 0; i < SMART_SECTOR; i++)
		sum = (uint8_t)(sum + data[i]);
	if (sum)
		return false;
	for (size_t i = 0; i < ATTRS; i++)
		take_attribute(data + FIRST + i * ATTR_BYTES, &found);
	if (!memcmp(&found, out, sizeof(found)))
		return false;
	*out = found;
	return true;
}
