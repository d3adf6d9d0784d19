/*
 * Compares a phone's rows with what lies on the disk, by name, kind and size;
 * no content is read (vault_check_snapshot() does that). Reads only, a page of
 * rows at a time: it may run beside a backup and holds up no commit. What it
 * finds beside one may be on its way and gone in the next look.
 */
#ifndef VAULT_AUDIT_H
#define VAULT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"
#include "store.h"
#include "vault.h"

enum vault_audit_what {
	VAULT_AUDIT_MISSING, /* a row, and nothing there */
	VAULT_AUDIT_KIND, /* a file where a folder should be, or so */
	VAULT_AUDIT_SIZE,
	VAULT_AUDIT_BAD_ROW, /* a row that no night can have written */
	VAULT_AUDIT_NO_ROW, /* a file or folder in latest/ */
	VAULT_AUDIT_OBJECT_NO_ROW, /* only costs space */
	VAULT_AUDIT_OBJECT_LOST, /* kept by a repair: not a fault */
	VAULT_AUDIT_STAGED_MISSING, /* of the running or interrupted night */
	VAULT_AUDIT_STAGED_NO_ROW, /* swept by the next backup: not a fault */
	VAULT_AUDIT_STRANGER, /* not a name of ours; left alone: not a fault */
	VAULT_AUDIT_WHATS
};

/* "missing", … Never NULL. */
const char *vault_audit_word(enum vault_audit_what what);
/* Something is inconsistent. */
bool vault_audit_is_fault(enum vault_audit_what what);

struct vault_finding {
	enum vault_audit_what what;
	const char *path; /* below the phone's folder; lent */
	uint64_t size; /* on the disk */
	uint64_t want; /* by the row, where there is one */
};

/* One row of the entry table; lent. */
struct vault_row {
	const char *path; /* below the UDID */
	int64_t first, last; /* last 0: still current */
	enum store_kind kind;
	uint64_t size;
	const uint8_t *digest; /* NULL: a folder */
	const char *file; /* below the phone's folder */
};

struct vault_audit_opts {
	/* Rows in path order, then what is found; each may be NULL. */
	enum rc (*row)(void *arg, const struct vault_row *row);
	enum rc (*finding)(void *arg, const struct vault_finding *f);
	void *arg;
	bool rows_only; /* the disk is not looked at */
};

/* RC_CORRUPT: the catalogue itself is damaged. */
MUST_CHECK enum rc vault_audit(
    struct vault_phone *p, const struct vault_audit_opts *o);

/* Figures of the tables that a night and a commit leave. */
struct vault_tables {
	int64_t format;
	int64_t retire, rmdir, mkdir, place, place_dir; /* moves */
	int64_t pending_files, pending_dirs, pending_gone;
	int64_t staged, staged_bytes;
	int64_t lost, lost_bytes;
	int64_t committing; /* snapshot that waits for its moves; 0 none */
	bool placing; /* its first pass is done */
};
MUST_CHECK enum rc vault_tables(
    struct vault_phone *p, struct vault_tables *out);

/* The moves of a commit that is under way, in order. what: 1 retire, 2 rmdir,
 * 3 mkdir, 4 place, 5 a whole folder. */
MUST_CHECK enum rc vault_each_move(struct vault_phone *p,
    enum rc (*fn)(void *arg, int64_t what, const char *path), void *arg);

#endif
