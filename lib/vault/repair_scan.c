/*
 * The disk into the rows of a new catalogue: see repair_int.h.
 *
 * First only names, sizes and times are looked at, and what has to be read is
 * listed in a table of its own; then it is read, with a known end. `latest/`
 * and `objects/` are never changed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "diskwalk.h"
#include "relpath.h"
#include "repair_int.h"

#define LOG_MODULE "repair"
#include "log.h"

#define BUFFER     (1u << 20)
#define TELL_EVERY 1000

/* A row's time is that of the file's end on the box's clock, the file's that
 * of its last write; exFAT counts in steps of two seconds. */
#define MTIME_SLACK 3

/* A disk that gives so many files not back is failing: copy it first. */
#define UNREADABLE_MAX 10000

/* todo.op, in the order of the work. */
enum todo {
	TODO_GONE = 1, /* a row whose file or folder is not there */
	TODO_DIR = 2, /* a folder without a row */
	TODO_READ = 3, /* a file without a row, or unlike its row */
	TODO_LOST = 4 /* objects/: `path` is the hash */
};

#define OBJECT_ROW                                                             \
	"SELECT 1 FROM entry WHERE digest=?1 AND last IS NOT NULL LIMIT 1"

struct scan {
	struct repair *r;
	struct db *db;
	struct db_stmt *add, *kind_of, *object_row;
};

enum rc repair_tell(struct repair *r, enum vault_repair_phase phase,
    uint64_t files_done, uint64_t bytes_done)
{
	const struct vault_repair_opts *o = r->o;

	if (o->progress)
		o->progress(o->arg, phase, files_done, r->out->to_read_files,
		    bytes_done, r->out->to_read_bytes);
	return o->cancelled && o->cancelled(o->arg) ? RC_CANCELLED : RC_OK;
}

static enum rc looked_at_one(struct repair *r)
{
	if (++r->looked % TELL_EVERY != 0)
		return RC_OK;
	return repair_tell(r, VAULT_REPAIR_LOOKING, r->looked, 0);
}

static enum rc add_todo(struct scan *sc, enum todo op, const char *path,
    uint64_t size, int64_t mtime)
{
	db_bind_text(sc->add, 1, path, strlen(path));
	db_bind_int(sc->add, 2, (int64_t)op);
	db_bind_int(sc->add, 3, (int64_t)size);
	db_bind_int(sc->add, 4, mtime);
	return db_run(sc->add);
}

/* --- rows against the disk -------------------------------------------------- */

/* Only a name that is not there is gone; a disk that cannot tell has said
 * nothing about it. */
static enum rc find_path(
    struct repair *r, const char *path, bool *there, struct stat *st)
{
	int rv = r->p.ops->stat(r->p.ops->ctx, r->p.root, path, st);
	enum rc rc = fileops_rc(rv);

	*there = rv == 0;
	return rc == RC_NOTFOUND || rc == RC_NOTDIR ? RC_OK : rc;
}

/*
 * Is the file of the row still there, as far as can be told without reading?
 * A night that replaced it has moved it to objects/, so its content is not
 * found there; that tells nights apart which the clock does not.
 */
static enum rc compare_stat(struct repair *r, const struct catalog_entry *e,
    const struct stat *st, bool *same)
{
	int64_t off = (int64_t)st->st_mtime - e->mtime;
	char object[LAYOUT_PATH];
	struct stat other;
	bool moved;
	enum rc rc;

	*same = (uint64_t)st->st_size == e->size;
	if (!*same || e->size == 0)
		return RC_OK;
	*same = !r->o->full && off >= -MTIME_SLACK && off <= MTIME_SLACK;
	if (!*same)
		return RC_OK;
	layout_object(object, e->digest);
	rc = find_path(r, object, &moved, &other);
	*same = !moved;
	return rc;
}

static enum rc look_at_row(struct scan *sc, const struct catalog_entry *e)
{
	struct repair *r = sc->r;
	char path[LAYOUT_PATH];
	struct stat st;
	bool there, same = true;
	enum rc rc;

