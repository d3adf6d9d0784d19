/*
 * A backup that idevicebackup2, Finder or iTunes has made becomes the first
 * snapshot of its phone, so that the next night asks the phone only for what
 * is new since. Its files are renamed into the vault (256 folders, not 300,000
 * files) or, with `copy`, streamed to it.
 *
 * The folder is a person's only backup until the vault has it: each file is
 * checked and hashed where it lies; what is renamed is written down first, and
 * whatever ends this before the commit point (a failure, the power) puts all
 * of it back, at the latest when the phone's part of the vault is opened
 * again. What does not belong to a backup stays where it is (V7).
 *
 * All calls block for the disk.
 */
#ifndef VAULT_ADOPT_H
#define VAULT_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "rc.h"
#include "vault.h"

/* What a folder's property lists say of it; nothing of it is verified. */
struct vault_adopt_found {
	const char *folder; /* absolute; lent */
	enum rc rc; /* RC_OK, or why it can't be adopted */
	char why[256]; /* a sentence, "" when RC_OK */
	char udid[LIMIT_UDID + 4]; /* as the phone gives it */
	char device_name[128], model[32], ios[32];
	int64_t made_at; /* Unix seconds, UTC; 0 unknown */
	bool encrypted;
};

/*
 * fn for the backup that `folder` is, or for each one that lies directly in it
 * (…/MobileSync/Backup). Non-zero from fn ends the walk and is returned.
 * RC_NOTFOUND: there is none. Writes nothing.
 */
MUST_CHECK enum rc vault_adopt_look(const char *folder,
    enum rc (*fn)(void *arg, const struct vault_adopt_found *found), void *arg);

/*
 * Ends what an interrupted adoption of any phone has begun: puts back what it
 * has moved, or finishes it, so that its folder can be looked at. Opening the phone's part does it, too; but whoever
 * adopts does not know the phone yet. A phone that is busy is left alone.
 */
MUST_CHECK enum rc vault_adopt_recover(struct vault *v);

/* The same UDID, with or without its dash, in either case? */
bool vault_adopt_same_udid(const char *a, const char *b);

struct vault_adopt_opts {
	bool copy; /* the folder stays as it is, and may be on any disk */
	uint64_t reserve; /* bytes to be left free by a copy; 0: 64 MiB */
	vault_progress_fn progress; /* or NULL */
	bool (*cancelled)(void *arg); /* or NULL; asked between two reads */
	void *arg;
};

#define VAULT_ADOPT_STRANGERS 8

struct vault_adopt_report {
	char why[512]; /* a sentence or two for a person, "" when good */
	struct vault_snapshot snapshot; /* when good */
	uint64_t files, bytes; /* of the folder */
	uint64_t size_warnings; /* files that changed while they were sent */
	/* What was left where it is, and the first names of it. */
	uint64_t strangers;
	char stranger[VAULT_ADOPT_STRANGERS][96];
	bool folder_is_gone; /* nothing was left in it */
};

/*
 * `folder` is one backup (vault_adopt_look() tells). After RC_OK the snapshot
 * is good and durable.
 *
 * RC_EXISTS      the vault has a snapshot of this phone, or something is in
 *                the way
 * RC_UNSUPPORTED of iOS 9 or older; or another file system, and !copy
 * RC_CORRUPT     not a whole backup, or it changed meanwhile
 * RC_NOSPC, RC_IO, RC_READONLY, RC_BUSY, RC_CANCELLED
 *
 * After any of them the folder is as it was, or will be after the next
 * vault_phone_open(); out->why says which and what to do.
 */
MUST_CHECK enum rc vault_adopt(struct vault *v, const char *folder,
    const struct vault_adopt_opts *opts, struct vault_adopt_report *out);

#endif
