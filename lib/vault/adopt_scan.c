/* What lies in the folder: what belongs to a backup gets a row. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"

#define LOG_MODULE "adopt"
#include "log.h"

#define PAGE 64

typedef enum rc (*name_fn)(
    struct adopt *a, const char *dir, const char *name, const struct stat *st);

static enum rc stat_one(
    struct adopt *a, const char *dir, const char *name, struct stat *st)
{
	const struct fileops *ops = a->p->ops;
	char path[LAYOUT_PATH];
	int len = snprintf(path, sizeof(path), "%s/%s%s%s", a->from, dir,
	    dir[0] ? "/" : "", name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return RC_LIMIT; /* a stranger: nothing of a backup is so long */
	return fileops_rc(ops->stat(ops->ctx, a->p->root, path, st));
}

/* fn for each name in a folder of the backup; `dir` "" is the top. */
static enum rc each_name(struct adopt *a, const char *dir, name_fn fn)
{
	static const struct stat unknown;
	const struct fileops *ops = a->p->ops;
	char path[LAYOUT_PATH];
	struct dirent *e;
	struct stat st;
	enum rc rc = RC_OK;
	DIR *d;
	int fd;

	adopt_path(a, dir, path);
	fd = ops->open(ops->ctx, a->p->root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fileops_rc(fd);
	d = fdopendir(fd);
	if (!d) {
		ops->close(ops->ctx, fd);
		return RC_NOMEM;
	}
	for (errno = 0; !rc && (e = readdir(d)) != NULL; errno = 0) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		rc = stat_one(a, dir, e->d_name, &st);
		if (rc == RC_LIMIT)
			st = unknown;
		else if (rc)
			break;
		rc = fn(a, dir, e->d_name, &st);
	}
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc;
}

/* --- rows -------------------------------------------------------------------- */

static enum rc run_text(struct db *db, const char *sql, const char *text)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db, sql, &s);

	if (rc)
		return rc;
	db_bind_text(s, 1, text, strlen(text));
	rc = db_run(s);
	db_finish(s);
	return rc;
}

/*
 * Its hash is not known yet: see adopt_hash(). The row says that it is staged
 * under its own name, so that the commit goes by folders; the replay will find
 * it where it has to be.
 */
static enum rc add_file(struct adopt *a, const char *rel, const struct stat *st)
{
	static const uint8_t none[DIGEST_LEN];
	struct layout_place place = { .num = a->next++ };
	enum rc rc;

	place.named = rel[2] == '/' && layout_parse_id(rel + 3, place.id);
	rc = view_add_staged(a->n->view, &place, (uint64_t)st->st_size,
	    (int64_t)st->st_mtime, none);
	if (!rc)
		rc = view_put_file(a->n->view, rel, place.num);
	a->out->files++;
	a->out->bytes += (uint64_t)st->st_size;
	return rc;
}

static enum rc add_name(struct adopt *a, const char *name)
{
	return run_text(
	    a->p->cat.db, "INSERT INTO adopt(name) VALUES(?1)", name);
}

static void stranger(struct adopt *a, const char *dir, const char *name)
{
	struct vault_adopt_report *out = a->out;

	if (out->strangers < VAULT_ADOPT_STRANGERS)
		snprintf(out->stranger[out->strangers],
		    sizeof(out->stranger[0]), "%s%s%.80s", dir,
		    dir[0] ? "/" : "", name);
	out->strangers++;
}

/* --- the folder ----------------------------------------------------------------
 */

static bool is_hex(const char *name, size_t len)
{
	return strlen(name) == len && strspn(name, "0123456789abcdef") == len;
}

static enum rc scan_in_folder(
    struct adopt *a, const char *dir, const char *name, const struct stat *st)
{
	char rel[48];

	if (!is_hex(name, 40) || memcmp(name, dir, 2) != 0 ||
	    !S_ISREG(st->st_mode)) {
		stranger(a, dir, name);
		return RC_OK;
	}
	snprintf(rel, sizeof(rel), "%.2s/%.40s", dir, name);
	return add_file(a, rel, st);
}

/* A folder goes as a whole, unless there is something in it that stays. */
static enum rc scan_folder(
    struct adopt *a, const char *name, const struct stat *st)
{
	uint64_t strangers = a->out->strangers;
	enum rc rc = view_put_dir(a->n->view, name, (int64_t)st->st_mtime);

	if (!rc)
		rc = each_name(a, name, scan_in_folder);
	if (!rc && a->out->strangers == strangers)
		return add_name(a, name);
	if (!rc)
		rc = run_text(a->p->cat.db,
		    "INSERT INTO adopt(name) SELECT path FROM pending"
		    " WHERE path>=?1||'/' AND path<?1||'0' AND op=1",
		    name);
	return rc;
}

