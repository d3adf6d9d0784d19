/* Rows against the disk, and the disk against rows: see vault_audit.h. */
#include "vault_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diskwalk.h"
#include "vphone.h"

#define LOG_MODULE "audit"
#include "log.h"

#define PAGE 128

struct row {
	char path[LIMIT_DL_PATH + 1];
	int64_t first, last;
	enum store_kind kind;
	uint64_t size;
	uint8_t digest[DIGEST_LEN];
	bool bad;
};

struct audit {
	struct vault_phone *p;
	struct db *db;
	const struct vault_audit_opts *o;
	struct db_stmt *current, *object, *lost;
	struct row *rows; /* a page */
	uint64_t staged_good; /* rows whose file is there */
	uint64_t staged_files; /* that are there */
	/* Only when there are more files than rows: all rows, sorted. */
	struct layout_place *known;
	size_t n_known;
	const char *in; /* the folder that is walked */
};

const char *vault_audit_word(enum vault_audit_what what)
{
	static const char *const words[VAULT_AUDIT_WHATS] = {
		[VAULT_AUDIT_MISSING] = "missing",
		[VAULT_AUDIT_KIND] = "wrong kind",
		[VAULT_AUDIT_SIZE] = "wrong size",
		[VAULT_AUDIT_BAD_ROW] = "impossible row",
		[VAULT_AUDIT_NO_ROW] = "file without a row",
		[VAULT_AUDIT_OBJECT_NO_ROW] = "object without a row",
		[VAULT_AUDIT_OBJECT_LOST] = "object kept by a repair",
		[VAULT_AUDIT_STAGED_MISSING] = "staged file missing",
		[VAULT_AUDIT_STAGED_NO_ROW] = "staged file without a row",
		[VAULT_AUDIT_STRANGER] = "stranger",
	};

	return what < VAULT_AUDIT_WHATS ? words[what] : "unknown";
}

bool vault_audit_is_fault(enum vault_audit_what what)
{
	return what != VAULT_AUDIT_OBJECT_LOST &&
	       what != VAULT_AUDIT_STAGED_NO_ROW &&
	       what != VAULT_AUDIT_STRANGER;
}

static enum rc found(struct audit *a, enum vault_audit_what what,
    const char *path, uint64_t size, uint64_t want)
{
	const struct vault_finding f = {
		.what = what, .path = path, .size = size, .want = want
	};

	return a->o->finding ? a->o->finding(a->o->arg, &f) : RC_OK;
}

/* --- rows against the disk ---------------------------------------------------- */

static void read_row(struct db_stmt *s, struct row *r)
{
	int64_t kind = db_int(s, 3);

	memset(r, 0, sizeof(*r));
	r->bad = catalog_row_path(s, 0, r->path) != RC_OK;
	r->first = db_int(s, 1);
	r->last = db_int(s, 2);
	r->kind = kind == STORE_DIR ? STORE_DIR : STORE_FILE;
	r->bad |= kind != STORE_FILE && kind != STORE_DIR;
	r->bad |= r->first < 1 || (!db_is_null(s, 2) && r->last < r->first);
	r->bad |= catalog_row_size(s, 4, &r->size) != RC_OK;
	if (r->kind == STORE_FILE)
		r->bad |= catalog_row_digest(s, 5, r->digest) != RC_OK;
}

static enum rc look_at_row(
    struct audit *a, const struct row *r, const char *file)
{
	struct stat st;
	int rv = a->p->ops->stat(a->p->ops->ctx, a->p->root, file, &st);
	enum rc rc = fileops_rc(rv);

