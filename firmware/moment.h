/*
 * The last known moment, in the box's own storage: one line in the file
 * `clock`, written anew each hour and at the end. Who reads it after a power
 * cut knows that it is later now.
 */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"
#include "status.h"

#define MOMENT_BOOT 40

struct moment {
	int64_t at; /* Unix seconds */
	enum status_clock source;
	char boot[MOMENT_BOOT]; /* the machine's boot, as a UUID; "" unknown */
};

/* RC_NOTFOUND: none was kept. RC_CORRUPT: it makes no sense. */
MUST_CHECK enum rc moment_load(const char *state_dir, struct moment *out);

/* By a new file that takes the old one's place. */
MUST_CHECK enum rc moment_store(
    const char *state_dir, const struct moment *moment);

/* Of the running kernel; "" when it does not say. */
void moment_boot(char out[MOMENT_BOOT]);

#endif
