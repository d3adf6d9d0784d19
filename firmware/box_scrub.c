/*
 * Once a night, when a backup is safe and nobody needs the disk, a part of the
 * backups is read again by a child (role_scrub.c). A phone that is plugged in
 * ends it at once; it goes on when the phone is done.
 */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "utf8.h"
#include "wall.h"

#define LOG_MODULE "box"

#define AFTER_MS 15000 /* time to unplug, or to plug in the next phone */
#define NIGHT_MS (12 * 3600 * 1000LL)
#define DAY_MS   (24 * 3600 * 1000LL)

static bool is_idle(const struct box *b)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (phone_fsm_has_session(b->phones[i].state))
			return false;
	return b->disk.state == DISK_FIT && b->has_census && !b->stop &&
	       b->eject == BOX_EJECT_NO && b->census.child.pid == 0;
}

void box_scrub_turn(struct box *b, int64_t now_ms)
{
	struct msg m = { .type = MSG_START };

	if (!b->config->scrub || b->scrub.child.pid || !is_idle(b) ||
	    now_ms < b->scrub_ms)
		return;
	m.u.start.job = MSG_JOB_CENSUS; /* of all phones; it has no other */
	m.u.start.log_level = (uint8_t)log_get_level();
	m.u.start.scrub_minutes = b->config->scrub_minutes;
	m.u.start.scrub_gib = b->config->scrub_gib;
	snprintf(m.u.start.vault_dir, sizeof(m.u.start.vault_dir), "%s",
	    b->config->vault);
	b->scrub_killed = false;
	b->scrub_ms = now_ms + DAY_MS;
	box_start_part(b, &b->scrub);
	b->scrub.start_ms = 0; /* it is begun here only */
	if (b->scrub.child.fd >= 0 && msg_send(b->scrub.child.fd, &m))
		child_kill(&b->scrub.child);
	log_info("backups are read again");
}

int64_t box_scrub_next(const struct box *b)
{
	return b->config->scrub && !b->scrub.child.pid && is_idle(b)
		   ? b->scrub_ms
		   : 0;
}

void box_scrub_stop(struct box *b)
{
	if (!b->scrub.child.pid || b->scrub_killed)
		return;
	log_info("reading again is put off");
	b->scrub_killed = true;
	b->scrub_ms = mono_ms() + AFTER_MS;
	child_kill(&b->scrub.child);
}

void box_scrub_wish(struct box *b)
{
	int64_t now_ms = mono_ms();
	int64_t at = now_ms + AFTER_MS;

	if (b->scrubbed_ms && now_ms - b->scrubbed_ms < NIGHT_MS)
		return; /* this night had one */
	if (at < b->scrub_ms)
		b->scrub_ms = at;
}

void box_scrub_ended(struct box *b)
{
	char words[64];

	if (b->scrub.child.status && !b->scrub_killed) {
		child_words(&b->scrub.child, words, sizeof(words));
		log_error("reading again ended: %s", words);
	}
	child_close(&b->scrub.child);
	if (!b->scrub_killed)
		b->scrubbed_ms = mono_ms();
}

/* A line for the night: what was found, or that all of it is whole. */
void box_scrub_told(struct box *b, const struct msg_scrubbed *m)
{
	struct box_phone *p = box_phone_get(b, m->udid);
	struct status_night n = { .at = wall_now(), .seconds = m->seconds };

	log_note("read again udid=%s files=%llu bytes=%llu damaged=%llu "
		 "healed=%llu all=%d: %s",
	    m->udid, (unsigned long long)m->files, (unsigned long long)m->bytes,
	    (unsigned long long)m->found, (unsigned long long)m->healed, m->all,
	    m->rc ? rc_words((enum rc)m->rc) : "whole");
	if (!p || (m->rc != RC_OK && m->rc != RC_CORRUPT))
		return;
	if (m->rc == RC_OK && !m->all && !m->healed)
		return; /* a part; the line comes when all was read */
	snprintf(n.udid, sizeof(n.udid), "%s", m->udid);
	utf8_clean(n.phone, sizeof(n.phone),
	    p->shown.name[0] ? p->shown.name : p->shown.model);
	n.state = m->rc ? STATE_DAMAGED : STATE_SCRUBBED;
	n.new_files =
	    m->rc ? p->shown.damaged_files + p->shown.damaged_older : m->files;
	n.new_bytes = m->rc ? 0 : m->bytes;
	if (m->healed)
		snprintf(n.detail, sizeof(n.detail),
		    "(%llu repaired from another copy)",
		    (unsigned long long)m->healed);
	box_add_night(b, &n);
}
