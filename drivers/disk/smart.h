/*
 * What a disk says of its own health (SMART), by ATA commands in SCSI ones:
 * SAT-3 (ATA PASS-THROUGH), ACS-3 (SMART, CHECK POWER MODE). The bridge between
 * USB and the disk may pass them or not. A disk that sleeps is not asked.
 *
 * The disk's own verdict counts. The few attributes that are read have the
 * meaning that makers agree on (as listed by smartmontools); what no disk can
 * be is taken as not told.
 */
#ifndef SMART_H
#define SMART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "status.h"

#define SMART_SECTOR 512

/*
 * Asks the whole disk at `path`. Blocks for some commands, 5 s each at most.
 *
 * RC_BUSY        it sleeps, or does not say whether it does: nothing was asked
 * RC_UNSUPPORTED the bridge passes nothing, or the disk tells nothing
 * RC_GONE        it is not there
 * In each of these *out tells nothing.
 */
MUST_CHECK enum rc smart_read(const char *path, struct status_smart *out);

/* --- what came, for smart_read(), tests and the fuzzer --------------------------- */

/* Registers of the disk after a command. */
struct smart_regs {
	uint8_t error, count, lba_mid, lba_high, status;
};

/* Out of a SCSI sense, of either format. RC_UNSUPPORTED: it has none, or the
 * command failed. */
MUST_CHECK enum rc smart_sense(
    const uint8_t *sense, size_t len, struct smart_regs *out);

/* The answer to RETURN STATUS. False: it is none. */
bool smart_verdict(const struct smart_regs *r, bool *failing);

/* The table of attributes. False: its sum is wrong, or it has nothing that is
 * known; `out` is as it was then. */
bool smart_attributes(
    const uint8_t data[SMART_SECTOR], struct status_smart *out);

#endif
