/* All that a phone says in a backup, byte by byte: the first one chooses how
 * it arrives, the rest is the stream. */
#include "fuzz.h"

#include "fuzz_store.h"
#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	log_set_level(LOG_LEVEL_ERROR);
	if (len > 0)
		fuzz_talk(data[0], data + 1, len - 1, NULL);
	return 0;
}
