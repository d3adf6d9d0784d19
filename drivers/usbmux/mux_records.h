/*
 * Pair records: by which a phone knows this computer again. One folder, a
 * property list UDID.plist for each phone, and SystemConfiguration.plist with
 * this computer's own name (BUID), as usbmuxd keeps them below
 * /var/lib/lockdown. Files are 0600, written beside, synced and renamed, so a
 * power cut leaves the old record or the new one.
 *
 * All calls block for the disk.
 */
#ifndef MUX_RECORDS_H
#define MUX_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define MUX_RECORDS_MAX  65536u /* bytes of one; real ones have 8 to 12 KiB */
#define MUX_RECORDS_BUID 40u

struct mux_records;

/* Makes the folder (0700) when it is not there. RC_IO and the like. */
MUST_CHECK enum rc mux_records_open(const char *dir, struct mux_records **out);
void mux_records_close(struct mux_records *r); /* NULL is fine */
int mux_records_fd(const struct mux_records *r); /* of the folder, lent */

/* This computer's; made at the first call. */
MUST_CHECK enum rc mux_records_buid(
    struct mux_records *r, char out[MUX_RECORDS_BUID]);

/* udid passed relpath_check_udid(). Gives *data (free()). RC_NOTFOUND,
 * RC_CORRUPT: no property list, or too long. */
MUST_CHECK enum rc mux_records_read(
    struct mux_records *r, const char *udid, uint8_t **data, size_t *len);
MUST_CHECK enum rc mux_records_save(
    struct mux_records *r, const char *udid, const uint8_t *data, size_t len);
MUST_CHECK enum rc mux_records_delete(struct mux_records *r, const char *udid);

#endif
