/*
 * Puts an update into the slot of the card that does not run, through the
 * vault's seam to files, so that a test can cut it at each call.
 *
 * Order, for a cut at any moment: no try is noted; the other slot is emptied
 * and written; it is on the card and was read back; only then is the try
 * noted. The slot that runs, and the sector's first line, are not touched.
 *
 * One that is to wait for its owner's word ends without the note, and with its
 * head beside the parts, last of all: whoever notes it later believes only the
 * signature there, and reads all parts again.
 */
#ifndef INSTALLER_H
#define INSTALLER_H

#include "fileops.h"
#include "slots.h"
#include "update_file.h"

struct installer {
	/* to be filled in */
	const struct fileops *fs;
	int dir; /* the card's FAT, writable */
	uint64_t running; /* build that runs; 0 not known */
	bool older; /* an older one may come, too */
	bool page; /* the page is served now: it must be then */
	void (*progress)(void *ctx, unsigned pct); /* NULL: nobody cares */
	void *ctx;

	struct slots slots;
	struct update_head head;
	char slot[2]; /* where it goes */
	int fd; /* of the part at hand; -1 none */
	uint64_t written;
	unsigned pct;
	const char *why; /* it was refused, in words that stay */
};

/* The sector as it stands on the card; see slots_read(). RC_NOTFOUND, RC_IO. */
MUST_CHECK enum rc installer_slots(
    const struct fileops *fs, int dir, struct slots *out);
/* One write in place, and on the card. */
MUST_CHECK enum rc installer_note(
    const struct fileops *fs, int dir, const struct slots *s);

/* Gets the fields above ready; then it is fed as the sink's ctx. RC_UNSUPPORTED:
 * the card has no slots. */
MUST_CHECK enum rc installer_begin(struct installer *in);
extern const struct update_sink installer_sink; /* ctx: NULL, to be set */

/* May this one come? RC_UNSUPPORTED: of another board; RC_REFUSED: older. */
MUST_CHECK enum rc installer_judge(
    struct installer *in, const struct update_head *head);

#define INSTALLER_HEAD "update.sig" /* of the slot: a head, UPDATE_HEAD bytes */

/* All came: reads it back, and leaves it with its head `raw`. Or rc is what went
 * wrong. As installer_end() else. */
MUST_CHECK enum rc installer_leave(
    struct installer *in, const uint8_t raw[UPDATE_HEAD], enum rc rc);

/* After installer_begin(): what was left waits to be noted. Reads it, and notes
 * the try. RC_NOTFOUND: there is none; RC_UNTRUSTED, RC_CORRUPT, and as
 * installer_judge(). */
MUST_CHECK enum rc installer_take_left(
    struct installer *in, const struct update_keys *keys);

/* All came: reads it back and notes the try. Or rc is what went wrong, and
 * nothing is noted. Closes what is open; returns what came of it. */
MUST_CHECK enum rc installer_end(struct installer *in, enum rc rc);

#endif
