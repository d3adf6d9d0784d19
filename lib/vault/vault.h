/*
 * The store of backups: see README.md for its promises V1..V7 and the order
 * of a commit. One vault is a folder DIR/Nightstand; each phone in it has a
 * catalogue and files of its own, so two phones never wait for each other.
 *
 * All calls block for the disk. A `struct vault_phone` is used by one thread.
 * After RC_IO from a call that changes something, the object refuses work
 * until it is opened again (the truth is on the disk).
 */
#ifndef VAULT_H
#define VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"
#include "store.h"

struct vault;
struct vault_phone;
struct vault_night; /* a running session: the view and its overlay */

struct fileops; /* fileops.h: the seam to the disk; NULL = the real one */

/*
 * Opens DIR/Nightstand, making it (with its VAULT file) when `create`. Of two
 * that find none, one makes it and the other waits.
 *
 * RC_NOTFOUND    DIR is missing, or holds no vault and !create
 * RC_UNSUPPORTED a VAULT file of a newer format
 * RC_CORRUPT     VAULT is there but is not ours
 * RC_READONLY, RC_NOSPC, RC_IO as the disk says
 */
MUST_CHECK enum rc vault_open(const struct fileops *ops, const char *dir,
    bool create, struct vault **out);
void vault_close(struct vault *v); /* NULL is fine */

/* DIR/Nightstand, lent. */
const char *vault_path(const struct vault *v);
/* 32 hex digits that no other vault has, lent. */
const char *vault_id(const struct vault *v);

/* Calls fn for each phone that has a folder here; `udid` is lent. */
MUST_CHECK enum rc vault_each_phone(
    struct vault *v, enum rc (*fn)(void *arg, const char *udid), void *arg);

/*
 * Opens one phone's part: takes its lock, replays a commit that a power cut
 * interrupted, drops staged files that no row names.
 *
 * read_only: no lock, no replay, nothing is written; for lists beside a
 * running backup. Only a catalogue that a power cut left in the middle of a
 * transaction is opened as a writer first: else nobody could read it.
 * RC_BUSY another process holds it (vault_lock.h says who) · RC_CORRUPT the catalogue is damaged
 */
MUST_CHECK enum rc vault_phone_open(struct vault *v, const char *udid,
    bool read_only, struct vault_phone **out);
void vault_phone_close(struct vault_phone *p);

enum vault_state {
	VAULT_OPEN,
	VAULT_COMMITTING,
	VAULT_GOOD,
	VAULT_DAMAGED,
	VAULT_PRUNED
};

struct vault_snapshot {
	int64_t id;
	int64_t started_at, finished_at; /* Unix seconds, UTC */
	enum vault_state state;
	char device_name[128];
	char model[32];
	char ios[32];
	bool encrypted;
	uint64_t files, bytes; /* of the whole snapshot */
	uint64_t new_files, new_bytes; /* that this night added or replaced */
	int64_t phone_seconds, box_seconds;
	bool pinned; /* no rule drops it (vault_keep.h) */
};

/* Newest first. Non-zero from fn ends the walk and is returned. */
MUST_CHECK enum rc vault_each_snapshot(struct vault_phone *p,
    enum rc (*fn)(void *arg, const struct vault_snapshot *s), void *arg);

/* RC_NOTFOUND when there is none yet. */
MUST_CHECK enum rc vault_newest_good(
    struct vault_phone *p, struct vault_snapshot *out);

/* One entry of a snapshot; `path` begins with the UDID, all is lent. */
struct vault_entry {
	const char *path;
	enum store_kind kind;
	uint64_t size;
	int64_t mtime;
	const uint8_t *digest; /* 32 bytes; NULL for a folder */
	const char *file; /* where the bytes lie, absolute; NULL: folder */
};

/* In path order. */
MUST_CHECK enum rc vault_each_entry(struct vault_phone *p, int64_t snapshot,
    enum rc (*fn)(void *arg, const struct vault_entry *e), void *arg);

/*
 * Reads the files of one snapshot back and compares their hashes. Counts
 * what differs and names the first. RC_CORRUPT when any does.
 */
struct vault_check {
	uint64_t files, bytes, bad;
	char first_bad[256];
};
MUST_CHECK enum rc vault_check_snapshot(
    struct vault_phone *p, int64_t snapshot, struct vault_check *out);

/*
 * A consistent copy of the phone's catalogue at `dest` (outside the vault: the
 * box's own storage), replacing an older one at once or not at all.
 */
MUST_CHECK enum rc vault_phone_backup_catalog(
    struct vault_phone *p, const char *dest);

/*
 * Begins a night, or goes on with an interrupted one: *resumed tells whether
 * an overlay was kept. Only one per phone. `fresh` drops a kept overlay.
 */
MUST_CHECK enum rc vault_night_begin(
    struct vault_phone *p, bool fresh, struct vault_night **out, bool *resumed);

/* The view, for the device-link engine; lent until the night ends. */
const struct store *vault_night_store(struct vault_night *n);

/* Bytes that may be used before `reserve` bytes are left free. Default
 * 64 MiB. */
void vault_night_set_reserve(struct vault_night *n, uint64_t reserve);

struct vault_facts { /* what goes into the snapshot's row */
	const char *device_name, *model, *ios;
	int64_t started_at;
	int64_t finished_at; /* 0: now */
	int64_t phone_seconds;
};

/* Progress of verification: files and bytes read back, of how many. */
typedef void (*vault_progress_fn)(void *arg, uint64_t files_done,
    uint64_t files_total, uint64_t bytes_done, uint64_t bytes_total);

struct vault_verdict {
	enum rc rc;
	char why[256]; /* one sentence for a person, "" when good */
	uint64_t manifest_rows, manifest_files; /* 0 when encrypted */
	uint64_t read_back_files, read_back_bytes;
	uint64_t size_warnings; /* files that changed while they were sent */
	bool encrypted;
};

/*
 * Checks the view before a commit (vault.md, Commit, step 1): Status.plist
 * finished, no Snapshot folder, Manifest.plist, Manifest.db and each of its
 * files, every staged file read back from the medium.
 *
 * RC_CORRUPT not a whole backup: out->why says what; nothing has changed.
 */
MUST_CHECK enum rc vault_night_verify(struct vault_night *n,
    vault_progress_fn progress, void *arg, struct vault_verdict *out);

/*
 * The commit (steps 2 to 4). Only after a good vault_night_verify(). Takes
 * `n`. After RC_OK *out is the new snapshot, good and synced.
 * RC_NOSPC, RC_IO before the commit point: the older snapshot is untouched
 * and the overlay is kept.
 */
MUST_CHECK enum rc vault_night_commit(struct vault_night *n,
    const struct vault_facts *facts, struct vault_snapshot *out);

/* Ends a night without a commit. keep: the overlay stays for the next one.
 * Takes `n`; NULL is fine. */
void vault_night_end(struct vault_night *n, bool keep);

#endif
