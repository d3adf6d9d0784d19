/*
 * What the phone was told is done, and will not look at again (V9).
 *
 * A phone that was cut off goes on by its own notes, and looks only at the
 * names that are there. A file that it sent again, moved or removed must not be
 * found as it was before: an older content would stand for the newer one. So a
 * checkpoint comes before such an answer. A new file that is lost is missed,
 * and comes again: new files can wait.
 *
 * Moves are many, each a change of the catalogue elsewhere, and a checkpoint
 * for each batch of 128 would write it several times over. So all is made
 * durable just before the phone's state becomes "moving", and then nothing
 * until the next state: a cut between shows "uploading", all files where they
 * were sent to. Whatever makes a checkpoint in between ends that.
 */
#include <stdio.h>
#include <string.h>

#include "night.h"
#include "plistread.h"

#define STATUS_BYTES 4096 /* real ones have 189 */

static bool read_status(
    struct vault_night *n, int fd, struct plistread_status *st)
{
	const struct fileops *ops = n->p->ops;
	char buf[STATUS_BYTES];
	ssize_t len = ops->read(ops->ctx, fd, buf, sizeof(buf));

	ops->close(ops->ctx, fd);
	return len > 0 && plistread_status(buf, (size_t)len, st) == RC_OK;
}

bool night_overlay_status(struct vault_night *n, struct plistread_status *st)
{
	struct view_node node;
	int fd;

	return !view_get(n->view, "Status.plist", &node) && node.staged &&
	       !night_open_file(n, &node, "Status.plist", &fd) &&
	       read_status(n, fd, st);
}

static bool says(const struct plistread_status *st, const char *state)
{
	return strcmp(st->snapshot_state, state) == 0;
}

void night_told_begin(struct vault_night *n)
{
	struct plistread_status st;

	n->may_hold = !night_overlay_status(n, &st) ||
		      !(says(&st, "moving") || says(&st, "removing"));
}

/* Is the file that was staged at `place` the state "moving"? */
static bool is_moving(struct vault_night *n, const struct layout_place *place)
{
	const struct fileops *ops = n->p->ops;
	struct plistread_status st;
	char path[LAYOUT_PATH];
	int fd;

	layout_staged(path, place);
	fd = ops->open(ops->ctx, n->p->root, path, O_RDONLY);
	return fd >= 0 && read_status(n, fd, &st) && says(&st, "moving");
}

enum rc night_told_file(
    struct vault_night *n, const char *rel, const struct layout_place *place)
{
	enum rc rc;

	n->hold = false;
	if (!n->may_hold || strcmp(rel, "Status.plist") != 0 ||
	    !is_moving(n, place))
		return RC_OK;
	n->may_hold = false;
	rc = night_checkpoint(n);
	if (!rc)
		rc = night_change(n);
	n->hold = !rc;
	return rc;
}

enum rc night_confirm(void *ctx)
{
	struct vault_night *n = ctx;

	return n->owes && !n->hold ? night_checkpoint(n) : RC_OK;
}
