/*
 * Looking at finished snapshots, all or one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "damage.h"
#include "reread.h"
#include "vphone.h"

#define LOG_MODULE "vault"
#include "log.h"

#define COMMIT_WAIT_S 300

struct check {
	struct vault_phone *p;
	const struct vault_check_opts *opts;
	struct vault_check_result *out;
	struct readback *rb;
	uint64_t files_total, bytes_total;
	bool writes; /* what is found is written down */
};

static bool is_cancelled(void *arg)
{
	struct check *c = arg;

	return c->opts->cancelled && c->opts->cancelled(c->opts->arg);
}

/* --- the catalogue --------------------------------------------------------- */

struct sums {
	uint64_t files, bytes;
};

static enum rc add_up(void *arg, const struct catalog_entry *e)
{
	struct sums *s = arg;

	if (e->kind == STORE_FILE) {
		s->files++;
		s->bytes += e->size;
	}
	return RC_OK;
}

/* A lost or doubled row shows here: the sums were written with the commit. */
static enum rc check_sums(void *arg, const struct vault_snapshot *snap)
{
	struct check *c = arg;
	struct sums s = { 0 };
	enum rc rc;

	if (snap->state != VAULT_GOOD && snap->state != VAULT_DAMAGED)
		return RC_OK;
	if (c->opts->snapshot && snap->id != c->opts->snapshot)
		return RC_OK;
	if (is_cancelled(c))
		return RC_CANCELLED;
	rc = catalog_each_entry(&c->p->cat, snap->id, add_up, &s);
	if (!rc && (s.files != snap->files || s.bytes != snap->bytes)) {
		log_error("the catalogue has other sums for a snapshot than "
			  "its files add up to snapshot=%" PRId64
			  " files=%" PRIu64 " of %" PRIu64,
		    snap->id, s.files, snap->files);
		rc = RC_CORRUPT;
	}
	return rc;
}

static enum rc check_catalog(struct check *c)
{
	struct vault_snapshot snap;
	enum rc rc = RC_OK;

	if (c->opts->snapshot) {
		rc = catalog_snapshot(&c->p->cat, c->opts->snapshot, &snap);
		if (!rc && snap.state != VAULT_GOOD &&
		    snap.state != VAULT_DAMAGED)
			rc = RC_NOTFOUND;
	}
	if (!rc)
		rc = db_quick_check(c->p->cat.db);
	return rc ? rc : catalog_each_snapshot(&c->p->cat, check_sums, c);
}

/* --- one content ------------------------------------------------------------- */

static enum rc look(struct check *c, const struct content *content)
{
	return c->opts->quick ? reread_place(c->p, content)
			      : reread_one(c->p, content);
}

static enum rc wait_for_commit(struct check *c)
{
	int64_t busy = 1;
	enum rc rc = RC_OK;

	for (int i = 0; !rc && busy && i < 5 * COMMIT_WAIT_S; i++) {
		if (is_cancelled(c))
			return RC_CANCELLED;
		rc = db_number(c->p->cat.db,
		    "SELECT EXISTS(SELECT 1 FROM snapshot WHERE state=1)",
		    &busy);
		if (!rc && busy)
			usleep(200000);
	}
	return !rc && busy ? RC_BUSY : rc;
}

_Static_assert(VAULT_COMMITTING == 1, "the SQL has it");

/*
 * Beside us a night may have been committed: then rows and files were on their
 * way when we looked, or the content lies among the objects now, which are
 * looked at later. *found: RC_OK, or what is wrong with it indeed.
 */
static enum rc look_twice(
    struct check *c, const struct content *content, enum rc *found)
{
	bool there = true;
	enum rc rc = wait_for_commit(c);

	if (!rc)
		rc = contents_is_there(&c->p->cat, content, &there);
	if (rc)
		return rc;
	*found = there ? look(c, content) : RC_OK;
	if (!*found || *found == RC_CANCELLED)
		return *found;
	rc = contents_is_there(&c->p->cat, content, &there);
	if (!rc && !there)
		*found = RC_OK;
	return rc;
}

static enum rc tell(
    struct check *c, const struct content *content, enum vault_damage what)
{
	struct damage_row row = {
		.c = *content, .what = what, .found = time(NULL)
	};
	struct db *db = c->p->cat.db;
	enum rc rc = damage_whole_at(&c->p->cat, content, 0, &row.whole);

	c->out->damaged++;
	if (!rc && c->opts->damaged)
		rc = damage_tell(c->p, &row, c->opts->damaged, c->opts->arg);
	if (rc || !c->writes)
		return rc;
	if (!db_in_transaction(db))
		rc = db_begin(db);
	return rc ? rc : damage_add(&c->p->cat, content, what, 0);
}

static enum rc judge(struct check *c, const struct content *content, enum rc rc)
{
	enum vault_damage what;

	if (rc && !damage_of_rc(rc, &what))
		return rc; /* our trouble, not the file's */
	if (rc && c->p->read_only) {
		enum rc twice = look_twice(c, content, &rc);

		if (twice)
			return twice;
	}
	c->out->files++;
	c->out->bytes += content->size;
	if (c->opts->progress)
		c->opts->progress(c->opts->arg, c->out->files, c->files_total,
		    c->out->bytes, c->bytes_total);
	if (!rc)
		return RC_OK;
	return damage_of_rc(rc, &what) ? tell(c, content, what) : rc;
}

