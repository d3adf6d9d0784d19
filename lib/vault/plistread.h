/*
 * The two property lists that tell whether a backup is whole: Status.plist
 * and Manifest.plist (protocols: 6.2, 6.3; seen in real backups, see
 * README.md). The one door of the vault to libplist.
 */
#ifndef PLISTREAD_H
#define PLISTREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define PLISTREAD_STATUS_MAX   (64u << 10) /* real ones: 189 bytes */
#define PLISTREAD_MANIFEST_MAX (64u << 20) /* real ones: 20 to 300 KB */

struct plistread_status {
	char version[16]; /* "3.3" */
	char snapshot_state[32]; /* "finished" */
	int64_t made_at; /* Date: Unix seconds; 0 when there is none */
	bool is_full; /* IsFullBackup */
};

struct plistread_manifest {
	char udid[64]; /* Lockdown/UniqueDeviceID */
	char device_name[128], model[32], ios[32]; /* of Lockdown, too */
	bool encrypted;
	bool has_key; /* ManifestKey */
};

/* What a Manifest.plist says of the phone; "" for what it does not say. */
struct plistread_facts {
	char device_name[128];
	char model[32]; /* ProductType */
	char ios[32];
};

/* RC_CORRUPT: not a property list, or no dictionary. A key that is missing
 * leaves its field empty. */
MUST_CHECK enum rc plistread_status(
    const void *data, size_t len, struct plistread_status *out);
MUST_CHECK enum rc plistread_manifest(
    const void *data, size_t len, struct plistread_manifest *out);
/* BackupKeyBag of an encrypted backup, as it stands. RC_UNSUPPORTED: it is not
 * encrypted. RC_CORRUPT: there is none, or none that fits into `cap` bytes. */
MUST_CHECK enum rc plistread_keybag(
    const void *data, size_t len, uint8_t *bag, size_t cap, size_t *bag_len);
MUST_CHECK enum rc plistread_facts(
    const void *data, size_t len, struct plistread_facts *out);

#endif