	if (rc == RC_NOTFOUND || rc == RC_NOTDIR)
		return found(a, VAULT_AUDIT_MISSING, file, 0, r->size);
	if (rc)
		return rc;
	if (r->kind == STORE_DIR ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return found(a, VAULT_AUDIT_KIND, file, 0, r->size);
	if (r->kind == STORE_FILE && (uint64_t)st.st_size != r->size)
		return found(
		    a, VAULT_AUDIT_SIZE, file, (uint64_t)st.st_size, r->size);
	return RC_OK;
}

static enum rc on_row(struct audit *a, const struct row *r)
{
	char file[LAYOUT_PATH];
	struct vault_row out = { .path = r->path,
		.first = r->first,
		.last = r->last,
		.kind = r->kind,
		.size = r->size,
		.digest = r->kind == STORE_FILE ? r->digest : NULL,
		.file = file };
	enum rc rc = RC_OK;

	if (r->bad)
		return found(a, VAULT_AUDIT_BAD_ROW, r->path, 0, r->size);
	if (r->last == 0)
		layout_latest(file, a->p->udid, r->path);
	else
		layout_object(file, r->digest);
	if (a->o->row)
		rc = a->o->row(a->o->arg, &out);
	/* A folder that went lies nowhere. */
	if (rc || a->o->rows_only || (r->last != 0 && r->kind == STORE_DIR))
		return rc;
	return look_at_row(a, r, file);
}

/* *n rows behind (path, first). */
static enum rc read_page(
    struct db_stmt *s, struct row *rows, const struct row *after, size_t *n)
{
	bool row = true;
	enum rc rc = RC_OK;

	db_bind_text(s, 1, after->path, strlen(after->path));
	db_bind_int(s, 2, after->first);
	for (*n = 0; *n < PAGE; ++*n) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		read_row(s, &rows[*n]);
	}
	db_reset(s);
	return rc;
}

static enum rc look_at_rows(struct audit *a)
{
	struct row after = { .first = 0 };
	struct db_stmt *s = NULL;
	size_t n = PAGE;
	enum rc rc = db_prepare(a->db,
	    "SELECT path, first, last, kind, size, digest FROM entry"
	    " WHERE (path, first)>(?1, ?2) ORDER BY path, first",
	    &s);

	while (!rc && n == PAGE) {
		rc = read_page(s, a->rows, &after, &n);
		for (size_t i = 0; !rc && i < n; i++)
			rc = on_row(a, &a->rows[i]);
		if (n > 0)
			after = a->rows[n - 1];
		if (!rc && n == PAGE && after.bad)
			rc = RC_CORRUPT; /* no place to go on from */
	}
	db_finish(s);
	return rc;
}

/* --- the disk against the rows -------------------------------------------------- */

static enum rc ask(struct db_stmt *s, bool *row)
{
	enum rc rc = db_step(s, row);

	db_reset(s);
	return rc;
}

static enum rc tell(struct audit *a, enum vault_audit_what what,
    const char *rel, const struct stat *st)
{
	char path[LAYOUT_PATH];

	snprintf(path, sizeof(path), "%s%s%s", a->in, a->in[0] ? "/" : "", rel);
	return found(
	    a, what, path, S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0, 0);
}

/* A folder that is not ours is not entered. */
static enum rc tell_stranger(
    struct audit *a, const char *rel, const struct stat *st)
{
	enum rc rc = tell(a, VAULT_AUDIT_STRANGER, rel, st);

	return !rc && S_ISDIR(st->st_mode) ? RC_NOTDIR : rc;
}

static enum rc in_latest(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	struct audit *a = arg;
	bool row;
	enum rc rc;

	(void)depth;
	db_bind_text(a->current, 1, rel, strlen(rel));
	rc = ask(a->current, &row);
	if (rc || row)
		return rc;
	if (diskwalk_is_foreign(name, st))
		return tell_stranger(a, rel, st);
	return tell(a, VAULT_AUDIT_NO_ROW, rel, st);
}

