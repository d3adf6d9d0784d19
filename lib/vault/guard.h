/*
 * Inside the vault only: the guard that notices a night which lost much of
 * what the one before had (a phone that was emptied, a setting that was
 * switched, a thief). It stops nothing; it pins the older snapshot, in the
 * transaction of the commit, and writes the loss down for a person.
 *
 * Files are counted in all, and by the domain of Manifest.db where that is
 * not encrypted. The counts of the newest snapshot stay in table `domain`, so
 * that only the new Manifest.db is read.
 */
#ifndef GUARD_H
#define GUARD_H

#include "night.h"

/* Counts the night's Manifest.db; what fails here only leaves the domains
 * out. After the checkpoint, while the view is there. */
void guard_look(struct vault_night *n);

/* In the commit's transaction, once snapshot `snap` is written. */
MUST_CHECK enum rc guard_write(
    struct vault_phone *p, const struct vault_snapshot *snap);

void guard_forget(struct vault_phone *p);

#endif
