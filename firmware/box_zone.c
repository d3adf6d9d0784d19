/*
 * The time zone of a box that nobody has told one: that of its phones, which
 * know where they are. Kept in the state folder, so that the quiet hours hold
 * from the start.
 */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "note.h"
#include "zone.h"

#define LOG_MODULE "clock"
#define NOTE       "zone" /* one line: its name */
#define SOON_MS    1000

/* A computer has a zone, and so has who has set one. */
static bool may_take(const struct box *b)
{
	return b->config->set_clock && !b->config->zone[0] &&
	       b->config->state[0];
}

static void load(struct box *b)
{
	char name[sizeof(b->zone) + 1];

	if (!note_read(b->config->state, NOTE, name, sizeof(name)))
		return; /* none was kept */
	name[strcspn(name, "\n")] = '\0';
	if (zone_use(name))
		snprintf(b->zone, sizeof(b->zone), "%.63s", name);
	else
		log_warn("the time zone that was kept makes no sense");
}

static void store(const struct box *b)
{
	char line[sizeof(b->zone) + 1];
	enum rc rc;

	snprintf(line, sizeof(line), "%s\n", b->zone);
	rc = note_write(b->config->state, NOTE, line);
	if (rc)
		log_warn("the time zone can't be kept: %s", rc_words(rc));
}

void box_zone_begin(struct box *b)
{
	if (b->config->zone[0] && !zone_use(b->config->zone))
		log_warn("no such time zone: %s", b->config->zone);
	if (may_take(b))
		load(b);
}

void box_zone_heard(struct box *b, const char *name, const char *phone)
{
	if (!name[0] || !may_take(b) || !strcmp(name, b->zone))
		return;
	if (!zone_use(name)) {
		log_info(
		    "%s is in a time zone that is not known: %s", phone, name);
		return;
	}
	snprintf(b->zone, sizeof(b->zone), "%s", name);
	log_note("the time zone is %s, as %s says", b->zone, phone);
	store(b);
	/* The page's role has no file to read it from: it begins with it. */
	if (b->web.begins)
		b->web_again_ms = mono_ms() + SOON_MS;
}
