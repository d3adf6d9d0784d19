#include "agent_status.h"

#include "pl.h"

#include <ctype.h>
#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Seconds from 1970 to 2001, where plist dates begin. */
#define AGENT_STATUS_EPOCH 978307200

static const char *const agent_status_names[] = {
	[AGENT_SNAPSHOT_UPLOADING] = "uploading",
	[AGENT_SNAPSHOT_MOVING] = "moving",
	[AGENT_SNAPSHOT_REMOVING] = "removing",
	[AGENT_SNAPSHOT_FINISHED] = "finished",
};

const char *agent_status_name(enum agent_snapshot_state state)
{
	return agent_status_names[state];
}

void agent_status_new_uuid(char out[37])
{
	uint8_t b[16] = { 0 };

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		b[0] = (uint8_t)time(NULL);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37,
	    "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
	    "%02X%02X%02X%02X%02X%02X",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
}

static bool agent_status_uuid_ok(const char *s)
{
	if (!s || strlen(s) != 36)
		return false;
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}

size_t agent_status_write(
    const struct agent_status *s, uint8_t out[AGENT_STATUS_CAP])
{
	plist_t dict = plist_new_dict();
	char *bin = NULL;
	uint32_t n = 0;
	int32_t now = (int32_t)(time(NULL) - AGENT_STATUS_EPOCH);

	pl_set_str(dict, "UUID", s->uuid);
	pl_set_bool(dict, "IsFullBackup", s->full);
	pl_set_str(dict, "Version", "3.3");
	pl_set_str(dict, "BackupState", "new");
	plist_dict_set_item(dict, "Date", plist_new_date(now, 0));
	pl_set_str(dict, "SnapshotState", agent_status_name(s->state));
	plist_to_bin(dict, &bin, &n);
	plist_free(dict);
	if (!bin || n > AGENT_STATUS_CAP)
		n = 0;
	else
		memcpy(out, bin, n);
	free(bin);
	return n;
}

/* "3.3" → 33; -1 when it is no such number. */
static int agent_status_version(const char *s)
{
	if (!s || !isdigit((unsigned char)s[0]) || s[1] != '.' ||
	    !isdigit((unsigned char)s[2]) || s[3] != 0)
		return -1;
	return (s[0] - '0') * 10 + (s[2] - '0');
}

int agent_status_read(const void *bytes, size_t n, struct agent_status *out)
{
	plist_t dict = pl_parse(bytes, n);
	const char *state;
	int r = -1;

	memset(out, 0, sizeof(*out));
	if (!dict)
		return -1;
	state = pl_str(dict, "SnapshotState");
	out->version = agent_status_version(pl_str(dict, "Version"));
	if (!state || out->version < 0 ||
	    !agent_status_uuid_ok(pl_str(dict, "UUID")))
		goto out;
	snprintf(out->uuid, sizeof(out->uuid), "%s", pl_str(dict, "UUID"));
	out->full = pl_bool(dict, "IsFullBackup", false);
	for (int i = 0; i <= AGENT_SNAPSHOT_FINISHED; i++) {
		if (strcmp(state, agent_status_names[i]) != 0)
			continue;
		out->state = (enum agent_snapshot_state)i;
		r = 0;
	}
out:
	plist_free(dict);
	return r;
}
