#include "verdict.h"

#include <stdio.h>

#include "session.h"

/* MBErrorDomain codes (protocols.md 5.7). */
static enum session_end end_of_code(int code)
{
	switch (code) {
	case 3:
		return SESSION_END_RESTART_PHONE;
	case 102:
		return SESSION_END_PHONE_FULL;
	case 103:
	case 203:
	case 205:
		return SESSION_END_BROKEN_BACKUP;
	case 104:
		return SESSION_END_PHONE_FILES;
	case 105:
	case 106:
		return SESSION_END_HOST_FULL;
	case 202:
	case 218:
	case 219:
	case 220:
	case 221:
	case 222:
	case 224:
		return SESSION_END_CANCELLED;
	case 207:
		return SESSION_END_PASSWORD;
	case 208:
		return SESSION_END_PASSCODE;
	case 211:
		return SESSION_END_FIND_MY;
	case 212:
		return SESSION_END_SETUP;
	default:
		return SESSION_END_PHONE_OTHER;
	}
}

static enum session_end end_of_fault(enum rc fault)
{
	return fault == RC_NOSPC ? SESSION_END_HOST_FULL
				 : SESSION_END_HOST_DISK;
}

static enum session_end end_of_link(enum rc rc, const struct dlink_result *res)
{
	switch (rc) {
	case RC_CANCELLED:
		return SESSION_END_CANCELLED;
	case RC_GONE:
		/* All is here and the phone said so itself: our own check
		 * decides (limd#1735). */
		if (res->finished && !res->host_fault)
			return SESSION_END_NO_LAST_WORD;
		if (res->host_fault)
			return end_of_fault(res->host_fault);
		return SESSION_END_UNPLUGGED;
	case RC_TIMEOUT:
		if (res->finished && !res->host_fault)
			return SESSION_END_NO_LAST_WORD;
		return SESSION_END_SILENT;
	case RC_PROTO:
	case RC_LIMIT:
	case RC_UNSUPPORTED:
		return SESSION_END_PROTOCOL;
	case RC_IO:
	case RC_READONLY:
	case RC_NOSPC:
		return end_of_fault(rc);
	case RC_OK:
	case RC_NOMEM:
	case RC_NOTFOUND:
	case RC_EXISTS:
	case RC_NOTDIR:
	case RC_ISDIR:
	case RC_LOCKED:
	case RC_UNTRUSTED:
	case RC_REFUSED:
	case RC_CORRUPT:
	case RC_BUSY:
	case RC_CONFIG:
	case RC_BUG:
	case RC_COUNT_:
		break;
	}
	return SESSION_END_INTERNAL;
}

static enum session_end end_of_response(const struct dlink_result *res)
{
	/* What our disk did is the cause, whatever the phone made of it. */
	if (res->host_fault)
		return end_of_fault(res->host_fault);
	if (res->mb_code)
		return end_of_code(res->mb_code);
	return res->finished ? SESSION_END_DONE : SESSION_END_BROKEN_BACKUP;
}

enum rc verdict_rc(enum session_end end)
{
	switch (end) {
	case SESSION_END_DONE:
	case SESSION_END_NO_LAST_WORD:
		return RC_OK;
	case SESSION_END_NO_PHONE:
		return RC_NOTFOUND;
	case SESSION_END_TRUST_REFUSED:
		return RC_REFUSED;
	case SESSION_END_TRUST_WAIT:
		return RC_UNTRUSTED;
	case SESSION_END_LOCKED:
	case SESSION_END_PASSCODE:
		return RC_LOCKED;
	case SESSION_END_UNPLUGGED:
		return RC_GONE;
	case SESSION_END_SILENT:
		return RC_TIMEOUT;
	case SESSION_END_HOST_FULL:
		return RC_NOSPC;
	case SESSION_END_HOST_DISK:
		return RC_IO;
	case SESSION_END_CANCELLED:
		return RC_CANCELLED;
	case SESSION_END_BROKEN_BACKUP:
		return RC_CORRUPT;
	case SESSION_END_PHONE_FULL:
	case SESSION_END_PHONE_FILES:
	case SESSION_END_PASSWORD:
	case SESSION_END_SETUP:
	case SESSION_END_FIND_MY:
	case SESSION_END_RESTART_PHONE:
	case SESSION_END_PHONE_OTHER:
		return RC_REFUSED;
	case SESSION_END_PROTOCOL:
		return RC_PROTO;
	case SESSION_END_INTERNAL:
	case SESSION_END_COUNT_:
		break;
	}
	return RC_BUG;
}

void verdict_of(
    enum rc rc, const struct dlink_result *res, struct session_result *out)
{
	out->end =
	    res->has_response ? end_of_response(res) : end_of_link(rc, res);
	out->rc = verdict_rc(out->end);
	out->mb_code = res->mb_code;
	out->missing_bytes =
	    out->end == SESSION_END_HOST_FULL ? res->missing_bytes : 0;
	out->files = res->files;
	out->bytes = res->bytes;
	out->incomplete = res->incomplete;
	out->was_full = res->was_full;
	out->phone_ms = res->waited_ms;
	snprintf(out->text, sizeof(out->text), "%s", res->text);
	snprintf(out->status_state, sizeof(out->status_state), "%s",
	    res->status_state);
}

void verdict_of_password(
    enum rc rc, const struct dlink_result *res, struct session_result *out)
{
	if (!res->has_response)
		out->end = end_of_link(rc, res);
	else if (res->mb_code)
		out->end = end_of_code(res->mb_code);
	else
		out->end = SESSION_END_DONE;
	out->rc = verdict_rc(out->end);
	out->mb_code = res->mb_code;
	out->phone_ms = res->waited_ms;
	out->unsure = !res->has_response;
}

const char *session_end_id(enum session_end end)
{
	static const char *const ids[SESSION_END_COUNT_] = {
		[SESSION_END_DONE] = "done",
		[SESSION_END_NO_LAST_WORD] = "no_last_word",
		[SESSION_END_NO_PHONE] = "no_phone",
		[SESSION_END_TRUST_REFUSED] = "trust_refused",
		[SESSION_END_TRUST_WAIT] = "trust_wait",
		[SESSION_END_LOCKED] = "locked",
		[SESSION_END_PASSCODE] = "passcode",
		[SESSION_END_UNPLUGGED] = "unplugged",
		[SESSION_END_SILENT] = "silent",
		[SESSION_END_HOST_FULL] = "host_full",
		[SESSION_END_HOST_DISK] = "host_disk",
		[SESSION_END_PHONE_FULL] = "phone_full",
		[SESSION_END_PHONE_FILES] = "phone_files",
		[SESSION_END_CANCELLED] = "cancelled",
		[SESSION_END_BROKEN_BACKUP] = "broken_backup",
		[SESSION_END_PASSWORD] = "password",
		[SESSION_END_SETUP] = "setup",
		[SESSION_END_FIND_MY] = "find_my",
		[SESSION_END_RESTART_PHONE] = "restart_phone",
		[SESSION_END_PHONE_OTHER] = "phone_other",
		[SESSION_END_PROTOCOL] = "protocol",
		[SESSION_END_INTERNAL] = "internal",
	};

	if (end < 0 || end >= SESSION_END_COUNT_)
		return "internal";
	return ids[end];
}
