#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "view"
#include "log.h"

enum {
	Q_PENDING,
	Q_BASE,
	Q_ADD_STAGED,
	Q_DROP_STAGED,
	Q_PUT,
	Q_DELETE,
	Q_MOVE,
	Q_TREE_STAGED,
	Q_TREE_DROP,
	Q_TREE_DELETE,
	Q_TREE_HIDE,
	Q_WALK_PENDING,
	Q_WALK_BASE,
	Q_HOLD,
	Q_COUNT
};

/* Columns of a pending row with its staged facts, and of a base row. */
#define PENDING_ROW                                                            \
	"SELECT p.path, p.op, p.staged, p.mtime, s.size, s.mtime, s.digest,"   \
	" s.id FROM pending p LEFT JOIN staged s ON s.num=p.staged "
#define BASE_ROW "SELECT path, kind, size, mtime, digest FROM entry "

static const char *const queries[Q_COUNT] = {
	[Q_PENDING] = PENDING_ROW "WHERE p.path=?1",
	[Q_BASE] = BASE_ROW "WHERE path=?1 AND last IS NULL",
	[Q_ADD_STAGED] = "INSERT INTO staged(num, size, mtime, digest, id)"
			 " VALUES(?1, ?2, ?3, ?4, ?5)",
	[Q_DROP_STAGED] = "DELETE FROM staged WHERE num=?1",
	[Q_PUT] = "REPLACE INTO pending(path, op, staged, mtime)"
		  " VALUES(?1, ?2, ?3, ?4)",
	[Q_DELETE] = "DELETE FROM pending WHERE path=?1",
	[Q_MOVE] = "UPDATE OR IGNORE pending SET path=?2"
		   " WHERE path=?1 AND op=1",
	[Q_TREE_STAGED] = "SELECT s.num, s.id FROM pending p CROSS JOIN"
			  " staged s ON s.num=p.staged"
			  " WHERE p.path>=?1 AND p.path<?2 AND p.op=1",
	[Q_TREE_DROP] = "DELETE FROM staged WHERE num IN (SELECT staged"
			" FROM pending WHERE path>=?1 AND path<?2 AND op=1)",
	[Q_TREE_DELETE] = "DELETE FROM pending WHERE path>=?1 AND path<?2",
	[Q_TREE_HIDE] = "INSERT INTO pending(path, op) SELECT path, 3 FROM"
			" entry WHERE path>=?1 AND path<?2 AND last IS NULL",
	[Q_WALK_PENDING] = PENDING_ROW "WHERE p.path>=?1 AND p.path<?2"
				       " ORDER BY p.path",
	[Q_WALK_BASE] = BASE_ROW "WHERE path>=?1 AND path<?2 AND last IS NULL"
				 " ORDER BY path",
	[Q_HOLD] = "SELECT 1 FROM sqlite_schema",
};

struct view {
	struct db *db;
	struct db_stmt *q[Q_COUNT];
	bool base_empty; /* a first backup: half of the questions are moot */
	bool held;
	bool walking; /* a walk has its two statements */
};

enum rc view_new(struct db *db, struct view **out)
{
	struct view *v = calloc(1, sizeof(*v));
	int64_t any = 0;
	enum rc rc = RC_OK;

	if (!v)
		return RC_NOMEM;
	v->db = db;
	for (int i = 0; !rc && i < Q_COUNT; i++)
		rc = db_prepare(db, queries[i], &v->q[i]);
	if (!rc)
		rc = db_number(db, "SELECT EXISTS(SELECT 1 FROM entry)", &any);
	v->base_empty = any == 0;
	if (rc) {
		view_free(v);
		return rc;
	}
	*out = v;
	return RC_OK;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	for (int i = 0; i < Q_COUNT; i++)
		db_finish(v->q[i]);
	free(v);
}

/* A statement that has not ended keeps SQLite's lock, and its cache with it. */
void view_hold(struct view *v)
{
	if (!v->held && !db_in_transaction(v->db) &&
	    db_step(v->q[Q_HOLD], &v->held))
		v->held = false;
}

void view_let_go(struct view *v)
{
	if (!v || !v->held)
		return;
	db_reset(v->q[Q_HOLD]);
	v->held = false;
}

