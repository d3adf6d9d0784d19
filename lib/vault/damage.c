#include "damage.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

bool damage_of_rc(enum rc rc, enum vault_damage *what)
{
	if (rc == RC_NOTFOUND || rc == RC_ISDIR || rc == RC_NOTDIR)
		*what = VAULT_MISSING;
	else if (rc == RC_CORRUPT)
		*what = VAULT_ALTERED;
	else if (rc == RC_IO)
		*what = VAULT_UNREADABLE;
	else
		return false;
	return true;
}

static void bind_content(struct db_stmt *s, const struct content *c)
{
	db_bind_blob(s, 1, c->digest, DIGEST_LEN);
	db_bind_text(s, 2, c->rel, strlen(c->rel));
}

/* --- since when ------------------------------------------------------------ */

/* It was read back when it arrived. */
#define ARRIVED                                                                \
	"SELECT max(s.finished) FROM entry e CROSS JOIN snapshot s ON"         \
	" s.id=e.first WHERE "
/* The first run of the newest pass that came as far as this. */
#define COVERED                                                                \
	"SELECT began FROM scrub_run WHERE (?4=0 OR id<?4) AND (stage>?3 OR"   \
	" (stage=?3 AND key>=?5))"
#define NEWEST_PASS " ORDER BY pass DESC, id LIMIT 1"

static const char *const since[][2] = {
	[CONTENTS_LATEST] = { ARRIVED "e.path=?2 AND e.last IS NULL AND"
				      " e.digest=?1",
	    COVERED NEWEST_PASS },
	/* Of a run from before it became an object nothing is known. */
	[CONTENTS_OBJECTS] = { ARRIVED "e.digest=?1 AND e.last IS NOT NULL",
	    COVERED " AND began>=(SELECT min(s.finished) FROM entry e CROSS"
		    " JOIN snapshot s ON s.id=e.last+1 WHERE e.digest=?1 AND"
		    " e.last IS NOT NULL)" NEWEST_PASS },
};

enum rc damage_whole_at(
    struct catalog *cat, const struct content *c, int64_t run, int64_t *out)
{
	struct contents_place at;
	enum rc rc = RC_OK;

	*out = 0;
	contents_place_of(c, &at);
	for (int i = 0; !rc && i < 2; i++) {
		struct db_stmt *s = NULL;
		bool row = false;

		rc = db_prepare(cat->db, since[c->stage][i], &s);
		if (rc)
			break;
		db_bind_blob(s, 1, c->digest, DIGEST_LEN);
		if (i == 0 && c->stage == CONTENTS_LATEST)
			db_bind_text(s, 2, c->rel, strlen(c->rel));
		if (i == 1) {
			db_bind_int(s, 3, (int64_t)c->stage);
			db_bind_int(s, 4, run);
			db_bind_blob(s, 5, at.key, at.len);
		}
		rc = db_step(s, &row);
		if (!rc && row && db_int(s, 0) > *out)
			*out = db_int(s, 0);
		db_finish(s);
	}
	return rc;
}

/* --- rows ------------------------------------------------------------------- */

enum rc damage_add(struct catalog *cat, const struct content *c,
    enum vault_damage what, int64_t run)
{
	struct db_stmt *s = NULL;
	int64_t whole = 0;
	enum rc rc = damage_whole_at(cat, c, run, &whole);

	if (!rc)
		rc = db_prepare(cat->db,
		    "INSERT INTO damage(digest, path, what, found, whole,"
		    " asked) VALUES(?1, ?2, ?3, ?4, ?5, 0)"
		    " ON CONFLICT(digest, path) DO UPDATE SET what=?3",
		    &s);
	if (rc)
		return rc;
	bind_content(s, c);
	db_bind_int(s, 3, (int64_t)what);
	db_bind_int(s, 4, time(NULL));
	db_bind_int(s, 5, whole);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

enum rc damage_clear(struct catalog *cat, const struct content *c)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(
	    cat->db, "DELETE FROM damage WHERE digest=?1 AND path=?2", &s);

	if (rc)
		return rc;
	bind_content(s, c);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

enum rc damage_any(struct catalog *cat, bool *any)
{
	int64_t n = 0;
	enum rc rc =
	    db_number(cat->db, "SELECT EXISTS(SELECT 1 FROM damage)", &n);

	*any = n != 0;
	return rc;
}

static enum rc run_all(struct db *db, const char *const *sql, size_t n)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; !rc && i < n; i++)
		rc = db_exec(db, sql[i]);
	return rc;
}

#define RUN_ALL(db, list) run_all(db, list, sizeof(list) / sizeof((list)[0]))

