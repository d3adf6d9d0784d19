/* The tail of the log in memory that outlives a reset, where there is such. */
#include "box_int.h"
#include "kept_memory.h"
#include "last_run.h"
#include "log.h"

#define LOG_MODULE "box"

void box_recorder_open(struct box *b)
{
	volatile uint64_t *words = NULL;
	struct kept_memory m;
	enum rc rc;

	/* Only the image has a start of its own to read it. */
	if (!b->config->notices[0] || !b->ring || !b->web_ring)
		return;
	rc = kept_memory_find("/sys", &m);
	if (rc == RC_NOTFOUND)
		return;
	if (!rc)
		rc = kept_memory_map(&m, &words);
	if (!rc)
		rc = recorder_open(&b->recorder, words, m.len);
	if (rc)
		log_warn("the log won't outlive a hang: %s", rc_words(rc));
}

void box_recorder_turn(struct box *b)
{
	static char text[LAST_RUN_LOG];
	const struct log_ring *rings[] = { b->web_ring, b->ring, NULL };
	uint64_t end;

	if (!b->recorder.words)
		return;
	end = log_ring_end(b->web_ring) + log_ring_end(b->ring);
	if (end == b->recorded_end)
		return;
	b->recorded_end = end;
	/* Without memory for it: the next line tries again. */
	if (recorder_write(
		&b->recorder, text, last_run_tail(rings, text, sizeof(text))))
		b->recorded_end = 0;
}
