/*
 * Inside the vault only: what one opened phone is made of.
 */
#ifndef VPHONE_H
#define VPHONE_H

#include <stdbool.h>

#include "bounds.h"
#include "catalog.h"
#include "fileops.h"
#include "staging.h"
#include "vault.h"
#include "vault_keep.h"

struct vault_phone {
	const struct fileops *ops;
	char udid[LIMIT_UDID + 4];
	char *path; /* the phone's folder, absolute */
	int root; /* the same, opened; holds the lock */
	bool read_only;
	struct catalog cat;
	struct staging staging;
	struct vault_night *night; /* at most one */
	struct vault_keep keep; /* all 0: nothing is dropped or pinned */
	struct guard *guard; /* during a commit, or NULL */
	/* After a failed change the truth is on the disk: all further changes
	 * get this code. */
	enum rc broken;
};

/* Where an entry's bytes lie, below the phone's folder. */
void vphone_file_of(const struct vault_phone *p, const struct catalog_entry *e,
    char out[LAYOUT_PATH]);

#endif