/* A row of damage is about this snapshot. */
#define IS_HIT                                                                 \
	"(EXISTS(SELECT 1 FROM damage d CROSS JOIN entry e ON e.path=d.path"   \
	" AND e.last IS NULL WHERE d.path<>'' AND e.first<=snapshot.id) OR"    \
	" EXISTS(SELECT 1 FROM damage d CROSS JOIN entry e ON"                 \
	" e.digest=d.digest AND e.last IS NOT NULL WHERE d.path='' AND"        \
	" e.first<=snapshot.id AND e.last>=snapshot.id))"

enum rc damage_settle(struct catalog *cat)
{
	static const char *const sql[] = {
		"DELETE FROM damage WHERE path<>'' AND NOT EXISTS(SELECT 1"
		" FROM entry e WHERE e.path=damage.path AND e.last IS NULL AND"
		" e.digest=damage.digest)",
		"DELETE FROM damage WHERE path='' AND NOT EXISTS(SELECT 1 FROM"
		" entry e WHERE e.digest=damage.digest AND e.last IS NOT"
		" NULL)",
		"UPDATE snapshot SET state=3 WHERE state=2 AND " IS_HIT,
		"UPDATE snapshot SET state=2 WHERE state=3 AND NOT " IS_HIT,
	};

	return RUN_ALL(cat->db, sql);
}

_Static_assert(VAULT_GOOD == 2 && VAULT_DAMAGED == 3, "the SQL has them");

enum rc damage_settle_now(struct catalog *cat)
{
	enum rc rc = db_begin(cat->db);

	if (!rc)
		rc = damage_settle(cat);
	if (!rc)
		rc = db_commit(cat->db);
	if (rc)
		db_rollback(cat->db);
	return rc;
}

/* --- a commit ---------------------------------------------------------------- */

/* The catalogue says that a whole object of move.digest is there, or comes
 * with another move of this commit. */
#define HAS_WHOLE_OBJECT                                                       \
	"((EXISTS(SELECT 1 FROM entry e WHERE e.digest=move.digest AND e.last" \
	" IS NOT NULL AND e.last<?1-1) AND NOT EXISTS(SELECT 1 FROM damage o"  \
	" WHERE o.digest=move.digest AND o.path='')) OR EXISTS(SELECT 1 FROM"  \
	" move m WHERE m.what=1 AND m.digest=move.digest AND"                  \
	" m.path<>move.path AND NOT EXISTS(SELECT 1 FROM damage o WHERE"       \
	" o.digest=m.digest AND o.path=m.path)))"
#define IS_DAMAGED                                                             \
	"EXISTS(SELECT 1 FROM damage d WHERE d.digest=move.digest AND"         \
	" d.path=move.path)"

static enum rc drop_rather_than_retire(
    struct db *db, int64_t snapshot, int64_t drop_what)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db,
	    "UPDATE move SET what=?2 WHERE what=1 AND " IS_DAMAGED
	    " AND " HAS_WHOLE_OBJECT,
	    &s);

	if (rc)
		return rc;
	db_bind_int(s, 1, snapshot);
	db_bind_int(s, 2, drop_what);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

enum rc damage_at_commit(
    struct catalog *cat, int64_t snapshot, int64_t drop_what)
{
	static const char *const sql[] = {
		/* A whole file takes the place of a damaged object, … */
		("DELETE FROM damage WHERE path='' AND EXISTS(SELECT 1 FROM"
		 " move WHERE what=1 AND move.digest=damage.digest AND NOT"
		 " " IS_DAMAGED ")"),
		/* … a damaged one becomes it. */
		"INSERT OR IGNORE INTO damage(digest, path, what, found,"
		" whole, asked) SELECT d.digest, '', d.what, d.found, d.whole,"
		" 0 FROM damage d CROSS JOIN move m ON m.path=d.path AND"
		" m.digest=d.digest AND m.what=1 WHERE d.path<>''",
		/* All that changed its place, or came (again). */
		"DELETE FROM damage WHERE path<>'' AND path IN (SELECT path"
		" FROM move WHERE what<>2 AND what<>3)",
		"UPDATE damage SET asked=asked+1 WHERE path<>''",
	};
	bool any = false;
	enum rc rc = damage_any(cat, &any);

	if (rc || !any)
		return rc;
	rc = drop_rather_than_retire(cat->db, snapshot, drop_what);
	return rc ? rc : RUN_ALL(cat->db, sql);
}

/* --- lists ------------------------------------------------------------------- */

static enum rc read_row(struct db_stmt *s, struct damage_row *r)
{
	int64_t what = db_int(s, 2);
	enum rc rc = catalog_row_digest(s, 0, r->c.digest);

	if (!rc)
		rc = catalog_row_path(s, 1, r->c.rel);
	if (!rc)
		rc = catalog_row_size(s, 6, &r->c.size);
	if (!rc && (what < VAULT_MISSING || what > VAULT_UNREADABLE))
		rc = RC_CORRUPT;
	r->c.stage = r->c.rel[0] ? CONTENTS_LATEST : CONTENTS_OBJECTS;
	r->what = (enum vault_damage)what;
	r->found = db_int(s, 3);
	r->whole = db_int(s, 4);
	r->asked = db_int(s, 5);
	return rc;
}

