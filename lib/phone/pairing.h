/*
 * Pair records: the keys by which a phone knows this box (protocols.md 4.4,
 * certificate profile of common hosts; names empty, serial 0).
 *
 * Dates do not come from the clock: a box without one that boots in 1970
 * would make certificates that the phone must refuse. They run from 2020 to
 * 2040.
 */
#ifndef PAIRING_H
#define PAIRING_H

#include <stddef.h>
#include <stdint.h>

#include "pl.h"
#include "rc.h"

/*
 * A full record but for EscrowBag: three certificates, two private keys
 * (PKCS#8 PEM), a new HostID. wifi may be "". Takes some 100 ms (RSA).
 * Gives. RC_PROTO: device_key is no PEM of an RSA public key.
 */
MUST_CHECK enum rc pairing_make(const uint8_t *device_key, size_t len,
    const char *wifi, const char *system_buid, struct pl **out);

/* What of a record goes into a Pair request: no private key. Gives. */
struct pl *pairing_public(const struct pl *record);

/* RC_CORRUPT when a part is missing or certificate and key don't fit. */
MUST_CHECK enum rc pairing_check(const struct pl *record);

#endif
