/* What a disk, or the bridge before it, says of its health: a sense by its
 * length, then a table of attributes; its sum is made right when the first
 * byte is odd. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "smart.h"

static void is_sound(int32_t value, int32_t max)
{
	if (value < STATUS_SMART_UNKNOWN || value > max)
		abort();
}

static void table(const uint8_t *at, size_t len, bool mend)
{
	uint8_t data[SMART_SECTOR] = { 0 };
	struct status_smart s;
	uint8_t sum = 0;

	memcpy(data, at, len < SMART_SECTOR ? len : SMART_SECTOR);
	for (size_t i = 0; i < SMART_SECTOR; i++)
		sum = (uint8_t)(sum + data[i]);
	if (mend)
		data[SMART_SECTOR - 1] =
		    (uint8_t)(data[SMART_SECTOR - 1] - sum);
	status_smart_unknown(&s);
	if (smart_attributes(data, &s) && !mend && sum)
		abort();
	is_sound(s.temperature_c, 120);
	is_sound(s.hours, 100000);
	is_sound(s.reallocated, 65535);
	is_sound(s.pending, 1000000);
	if (s.told || s.failing)
		abort(); /* a verdict is none of the table's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smart_regs r;
	bool failing = false;
	uint8_t *sense;
	size_t n;

	if (len < 2)
		return 0;
	n = data[1] % 65;
	if (n > len - 2)
		n = len - 2;
	sense = malloc(n + 1); /* what lies behind it is seen */
	if (!sense)
		return 0;
	memcpy(sense, data + 2, n);
	if (smart_sense(sense, n, &r) == RC_OK &&
	    (r.status & 0x21 || (!smart_verdict(&r, &failing) && failing)))
		abort();
	free(sense);
	table(data + 2 + n, len - 2 - n, data[0] & 1);
	return 0;
}
