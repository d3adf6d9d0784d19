/*
 * One run of a backup: what its phases share, in the order in which they pass.
 * Facts: README.md, "The backup agent".
 */
#ifndef AGENT_BACKUP_H
#define AGENT_BACKUP_H

#include "agent.h"
#include "agent_journal.h"
#include "agent_status.h"

enum {
	AGENT_BATCH_MAX = 1000,
	AGENT_SPACE_MARGIN = 134217728,
};

#define AGENT_PURGE_EXTRA UINT64_C(2147483648)

struct agent_backup {
	struct agent *a;
	const char *u; /* the folder's name at the host: the UDID */
	bool force_full;
	/* where this run begins: uploading (all of it), moving or removing */
	enum agent_snapshot_state from;
	struct agent_status status;
	uint8_t status_bytes[AGENT_STATUS_CAP]; /* as last sent */
	size_t status_len;

	char dir[AGENT_PATH_MAX - 64]; /* the journal's folder */
	struct agent_journal *journal;
	/* as listed at the start: is the manifest still to be moved? */
	bool plist_staged, db_staged;
	struct manifest *base; /* the host's finished backup, or NULL */
	char aside[80]; /* an old backup that was moved away, or "" */

	uint32_t upload_batch, move_batch;
	uint64_t batches, files; /* of uploads so far */
	uint64_t bytes_all, bytes_done;
	uint64_t failed; /* files that could not be read */
	char fail_file[512], fail_open[512]; /* knobs: "" or a file's name */
	bool empty_chunks, odd_chunks;
};

/* ---- agent_prepare.c: what the host has, and what to do with it ---- */
int agent_prepare(struct agent_backup *b);
/* The folder of a journal. */
void agent_journal_dir(
    const struct agent *a, const char *uuid, char out[AGENT_PATH_MAX - 64]);
/* Lists the host's folders into the journal; the snapshot's too if asked. */
int agent_see_all(struct agent_backup *b, bool snapshot);
/* All local snapshot state is of no use any more. */
void agent_journals_forget(const struct agent *a);
void agent_local(
    const struct agent_backup *b, const char *name, char out[AGENT_PATH_MAX]);
/* An error of the journal. */
int agent_fail_local(struct agent *a);

/* ---- agent_scan.c: the phone against journal and base ---- */
/* trust_rows: rows that are there need no look at the host's listing.
 * *changed: files that are now to be uploaded or gone. */
int agent_scan(struct agent_backup *b, bool trust_rows, uint64_t *changed);
/* Every file of the base is at the host. */
int agent_scan_base(struct agent_backup *b, bool *whole);
/* The journal's rows become those of a manifest (a run without journal). */
int agent_scan_manifest(struct agent_backup *b, struct manifest *m);

/* ---- agent_room.c: space and folders at the host ---- */
int agent_room(struct agent_backup *b);
int agent_folders(struct agent_backup *b);

/* ---- agent_upload.c ---- */
int agent_upload_status(
    struct agent_backup *b, enum agent_snapshot_state state);
/* All that is to be sent, then the manifest. */
int agent_upload(struct agent_backup *b);
/* One file of the phone's own folder. */
int agent_upload_local(struct agent_backup *b, const char *dest,
    const char *local, double progress);
int agent_check_upload(struct agent *a, struct dl_status *st, const char *dest);

/* ---- agent_settle.c: from moving to finished ---- */
int agent_move(struct agent_backup *b);
int agent_remove(struct agent_backup *b);
int agent_verify(struct agent_backup *b);

#endif
