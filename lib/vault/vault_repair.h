/*
 * A catalogue that is lost or broken is made anew: from the copy that the box
 * keeps, from the rows that can still be read, and from what the disk itself
 * shows. See README.md, "Repair".
 *
 * The new catalogue grows beside its place and takes it in one rename; the
 * broken one is first copied to catalog.db.broken-<date>. So a power cut
 * leaves either the old state or the repaired one, and files of a backup are
 * only ever read.
 */
#ifndef VAULT_REPAIR_H
#define VAULT_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"
#include "vault.h"

enum vault_repair_state {
	VAULT_REPAIR_FINE, /* opens, and passes every check */
	VAULT_REPAIR_MISSING, /* backups, but no catalogue */
	VAULT_REPAIR_BROKEN, /* damaged, or not a catalogue */
	VAULT_REPAIR_NOTHING /* no catalogue, and no backup that needs one */
};

/* What the new catalogue begins with. */
enum vault_repair_base {
	VAULT_REPAIR_FROM_DISK, /* nothing: the disk alone */
	VAULT_REPAIR_FROM_CATALOG, /* the present one (force) */
	VAULT_REPAIR_FROM_COPY,
	VAULT_REPAIR_FROM_ROWS /* what could be read of the broken one */
};

enum vault_repair_phase {
	VAULT_REPAIR_CHECKING, /* the catalogue and its copy; no numbers */
	VAULT_REPAIR_LOOKING, /* names and sizes: files_done only */
	VAULT_REPAIR_READING /* contents: all four numbers */
};

struct vault_repair_opts {
	const char *udid;
	const char *copy; /* path of the box's copy; NULL: there is none */
	bool force; /* compares a good catalogue with the disk, too */
	bool full; /* reads every file, whatever its size and time say */
	bool dry_run; /* writes nothing to the vault, reads no contents */
	/* For the box, which asks nobody: only when the copy is good, the
	 * newest backup whole, no file missing and little to be read. */
	bool careful;
	void (*progress)(void *arg, enum vault_repair_phase phase,
	    uint64_t files_done, uint64_t files, uint64_t bytes_done,
	    uint64_t bytes);
	bool (*cancelled)(void *arg);
	void *arg; /* of both; each may be NULL */
};

struct vault_repair_report {
	enum vault_repair_state state; /* as it was found */
	enum vault_repair_base base;
	bool has_copy; /* there was one, good or not */
	bool repaired;
	char kept_as[80]; /* the broken catalogue's new name; "" none */
	/* The disk against what the new catalogue began with. */
	uint64_t changed, added, gone; /* files of latest/ */
	uint64_t to_read_files, to_read_bytes;
	uint64_t unreadable; /* files that the disk does not give back */
	uint64_t strangers; /* not a phone's; left alone */
	uint64_t lost_objects,
	    lost_bytes; /* kept; whose they were is unknown */
	uint64_t lost_bad; /* of those: not what their name says */
	uint64_t missing_objects; /* needed by an older snapshot */
	uint64_t bad_rows; /* dropped from the base */
	/* After it. */
	int64_t new_snapshot; /* made of latest/; 0: not needed */
	bool is_whole; /* latest/ is a whole backup */
	char why[256]; /* if not */
	unsigned good, damaged; /* snapshots */
};

/*
 * Takes the phone's lock. RC_OK: as the report says (nothing to do, or
 * repaired, or looked at only).
 *
 * RC_BUSY        somebody works on this phone's backups
 * RC_UNSUPPORTED the catalogue was made by a newer version: left alone
 * RC_REFUSED     careful: a person should decide; nothing has changed
 * RC_CANCELLED, RC_NOSPC, RC_IO, RC_READONLY: nothing has changed
 */
MUST_CHECK enum rc vault_repair_phone(struct vault *v,
    const struct vault_repair_opts *o, struct vault_repair_report *out);

/* Is it the catalogue that made a call fail with RC_CORRUPT, and not a file?
 * Reads all of it: for after a failure. RC_CORRUPT: it is damaged. */
MUST_CHECK enum rc vault_phone_check_catalog(struct vault_phone *p);

/* One object that lies in objects/ and whose path is not known any more. */
struct vault_lost {
	char file[192]; /* below the phone's folder */
	uint8_t digest[32];
	uint64_t size;
};
MUST_CHECK enum rc vault_each_lost(struct vault_phone *p,
    enum rc (*fn)(void *arg, const struct vault_lost *lost), void *arg);

#endif
