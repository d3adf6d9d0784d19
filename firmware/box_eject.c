/*
 * The disk is to be unplugged: what runs on it ends, it is written and taken
 * away, and not used again until it (or another one) is plugged in. By the
 * role `disk` where that mounts, else by the box itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"

#define LOG_MODULE "box"
#define END_MS     15000 /* for sessions to end in order */

/* In the state folder, while nothing is mounted where the disk was: a box that
 * begins again must not take the bare folder for a disk. */
#define MARK "ejected"

static void put_mark(const struct box *b)
{
	int dir, fd = -1;
	bool ok;

	if (!b->config->state[0])
		return;
	dir = open(b->config->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ok = fd >= 0 && fsync(dir) == 0; /* it has nothing but its name */
	if (!ok)
		log_warn("after a new start the box may take the disk's empty "
			 "place for a disk: %s",
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
}

/* True: it was there. */
static bool drop_mark(const struct box *b)
{
	char path[CONFIG_TEXT + sizeof("/" MARK)];

	if (!b->config->state[0])
		return false;
	snprintf(path, sizeof(path), "%s/" MARK, b->config->state);
	if (unlink(path) == 0)
		return true;
	if (errno != ENOENT)
		log_warn(
		    "the mark of an ejected disk stays: %s", strerror(errno));
	return false;
}

static void let_go(struct box *b, bool is_gone)
{
	b->eject = BOX_EJECT_DONE;
	b->eject_dev = b->disk.dev;
	b->eject_gone = is_gone;
}

static void use_again(struct box *b)
{
	b->eject = BOX_EJECT_NO;
	b->eject_gone = false;
	drop_mark(b);
}

void box_eject_begin(struct box *b)
{
	if (b->config->disks || !drop_mark(b) ||
	    disk_is_mount_point(b->config->vault))
		return;
	log_note("the disk was ejected, and is not there again");
	b->eject_mount = true;
	put_mark(b);
	b->eject_rc = RC_OK;
	let_go(b, true);
	box_eject_look(b);
}

bool box_eject_runs(const struct box *b)
{
	return b->eject != BOX_EJECT_NO && b->eject != BOX_EJECT_DONE;
}

bool box_eject_is_let_go(const struct box *b)
{
	return b->config->disks ? b->found.let_go
				: b->eject == BOX_EJECT_DONE && !b->eject_gone;
}

/* What is in use, or what was held by somebody the last time. */
static bool may_eject(const struct box *b)
{
	return (b->eject == BOX_EJECT_NO && b->disk.state == DISK_FIT) ||
	       (b->eject == BOX_EJECT_DONE && b->disk.state == DISK_HELD);
}

void box_eject(struct box *b)
{
	if (!may_eject(b))
		return;
	log_note("the disk is to be unplugged");
	b->eject = BOX_EJECT_ASKED;
	b->eject_ms = mono_ms() + END_MS;
	box_scrub_stop(b);
	for (unsigned i = 0; i < b->n_phones; i++)
		box_phone_stop(&b->phones[i]);
}

static bool tell_role(struct box *b, enum msg_disk_what what, const char *name)
{
	struct msg m = { .type = MSG_DISK_DO };

	m.u.disk_do.what = (uint8_t)what;
	snprintf(m.u.disk_do.name, sizeof(m.u.disk_do.name), "%s", name);
	if (b->disks.child.fd >= 0 && msg_send(b->disks.child.fd, &m) == RC_OK)
		return true;
	log_warn("the part that mounts disks did not hear of it");
	return false;
}

void box_use_disk(struct box *b)
{
	if (b->config->disks) {
		if (b->found.let_go)
			tell_role(b, MSG_DISK_USE, "");
		return;
	}
	/* Its bare place is no disk. */
	if (b->eject != BOX_EJECT_DONE || b->eject_gone)
		return;
	use_again(b);
	box_look_at_disk(b);
}

void box_prepare_disk(struct box *b)
{
	if (!b->config->disks || !b->found.name[0])
		return;
	log_note("a disk is to be prepared name=%s model=%s", b->found.name,
	    b->found.model);
	tell_role(b, MSG_DISK_PREPARE, b->found.name);
}

/* Nothing of ours holds a file of it any more. */
static bool is_still(struct box *b)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (child_is_running(&b->phones[i].session))
			return false;
	return !child_is_running(&b->census.child) &&
	       !child_is_running(&b->scrub.child);
}

static void kill_late_ones(struct box *b)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (child_is_running(&b->phones[i].session))
			child_kill(&b->phones[i].session);
	if (child_is_running(&b->census.child))
		child_kill(&b->census.child);
}