static enum rc in_objects(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	struct audit *a = arg;
	uint8_t digest[DIGEST_LEN];
	char mine[LAYOUT_PATH];
	uint32_t two;
	bool row;
	enum rc rc;

	if (depth == 0 && S_ISDIR(st->st_mode) &&
	    layout_parse_hex(name, 2, &two))
		return RC_OK;
	if (!S_ISREG(st->st_mode) || !layout_parse_digest(name, digest))
		return tell_stranger(a, rel, st);
	layout_object(mine, digest);
	if (strcmp(mine + sizeof(LAYOUT_OBJECTS), rel) != 0)
		return tell_stranger(a, rel, st);
	db_bind_blob(a->object, 1, digest, DIGEST_LEN);
	rc = ask(a->object, &row);
	if (rc || row)
		return rc;
	row = false;
	if (a->lost) {
		db_bind_blob(a->lost, 1, digest, DIGEST_LEN);
		rc = ask(a->lost, &row);
	}
	return rc ? rc
		  : tell(a,
			row ? VAULT_AUDIT_OBJECT_LOST
			    : VAULT_AUDIT_OBJECT_NO_ROW,
			rel, st);
}

/* --- incoming/ ------------------------------------------------------------------- */

static bool is_staged_folder(const char *name)
{
	uint32_t v;

	return layout_parse_hex(name, LAYOUT_NAMED_DIR_DIGITS, &v) ||
	       layout_parse_hex(name, LAYOUT_STAGED_DIR_DIGITS, &v);
}

static bool parse_staged(
    const char *rel, const char *name, struct layout_place *out)
{
	char mine[LAYOUT_PATH];

	memset(out, 0, sizeof(*out));
	out->named = layout_parse_id(name, out->id);
	if (!out->named &&
	    !layout_parse_hex(name, LAYOUT_STAGED_DIGITS, &out->num))
		return false;
	layout_staged(mine, out);
	return strcmp(mine + sizeof(LAYOUT_INCOMING), rel) == 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct layout_place *x = a, *y = b;

	if (x->named != y->named)
		return x->named ? 1 : -1;
	if (!x->named)
		return (x->num > y->num) - (x->num < y->num);
	return memcmp(x->id, y->id, sizeof(x->id));
}

static enum rc in_incoming(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	struct audit *a = arg;
	struct layout_place place;

	if (depth == 0 && S_ISDIR(st->st_mode) && is_staged_folder(name))
		return RC_OK;
	if (!S_ISREG(st->st_mode) || !parse_staged(rel, name, &place)) {
		/* told in the first of two walks */
		if (!a->known)
			return tell_stranger(a, rel, st);
		return S_ISDIR(st->st_mode) ? RC_NOTDIR : RC_OK;
	}
	a->staged_files++;
	if (!a->known || bsearch(&place, a->known, a->n_known, sizeof(place),
			     compare_places))
		return RC_OK;
	return tell(a, VAULT_AUDIT_STAGED_NO_ROW, rel, st);
}

static enum rc load_known(struct audit *a)
{
	struct db_stmt *s = NULL;
	int64_t n = 0;
	bool row = true;
	enum rc rc = db_number(a->db, "SELECT count(*) FROM staged", &n);

	if (rc)
		return rc;
	a->known = calloc((size_t)n + 1, sizeof(*a->known));
	if (!a->known)
		return RC_NOMEM;
	rc = db_prepare(a->db, "SELECT num, id FROM staged", &s);
	while (!rc && a->n_known < (size_t)n) {
		struct layout_place *p = &a->known[a->n_known];

		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_place(s, 0, 1, p);
		if (p->named)
			p->num = 0;
		a->n_known += !rc;
	}
	db_finish(s);
	qsort(a->known, a->n_known, sizeof(*a->known), compare_places);
	return rc;
}

struct staged {
	struct layout_place place;
	int64_t num;
	uint64_t size;
};

static enum rc read_staged(
    struct db_stmt *s, struct staged *page, int64_t after, size_t *n)
{
	bool row = true;
	enum rc rc = RC_OK;

