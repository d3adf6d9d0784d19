/*
 * What is kept of the run before: how it ended, and the tail of its log. Both
 * lie in the box's state folder, which outlives a reset.
 *
 * How it ended: a mark stands in the folder while the machine runs, and is
 * replaced in an orderly end. Whoever finds it at a start knows that there was
 * none; what the kernel left in memory, the watchdog's own bit, and whether
 * that memory is still what it was, tell the rest.
 *
 * The log: some KiB, written to the card at an orderly end and when a part
 * crashed, not more often than once in ten minutes. Where the machine has
 * memory that outlives a reset, its newest lines stand there as well
 * (box_recorder.c) and are put into the folder at the next start.
 */
#ifndef LAST_RUN_H
#define LAST_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "log_ring.h"
#include "rc.h"
#include "status.h"

#define LAST_RUN_LOG    (24 * 1024) /* bytes of the kept tail, both rings */
#define LAST_RUN_KERNEL (12 * 1024) /* … of which its kernel's, at most */

/* What this start finds, besides the mark. */
struct last_run_signs {
	bool was_bitten; /* the watchdog says that it restarted the machine */
	bool had_power; /* memory, or the chip, says that it had all along */
	bool panicked; /* the kernel left its last words */
};

/* At the machine's start: how the run before ended. Sets the mark, and makes
 * the tail that run wrote the one that last_run_log() reads. */
enum status_reset last_run_begin(
    const char *state_dir, const struct last_run_signs *signs);

/* Behind that: what memory still had of that run's log (else what the folder
 * has stays), and its kernel's last words. "": none. */
MUST_CHECK enum rc last_run_found(
    const char *state_dir, const char *log, const char *kernel);

/* In its orderly end. RC_IO, RC_NOSPC …: the next start won't know. */
MUST_CHECK enum rc last_run_end(const char *state_dir, bool is_off);

/* The newest lines of each ring (NULL ends the list) to the card, whole or not
 * at all. */
MUST_CHECK enum rc last_run_keep_log(
    const char *state_dir, const struct log_ring *const *rings);

/* The newest lines of each ring (NULL ends the list), terminated; returns their
 * length. */
size_t last_run_tail(
    const struct log_ring *const *rings, char *out, size_t cap);

/* The tail of the run before, cleaned and terminated; returns its length, 0
 * when there is none. */
size_t last_run_log(const char *state_dir, char *out, size_t cap);

/* The reason as a word in a file, for the box to read; STATUS_RESET_UNKNOWN
 * when there is no such file or word. */
MUST_CHECK enum rc last_run_tell(const char *path, enum status_reset r);
enum status_reset last_run_told(const char *path);

#endif
