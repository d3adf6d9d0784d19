/*
 * A phone's catalogue that is lost or broken: where the box keeps its copy,
 * what the box mends by itself, and the words for what it leaves to a person.
 */
#ifndef MEND_H
#define MEND_H

#include <stdbool.h>
#include <stddef.h>

#include "rc.h"
#include "vault.h"

/* The folder in the state folder where the copies are: nothing else of it is
 * open to who speaks to phones. */
void mend_copies_dir(const char *state_dir, char *out, size_t cap);

/* Makes it, and moves into it what versions before it left beside it. */
void mend_prepare(const char *state_dir);

/* The copy's path; "" when there is no state folder. One a phone and disk: a
 * copy of another disk's catalogue would be worse than none. */
void mend_copy_path(const char *state_dir, const struct vault *v,
    const char *udid, char *out, size_t cap);

/*
 * Opens the phone for writing. When its catalogue is lost or broken and the
 * copy makes it whole with nothing to guess (vault_repair.h, careful), that is
 * done first: a box that stands in a cupboard should not wait for somebody to
 * type a command that has one answer.
 */
MUST_CHECK enum rc mend_open(const char *state_dir, struct vault *v,
    const char *udid, struct vault_phone **out);

/* What a person is to be told when a phone's part of the vault can't be
 * opened or breaks off with `rc`. */
void mend_words(
    enum rc rc, struct vault *v, const char *udid, char *out, size_t cap);

#endif