static enum rc read_rows(
    struct db_stmt *s, struct damage_row *rows, size_t cap, size_t *n)
{
	bool row = true;
	enum rc rc = RC_OK;

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = *n < cap ? read_row(s, &rows[*n]) : RC_LIMIT;
		if (!rc)
			(*n)++;
	}
	return rc;
}

enum rc damage_load(
    struct catalog *cat, size_t max, struct damage_row **out, size_t *n)
{
	struct db_stmt *s = NULL;
	int64_t count = 0;
	enum rc rc = db_number(cat->db, "SELECT count(*) FROM damage", &count);

	*out = NULL;
	*n = 0;
	if (rc || count == 0)
		return rc;
	if (count < 0 || (uint64_t)count > max)
		return RC_LIMIT;
	*out = calloc((size_t)count, sizeof(**out));
	if (!*out)
		return RC_NOMEM;
	rc = db_prepare(cat->db,
	    "SELECT digest, path, what, found, whole, asked, coalesce(CASE"
	    " path WHEN '' THEN (SELECT size FROM entry e WHERE"
	    " e.digest=d.digest AND e.last IS NOT NULL LIMIT 1) ELSE (SELECT"
	    " size FROM entry e WHERE e.path=d.path AND e.last IS NULL) END,"
	    " 0) FROM damage d",
	    &s);
	if (!rc)
		rc = read_rows(s, *out, (size_t)count, n);
	db_finish(s);
	if (rc) {
		free(*out);
		*out = NULL;
		*n = 0;
	}
	return rc;
}

/* --- telling ------------------------------------------------------------------ */

#define OF_FINISHED " FROM snapshot s WHERE s.state IN (2, 3) AND EXISTS"

static const char *const hit_lists[] = {
	[CONTENTS_LATEST] =
	    "SELECT s.id" OF_FINISHED "(SELECT 1 FROM entry e WHERE e.path=?2"
	    " AND e.last IS NULL AND e.digest=?1 AND e.first<=s.id)"
	    " ORDER BY s.id DESC",
	[CONTENTS_OBJECTS] =
	    "SELECT s.id" OF_FINISHED "(SELECT 1 FROM entry e WHERE"
	    " e.digest=?1 AND e.last IS NOT NULL AND e.first<=s.id AND"
	    " e.last>=s.id) ORDER BY s.id DESC",
};

static enum rc list_snapshots(
    struct catalog *cat, const struct content *c, struct vault_damaged *d)
{
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(cat->db, hit_lists[c->stage], &s);

	if (rc)
		return rc;
	db_bind_blob(s, 1, c->digest, DIGEST_LEN);
	if (c->stage == CONTENTS_LATEST)
		db_bind_text(s, 2, c->rel, strlen(c->rel));
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		if (d->n_snapshots < VAULT_DAMAGE_SNAPSHOTS)
			d->snapshots[d->n_snapshots] = db_int(s, 0);
		d->n_snapshots++;
	}
	db_finish(s);
	return rc;
}

/* One of the paths of an object: the one that had it last. */
static enum rc path_of(
    struct catalog *cat, const struct content *c, char out[LIMIT_DL_PATH + 1])
{
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc;

	memcpy(out, c->rel, LIMIT_DL_PATH + 1);
	if (c->stage == CONTENTS_LATEST)
		return RC_OK;
	rc = db_prepare(cat->db,
	    "SELECT path FROM entry WHERE digest=?1 AND last IS NOT NULL"
	    " ORDER BY last DESC LIMIT 1",
	    &s);
	if (rc)
		return rc;
	db_bind_blob(s, 1, c->digest, DIGEST_LEN);
	rc = db_step(s, &row);
	if (!rc && row)
		rc = catalog_row_path(s, 0, out);
	db_finish(s);
	return rc;
}

enum rc damage_tell(struct vault_phone *p, const struct damage_row *row,
    vault_damaged_fn fn, void *arg)
{
	struct vault_damaged d = { .what = row->what,
		.digest = row->c.digest,
		.newest = row->c.stage == CONTENTS_LATEST,
		.found_at = row->found,
		.whole_at = row->whole };
	char path[LIMIT_DL_PATH + 1];
	char rel[LAYOUT_PATH];
	char *file;
	enum rc rc;

	contents_file(p, &row->c, rel);
	file = vphone_absolute(p, rel);
	if (!file)
		return RC_NOMEM;
	d.path = path;
	d.file = file;
	rc = path_of(&p->cat, &row->c, path);
	if (!rc)
		rc = list_snapshots(&p->cat, &row->c, &d);
	if (!rc)
		rc = fn(arg, &d);
	free(file);
	return rc;
}
