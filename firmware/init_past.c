/* What this start can find out about the run before. */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "facts.h"
#include "kept_memory.h"
#include "last_run.h"
#include "log.h"
#include "pstore.h"
#include "recorder.h"

#define LOG_MODULE "init"
#define PSTORE     "/sys/fs/pstore"

/* Its log as far as memory still has it, and the memory itself for this run;
 * false: this is not the memory of before. */
static bool take_log(struct recorder *r, char *out)
{
	volatile uint64_t *words = NULL;
	struct kept_memory m;
	size_t len = 0;
	enum rc rc = kept_memory_find("/sys", &m);

	out[0] = '\0';
	if (rc == RC_NOTFOUND)
		return false;
	if (!rc)
		rc = kept_memory_map(&m, &words);
	if (!rc)
		rc = recorder_open(r, words, m.len);
	if (rc) {
		log_warn("no memory for the log: %s", rc_words(rc));
		return false;
	}
	rc = recorder_read(r, out, &len);
	out[len] = '\0';
	return rc == RC_OK;
}

void init_look_back(const char *state_dir)
{
	static char log[RECORDER_TEXT + 1], kernel[LAST_RUN_KERNEL];
	struct recorder r = { .words = NULL };
	struct last_run_signs signs = {
		.was_bitten = facts_was_bitten("/sys"),
		.had_power = facts_was_reset("/sys"),
	};
	enum status_reset reset;
	enum rc rc;

	if (mount("pstore", PSTORE, "pstore", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		NULL) != 0)
		log_note("no pstore: %s", strerror(errno));
	signs.panicked =
	    pstore_read(PSTORE, kernel, sizeof(kernel)) == PSTORE_PANIC;
	if (take_log(&r, log))
		signs.had_power = true;
	reset = last_run_begin(state_dir, &signs);
	/* In a good end the last lines are on the card already. */
	if (reset == STATUS_RESET_ASKED || reset == STATUS_RESET_OFF)
		log[0] = '\0';
	rc = last_run_found(state_dir, log, kernel);
	if (rc)
		log_warn("the log of before is not kept: %s", rc_words(rc));
	else
		pstore_drop(PSTORE);
	/* From here on what is in it is of this run, if only that it began. */
	recorder_clear(&r);
	rc = recorder_write(&r, "", 0);
	if (rc)
		log_warn("no mark in memory: %s", rc_words(rc));
	log_note("the run before ended reason=%s log=%zu kernel=%zu memory=%s",
	    status_reset_id(reset), strlen(log), strlen(kernel),
	    r.words ? "kept" : "none");
	rc = last_run_tell(INIT_RESET, reset);
	if (rc)
		log_warn("the box won't know how: %s", rc_words(rc));
}
