#include "agent.h"

#include "phone.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int agent_fail(struct agent *a, int code, const char *fmt, ...)
{
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(a->text, sizeof(a->text), "%s (MBErrorDomain/%d)", what, code);
	return code;
}

int agent_fail_under(struct agent *a, int code, const char *what,
    int under_code, const char *under)
{
	snprintf(a->text, sizeof(a->text),
	    "%s (MBErrorDomain/%d). Underlying error: %s (MBErrorDomain/%d).",
	    what, code, under, under_code);
	return code;
}

static const struct {
	int code;
	const char *text;
} agent_texts[] = {
	{ AGENT_INTERNAL, "Internal error" },
	{ AGENT_MULTIPLE, "Multiple errors" },
	{ AGENT_EXISTS, "Failed to create snapshot: File exists (17) at path "
			"\"/private/var\"" },
	{ AGENT_LOCAL_DB, "Error opening backup database" },
	{ AGENT_LOCAL_SNAPSHOT, "Error creating snapshot directory" },
	{ AGENT_FILES_FAILED, "Multiple errors uploading files" },
	{ AGENT_NO_ROOM, "Insufficient free disk space on drive to back up" },
	{ AGENT_CANCELLED, "Backup cancelled" },
	{ AGENT_VERSION, "Unsupported backup version" },
	{ AGENT_CORRUPT, "Manifest references files not in backup" },
	{ AGENT_PASSWORD, "Invalid password" },
	{ AGENT_LOCKED, "Device locked" },
	{ 210, "No iCloud account" },
	{ AGENT_FIND_MY, "Find My iPhone must be disabled to restore" },
	{ AGENT_SETUP, "Unable to backup until Setup is finished" },
	{ 223, "Backup deferred" },
};

int agent_fail_code(struct agent *a, int code)
{
	size_t n = sizeof(agent_texts) / sizeof(agent_texts[0]);

	if (code == AGENT_STATUS_UNREADABLE)
		return agent_fail_under(a, code, "Error reading status",
		    AGENT_INTERNAL, "Multi status");
	for (size_t i = 0; i < n; i++)
		if (agent_texts[i].code == code)
			return agent_fail(a, code, "%s", agent_texts[i].text);
	return agent_fail(a, code, "Backup failed");
}

int agent_check_dl(struct agent *a, enum dl_result r)
{
	switch (r) {
	case DL_OK:
		return 0;
	case DL_ILLEGAL:
		a->desync = true;
		return agent_fail(
		    a, AGENT_INTERNAL, "Invalid message from the drive");
	case DL_GONE:
	case DL_BYE:
		break;
	}
	return AGENT_END;
}

/* How the agent names a host's status code in its own domain. */
static int agent_code_of_host(int dl_code)
{
	switch (dl_code) {
	case DL_CODE_NOT_FOUND:
		return AGENT_NOT_FOUND;
	case DL_CODE_EXISTS:
		return AGENT_EXISTS;
	case DL_CODE_NOT_DIR:
		return AGENT_NOT_DIR;
	case DL_CODE_IS_DIR:
		return AGENT_IS_DIR;
	case DL_CODE_LOOP:
		return AGENT_LOOP;
	case DL_CODE_IO:
		return AGENT_IO;
	case DL_CODE_MULTI:
		return AGENT_MULTIPLE;
	case DL_CODE_NO_SPACE:
		return AGENT_NO_ROOM;
	case DL_CODE_GENERIC:
		return AGENT_INTERNAL;
	default:
		return AGENT_UNEXPECTED_IO;
	}
}

int agent_fail_host(
    struct agent *a, const char *what, const char *path, int dl_code)
{
	char under[300];

	if (dl_code == DL_CODE_NO_SPACE)
		return agent_fail_code(a, AGENT_NO_ROOM);
	if (dl_code == DL_CODE_NOT_FOUND)
		snprintf(under, sizeof(under),
		    "No such file or directory at path \"%s\"", path);
	else
		snprintf(under, sizeof(under),
		    "Drive returned unexpected error code: %d", dl_code);
	return agent_fail_under(
	    a, AGENT_UNEXPECTED_IO, what, agent_code_of_host(dl_code), under);
}

/* Somebody tapped Cancel on the phone. */
static bool agent_cancelled(struct agent *a)
{
	bool yes;

	pthread_mutex_lock(&a->ph->lock);
	yes = a->ph->cancel_backup;
	a->ph->cancel_backup = false;
	pthread_mutex_unlock(&a->ph->lock);
	return yes;
}

int agent_point(struct agent *a, const char *name, uint64_t n)
{
	int r = phone_point(a->ph, name, n);

	if (r < 0)
		return AGENT_END;
	if (r > 0)
		return agent_fail_code(a, r);
	r = agent_fault_point(a, name);
	if (r != 0 || !agent_cancelled(a))
		return r;
	phone_event(a->ph, "cancelled on the phone at %s", name);
	phone_notify(a->ph, "com.apple.itunes-client.syncCancelRequest");
	return agent_fail_code(a, AGENT_CANCELLED);
}
