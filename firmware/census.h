/* What a vault holds of each phone, read beside a running backup. */
#ifndef CENSUS_H
#define CENSUS_H

#include "msg.h"
#include "vault.h"
#include "vault_keep.h"

/* The newest good snapshot of an open phone and how many there are. */
MUST_CHECK enum rc census_kept(
    struct vault_phone *p, const char *udid, struct msg_kept *out);

/* What the rules, or a disk without room, let go first. A failure is only
 * logged. */
void census_next_gone(
    struct vault_phone *p, const struct vault_keep *keep, struct msg_kept *k);

/* A person has seen what the guard noticed; a failure is only logged, and the
 * warning stays. */
void census_dismiss(const char *dir, const char *udid);

/* Calls fn for each phone of the vault in `dir`; a phone whose catalogue can't
 * be read is logged and left out. keep: with what goes next; NULL: without. */
MUST_CHECK enum rc census_each(const char *dir, const struct vault_keep *keep,
    void (*fn)(void *arg, const struct msg_kept *kept), void *arg);

#endif
