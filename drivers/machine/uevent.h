/*
 * What the kernel says when a device comes, goes or changes: one datagram of
 * NUL-ended strings (Documentation/ABI, "uevent"), from the kernel only.
 */
#ifndef UEVENT_H
#define UEVENT_H

#include "rc.h"

struct uevent {
	char action[16]; /* "add", "remove", "change", … */
	char subsystem[32]; /* "block", "net", "usb", … */
	char name[64]; /* DEVNAME below /dev, "" none */
	char modalias[512]; /* "" none */
};

/* A non-blocking socket to be polled; -1 with errno. */
int uevent_open(void);

/* RC_BUSY: no more for now. RC_LIMIT: some were lost, look at everything. */
MUST_CHECK enum rc uevent_next(int fd, struct uevent *out);

/* The fields of one datagram; for uevent_next() and tests. */
void uevent_parse(const char *text, size_t len, struct uevent *out);

#endif
