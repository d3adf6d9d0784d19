/*
 * Inside the vault only: a running night. night.c keeps its transactions,
 * night_store.c is the store that the phone's commands work on.
 *
 * Rows wait in one open transaction; a checkpoint first makes the staged
 * files durable and then commits it, so that the catalogue never names a file
 * that a power cut took (V1). What a checkpoint covers is what the next night
 * goes on with.
 */
#ifndef NIGHT_H
#define NIGHT_H

#include <stdbool.h>

#include "lend.h"
#include "rereader.h"
#include "store.h"
#include "view.h"
#include "vphone.h"

/* A phone's files go to 512 folders with short names ("Snapshot/3d"). */
#define NIGHT_FOLDERS    1024
#define NIGHT_FOLDER_LEN 24

struct vault_night {
	struct vault_phone *p;
	struct view *view;
	struct store store;
	struct rereader *rereader; /* NULL: all is read back at the end */
	uint64_t reserve;
	int64_t checkpoint_ms; /* mono_ms() of the last one */
	int64_t verify_ms; /* when verification began */
	bool verified; /* and nothing has changed since */
	bool encrypted; /* as verification found */
	/* See night_told.c. */
	bool owes; /* a checkpoint, before the phone is answered */
	bool hold; /* not before its next state */
	bool may_hold; /* when that becomes "moving" */
	/* An adoption's files lie here, seen from the phone's folder, and not
	 * in incoming/; NULL for a phone's night. Lent. */
	const char *adopts;
	enum lend lend; /* what the phone sees of the newest snapshot */
	/* Folders that were seen to be there; by a hash of their path, the
	 * last one wins. Emptied when a folder goes. */
	char folders[NIGHT_FOLDERS][NIGHT_FOLDER_LEN];
};

extern const struct store_ops night_store_ops;

/* To be called before a change: a broken night refuses, else a transaction is
 * open afterwards. */
MUST_CHECK enum rc night_change(struct vault_night *n);
/* After it: a checkpoint when it is time for one. */
MUST_CHECK enum rc night_changed(struct vault_night *n);
/* A change failed half way: all further ones get `rc`. Returns it. */
enum rc night_poison(struct vault_night *n, enum rc rc);

/* Everything so far is on the medium and will be there after a cut. */
MUST_CHECK enum rc night_checkpoint(struct vault_night *n);

/* Of the night that is kept; false: it has none, or none that can be read. */
struct plistread_status;
bool night_overlay_status(struct vault_night *n, struct plistread_status *st);

/* The view is there. */
void night_told_begin(struct vault_night *n);
/* Before the row of a file that has come, in a transaction. */
MUST_CHECK enum rc night_told_file(
    struct vault_night *n, const char *rel, const struct layout_place *place);
/* store_ops.confirm */
MUST_CHECK enum rc night_confirm(void *ctx);

/* Opens what the view shows at `rel` for reading. */
MUST_CHECK enum rc night_open_file(struct vault_night *n,
    const struct view_node *node, const char *rel, int *fd);
/* Its path below the phone's folder. */
void night_path_of(struct vault_night *n, const struct view_node *node,
    const char *rel, char out[LAYOUT_PATH]);

#endif
