/* A store that is just a folder, for benches and trials: no overlay, no
 * promise; a file is written in place. `root` NULL throws everything away (reads find nothing). */
#ifndef PLAIN_STORE_H
#define PLAIN_STORE_H

#include <stdint.h>

#include "store.h"

struct plain_store {
	const char *root; /* lent */
	uint64_t room; /* 0: what the file system says */
	uint64_t written;
};

struct store plain_store_of(struct plain_store *p);

#endif