	layout_latest(path, r->p.udid, e->path);
	rc = find_path(r, path, &there, &st);
	if (rc)
		return rc;
	if (!there || (e->kind == STORE_DIR ? !S_ISDIR(st.st_mode)
					    : !S_ISREG(st.st_mode)))
		return add_todo(sc, TODO_GONE, e->path, 0, 0);
	if (e->kind == STORE_FILE)
		rc = compare_stat(r, e, &st, &same);
	if (rc)
		return rc;
	if (!same)
		return add_todo(
		    sc, TODO_READ, e->path, (uint64_t)st.st_size, st.st_mtime);
	return looked_at_one(r);
}

static enum rc read_row(struct db_stmt *s, struct catalog_entry *e)
{
	enum rc rc = catalog_row_path(s, 0, e->path);

	e->kind = db_int(s, 1) == STORE_DIR ? STORE_DIR : STORE_FILE;
	e->mtime = db_int(s, 3);
	if (!rc)
		rc = catalog_row_size(s, 2, &e->size);
	if (!rc && e->kind == STORE_FILE)
		rc = catalog_row_digest(s, 4, e->digest);
	return rc;
}

static enum rc look_at_rows(struct scan *sc)
{
	struct catalog_entry e;
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(sc->db,
	    "SELECT path, kind, size, mtime, digest FROM entry"
	    " WHERE last IS NULL"
	    " ORDER BY path",
	    &s);

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = read_row(s, &e);
		if (!rc)
			rc = look_at_row(sc, &e);
	}
	db_finish(s);
	return rc;
}

/* --- the disk against the rows ---------------------------------------------- */

/* 0: there is no current row. */
static enum rc kind_of_row(struct scan *sc, const char *rel, int64_t *kind)
{
	bool row = false;
	enum rc rc;

	*kind = 0;
	db_bind_text(sc->kind_of, 1, rel, strlen(rel));
	rc = db_step(sc->kind_of, &row);
	if (!rc && row)
		*kind = db_int(sc->kind_of, 0);
	db_reset(sc->kind_of);
	return rc;
}

static enum rc look_at_file(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	struct scan *sc = arg;
	bool is_dir = S_ISDIR(st->st_mode);
	int64_t kind;
	enum rc rc = kind_of_row(sc, rel, &kind);

	(void)depth;
	if (rc || kind == (is_dir ? STORE_DIR : STORE_FILE))
		return rc ? rc : looked_at_one(sc->r);
	if (diskwalk_is_foreign(name, st) || relpath_check(rel, strlen(rel))) {
		sc->r->out->strangers++;
		return is_dir ? RC_NOTDIR : RC_OK; /* not entered */
	}
	rc = add_todo(sc, is_dir ? TODO_DIR : TODO_READ, rel,
	    is_dir ? 0 : (uint64_t)st->st_size, st->st_mtime);
	return rc ? rc : looked_at_one(sc->r);
}

/* The top folder itself has a row, too. */
static enum rc look_at_latest(struct scan *sc)
{
	struct repair *r = sc->r;
	char top[LAYOUT_PATH];
	int64_t kind = 0;
	enum rc rc;

	layout_latest(top, r->p.udid, "");
	rc = diskwalk(r->p.ops, r->p.root, top, look_at_file, sc);
	if (rc == RC_NOTFOUND)
		return RC_OK; /* the rows have told */
	if (!rc)
		rc = kind_of_row(sc, "", &kind);
	if (!rc && kind != STORE_DIR)
		rc = add_todo(sc, TODO_DIR, "", 0, 0);
	return rc;
}

/* --- objects ------------------------------------------------------------------ */

static enum rc look_at_object(void *arg, const char *rel, const char *name,
    unsigned depth, const struct stat *st)
{
	struct scan *sc = arg;
	char mine[LAYOUT_PATH];
	uint8_t digest[DIGEST_LEN];
	uint32_t two;
	bool row = false;
	enum rc rc;

	if (depth == 0 && S_ISDIR(st->st_mode) &&
	    layout_parse_hex(name, 2, &two))
		return RC_OK;
	mine[0] = '\0';
	if (S_ISREG(st->st_mode) && layout_parse_digest(name, digest))
		layout_object(mine, digest);
	if (!mine[0] || strcmp(mine + sizeof(LAYOUT_OBJECTS), rel) != 0) {
		sc->r->out->strangers++;
		return S_ISDIR(st->st_mode) ? RC_NOTDIR : RC_OK;
	}
	db_bind_blob(sc->object_row, 1, digest, DIGEST_LEN);
	rc = db_step(sc->object_row, &row);
	db_reset(sc->object_row);
	if (!rc && !row)
		rc = add_todo(sc, TODO_LOST, name, (uint64_t)st->st_size, 0);
	return rc ? rc : looked_at_one(sc->r);
}

