/*
 * The disk is to be unplugged: what runs on it ends, it is written and taken
 * away, and not used again until it (or another one) is plugged in. By the
 * role `disk` where that mounts, else by the box itself.
 */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"

#define LOG_MODULE "box"
#define END_MS     15000 /* for sessions to end in order */

void box_eject(struct box *b)
{
	if (b->eject != BOX_EJECT_NO || b->disk.state != DISK_FIT)
		return;
	log_note("the disk is to be unplugged");
	b->eject = BOX_EJECT_ASKED;
	b->eject_ms = mono_ms() + END_MS;
	box_scrub_stop(b);
	for (unsigned i = 0; i < b->n_phones; i++)
		box_phone_stop(&b->phones[i]);
}

static void tell_role(struct box *b, enum msg_disk_what what, const char *name)
{
	struct msg m = { .type = MSG_DISK_DO };

	m.u.disk_do.what = (uint8_t)what;
	snprintf(m.u.disk_do.name, sizeof(m.u.disk_do.name), "%s", name);
	if (b->disks.child.fd < 0 || msg_send(b->disks.child.fd, &m))
		log_warn("the part that mounts disks did not hear of it");
}

void box_use_disk(struct box *b)
{
	if (b->eject == BOX_EJECT_NO)
		return;
	b->eject = BOX_EJECT_NO;
	if (b->config->disks)
		tell_role(b, MSG_DISK_USE, "");
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
	enum rc rc = disk_leave(b->config->vault, who, sizeof(who));

	b->eject_dev = b->disk.dev;
	b->eject_why[0] = '\0';
	if (rc == RC_OK)
		return;
	if (rc == RC_BUSY)
		snprintf(why, cap,
		    "But it is still mounted, as %s uses it: end that, and "
		    "unmount it.",
		    who[0] ? who : "another program");
	else if (rc == RC_NOTFOUND || rc == RC_READONLY)
		snprintf(why, cap,
		    "This computer still has it mounted: eject it there "
		    "before.");
	else
		snprintf(why, cap,
		    "But not all could be written (%s): the last backup may "
		    "not be whole.",
		    rc_words(rc));
	log_warn("the disk stays mounted: %s", rc_words(rc));
}

void box_eject_turn(struct box *b, int64_t now_ms)
{
	if (b->eject != BOX_EJECT_ASKED)
		return;
	if (!is_still(b)) {
		if (now_ms < b->eject_ms)
			return;
		kill_late_ones(b);
		b->eject_ms = now_ms + END_MS;
		return;
	}
	b->eject_dev = b->disk.dev;
	b->eject_gone = false;
	b->eject_why[0] = '\0';
	if (b->config->disks)
		tell_role(b, MSG_DISK_EJECT, "");
	else
		leave(b);
	b->eject = BOX_EJECT_DONE;
	log_note("the disk may be unplugged");
	box_look_at_disk(b);
}

/* What was just seen at the vault's place is what was let go of, or its bare
 * mount point; a new one ends that. */
void box_eject_look(struct box *b)
{
	if (b->eject != BOX_EJECT_DONE)
		return;
	if (b->config->disks
		? b->found.state == DISK_FIT
		: b->disk.state == DISK_FIT && b->disk.dev != b->eject_dev &&
		      b->eject_gone) {
		b->eject = BOX_EJECT_NO;
		return;
	}
	/* Without the disk its folder is a part of what is above it. */
	if (!b->eject_gone &&
	    (b->disk.state == DISK_MISSING || b->disk.dev != b->eject_dev)) {
		b->eject_gone = true;
		b->eject_dev = b->disk.dev;
	}
	b->disk.state = DISK_EJECTED;
	snprintf(b->disk.why, sizeof(b->disk.why), "%s", b->eject_why);
}
