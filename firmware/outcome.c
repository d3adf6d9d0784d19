#include "outcome.h"

#include <string.h>

#define ROW(s, e, x)                                                           \
	{                                                                      \
		STATE_##s, PHONE_EV_END_##e, EXIT_##x, false                   \
	}

/* clang-format off */
static const struct outcome by_end[SESSION_END_COUNT_] = {
	/* the phone has said yes; verified and committed is asked first */
	[SESSION_END_DONE]          = ROW(CHECK_FAILED,   RETRY,  CHECK),
	[SESSION_END_NO_LAST_WORD]  = ROW(CHECK_FAILED,   RETRY,  CHECK),
	[SESSION_END_NO_PHONE]      = ROW(UNPLUGGED,      GONE,   NO_PHONE),
	[SESSION_END_TRUST_REFUSED] = ROW(TRUST_REFUSED,  FAILED, TRUST_REFUSED),
	[SESSION_END_TRUST_WAIT]    = ROW(WANTS_TRUST,    MISSED, TRUST_WAIT),
	[SESSION_END_LOCKED]        = ROW(WANTS_UNLOCK,   MISSED, LOCKED),
	[SESSION_END_PASSCODE]      = ROW(PASSCODE_MISSED, MISSED, PASSCODE),
	[SESSION_END_UNPLUGGED]     = ROW(UNPLUGGED,      GONE,   UNPLUGGED),
	[SESSION_END_SILENT]        = ROW(PHONE_FAILED,   RETRY,  SILENT),
	[SESSION_END_HOST_FULL]     = ROW(DISK_FULL,      FAILED, DISK_FULL),
	[SESSION_END_HOST_DISK]     = ROW(DISK_FAILING,   FAILED, DISK),
	[SESSION_END_PHONE_FULL]    = ROW(PHONE_FULL,     FAILED, PHONE_FULL),
	[SESSION_END_PHONE_FILES]   = ROW(PHONE_FAILED,   FAILED, PHONE_FILES),
	[SESSION_END_CANCELLED]     = ROW(PHONE_FAILED,   FAILED, CANCELLED),
	[SESSION_END_BROKEN_BACKUP] = { STATE_PHONE_FAILED, PHONE_EV_END_RETRY,
		EXIT_BROKEN_BACKUP, true },
	[SESSION_END_PASSWORD]      = ROW(PHONE_FAILED,   FAILED, PASSWORD),
	[SESSION_END_SETUP]         = ROW(SETUP_UNFINISHED, MISSED, SETUP),
	[SESSION_END_FIND_MY]       = ROW(PHONE_FAILED,   FAILED, FIND_MY),
	[SESSION_END_RESTART_PHONE] = ROW(PHONE_FAILED,   FAILED, RESTART_PHONE),
	[SESSION_END_PHONE_OTHER]   = ROW(PHONE_FAILED,   RETRY,  PHONE_OTHER),
	[SESSION_END_PROTOCOL]      = ROW(PHONE_FAILED,   RETRY,  PROTOCOL),
	[SESSION_END_INTERNAL]      = ROW(PHONE_FAILED,   RETRY,  FAULT),
};

static const struct { enum exit_status code; const char *id, *says; } exits[] = {
	{ EXIT_DONE, "done", "done; for `backup`: committed, checked and safe" },
	{ EXIT_FAULT, "fault", "a fault of this program" },
	{ EXIT_USAGE, "usage", "wrong words on the command line" },
	{ EXIT_LOCKED, "locked", "the phone stayed locked" },
	{ EXIT_PASSCODE, "passcode", "the passcode was not entered on the phone" },
	{ EXIT_TRUST_REFUSED, "trust_refused", "the phone was told not to trust this computer" },
	{ EXIT_TRUST_WAIT, "trust_wait", "nobody tapped Trust in time" },
	{ EXIT_NO_PHONE, "no_phone", "no phone came" },
	{ EXIT_UNPLUGGED, "unplugged", "the phone was unplugged before the end" },
	{ EXIT_SILENT, "silent", "the phone gave no sign of life any more" },
	{ EXIT_PHONE_FULL, "phone_full", "the phone has no room to prepare a backup" },
	{ EXIT_PHONE_FILES, "phone_files", "the phone could not read some of its files" },
	{ EXIT_CANCELLED, "cancelled", "cancelled on the phone" },
	{ EXIT_PASSWORD, "password", "the backup password is wrong or missing" },
	{ EXIT_SETUP, "setup", "the phone is still being set up" },
	{ EXIT_RESTART_PHONE, "restart_phone",
		"an old snapshot is stuck on the phone: restart it" },
	{ EXIT_FIND_MY, "find_my", "Find My must be switched off first" },
	{ EXIT_PHONE_OTHER, "phone_other", "another error of the phone" },
	{ EXIT_PROTOCOL, "protocol", "the phone's answers made no sense" },
	{ EXIT_BROKEN_BACKUP, "broken_backup", "the phone calls its backup on the disk incomplete" },
	{ EXIT_DISK_FULL, "disk_full", "the disk is full" },
	{ EXIT_DISK, "disk", "the disk failed" },
	{ EXIT_NO_DISK, "no_disk", "the folder of the vault, or the vault, is not there" },
	{ EXIT_DISK_UNFIT, "disk_unfit", "the disk can't be written or can't hold a backup" },
	{ EXIT_BUSY, "busy", "another program works on this phone's backups" },
	{ EXIT_CHECK, "check", "what arrived was not a whole backup; nothing changed" },
	{ EXIT_DAMAGED, "damaged", "files of a backup on the disk, or its catalogue, are damaged" },
	{ EXIT_NOT_RUNNING, "not_running", "`status`: no box runs and there is no vault" },
	{ EXIT_CONFIG, "config", "the config file is wrong" },
	{ EXIT_INTERRUPTED, "interrupted", "cancelled with Ctrl-C" },
};
/* clang-format on */