static enum rc look_at_objects(struct scan *sc)
{
	enum rc rc = diskwalk(
	    sc->r->p.ops, sc->r->p.root, LAYOUT_OBJECTS, look_at_object, sc);

	return rc == RC_NOTFOUND ? RC_OK : rc;
}

/* --- reading --------------------------------------------------------------- */

struct reader {
	struct repair *r;
	struct db *db;
	struct digest *hash;
	char *buf;
	struct db_stmt *row, *end, *begin, *lost, *named;
	uint64_t files, bytes;
};

static enum rc hash_once(struct reader *rd, const char *path,
    uint8_t digest[DIGEST_LEN], uint64_t *size)
{
	const struct fileops *ops = rd->r->p.ops;
	int fd = ops->open(ops->ctx, rd->r->p.root, path, O_RDONLY);
	ssize_t n = 1;
	enum rc rc = RC_OK;

	*size = 0;
	if (fd < 0)
		return fileops_rc(fd);
	/* The medium, not our memory; hints, so what they return is no matter */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	digest_begin(rd->hash);
	while (!rc && n > 0) {
		n = ops->read(ops->ctx, fd, rd->buf, BUFFER);
		rc = fileops_rc(n);
		if (rc || n == 0)
			break;
		digest_update(rd->hash, rd->buf, (size_t)n);
		*size += (uint64_t)n;
		rc = repair_tell(
		    rd->r, VAULT_REPAIR_READING, rd->files, rd->bytes + *size);
	}
	ops->close(ops->ctx, fd);
	digest_final(rd->hash, digest);
	return rc;
}

/* RC_IO, RC_NOTFOUND: the disk does not give it back, and was asked twice: a
 * file that is left out of the rows costs a snapshot. */
static enum rc hash_file(struct reader *rd, const char *path,
    uint8_t digest[DIGEST_LEN], uint64_t *size)
{
	enum rc rc = hash_once(rd, path, digest, size);

	return rc == RC_IO ? hash_once(rd, path, digest, size) : rc;
}

static bool is_files_own(enum rc rc)
{
	return rc == RC_IO || rc == RC_NOTFOUND || rc == RC_ISDIR;
}

/* *same: its row has this content. *had: it has a row. */
static enum rc compare_row(struct reader *rd, const char *rel, uint64_t size,
    const uint8_t digest[DIGEST_LEN], bool *had, bool *same)
{
	uint8_t want[DIGEST_LEN];
	enum rc rc;

	*same = false;
	db_bind_text(rd->row, 1, rel, strlen(rel));
	rc = db_step(rd->row, had);
	if (!rc && *had && db_int(rd->row, 0) == (int64_t)size)
		*same = catalog_row_digest(rd->row, 1, want) == RC_OK &&
			memcmp(want, digest, DIGEST_LEN) == 0;
	db_reset(rd->row);
	return rc;
}

static enum rc end_row(struct reader *rd, const char *rel)
{
	db_bind_text(rd->end, 1, rel, strlen(rel));
	db_bind_int(rd->end, 2, rd->r->newest);
	return db_run(rd->end);
}

static enum rc begin_row(struct reader *rd, const char *rel,
    enum store_kind kind, uint64_t size, int64_t mtime, const uint8_t *digest)
{
	db_bind_text(rd->begin, 1, rel, strlen(rel));
	db_bind_int(rd->begin, 2, rd->r->newest + 1);
	db_bind_int(rd->begin, 3, (int64_t)kind);
	db_bind_int(rd->begin, 4, (int64_t)size);
	db_bind_int(rd->begin, 5, mtime);
	db_bind_blob(rd->begin, 6, digest, digest ? DIGEST_LEN : 0);
	return db_run(rd->begin);
}

/* A file that the disk does not give back keeps its row, if it has one: a
 * check names it. Without one nobody could say what it should be. */
static enum rc note_unreadable(struct reader *rd, const char *rel, enum rc why)
{
	log_error("a file can't be read: %s", rc_words(why));
	log_debug("that file is %s", rel);
	return ++rd->r->out->unreadable > UNREADABLE_MAX ? RC_IO : RC_OK;
}

