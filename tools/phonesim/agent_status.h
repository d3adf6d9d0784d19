/*
 * Status.plist: the state of a backup set, kept at the host, written by the
 * phone. Exactly six keys: 189 bytes when finished, 190 uploading, 187 moving,
 * 189 removing (three recorded sizes; see README.md).
 */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum agent_snapshot_state {
	AGENT_SNAPSHOT_UPLOADING,
	AGENT_SNAPSHOT_MOVING,
	AGENT_SNAPSHOT_REMOVING,
	AGENT_SNAPSHOT_FINISHED
};

struct agent_status {
	char uuid[37];
	int version; /* 33 for "3.3" */
	bool full;
	enum agent_snapshot_state state;
};

enum {
	AGENT_STATUS_CAP = 512
};

/* Random, as a UUID of version 4 in capitals. */
void agent_status_new_uuid(char out[37]);
/* The plist's length, 0 on failure. */
size_t agent_status_write(
    const struct agent_status *s, uint8_t out[AGENT_STATUS_CAP]);
/* 0, or -1: not a Status.plist. What came from a host is hostile: the UUID is
 * checked, it becomes a folder's name. */
int agent_status_read(const void *bytes, size_t n, struct agent_status *out);
/* "uploading", … */
const char *agent_status_name(enum agent_snapshot_state state);

#endif