/* On a computer, where others may use it, too. */
static void leave(struct box *b)
{
	char who[32], *why = b->eject_why;
	size_t cap = sizeof(b->eject_why);
	enum rc rc;

	b->eject_mount = disk_is_mount_point(b->config->vault);
	rc = disk_leave(b->config->vault, who, sizeof(who));

	let_go(b, false);
	b->eject_rc = rc;
	b->eject_why[0] = '\0';
	if (rc == RC_OK) {
		log_note("the disk may be unplugged");
		return;
	}
	if (rc == RC_BUSY)
		snprintf(why, cap,
		    "But %s uses it: end that, and eject it again.",
		    who[0] ? who : "another program");
	else if (rc == RC_NOTFOUND || rc == RC_READONLY)
		snprintf(why, cap,
		    "This computer still has it mounted: eject it there, "
		    "too.");
	else
		snprintf(why, cap,
		    "Not all could be written (%s): the last backup may not "
		    "be whole.",
		    rc_words(rc));
	log_warn("the disk stays mounted: %s", rc_words(rc));
}

void box_eject_turn(struct box *b, int64_t now_ms)
{
	if (b->eject != BOX_EJECT_ASKED && b->eject != BOX_EJECT_STILL)
		return;
	if (!is_still(b)) {
		if (now_ms < b->eject_ms)
			return;
		kill_late_ones(b);
		b->eject_ms = now_ms + END_MS;
		return;
	}
	if (b->eject == BOX_EJECT_ASKED) {
		b->eject = BOX_EJECT_STILL;
		return;
	}
	if (b->config->disks) {
		b->eject = tell_role(b, MSG_DISK_EJECT, "") ? BOX_EJECT_TOLD
							    : BOX_EJECT_NO;
		return;
	}
	leave(b);
	box_look_at_disk(b);
}

/* From here on what the role says of the disk keeps phones from being asked:
 * it is ejected, or pulled, or (a new role) used as before. */
void box_eject_told(struct box *b)
{
	if (b->eject == BOX_EJECT_TOLD)
		b->eject = BOX_EJECT_NO;
}

/* Another file system than the one that was let go of, or what lies bare. */
static bool is_back(const struct box *b)
{
	return b->eject_gone && b->disk.dev && b->disk.dev != b->eject_dev &&
	       (!b->eject_mount || disk_is_mount_point(b->config->vault));
}

/* A disk that was pulled while it was mounted answers with errors, and is there
 * as long as that lasts. */
static bool is_away(const struct box *b)
{
	return b->disk.state == DISK_MISSING ||
	       (b->disk.dev && b->disk.dev != b->eject_dev);
}

/* What could not be written stays so; who held it does not any more. */
static enum disk_state state_let_go(const struct box *b)
{
	if (b->eject_rc == RC_IO)
		return DISK_FAILING;
	return b->eject_rc == RC_OK || b->eject_gone ? DISK_EJECTED : DISK_HELD;
}

void box_eject_look(struct box *b)
{
	if (b->eject != BOX_EJECT_DONE)
		return;
	if (is_back(b)) {
		use_again(b);
		return;
	}
	if (!b->eject_gone && is_away(b)) {
		b->eject_gone = true;
		b->eject_dev = b->disk.dev;
		if (b->eject_mount)
			put_mark(b);
	}
	b->disk.state = state_let_go(b);
	snprintf(b->disk.why, sizeof(b->disk.why), "%s",
	    b->disk.state == DISK_EJECTED ? "" : b->eject_why);
	if (b->eject_gone) {
		b->disk.fs[0] = '\0';
		b->disk.total_bytes = b->disk.free_bytes = 0;
	}
}
