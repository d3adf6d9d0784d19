/*
 * What a webhook answers: the first byte says in how large pieces it comes, the
 * rest is the answer.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "hook_reply.h"

static void must(bool so)
{
	if (!so)
		abort();
}

static enum hook_reply_step feed(
    struct hook_reply *r, const uint8_t *data, size_t len, size_t piece)
{
	enum hook_reply_step step = HOOK_REPLY_MORE;

	hook_reply_init(r);
	for (size_t i = 0; i < len && step == HOOK_REPLY_MORE; i += piece) {
		step = hook_reply_feed(r, (const char *)data + i,
		    len - i < piece ? len - i : piece);
		must(r->n_bytes <= HOOK_REPLY_MAX);
	}
	return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hook_reply once, pieces;
	enum hook_reply_step step;
	size_t piece = len ? data[0] + 1u : 1;

	if (len == 0)
		return 0;
	step = feed(&once, data + 1, len - 1, len);
	/* However it is cut, it says the same. */
	must(feed(&pieces, data + 1, len - 1, piece) == step);
	must(step != HOOK_REPLY_DONE ||
	     (once.status == pieces.status && once.status >= 200 &&
		 once.status <= 599));
	/* Nobody is read for ever. */
	must(step != HOOK_REPLY_MORE || len - 1 <= HOOK_REPLY_MAX);
	return 0;
}
