/*
 * What goes on beside the backup, in a second thread, because the library
 * blocks: the sync lock, the facts for Info.plist, and a sign of life from
 * lockdownd while the backup service is silent. Nothing of it may fail a
 * backup.
 */
#ifndef SIDE_H
#define SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "pl.h"
#include "rc.h"

struct side;

struct side_news {
	bool locked; /* since the last look: the sync lock is ours */
	bool has_disk; /* likewise: the two numbers are known */
	uint64_t phone_free_bytes, phone_total_bytes;
	uint8_t *info; /* likewise: Info.plist (gives), or NULL */
	size_t info_len;
	bool info_done; /* nothing more will come of Info.plist */
	int failed_pings; /* one after the other */
	bool gone; /* the mux no longer lists the phone */
};

/*
 * `dev` is lent until side_stop(). Takes `l` (an open session), also when it
 * fails. values: lockdownd's global domain, copied.
 */
MUST_CHECK enum rc side_start(struct device *dev, struct device_lockdown *l,
    const struct pl *values, struct side **out);

/* Never blocks. */
void side_look(struct side *s, struct side_news *out);

/* Asks for a sign of life; ignored while one is being looked for. */
void side_ping(struct side *s);

/* Collect no more; Info.plist is made of what there is. */
void side_hurry(struct side *s);

/* Unlocks and ends the thread; waits for it at most wait_ms. False: it hangs
 * in the library and keeps `dev` in use, which then must not be freed. */
MUST_CHECK bool side_stop(struct side *s, int wait_ms);

#endif