static enum rc on_read(void *arg, const struct readback_item *item, enum rc rc)
{
	struct check *c = arg;
	struct content content;

	reread_content(c->p, item, &content);
	return judge(c, &content, rc);
}

static enum rc add_one(void *arg, const struct content *content)
{
	struct check *c = arg;
	struct readback_item item;

	if (is_cancelled(c))
		return RC_CANCELLED;
	if (c->opts->quick)
		return judge(c, content, reread_place(c->p, content));
	reread_item(c->p, content, &item);
	return readback_add(c->rb, &item);
}

/* --- all of them ---------------------------------------------------------------- */

/* What was found is written down also when the rest could not be looked at. */
static enum rc write_down(struct check *c)
{
	struct db *db = c->p->cat.db;
	enum rc rc;

	if (!c->writes || !db_in_transaction(db))
		return RC_OK;
	rc = damage_settle(&c->p->cat);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

static enum rc check_contents(struct check *c)
{
	const struct contents_place start = { .stage = CONTENTS_LATEST };
	enum rc rc, written;

	rc = contents_total(
	    &c->p->cat, c->opts->snapshot, &c->files_total, &c->bytes_total);
	if (rc)
		return rc;
	c->rb = readback_new(c->p->ops, c->p->root, on_read, c);
	if (!c->rb)
		return RC_NOMEM;
	readback_set_cancel(c->rb, is_cancelled, c);
	rc = contents_each(&c->p->cat, &start, c->opts->snapshot, add_one, c);
	if (!rc)
		rc = readback_flush(c->rb);
	readback_free(c->rb);
	written = write_down(c);
	return rc ? rc : written;
}

enum rc vault_verify(struct vault_phone *p, const struct vault_check_opts *opts,
    struct vault_check_result *out)
{
	struct check c = { .p = p,
		.opts = opts,
		.out = out,
		/* a running night's transaction is not ours to commit */
		.writes = !p->read_only && !p->night };
	enum rc rc;

	memset(out, 0, sizeof(*out));
	rc = check_catalog(&c);
	if (!rc)
		rc = check_contents(&c);
	if (!rc && out->damaged > 0)
		rc = RC_CORRUPT;
	return rc;
}

static enum rc look_up(struct vault_phone *p, const struct vault_suspect *s,
    struct content *c, bool *there)
{
	struct db_stmt *q = NULL;
	enum rc rc;

	memset(c, 0, sizeof(*c));
	c->stage = s->newest ? CONTENTS_LATEST : CONTENTS_OBJECTS;
	memcpy(c->digest, s->digest, DIGEST_LEN);
	if (s->newest)
		snprintf(c->rel, sizeof(c->rel), "%s", s->path);
	rc = contents_is_there(&p->cat, c, there);
	if (rc || !*there)
		return rc;
	rc = db_prepare(p->cat.db,
	    "SELECT size FROM entry WHERE path=?1 AND digest=?2", &q);
	if (rc)
		return rc;
	db_bind_text(q, 1, s->path, strlen(s->path));
	db_bind_blob(q, 2, s->digest, DIGEST_LEN);
	rc = db_step(q, there);
	if (!rc && *there)
		rc = catalog_row_size(q, 0, &c->size);
	db_finish(q);
	return rc;
}

enum rc vault_note_damage(
    struct vault_phone *p, const struct vault_suspect *list, size_t n)
{
	enum rc rc;

	if (p->read_only)
		return RC_READONLY;
	if (p->night)
		return RC_BUSY;
	rc = db_begin(p->cat.db);
	for (size_t i = 0; !rc && i < n; i++) {
		enum vault_damage what;
		struct content c;
		bool there = false;

		rc = look_up(p, &list[i], &c, &there);
		if (!rc && there && damage_of_rc(reread_one(p, &c), &what))
			rc = damage_add(&p->cat, &c, what, 0);
	}
	if (!rc)
		rc = damage_settle(&p->cat);
	if (!rc)
		rc = db_commit(p->cat.db);
	if (rc)
		db_rollback(p->cat.db);
	return rc;
}

/* --- short questions -------------------------------------------------------------- */

static enum rc name_first(void *arg, const struct vault_damaged *d)
{
	struct vault_check *out = arg;

	if (out->bad++ == 0)
		snprintf(
		    out->first_bad, sizeof(out->first_bad), "%.255s", d->file);
	return RC_OK;
}

enum rc vault_check_snapshot(
    struct vault_phone *p, int64_t snapshot, struct vault_check *out)
{
	const struct vault_check_opts opts = {
		.snapshot = snapshot, .damaged = name_first, .arg = out
	};
	struct vault_check_result got;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	rc = vault_verify(p, &opts, &got);
	out->files = got.files;
	out->bytes = got.bytes;
	return rc;
}

enum rc vault_each_damaged(
    struct vault_phone *p, vault_damaged_fn fn, void *arg)
{
	struct damage_row *rows = NULL;
	size_t n = 0;
	enum rc rc = damage_load(&p->cat, 100000, &rows, &n);

	for (size_t i = 0; !rc && i < n; i++)
		rc = damage_tell(p, &rows[i], fn, arg);
	free(rows);
	return rc;
}