static enum rc do_read(
    struct reader *rd, const char *rel, uint64_t size, int64_t mtime)
{
	uint8_t digest[DIGEST_LEN] = { 0 };
	char path[LAYOUT_PATH];
	bool had = false, same = false;
	enum rc rc = RC_OK;

	layout_latest(path, rd->r->p.udid, rel);
	if (!rd->r->o->dry_run)
		rc = hash_file(rd, path, digest, &size);
	if (is_files_own(rc))
		return note_unreadable(rd, rel, rc);
	if (!rc)
		rc = compare_row(rd, rel, size, digest, &had, &same);
	rd->files++;
	rd->bytes += size;
	if (rc || same || (had && rd->r->o->dry_run))
		return rc;
	if (had) {
		rd->r->out->changed++;
		rc = end_row(rd, rel);
	} else {
		rd->r->out->added++;
	}
	return rc ? rc : begin_row(rd, rel, STORE_FILE, size, mtime, digest);
}

/* Kept whatever its bytes are: nobody knows who may want it (V7). */
static enum rc do_lost(struct reader *rd, const char *hex, uint64_t size)
{
	uint8_t name[DIGEST_LEN], digest[DIGEST_LEN];
	char path[LAYOUT_PATH];
	bool named = false;
	enum rc rc;

	if (!layout_parse_digest(hex, name))
		return RC_CORRUPT;
	/* A row that was ended meanwhile may be its own. */
	db_bind_blob(rd->named, 1, name, DIGEST_LEN);
	rc = db_step(rd->named, &named);
	db_reset(rd->named);
	if (rc || named) {
		rd->files++;
		rd->bytes += size;
		return rc;
	}
	layout_object(path, name);
	memcpy(digest, name, sizeof(digest));
	if (!rd->r->o->dry_run)
		rc = hash_file(rd, path, digest, &size);
	if (is_files_own(rc)) {
		memset(digest, 0, sizeof(digest)); /* not what its name says */
		rc = note_unreadable(rd, path, rc);
	}
	if (rc)
		return rc;
	rd->files++;
	rd->bytes += size;
	rd->r->out->lost_objects++;
	rd->r->out->lost_bytes += size;
	rd->r->out->lost_bad += memcmp(digest, name, DIGEST_LEN) != 0;
	db_bind_blob(rd->lost, 1, name, DIGEST_LEN);
	db_bind_int(rd->lost, 2, (int64_t)size);
	return db_run(rd->lost);
}

static enum rc do_one(struct reader *rd, struct db_stmt *s)
{
	char rel[LIMIT_DL_PATH + 1];
	int64_t op = db_int(s, 0), mtime = db_int(s, 3);
	uint64_t size;
	enum rc rc = catalog_row_path(s, 1, rel);

	if (!rc)
		rc = catalog_row_size(s, 2, &size);
	if (rc)
		return rc;
	switch ((enum todo)op) {
	case TODO_GONE:
		rd->r->out->gone++;
		return end_row(rd, rel);
	case TODO_DIR:
		return begin_row(rd, rel, STORE_DIR, 0, mtime, NULL);
	case TODO_READ:
		return do_read(rd, rel, size, mtime);
	case TODO_LOST:
		return do_lost(rd, rel, size);
	}
	return RC_BUG;
}

static enum rc prepare_reader(struct reader *rd)
{
	struct {
		struct db_stmt **s;
		const char *sql;
	} all[] = {
		{ &rd->row, "SELECT size, digest FROM entry WHERE path=?1 AND"
			    " last IS NULL AND kind=1" },
		{ &rd->end, "UPDATE entry SET last=?2 WHERE path=?1 AND"
			    " last IS NULL" },
		{ &rd->begin,
		    "INSERT INTO entry(path, first, kind, size, mtime, digest)"
		    " VALUES(?1, ?2, ?3, ?4, ?5, ?6)" },
		{ &rd->named, OBJECT_ROW },
		{ &rd->lost,
		    "INSERT OR IGNORE INTO lost(digest, size) VALUES(?1, ?2)" },
	};
	enum rc rc = RC_OK;

	rd->hash = digest_new();
	rd->buf = malloc(BUFFER);
	if (!rd->hash || !rd->buf)
		return RC_NOMEM;
	for (size_t i = 0; !rc && i < sizeof(all) / sizeof(all[0]); i++)
		rc = db_prepare(rd->db, all[i].sql, all[i].s);
	return rc;
}

