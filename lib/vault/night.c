#include "night.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guard.h"
#include "journal.h"
#include "mono.h"
#include "plistread.h"

#define LOG_MODULE "vault"
#include "log.h"

#define NIGHT_RESERVE       (64ull << 20)
#define NIGHT_CHECKPOINT_MS 10000
/* Small enough that files are read back while the phone sends others. */
#define NIGHT_DIRTY_BYTES (256ull << 20)
#define NIGHT_DOOMED      65536

enum rc night_change(struct vault_night *n)
{
	struct vault_phone *p = n->p;

	if (p->broken)
		return p->broken;
	n->verified = false;
	if (db_in_transaction(p->cat.db))
		return RC_OK;
	view_let_go(n->view); /* the transaction has a lock of its own */
	return night_poison(n, db_begin(p->cat.db));
}

enum rc night_poison(struct vault_night *n, enum rc rc)
{
	if (rc && !n->p->broken) {
		log_warn("this night takes no more changes: %s", rc_words(rc));
		n->p->broken = rc;
		n->verified = false;
	}
	return rc;
}

enum rc night_checkpoint(struct vault_night *n)
{
	struct vault_phone *p = n->p;
	enum rc rc;

	if (p->broken)
		return p->broken;
	n->checkpoint_ms = mono_ms();
	view_let_go(n->view);
	rc = staging_sync(&p->staging);
	if (!rc && db_in_transaction(p->cat.db))
		rc = db_commit(p->cat.db);
	if (!rc) {
		n->owes = n->hold = false;
		staging_reap(&p->staging);
		rereader_checkpoint(n->rereader);
	}
	return night_poison(n, rc);
}

enum rc night_changed(struct vault_night *n)
{
	const struct staging *st = &n->p->staging;

	if ((n->hold || mono_ms() - n->checkpoint_ms < NIGHT_CHECKPOINT_MS) &&
	    st->bytes_dirty < NIGHT_DIRTY_BYTES && st->n_doomed < NIGHT_DOOMED)
		return RC_OK;
	return night_checkpoint(n);
}

void night_path_of(struct vault_night *n, const struct view_node *node,
    const char *rel, char out[LAYOUT_PATH])
{
	if (node->staged && n->adopts)
		snprintf(out, LAYOUT_PATH, "%s/%s", n->adopts, rel);
	else if (node->staged)
		layout_staged(out, &node->place);
	else
		layout_latest(out, n->p->udid, rel);
}

enum rc night_open_file(struct vault_night *n, const struct view_node *node,
    const char *rel, int *fd)
{
	char path[LAYOUT_PATH];

	enum rc rc;

	if (node->kind != STORE_FILE)
		return RC_ISDIR;
	if (node->staged) {
		rc = staging_settle(&n->p->staging);
		if (rc)
			return night_poison(n, rc);
	}
	night_path_of(n, node, rel, path);
	*fd = n->p->ops->open(n->p->ops->ctx, n->p->root, path, O_RDONLY);
	return fileops_rc(*fd);
}

/* The overlay of an interrupted night, and its files. */
static enum rc drop_overlay(struct vault_phone *p)
{
	struct db *db = p->cat.db;
	uint64_t lost = 0;
	enum rc rc;

	db_rollback(db);
	p->staging.n_doomed = 0; /* the sweep finds them, too */
	rc = db_begin(db);
	if (!rc)
		rc = view_clear(db);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	else /* rows first: a row without its file would be a loss */
		rc = staging_sweep(&p->staging, db, &lost);
	return rc;
}

/* Is what an interrupted night left part of a full backup? */
static bool overlay_is_full(struct vault_night *n)
{
	struct plistread_status st;

	return night_overlay_status(n, &st) && st.is_full;
}

/*
 * A phone that goes on where it was does not look at what it would be shown
 * to make it send damaged files again. So what it left is dropped, unless it
 * sends all files anyway.
 */
static enum rc drop_what_hides_damage(struct vault_night *n, bool *clean)
{
	enum rc rc;

	if (*clean || n->lend == LEND_ALL || overlay_is_full(n))
		return RC_OK;
	log_note("what the interrupted backup left is dropped: files that are "
		 "damaged on the disk come again");
	view_free(n->view);
	n->view = NULL;
	rc = drop_overlay(n->p);
	if (!rc)
		rc = view_new(n->p->cat.db, &n->view);
	*clean = !rc;
	return rc;
}

enum rc vault_night_begin(
    struct vault_phone *p, bool fresh, struct vault_night **out, bool *resumed)
{
	struct vault_night *n;
	bool clean = true;
	enum rc rc = RC_OK;

