/*
 * A bounded piece of reading each night. A run is one row: where it stopped
 * and when it began; that is all that is written of what is whole (V3).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "damage.h"
#include "heal.h"
#include "mono.h"
#include "reread.h"

#define LOG_MODULE "scrub"
#include "log.h"

#define SAVE_MS     30000
#define DAMAGED_MAX 1000 /* rows; a disk with more is to be replaced */

struct scrub {
	struct vault_phone *p;
	const struct vault_check_opts *opts;
	struct vault_check_result *out;
	struct readback *rb;
	int64_t began_ms, saved_ms;
	int64_t run, pass;
	struct contents_place at;
	uint64_t files_total, bytes_total;
	uint64_t rows; /* of damage, as far as we know */
	bool enough; /* the budget is used up */
};

static bool is_cancelled(void *arg)
{
	struct scrub *s = arg;

	return s->opts->cancelled && s->opts->cancelled(s->opts->arg);
}

static bool is_enough(const struct scrub *s)
{
	const struct vault_check_opts *o = s->opts;

	return (o->max_ms && mono_ms() - s->began_ms >= o->max_ms) ||
	       (o->max_bytes && s->out->bytes >= o->max_bytes);
}

/* --- the run's row ------------------------------------------------------------ */

static enum rc read_last(struct scrub *s, bool *any)
{
	struct db_stmt *q = NULL;
	const void *key;
	int64_t stage;
	enum rc rc = db_prepare(s->p->cat.db,
	    "SELECT id, pass, stage, key FROM scrub_run ORDER BY id DESC"
	    " LIMIT 1",
	    &q);

	if (!rc)
		rc = db_step(q, any);
	if (!rc && *any) {
		s->run = db_int(q, 0);
		s->pass = db_int(q, 1);
		stage = db_int(q, 2);
		key = db_blob(q, 3, &s->at.len);
		if (stage < CONTENTS_LATEST || stage > CONTENTS_END ||
		    s->at.len > sizeof(s->at.key) || s->run < 0)
			rc = RC_CORRUPT;
		else if (s->at.len)
			memcpy(s->at.key, key, s->at.len);
		s->at.stage = (enum contents_stage)stage;
	}
	db_finish(q);
	return rc;
}

static enum rc write_run(struct scrub *s, const char *sql)
{
	struct db_stmt *q = NULL;
	enum rc rc = db_prepare(s->p->cat.db, sql, &q);

	if (rc)
		return rc;
	db_bind_int(q, 1, s->run);
	db_bind_int(q, 2, s->pass);
	db_bind_int(q, 3, time(NULL));
	db_bind_int(q, 4, (int64_t)s->at.stage);
	db_bind_blob(q, 5, s->at.len ? (const void *)s->at.key : "", s->at.len);
	rc = db_run(q);
	db_finish(q);
	return rc;
}

/* Goes on with the pass of the last run, or begins the next one. */
static enum rc begin_run(struct scrub *s)
{
	bool any = false;
	enum rc rc = read_last(s, &any);

	if (rc)
		return rc;
	s->run++;
	if (!any || s->at.stage == CONTENTS_END) {
		s->pass++;
		s->at.stage = CONTENTS_LATEST;
		s->at.len = 0;
	}
	rc = db_begin(s->p->cat.db);
	if (!rc)
		rc = write_run(s,
		    "INSERT INTO scrub_run(id, pass, began, ended, stage, key)"
		    " VALUES(?1, ?2, ?3, ?3, ?4, ?5)");
	if (!rc) /* the pass before this one still says what it covered */
		rc = write_run(s,
		    "DELETE FROM scrub_run WHERE pass<?2-1 AND id<?1 AND"
		    " ?3>0 AND ?4>=0 AND ?5=?5");
	if (!rc)
		rc = db_commit(s->p->cat.db);
	if (rc)
		db_rollback(s->p->cat.db);
	return rc;
}

/* Damage and place are one transaction: what was not saved is read again. */
static enum rc save(struct scrub *s)
{
	struct db *db = s->p->cat.db;
	enum rc rc = RC_OK;

	if (!db_in_transaction(db))
		rc = db_begin(db);
	if (!rc)
		rc = write_run(s,
		    "UPDATE scrub_run SET ended=?3, stage=?4, key=?5 WHERE"
		    " id=?1 AND pass=?2");
	if (!rc)
		rc = damage_settle(&s->p->cat);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	s->saved_ms = mono_ms();
	return rc;
}

/* --- reading ------------------------------------------------------------------- */

static enum rc note(
    struct scrub *s, const struct content *c, enum vault_damage what)
{
	struct db *db = s->p->cat.db;
	enum rc rc = RC_OK;

	if (++s->rows > DAMAGED_MAX) {
		log_error("too many damaged files: this disk is failing");
		return RC_IO;
	}
	s->out->damaged++;
	if (!db_in_transaction(db))
		rc = db_begin(db);
	return rc ? rc : damage_add(&s->p->cat, c, what, s->run);
}

static enum rc on_read(void *arg, const struct readback_item *item, enum rc rc)
{
	struct scrub *s = arg;
	struct content c;
	enum vault_damage what;