/* The disk's part in a failure that began as something else. */
static void disk_outcome(enum rc rc, struct outcome *out)
{
	if (rc == RC_NOSPC)
		*out = by_end[SESSION_END_HOST_FULL];
	if (rc == RC_IO)
		*out = by_end[SESSION_END_HOST_DISK];
	if (rc == RC_READONLY) {
		*out = by_end[SESSION_END_HOST_DISK];
		out->state = STATE_DISK_READONLY;
		out->exit = EXIT_DISK_UNFIT;
	}
	if (rc == RC_BUSY) {
		*out = by_end[SESSION_END_INTERNAL];
		out->exit = EXIT_BUSY;
	}
}

const char *outcome_text(enum session_end end)
{
	switch (end) {
	case SESSION_END_SILENT:
		return "it gave no sign of life any more";
	case SESSION_END_PROTOCOL:
		return "its answers made no sense";
	case SESSION_END_INTERNAL:
		return "a part of the box ended and was restarted";
	case SESSION_END_BROKEN_BACKUP:
		return "it finds the backup on the disk incomplete";
	case SESSION_END_HOST_DISK:
		return "the disk reports an error";
	case SESSION_END_DONE:
	case SESSION_END_NO_LAST_WORD:
	case SESSION_END_NO_PHONE:
	case SESSION_END_TRUST_REFUSED:
	case SESSION_END_TRUST_WAIT:
	case SESSION_END_LOCKED:
	case SESSION_END_PASSCODE:
	case SESSION_END_UNPLUGGED:
	case SESSION_END_HOST_FULL:
	case SESSION_END_PHONE_FULL:
	case SESSION_END_PHONE_FILES:
	case SESSION_END_CANCELLED:
	case SESSION_END_PASSWORD:
	case SESSION_END_SETUP:
	case SESSION_END_FIND_MY:
	case SESSION_END_RESTART_PHONE:
	case SESSION_END_PHONE_OTHER:
	case SESSION_END_COUNT_:
		break; /* the state's own words say it */
	}
	return "";
}

struct outcome outcome_of(const struct msg_result *r)
{
	struct outcome o;

	if (r->verified) {
		o = (struct outcome){ STATE_SAFE, PHONE_EV_END_SAFE, EXIT_DONE,
			false };
		return o;
	}
	o = by_end[r->end < SESSION_END_COUNT_ ? r->end : SESSION_END_INTERNAL];
	if (r->end == SESSION_END_DONE || r->end == SESSION_END_NO_LAST_WORD ||
	    r->end == SESSION_END_HOST_DISK || r->end == SESSION_END_INTERNAL)
		disk_outcome((enum rc)r->rc, &o);
	/* A vault that is not ours, or newer than this program. */
	if (r->end == SESSION_END_HOST_DISK &&
	    (r->rc == RC_CORRUPT || r->rc == RC_UNSUPPORTED)) {
		o.state = STATE_DISK_UNFIT;
		o.exit = EXIT_DISK_UNFIT;
	}
	if (r->catalog_broken) {
		o.state = STATE_CATALOG_BROKEN;
		o.exit = EXIT_DAMAGED;
	}
	/* Only "not ready" passes by itself; other codes need a person. */
	if (r->end == SESSION_END_PHONE_OTHER && r->mb_code != 1)
		o.event = PHONE_EV_END_FAILED;
	if (r->rc == RC_CANCELLED && r->mb_code == 0)
		o.exit = EXIT_INTERRUPTED;
	return o;
}

const char *outcome_says(enum session_end end)
{
	enum exit_status code;

	if ((unsigned)end >= SESSION_END_COUNT_)
		end = SESSION_END_INTERNAL;
	code = by_end[end].exit;
	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		if (exits[i].code == code)
			return exits[i].says;
	return "";
}

void outcome_no_result(struct msg_result *out, const char *why)
{
	memset(out, 0, sizeof(*out));
	out->end = SESSION_END_INTERNAL;
	out->rc = RC_BUG;
	snprintf(out->text, sizeof(out->text), "%s", why);
}

void outcome_print_exits(FILE *out)
{
	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
		fprintf(out, "%4d  %-15s %s\n", exits[i].code, exits[i].id,
		    exits[i].says);
}
