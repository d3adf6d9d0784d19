/*
 * The commit of a night: one transaction that is the commit point, then moves
 * that may be repeated any number of times.
 *
 * Invariants (V1, V2; the crash table is in README.md):
 * 1. Before the commit point no file of latest/ or objects/ is touched.
 * 2. At the commit point all staged files are on the medium, and the rows say
 *    for each file where it will lie.
 * 3. Pass A (retire) moves what the new snapshot supersedes to objects/. It
 *    is on the medium before the mark `placing`.
 * 4. Pass B (place) moves staged files to latest/. It runs only after the
 *    mark; after the mark pass A never runs again, because by then the
 *    source's name may be a new file's.
 * 5. Folders are on the medium before a file is moved into them.
 * 6. The snapshot is good only after pass B is on the medium.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdint.h>

#include "vault.h"
#include "vphone.h"

/*
 * Writes snapshot `snap` (id, files, bytes and news are filled in here) and
 * the moves; empties the overlay. The caller has synced the staged files, and
 * no transaction is open. After RC_OK the commit will happen, whatever comes.
 */
MUST_CHECK enum rc journal_write(
    struct vault_phone *p, struct vault_snapshot *snap);

/*
 * Does what a written journal still asks for; content when there is none.
 * RC_IO, RC_NOSPC, RC_READONLY: not done; call again after the next open.
 */
MUST_CHECK enum rc journal_replay(struct vault_phone *p);

#endif