	db_bind_int(s, 1, after);
	for (*n = 0; *n < PAGE; ++*n) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		page[*n].num = db_int(s, 0);
		rc = catalog_row_place(s, 0, 2, &page[*n].place);
		if (!rc)
			rc = catalog_row_size(s, 1, &page[*n].size);
		if (rc)
			break;
	}
	db_reset(s);
	return rc;
}

static enum rc look_at_staged(struct audit *a)
{
	struct staged page[PAGE];
	struct db_stmt *s = NULL;
	char path[LAYOUT_PATH];
	struct stat st;
	int64_t after = -1;
	size_t n = PAGE;
	enum rc rc = db_prepare(a->db,
	    "SELECT num, size, id FROM staged WHERE num>?1 ORDER BY num", &s);

	while (!rc && n == PAGE) {
		rc = read_staged(s, page, after, &n);
		for (size_t i = 0; !rc && i < n; i++) {
			after = page[i].num;
			layout_staged(path, &page[i].place);
			if (a->p->ops->stat(
				a->p->ops->ctx, a->p->root, path, &st) < 0 ||
			    (uint64_t)st.st_size != page[i].size)
				rc = found(a, VAULT_AUDIT_STAGED_MISSING, path,
				    0, page[i].size);
			else
				a->staged_good++;
		}
	}
	db_finish(s);
	return rc;
}

/* --- the phone's folder itself ----------------------------------------------------- */

static enum rc in_root(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	static const char *const ours[] = { LAYOUT_LATEST, LAYOUT_OBJECTS,
		LAYOUT_INCOMING };
	struct audit *a = arg;

	(void)depth;
	if (S_ISDIR(st->st_mode)) {
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			if (strcmp(name, ours[i]) == 0)
				return RC_NOTDIR; /* its own walk */
	} else if (strncmp(name, LAYOUT_CATALOG, strlen(LAYOUT_CATALOG)) == 0) {
		return RC_OK; /* and its journal, and what repairs kept */
	}
	return tell_stranger(a, rel, st);
}

/* Beside latest/<UDID> there is nothing of ours. */
static enum rc in_latest_top(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	struct audit *a = arg;

	(void)depth;
	if (strcmp(name, a->p->udid) == 0 && S_ISDIR(st->st_mode))
		return RC_NOTDIR;
	return tell_stranger(a, rel, st);
}

static enum rc walk(struct audit *a, const char *in, diskwalk_fn fn)
{
	enum rc rc;

	a->in = in;
	rc = diskwalk(a->p->ops, a->p->root, in[0] ? in : ".", fn, a);
	return rc == RC_NOTFOUND ? RC_OK : rc;
}

static enum rc look_at_disk(struct audit *a)
{
	char latest[LAYOUT_PATH];
	enum rc rc = walk(a, "", in_root);

	layout_latest(latest, a->p->udid, "");
	if (!rc)
		rc = walk(a, LAYOUT_LATEST, in_latest_top);
	if (!rc)
		rc = walk(a, latest, in_latest);
	if (!rc)
		rc = walk(a, LAYOUT_OBJECTS, in_objects);
	if (!rc)
		rc = walk(a, LAYOUT_INCOMING, in_incoming);
	if (rc || a->staged_files <= a->staged_good)
		return rc;
	rc = load_known(a); /* some have no row: which? */
	return rc ? rc : walk(a, LAYOUT_INCOMING, in_incoming);
}

/* --- all of it ----------------------------------------------------------------------- */

static enum rc has_table(struct db *db, const char *sql, bool *out)
{
	int64_t n = 0;
	enum rc rc = db_number(db, sql, &n);

	*out = n > 0;
	return rc;
}

#define HAS_LOST "SELECT count(*) FROM sqlite_master WHERE name='lost'"