static enum rc read_base(struct db_stmt *s, struct view_node *out)
{
	int64_t kind = db_int(s, 1);
	enum rc rc;

	if (kind != STORE_FILE && kind != STORE_DIR)
		return RC_CORRUPT;
	out->kind = (enum store_kind)kind;
	out->mtime = db_int(s, 3);
	out->staged = false;
	rc = catalog_row_size(s, 2, &out->size);
	if (!rc && out->kind == STORE_FILE)
		rc = catalog_row_digest(s, 4, out->digest);
	return rc;
}

/* RC_NOTFOUND: the row says that the base's entry is gone. */
static enum rc read_pending(struct db_stmt *s, struct view_node *out)
{
	int64_t op = db_int(s, 1);
	enum rc rc;

	if (op == CATALOG_OP_GONE)
		return RC_NOTFOUND;
	if (op == CATALOG_OP_DIR) {
		*out = (struct view_node){ .kind = STORE_DIR,
			.mtime = db_int(s, 3) };
		return RC_OK;
	}
	if (op != CATALOG_OP_FILE)
		return RC_CORRUPT;
	out->kind = STORE_FILE;
	out->staged = true;
	out->mtime = db_int(s, 5);
	rc = catalog_row_place(s, 2, 7, &out->place);
	if (!rc)
		rc = catalog_row_size(s, 4, &out->size);
	if (!rc)
		rc = catalog_row_digest(s, 6, out->digest);
	return rc;
}

static enum rc base_get(struct view *v, const char *rel, struct view_node *out)
{
	struct db_stmt *s = v->q[Q_BASE];
	bool row;
	enum rc rc;

	if (v->base_empty)
		return RC_NOTFOUND;
	db_bind_text(s, 1, rel, strlen(rel));
	rc = db_step(s, &row);
	if (rc)
		return rc;
	rc = row ? read_base(s, out) : RC_NOTFOUND;
	db_reset(s);
	return rc;
}

/* *row false: the overlay says nothing about it. */
static enum rc pending_get(
    struct view *v, const char *rel, struct view_node *out, bool *row)
{
	struct db_stmt *s = v->q[Q_PENDING];
	enum rc rc;

	db_bind_text(s, 1, rel, strlen(rel));
	rc = db_step(s, row);
	if (rc || !*row)
		return rc;
	rc = read_pending(s, out);
	db_reset(s);
	return rc;
}

enum rc view_get(struct view *v, const char *rel, struct view_node *out)
{
	bool row;
	enum rc rc = pending_get(v, rel, out, &row);

	if (rc || row)
		return rc;
	return base_get(v, rel, out);
}

enum rc view_add_staged(struct view *v, const struct layout_place *place,
    uint64_t size, int64_t mtime, const uint8_t digest[DIGEST_LEN])
{
	struct db_stmt *s = v->q[Q_ADD_STAGED];

	db_bind_int(s, 1, place->num);
	db_bind_int(s, 2, (int64_t)size);
	db_bind_int(s, 3, mtime);
	db_bind_blob(s, 4, digest, DIGEST_LEN);
	db_bind_blob(s, 5, place->named ? place->id : NULL,
	    place->named ? LAYOUT_ID_LEN : 0);
	return db_run(s);
}

enum rc view_drop_staged(struct view *v, uint32_t num)
{
	db_bind_int(v->q[Q_DROP_STAGED], 1, num);
	return db_run(v->q[Q_DROP_STAGED]);
}

static enum rc put(struct view *v, const char *rel, enum catalog_op op,
    int64_t staged, int64_t mtime)
{
	struct db_stmt *s = v->q[Q_PUT];

	db_bind_text(s, 1, rel, strlen(rel));
	db_bind_int(s, 2, (int64_t)op);
	if (op == CATALOG_OP_FILE)
		db_bind_int(s, 3, staged);
	else
		db_bind_blob(s, 3, NULL, 0);
	db_bind_int(s, 4, mtime);
	return db_run(s);
}

enum rc view_put_file(struct view *v, const char *rel, uint32_t num)
{
	return put(v, rel, CATALOG_OP_FILE, num, 0);
}

enum rc view_move_staged(
    struct view *v, const char *from, const char *to, bool *moved)
{
	struct db_stmt *s = v->q[Q_MOVE];
	enum rc rc;