	reread_content(s->p, item, &c);
	if (rc) {
		if (!damage_of_rc(rc, &what))
			return rc;
		rc = note(s, &c, what);
		if (rc)
			return rc;
	}
	s->out->files++;
	s->out->bytes += item->size;
	contents_place_of(&c, &s->at);
	if (s->opts->progress)
		s->opts->progress(s->opts->arg, s->out->files, s->files_total,
		    s->out->bytes, s->bytes_total);
	s->enough = is_enough(s);
	if (s->enough)
		return RC_CANCELLED;
	return mono_ms() - s->saved_ms >= SAVE_MS ? save(s) : RC_OK;
}

static enum rc add_one(void *arg, const struct content *c)
{
	struct scrub *s = arg;
	struct readback_item item;

	if (is_cancelled(s))
		return RC_CANCELLED;
	reread_item(s->p, c, &item);
	return readback_add(s->rb, &item);
}

static enum rc walk(struct scrub *s)
{
	struct contents_place from = s->at;
	enum rc rc, saved;

	s->rb = readback_new(s->p->ops, s->p->root, on_read, s);
	if (!s->rb)
		return RC_NOMEM;
	readback_set_cancel(s->rb, is_cancelled, s);
	rc = contents_each(&s->p->cat, &from, 0, add_one, s);
	if (!rc)
		rc = readback_flush(s->rb);
	readback_free(s->rb);
	if (!rc) {
		s->at.stage = CONTENTS_END;
		s->at.len = 0;
		s->out->all = true;
	}
	saved = save(s);
	if (rc == RC_CANCELLED && s->enough)
		rc = RC_OK;
	return rc ? rc : saved;
}

/* --- what is known ---------------------------------------------------------------- */

/* An unreadable place may be readable again, a night may have brought the
 * file, a power cut may have come between a repair and its row's end. */
static enum rc look_again(
    struct scrub *s, const struct damage_row *rows, size_t n)
{
	struct db *db = s->p->cat.db;
	enum rc rc = db_begin(db);

	for (size_t i = 0; !rc && i < n; i++) {
		enum rc found = reread_one(s->p, &rows[i].c);
		enum vault_damage what;

		if (!found)
			rc = damage_clear(&s->p->cat, &rows[i].c);
		else if (!damage_of_rc(found, &what))
			rc = found;
		else
			rc = damage_add(&s->p->cat, &rows[i].c, what, s->run);
	}
	if (!rc)
		rc = damage_settle(&s->p->cat);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

static enum rc heal(struct scrub *s, bool again)
{
	struct damage_row *rows = NULL;
	size_t n = 0;
	enum rc rc = damage_load(&s->p->cat, 2 * DAMAGED_MAX, &rows, &n);

	if (!rc && again && n > 0) {
		rc = look_again(s, rows, n);
		free(rows);
		rows = NULL;
		if (!rc)
			rc =
			    damage_load(&s->p->cat, 2 * DAMAGED_MAX, &rows, &n);
	}
	if (!rc && n > 0)
		rc = heal_rows(s->p, rows, n, &s->out->healed);
	if (rc == RC_NOSPC) {
		log_warn("no room to repair damaged files");
		rc = RC_OK;
	}
	free(rows);
	return rc;
}

/* RC_CORRUPT when there is any. */
static enum rc tell_rest(struct scrub *s)
{
	struct damage_row *rows = NULL;
	size_t n = 0;
	enum rc rc = damage_load(&s->p->cat, 2 * DAMAGED_MAX, &rows, &n);

	for (size_t i = 0; !rc && i < n && s->opts->damaged; i++)
		rc =
		    damage_tell(s->p, &rows[i], s->opts->damaged, s->opts->arg);
	free(rows);
	return !rc && n > 0 ? RC_CORRUPT : rc;
}

static enum rc pass_began(struct scrub *s)
{
	return db_number(s->p->cat.db,
	    "SELECT min(began) FROM scrub_run WHERE pass=(SELECT max(pass)"
	    " FROM scrub_run)",
	    &s->out->pass_began_at);
}

enum rc vault_scrub(struct vault_phone *p, const struct vault_check_opts *opts,
    struct vault_check_result *out)
{
	struct scrub s = { .p = p, .opts = opts, .out = out };
	int64_t rows = 0;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	if (p->read_only)
		return RC_READONLY;
	if (p->night)
		return RC_BUSY;
	if (p->broken)
		return p->broken;
	s.began_ms = s.saved_ms = mono_ms();
	heal_sweep(p);
	rc = damage_settle_now(&p->cat);
	if (!rc)
		rc = begin_run(&s);
	if (!rc)
		rc = contents_total(&p->cat, 0, &s.files_total, &s.bytes_total);
	if (!rc)
		rc = heal(&s, true);
	if (!rc)
		rc = db_number(p->cat.db, "SELECT count(*) FROM damage", &rows);
	s.rows = (uint64_t)rows;
	if (!rc)
		rc = walk(&s);
	if (!rc && out->damaged > 0)
		rc = heal(&s, false);
	if (!rc)
		rc = pass_began(&s);
	return rc ? rc : tell_rest(&s);
}
