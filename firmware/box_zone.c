/*
 * The time zone of a box that nobody has told one: that of its phones, which
 * know where they are. Kept in the state folder, so that the quiet hours hold
 * from the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "zone.h"

#define LOG_MODULE "clock"
#define FILE_NAME  "zone" /* one line: its name */
#define SOON_MS    1000

/* A computer has a zone, and so has who has set one. */
static bool may_take(const struct box *b)
{
	return b->config->set_clock && !b->config->zone[0] &&
	       b->config->state[0];
}

static void load(struct box *b)
{
	char path[CONFIG_TEXT + sizeof("/" FILE_NAME)], line[80] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, b->config->state);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		line[strcspn(line, "\n")] = '\0';
	fclose(f);
	if (strlen(line) < sizeof(b->zone) && zone_use(line))
		snprintf(b->zone, sizeof(b->zone), "%.63s", line);
	else
		log_warn("the time zone that was kept makes no sense");
}

static enum rc write_line(int dir, const char *name)
{
	int fd = openat(dir, FILE_NAME ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok;

	if (fd < 0)
		return rc_from_errno(errno);
	ok = dprintf(fd, "%s\n", name) > 0 && fsync(fd) == 0;
	if (close(fd) != 0 || !ok)
		return RC_IO;
	if (renameat(dir, FILE_NAME ".new", dir, FILE_NAME) != 0)
		return rc_from_errno(errno);
	return fsync(dir) == 0 ? RC_OK : rc_from_errno(errno);
}

static void store(const struct box *b)
{
	int dir = open(b->config->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc = dir < 0 ? rc_from_errno(errno) : write_line(dir, b->zone);

	if (dir >= 0)
		close(dir);
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