	*moved = false;
	if (!v->base_empty)
		return RC_OK;
	db_bind_text(s, 1, from, strlen(from));
	db_bind_text(s, 2, to, strlen(to));
	rc = db_run(s);
	*moved = !rc && db_changes(v->db) == 1;
	return rc;
}

enum rc view_put_dir(struct view *v, const char *rel, int64_t mtime)
{
	return put(v, rel, CATALOG_OP_DIR, 0, mtime);
}

enum rc view_hide(struct view *v, const char *rel)
{
	struct view_node base;
	enum rc rc = base_get(v, rel, &base);

	if (!rc)
		return put(v, rel, CATALOG_OP_GONE, 0, 0);
	if (rc != RC_NOTFOUND)
		return rc;
	db_bind_text(v->q[Q_DELETE], 1, rel, strlen(rel));
	return db_run(v->q[Q_DELETE]);
}

/* --- ranges ---------------------------------------------------------------- */

/* All paths below `rel`: lo <= path < hi. '0' is the byte after '/'. */
struct range {
	char lo[LIMIT_DL_PATH + 4], hi[LIMIT_DL_PATH + 4];
	bool all; /* below the top: everything but the top itself */
};

static void range_below(struct range *r, const char *rel)
{
	r->all = rel[0] == '\0';
	if (r->all) {
		/* No path begins with a byte below this one. */
		strcpy(r->lo, "\x01");
		r->hi[0] = '\0';
		return;
	}
	snprintf(r->lo, sizeof(r->lo), "%s/", rel);
	snprintf(r->hi, sizeof(r->hi), "%s0", rel);
}

static void bind_range(struct db_stmt *s, const struct range *r)
{
	db_bind_text(s, 1, r->lo, strlen(r->lo));
	if (r->all) /* SQLite sorts each text before each blob */
		db_bind_blob(s, 2, "", 0);
	else
		db_bind_text(s, 2, r->hi, strlen(r->hi));
}

static enum rc run_range(struct view *v, int q, const struct range *r)
{
	bind_range(v->q[q], r);
	return db_run(v->q[q]);
}

enum rc view_hide_tree(struct view *v, const char *rel,
    enum rc (*doomed)(void *arg, const struct layout_place *place), void *arg)
{
	struct db_stmt *s = v->q[Q_TREE_STAGED];
	struct layout_place place;
	struct range r;
	bool row = true;
	enum rc rc = RC_OK;

	range_below(&r, rel);
	bind_range(s, &r);
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_place(s, 0, 1, &place);
		if (!rc)
			rc = doomed(arg, &place);
	}
	db_reset(s);
	if (!rc)
		rc = run_range(v, Q_TREE_DROP, &r);
	if (!rc)
		rc = run_range(v, Q_TREE_DELETE, &r);
	if (!rc)
		rc = run_range(v, Q_TREE_HIDE, &r);
	return rc ? rc : view_hide(v, rel);
}

/* --- walks: a merge of two ordered cursors -------------------------------- */

struct cursor {
	struct db_stmt *s;
	struct range range; /* its own: the statement has it bound */
	bool row;
	char path[LIMIT_DL_PATH + 1];
};

struct walk {
	struct cursor pending, base;
	struct range range;
};

static enum rc cursor_next(struct cursor *c)
{
	enum rc rc = db_step(c->s, &c->row);

	if (rc || !c->row)
		return rc;
	return catalog_row_path(c->s, 0, c->path);
}

static enum rc cursor_seek(struct cursor *c, const struct range *r)
{
	db_reset(c->s);
	c->range = *r;
	bind_range(c->s, &c->range);
	return cursor_next(c);
}

static enum rc walk_open(struct view *v, struct walk *w)
{
	enum rc rc;

	w->pending.s = v->q[Q_WALK_PENDING];
	w->base.s = v->q[Q_WALK_BASE];
	rc = cursor_seek(&w->pending, &w->range);
	if (!rc && !v->base_empty)
		rc = cursor_seek(&w->base, &w->range);
	return rc;
}

static void walk_close(struct walk *w)
{
	db_reset(w->pending.s);
	db_reset(w->base.s);
}

