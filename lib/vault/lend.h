/*
 * Inside the vault only: what a phone is shown at the start of a night when
 * files of the newest snapshot are damaged, so that it sends them again.
 *
 * A phone compares its files with the Manifest.db that we hand out, by time of
 * change: of a file that is not in it, it knows nothing, and sends it. So
 * Manifest.db is lent without the rows of the damaged files, as a copy that
 * is gone once it is closed. Where that can't be done (an encrypted
 * Manifest.db, a damaged one, or it did not help), Status.plist is not shown:
 * without it a phone makes a full backup.
 *
 * Nothing of this is an overlay: latest/ and the rows stay as they are, and
 * what the phone does not send again stays damaged.
 */
#ifndef LEND_H
#define LEND_H

#include <stdbool.h>
#include <stdint.h>

#include "vphone.h"

/* Where the copy is made. */
#define LEND_FILE LAYOUT_INCOMING "/Manifest.db"

enum lend {
	LEND_ALL, /* nothing is damaged */
	LEND_PRUNED_MANIFEST,
	LEND_NO_STATUS
};

/* From table `damage`. */
MUST_CHECK enum rc lend_decide(struct vault_phone *p, enum lend *out);

/*
 * Opens a copy of latest/'s Manifest.db without the damaged files' rows. The
 * name of the copy is gone already. *size: its bytes.
 */
MUST_CHECK enum rc lend_manifest(
    struct vault_phone *p, int *fd, uint64_t *size);

#endif