	if (p->read_only)
		return RC_READONLY;
	if (p->night)
		return RC_BUSY;
	if (p->broken)
		return p->broken;
	n = calloc(1, sizeof(*n));
	if (!n)
		return RC_NOMEM;
	staging_new_night(&p->staging);
	n->p = p;
	n->reserve = NIGHT_RESERVE;
	n->checkpoint_ms = mono_ms();
	n->store = (struct store){ .ops = &night_store_ops, .ctx = n };
	if (fresh)
		rc = drop_overlay(p);
	if (!rc)
		rc = view_new(p->cat.db, &n->view);
	if (!rc)
		rc = view_is_clean(n->view, &clean);
	if (!rc)
		rc = lend_decide(p, &n->lend);
	if (!rc)
		rc = drop_what_hides_damage(n, &clean);
	if (rc) {
		view_free(n->view);
		free(n);
		return rc;
	}
	night_told_begin(n);
	*resumed = !clean;
	n->rereader = rereader_new(p->ops, p->root);
	p->night = n;
	*out = n;
	return RC_OK;
}

const struct store *vault_night_store(struct vault_night *n)
{
	return &n->store;
}

void vault_night_set_reserve(struct vault_night *n, uint64_t reserve)
{
	n->reserve = reserve;
}

static void stop_rereader(struct vault_night *n)
{
	rereader_free(n->rereader);
	n->rereader = NULL;
}

static void night_free(struct vault_night *n)
{
	stop_rereader(n);
	n->p->night = NULL;
	view_free(n->view);
	free(n);
}

void vault_night_end(struct vault_night *n, bool keep)
{
	struct vault_phone *p;
	enum rc rc;

	if (!n)
		return;
	p = n->p;
	stop_rereader(n);
	if (keep && !p->broken) {
		rc = night_checkpoint(n);
		if (rc)
			log_warn("the last minutes of this night are not kept:"
				 " %s",
			    rc_words(rc));
	}
	db_rollback(p->cat.db);
	view_free(n->view); /* its statements would lock the tables */
	n->view = NULL;
	if (!keep && !p->read_only) {
		rc = drop_overlay(p);
		if (rc)
			log_warn("the dropped night's files stay for now: %s",
			    rc_words(rc));
	}
	night_free(n);
}

static void copy_facts(
    struct vault_snapshot *s, const struct vault_facts *facts)
{
	snprintf(s->device_name, sizeof(s->device_name), "%s",
	    facts->device_name ? facts->device_name : "");
	snprintf(
	    s->model, sizeof(s->model), "%s", facts->model ? facts->model : "");
	snprintf(s->ios, sizeof(s->ios), "%s", facts->ios ? facts->ios : "");
	s->started_at = facts->started_at;
	s->phone_seconds = facts->phone_seconds;
}

static enum rc commit(struct vault_night *n, struct vault_snapshot *snap)
{
	struct vault_phone *p = n->p;
	enum rc rc;

	if (p->broken)
		return p->broken;
	if (!n->verified)
		return RC_BUG;
	rc = night_checkpoint(n); /* V1: data before the rows that need it */
	if (rc)
		return rc;
	guard_look(n);
	stop_rereader(n); /* the files change their places now */
	view_free(n->view);
	n->view = NULL;
	rc = journal_write(p, snap);
	guard_forget(p);
	if (rc)
		return rc;
	rc = journal_replay(p);
	if (rc)
		p->broken = rc; /* the next open goes on with the replay */
	return rc;
}

/* What the disk lost of this very night; older damage is told by the
 * snapshot's state. */
static enum rc check_arrived(struct vault_phone *p)
{
	int64_t lost = 0;
	enum rc rc = db_number(p->cat.db,
	    "SELECT EXISTS(SELECT 1 FROM damage WHERE path<>'' AND asked=0)",
	    &lost);

	return !rc && lost ? RC_CORRUPT : rc;
}

enum rc vault_night_commit(struct vault_night *n,
    const struct vault_facts *facts, struct vault_snapshot *out)
{
	struct vault_snapshot snap = { .finished_at = time(NULL) };
	struct vault_phone *p = n->p;
	uint64_t lost;
	enum rc rc;

	copy_facts(&snap, facts);
	if (facts->finished_at > 0)
		snap.finished_at = facts->finished_at;
	snap.encrypted = n->encrypted;
	snap.box_seconds = (mono_ms() - n->verify_ms) / 1000;
	rc = commit(n, &snap);
	if (rc) {
		vault_night_end(n, true);
		return rc;
	}
	night_free(n);
	rc = catalog_snapshot(&p->cat, snap.id, out);
	if (!rc)
		rc = check_arrived(p);
	/* Only folders of incoming/ are left; that they stay harms nothing. */
	if (staging_sweep(&p->staging, p->cat.db, &lost))
		log_info("empty folders stay in incoming/");
	return rc;
}