/* Which one comes first; on a tie the overlay covers the base. */
static int walk_order(const struct walk *w)
{
	if (!w->base.row)
		return -1;
	if (!w->pending.row)
		return 1;
	return strcmp(w->pending.path, w->base.path);
}

/* Moves on both cursors that stand before `lo`. */
static enum rc walk_skip_to(struct walk *w, const char *lo)
{
	struct cursor *const both[] = { &w->pending, &w->base };
	enum rc rc = RC_OK;

	snprintf(w->range.lo, sizeof(w->range.lo), "%s", lo);
	for (int i = 0; !rc && i < 2; i++)
		if (both[i]->row && strcmp(both[i]->path, lo) < 0)
			rc = cursor_seek(both[i], &w->range);
	return rc;
}

/* The head of the walk; RC_NOTFOUND for a row that hides its path. */
static enum rc walk_head(
    struct walk *w, struct view_node *node, char path[LIMIT_DL_PATH + 1])
{
	int order = walk_order(w);
	enum rc rc, step = RC_OK;

	memcpy(path, order <= 0 ? w->pending.path : w->base.path,
	    LIMIT_DL_PATH + 1);
	if (order <= 0)
		rc = read_pending(w->pending.s, node);
	else
		rc = read_base(w->base.s, node);
	if (order <= 0)
		step = cursor_next(&w->pending);
	if (!step && order >= 0)
		step = cursor_next(&w->base);
	return step ? step : rc;
}

/* Past all that lies below `path`, which is a direct child. */
static enum rc skip_below(struct walk *w, const char *path, size_t len)
{
	char lo[LIMIT_DL_PATH + 4];
	char in[LIMIT_DL_PATH + 4];
	const struct cursor *const both[] = { &w->pending, &w->base };
	bool inside = false;

	snprintf(in, sizeof(in), "%.*s/", (int)len, path);
	snprintf(lo, sizeof(lo), "%.*s0", (int)len, path);
	for (int i = 0; i < 2; i++)
		inside |= both[i]->row && strcmp(both[i]->path, in) >= 0 &&
			  strcmp(both[i]->path, lo) < 0;
	return inside ? walk_skip_to(w, lo) : RC_OK;
}

static enum rc walk_run(struct walk *w, const struct view_walk *walk,
    size_t prefix, view_fn fn, void *arg)
{
	char path[LIMIT_DL_PATH + 1];
	struct view_node node;
	unsigned n = 0;
	enum rc rc = RC_OK;

	while (!rc && (w->pending.row || w->base.row)) {
		const char *slash;

		rc = walk_head(w, &node, path);
		if (rc && rc != RC_NOTFOUND)
			return rc;
		slash = walk->children ? strchr(path + prefix, '/') : NULL;
		if (slash) {
			/* A child's child: its whole folder is passed over */
			rc = skip_below(w, path, (size_t)(slash - path));
			continue;
		}
		if (!rc)
			rc = fn(arg, path, &node);
		else
			rc = RC_OK;
		if (!rc && walk->max && ++n >= walk->max)
			return RC_OK;
	}
	return rc;
}

enum rc view_each(
    struct view *v, const struct view_walk *walk, view_fn fn, void *arg)
{
	size_t prefix = walk->rel[0] ? strlen(walk->rel) + 1 : 0;
	struct walk w = { .pending = { .row = false } };
	enum rc rc;

	if (v->walking)
		return RC_BUG;
	v->walking = true;
	range_below(&w.range, walk->rel);
	if (walk->after[0]) /* the first path that can follow it */
		snprintf(w.range.lo, sizeof(w.range.lo), "%s\x01", walk->after);
	rc = walk_open(v, &w);
	if (!rc)
		rc = walk_run(&w, walk, prefix, fn, arg);
	walk_close(&w);
	v->walking = false;
	return rc;
}

enum rc view_is_clean(struct view *v, bool *clean)
{
	int64_t any = 0;
	enum rc rc =
	    db_number(v->db, "SELECT EXISTS(SELECT 1 FROM pending)", &any);

	*clean = any == 0;
	return rc;
}

enum rc view_clear(struct db *db)
{
	return db_exec(db, "DELETE FROM pending; DELETE FROM staged;");
}