static enum rc scan_top(
    struct adopt *a, const char *dir, const char *name, const struct stat *st)
{
	static const char *const own[] = { "Info.plist", "Manifest.plist",
		"Manifest.db", "Status.plist" };
	enum rc rc = adopt_step(a);

	if (rc)
		return rc;
	if (S_ISDIR(st->st_mode) && is_hex(name, 2))
		return scan_folder(a, name, st);
	/* A run that did not end: the check says so. */
	if (S_ISDIR(st->st_mode) && !strcmp(name, "Snapshot"))
		return view_put_dir(a->n->view, name, (int64_t)st->st_mtime);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(name, own[i]) != 0 || !S_ISREG(st->st_mode))
			continue;
		rc = add_file(a, name, st);
		return rc ? rc : add_name(a, name);
	}
	stranger(a, dir, name);
	return RC_OK;
}

enum rc adopt_scan(struct adopt *a)
{
	struct stat st;
	enum rc rc = stat_one(a, "", "", &st);

	if (!rc)
		rc = run_text(a->p->cat.db,
		    "INSERT INTO adopt(name, place) VALUES('', ?1)", a->from);
	if (!rc)
		rc = view_put_dir(a->n->view, "", (int64_t)st.st_mtime);
	if (!rc)
		rc = each_name(a, "", scan_top);
	if (rc == RC_NOTFOUND || rc == RC_NOTDIR)
		return adopt_because(a, RC_CORRUPT,
		    "The folder changed while it was read. End the program "
		    "that writes to it, then try again.");
	return rc;
}

/* --- the rows again, a page at a time ---------------------------------------- */

static enum rc read_row(struct db_stmt *s, struct adopt_file *f)
{
	char path[LIMIT_DL_PATH + 1];
	enum rc rc = catalog_row_path(s, 0, path);

	if (!rc && strlen(path) >= sizeof(f->path))
		rc = RC_CORRUPT;
	if (rc)
		return rc;
	memcpy(f->path, path, strlen(path) + 1);
	f->mtime = db_int(s, 3);
	f->num = db_int(s, 1);
	return catalog_row_size(s, 2, &f->size);
}

static enum rc read_page(struct adopt *a, const char *sql, const char *after,
    struct adopt_file *page, unsigned *n)
{
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc = db_prepare(a->p->cat.db, sql, &s);

	*n = 0;
	if (rc)
		return rc;
	db_bind_text(s, 1, after, strlen(after));
	db_bind_int(s, 2, PAGE);
	while (!rc && *n < PAGE) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = read_row(s, &page[*n]);
		if (!rc)
			(*n)++;
	}
	db_finish(s);
	return rc;
}

static enum rc each_file(
    struct adopt *a, const char *sql, adopt_file_fn fn, void *arg)
{
	struct adopt_file *page = calloc(PAGE, sizeof(*page));
	char after[sizeof(page->path)] = "";
	unsigned n = 0;
	enum rc rc = page ? RC_OK : RC_NOMEM;

	do {
		if (!rc)
			rc = read_page(a, sql, after, page, &n);
		if (!rc)
			adopt_read_ahead(a, page, n);
		for (unsigned i = 0; !rc && i < n; i++)
			rc = fn(arg, &page[i]);
		if (!rc && n > 0)
			memcpy(after, page[n - 1].path, sizeof(after));
	} while (!rc && n == PAGE);
	free(page);
	return rc;
}

enum rc adopt_each_row(struct adopt *a, adopt_file_fn fn, void *arg)
{
	return each_file(a,
	    "SELECT p.path, s.num, s.size, s.mtime FROM pending p CROSS JOIN"
	    " staged s ON s.num=p.staged WHERE p.path>?1 AND p.op=1"
	    " ORDER BY p.path LIMIT ?2",
	    fn, arg);
}

enum rc adopt_each_name(struct adopt *a, adopt_file_fn fn, void *arg)
{
	return each_file(a,
	    "SELECT name, 0, size, mtime FROM adopt WHERE name>?1"
	    " ORDER BY name LIMIT ?2",
	    fn, arg);
}

enum rc adopt_keep_names(struct adopt *a)
{
	struct db *db = a->p->cat.db;
	enum rc rc = night_change(a->n);

	if (!rc)
		rc = db_exec(db,
		    "DELETE FROM adopt;"
		    "INSERT INTO adopt(name, size, mtime) SELECT p.path,"
		    " s.size, s.mtime FROM pending p CROSS JOIN staged s"
		    " ON s.num=p.staged WHERE p.op=1");
	if (!rc)
		rc = view_clear(db);
	return rc ? rc : night_checkpoint(a->n);
}
