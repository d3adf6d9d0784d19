/* Memory after a reset, and what a kernel left in it; when the first byte is
 * odd, the check of both halves is made right. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "pstore.h"

#include "recorder.c"

#define PAGE 4096

static void mend(uint64_t *half, size_t room)
{
	uint64_t n = half[LENGTH] % (2 * room);

	half[MARK] = mark();
	half[LENGTH] = n;
	if (n <= room && check_of(half[SERIAL], (const char *)(half + HEAD), n,
			     &half[CHECK]))
		abort();
}

static void memory(const uint8_t *data, size_t len, bool right)
{
	static uint64_t area[PAGE / WORD];
	static char out[RECORDER_TEXT], again[RECORDER_TEXT];
	struct recorder r;
	size_t n = 0, m = 0;

	memset(area, 0, sizeof(area));
	memcpy(area, data, len < PAGE / 2 ? len : PAGE / 2);
	if (len > PAGE / 2)
		memcpy(area + PAGE / 2 / WORD, data + PAGE / 2,
		    len - PAGE / 2 < PAGE / 2 ? len - PAGE / 2 : PAGE / 2);
	if (recorder_open(&r, area, PAGE))
		abort();
	if (right) {
		mend(area, room_of(&r));
		mend(area + r.half, room_of(&r));
	}
	if (recorder_read(&r, out, &n) == RC_OK && n > room_of(&r))
		abort();
	/* What is written now is what is read, whatever stood there, but for
	 * a serial that can't grow. */
	if (recorder_open(&r, area, PAGE) || r.serial == UINT64_MAX)
		return;
	if (recorder_write(&r, (const char *)data, len < 999 ? len : 999) ||
	    recorder_read(&r, again, &m) || m != (len < 999 ? len : 999) ||
	    memcmp(again, data, m) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned count;
	char *text;

	if (!len)
		return 0;
	memory(data + 1, len - 1, data[0] & 1);
	text = malloc(len); /* what lies behind it is seen */
	if (!text)
		return 0;
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	if (pstore_kind_of(text, &count) != PSTORE_PANIC && count)
		abort();
	free(text);
	return 0;
}