static enum rc prepare(struct audit *a)
{
	const struct {
		struct db_stmt **s;
		const char *sql;
	} all[] = {
		{ &a->current,
		    "SELECT 1 FROM entry WHERE path=?1 AND last IS NULL" },
		{ &a->object, "SELECT 1 FROM entry WHERE digest=?1 AND"
			      " last IS NOT NULL LIMIT 1" },
		{ &a->lost, "SELECT 1 FROM lost WHERE digest=?1" },
	};
	size_t n = sizeof(all) / sizeof(all[0]);
	bool has_lost;
	enum rc rc = has_table(a->db, HAS_LOST, &has_lost);

	for (size_t i = 0; !rc && i < n - (has_lost ? 0 : 1); i++)
		rc = db_prepare(a->db, all[i].sql, all[i].s);
	return rc;
}

enum rc vault_audit(struct vault_phone *p, const struct vault_audit_opts *o)
{
	struct audit a = { .p = p, .db = p->cat.db, .o = o };
	enum rc rc;

	a.rows = calloc(PAGE, sizeof(*a.rows));
	if (!a.rows)
		return RC_NOMEM;
	rc = prepare(&a);
	if (!rc)
		rc = look_at_rows(&a);
	if (!rc && !o->rows_only)
		rc = look_at_staged(&a);
	if (!rc && !o->rows_only)
		rc = look_at_disk(&a);
	db_finish(a.current);
	db_finish(a.object);
	db_finish(a.lost);
	free(a.known);
	free(a.rows);
	return rc;
}

enum rc vault_tables(struct vault_phone *p, struct vault_tables *out)
{
	struct db *db = p->cat.db;
	const struct {
		int64_t *n;
		const char *sql;
	} all[] = {
		{ &out->format, "PRAGMA user_version" },
		{ &out->retire, "SELECT count(*) FROM move WHERE what=1" },
		{ &out->rmdir, "SELECT count(*) FROM move WHERE what=2" },
		{ &out->mkdir, "SELECT count(*) FROM move WHERE what=3" },
		{ &out->place, "SELECT count(*) FROM move WHERE what=4" },
		{ &out->place_dir, "SELECT count(*) FROM move WHERE what=5" },
		{ &out->pending_files,
		    "SELECT count(*) FROM pending WHERE op=1" },
		{ &out->pending_dirs,
		    "SELECT count(*) FROM pending WHERE op=2" },
		{ &out->pending_gone,
		    "SELECT count(*) FROM pending WHERE op=3" },
		{ &out->staged, "SELECT count(*) FROM staged" },
		{ &out->staged_bytes, "SELECT sum(size) FROM staged" },
		{ &out->committing,
		    "SELECT max(id) FROM snapshot WHERE state=1" },
		{ &out->lost, "SELECT count(*) FROM lost" },
		{ &out->lost_bytes, "SELECT sum(size) FROM lost" },
	};
	size_t n = sizeof(all) / sizeof(all[0]);
	int64_t placing = 0;
	bool has_lost;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	rc = has_table(db, HAS_LOST, &has_lost);
	for (size_t i = 0; !rc && i < n - (has_lost ? 0 : 2); i++)
		rc = db_number(db, all[i].sql, all[i].n);
	if (!rc)
		rc = db_number(db,
		    "SELECT max(placing) FROM snapshot WHERE state=1",
		    &placing);
	out->placing = placing != 0;
	return rc;
}

enum rc vault_each_move(struct vault_phone *p,
    enum rc (*fn)(void *arg, int64_t what, const char *path), void *arg)
{
	char path[LIMIT_DL_PATH + 1];
	struct db_stmt *s = NULL;
	int64_t what, num = -1;
	bool row = true;
	enum rc rc = db_prepare(p->cat.db,
	    "SELECT num, what, path FROM move WHERE num>?1 ORDER BY num"
	    " LIMIT 1",
	    &s);

	while (!rc) {
		db_bind_int(s, 1, num);
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		num = db_int(s, 0);
		what = db_int(s, 1);
		rc = catalog_row_path(s, 2, path);
		db_reset(s);
		if (!rc)
			rc = fn(arg, what, path);
	}
	db_finish(s);
	return rc;
}