static enum rc read_all(struct repair *r)
{
	struct reader rd = { .r = r, .db = r->p.cat.db };
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = prepare_reader(&rd);

	if (!rc)
		rc = db_prepare(rd.db,
		    "SELECT op, path, size, mtime FROM todo ORDER BY op, path",
		    &s);
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = do_one(&rd, s);
	}
	db_finish(s);
	db_finish(rd.row);
	db_finish(rd.end);
	db_finish(rd.begin);
	db_finish(rd.lost);
	db_finish(rd.named);
	digest_free(rd.hash);
	free(rd.buf);
	return rc;
}

/* --- objects that older snapshots need --------------------------------------- */

static enum rc note_missing(
    struct repair *r, struct db *db, int64_t first, int64_t last)
{
	r->out->missing_objects++;
	return repair_run(db,
	    "UPDATE snapshot SET state=3 WHERE state=2 AND id>=?1 AND id<=?2",
	    first, last);
}

static enum rc find_missing(struct repair *r)
{
	struct db *db = r->p.cat.db;
	char path[LAYOUT_PATH];
	uint8_t digest[DIGEST_LEN];
	struct db_stmt *s = NULL;
	struct stat st;
	bool row = true, there;
	enum rc rc = db_prepare(db,
	    "SELECT digest, size, first, last FROM entry"
	    " WHERE last IS NOT NULL AND kind=1 ORDER BY digest",
	    &s);

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_digest(s, 0, digest);
		if (rc)
			break;
		layout_object(path, digest);
		rc = find_path(r, path, &there, &st);
		if (rc)
			break;
		if (there && S_ISREG(st.st_mode) && st.st_size == db_int(s, 1))
			rc = looked_at_one(r);
		else
			rc = note_missing(r, db, db_int(s, 2), db_int(s, 3));
	}
	db_finish(s);
	return rc;
}

/* --- all of it ----------------------------------------------------------------- */

static enum rc sum_todo(struct repair *r)
{
	int64_t files = 0, bytes = 0;
	enum rc rc = db_number(r->p.cat.db,
	    "SELECT count(*) FROM todo WHERE op IN (3, 4)", &files);

	if (!rc)
		rc = db_number(r->p.cat.db,
		    "SELECT sum(size) FROM todo WHERE op IN (3, 4)", &bytes);
	r->out->to_read_files = (uint64_t)files;
	r->out->to_read_bytes = (uint64_t)bytes;
	return rc;
}

static enum rc look(struct scan *sc)
{
	enum rc rc = db_prepare(sc->db,
	    "INSERT OR IGNORE INTO todo(path, op, size, mtime)"
	    " VALUES(?1, ?2, ?3, ?4)",
	    &sc->add);

	if (!rc)
		rc = db_prepare(sc->db,
		    "SELECT kind FROM entry WHERE path=?1 AND last IS NULL",
		    &sc->kind_of);
	if (!rc)
		rc = db_prepare(sc->db, OBJECT_ROW, &sc->object_row);
	if (!rc)
		rc = look_at_rows(sc);
	if (!rc)
		rc = look_at_latest(sc);
	if (!rc)
		rc = look_at_objects(sc);
	db_finish(sc->add);
	db_finish(sc->kind_of);
	db_finish(sc->object_row);
	return rc;
}

/* What an earlier repair had given up and a row names again. */
static enum rc forget_named(struct db *db)
{
	return db_exec(db, "DELETE FROM lost WHERE EXISTS(SELECT 1 FROM entry e"
			   " WHERE e.digest=lost.digest AND e.last IS NOT"
			   " NULL)");
}

enum rc repair_scan(struct repair *r)
{
	struct scan sc = { .r = r, .db = r->p.cat.db };
	enum rc rc = repair_tell(r, VAULT_REPAIR_LOOKING, 0, 0);

	if (!rc)
		rc = look(&sc);
	if (!rc)
		rc = sum_todo(r);
	if (!rc && r->o->careful && r->out->to_read_bytes > (2ull << 30))
		return RC_REFUSED; /* a phone waits */
	if (!rc)
		rc = read_all(r);
	if (!rc)
		rc = find_missing(r);
	return rc ? rc : forget_named(r->p.cat.db);
}
