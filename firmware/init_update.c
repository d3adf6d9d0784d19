#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "installer.h"
#include "log.h"
#include "mounter.h"
#include "tool.h"

#define LOG_MODULE "init"
#define CARD_DIR   "/card"
#define KEXEC      "/usr/sbin/kexec"
#define LOAD_S     60

/* The sector on the card, changed when `s` says so. */
static enum rc with_slots(const struct init_card *card, struct slots *s,
    bool (*change)(struct slots *s))
{
	const struct fileops *fs = fileops_posix();
	enum rc rc = mounter_mount_fat(card->fat, CARD_DIR, change != NULL);
	int dir;

	if (rc)
		return rc;
	dir = open(CARD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = dir < 0 ? rc_from_errno(errno) : installer_slots(fs, dir, s);
	if (!rc && change && change(s))
		rc = installer_note(fs, dir, s);
	if (dir >= 0)
		close(dir);
	mounter_leave(CARD_DIR);
	return rc;
}

static bool note_began(struct slots *s)
{
	s->try = SLOTS_BEGAN;
	return true;
}

static bool note_ran(struct slots *s)
{
	if (s->try != SLOTS_BEGAN)
		return false;
	s->try = SLOTS_RAN;
	return true;
}

static bool note_none(struct slots *s)
{
	s->try = SLOTS_NONE;
	return true;
}

/* As this kernel was started, and that it is a trial. */
static bool command_line(char *out, size_t cap)
{
	static const char head[] = "--command-line=";
	FILE *f = fopen("/proc/cmdline", "re");
	bool fine;

	if (!f)
		return false;
	memcpy(out, head, sizeof(head));
	fine = fgets(out + sizeof(head) - 1, (int)(cap - sizeof(head)), f);
	fclose(f);
	if (!fine)
		return false;
	out[strcspn(out, "\n")] = '\0';
	if (strlen(out) + sizeof(" " INIT_TRIAL) > cap)
		return false;
	strcat(out, " " INIT_TRIAL);
	return true;
}

static enum rc load_other(const struct init_card *card, char slot)
{
	static char line[2200];
	char kernel[] = CARD_DIR "/x/kernel8.img";
	char initrd[] = "--initrd=" CARD_DIR "/x/initrd.img";
	const char *const argv[] = { KEXEC, "-c", "-i", "-l", kernel, initrd,
		line, NULL };
	enum rc rc;
	int status;

	*strchr(kernel, 'x') = slot;
	strstr(initrd, "/x/")[1] = slot;
	if (!command_line(line, sizeof(line)))
		return RC_LIMIT;
	rc = mounter_mount_fat(card->fat, CARD_DIR, false);
	if (rc)
		return rc;
	rc = tool_run(argv, LOAD_S, &status);
	mounter_leave(CARD_DIR);
	return rc || !status ? rc : RC_REFUSED;
}

/* Once only: from here on the former one comes back by itself. */
static bool begin_trial(const struct init_card *card, struct slots *s)
{
	enum rc rc = with_slots(card, s, note_began);

	if (!rc)
		rc = load_other(card, slots_other(s->boot));
	if (rc)
		log_error("the update can't be started: %s", rc_words(rc));
	return !rc;
}

static void tell_came_back(const struct slots *s, FILE *notices)
{
	fprintf(notices,
	    "The update to version %s %s; the former version runs again, and "
	    "nothing is lost\n",
	    s->version,
	    s->try == SLOTS_RAN
		? "started, but did not report in time that all is well"
		: "did not start");
}

void init_update_look(const struct init_card *card, bool trial, FILE *notices,
    struct init_update *out)
{
	struct slots *s = &out->slots;
	struct slots before;
	enum rc rc = with_slots(card, s, NULL);

	memset(&before, 0, sizeof(before));
	out->known = !rc;
	out->start = slots_start(s, trial);
	if (rc) {
		log_warn("no slots on the card: %s", rc_words(rc));
		return;
	}
	log_note("slot=%c board=%s%s", trial ? slots_other(s->boot) : s->boot,
	    s->board, trial ? ", on trial" : "");
	before = *s;
	if (out->start == SLOTS_TRIAL)
		rc = with_slots(card, s, note_ran);
	if (out->start == SLOTS_TRY_NOW && begin_trial(card, s)) {
		log_note("starting the update version=%s", s->version);
		out->leap = true;
		return;
	}
	if (out->start == SLOTS_CAME_BACK || out->start == SLOTS_TRY_NOW) {
		tell_came_back(&before, notices);
		rc = with_slots(card, s, note_none);
	}
	if (rc)
		log_error("the card's slots can't be noted: %s", rc_words(rc));
}

/* What the box is to know of it. */
void init_update_tell(const struct init_card *card, const struct init_update *u)
{
	const char *mode = u->start == SLOTS_TRIAL   ? "trial"
			   : u->start == SLOTS_PLAIN ? "plain"
						     : "back";
	FILE *f;

	if (!u->known)
		return;
	f = fopen(INIT_SLOTS, "we");
	if (!f || fprintf(f, "%s %s %s %s\n", card->fat, u->slots.board, mode,
		      u->slots.version[0] ? u->slots.version : "-") < 0)
		log_error(
		    "the box does not know its slots: %s", strerror(errno));
	if (f)
		fclose(f);
}
