/* What the phone's notification proxy says: the first byte chooses how it
 * arrives, the rest is the stream. */
#include "fuzz.h"

#include "fake_phone.h"
#include "log.h"
#include "np.h"

static void heard(void *arg, const char *name)
{
	size_t *bytes = arg;

	*bytes += strlen(name) + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fake_stream stream = { .hang = true };
	size_t bytes = 0;
	struct np *np;

	if (len == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	stream.piece = data[0];
	fake_add(&stream.in, data + 1, len - 1);
	if (np_new(fake_stream_of(&stream), &np) == RC_OK) {
		(void)!np_observe(
		    np, "com.apple.itunes-client.syncCancelRequest");
		(void)!np_poll(np, heard, &bytes);
		np_free(np);
	}
	/* Nothing is told that the phone did not say. */
	if (bytes > len || stream.closed != 1)
		abort();
	fake_stream_free(&stream);
	return 0;
}
