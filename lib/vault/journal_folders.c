#include "journal_folders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOG_MODULE "journal"
#include "log.h"

struct folders {
	uint32_t staged[256]; /* files in incoming/ab/ */
	uint32_t fit[256]; /* those that go to ab/, under that name */
	bool unfit[256]; /* a file goes to ab/ from elsewhere */
};

/* "ab/…": its number; -1: another path. */
static int folder_of(const char *rel)
{
	char name[3] = { 0 };
	uint32_t num;

	if (strnlen(rel, 3) < 3 || rel[2] != '/')
		return -1;
	memcpy(name, rel, 2);
	return layout_parse_hex(name, LAYOUT_NAMED_DIR_DIGITS, &num) ? (int)num
								     : -1;
}

/* The file comes to the very name under which it is staged. */
static bool fits(const char *rel, const struct layout_place *place)
{
	uint8_t id[LAYOUT_ID_LEN];

	return place->named && layout_parse_id(rel + 3, id) &&
	       memcmp(id, place->id, LAYOUT_ID_LEN) == 0 &&
	       folder_of(rel) == id[0];
}

static enum rc count_staged(struct folders *f, struct db *db)
{
	struct layout_place place;
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(db, "SELECT num, id FROM staged", &s);

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_place(s, 0, 1, &place);
		if (!rc && place.named)
			f->staged[place.id[0]]++;
	}
	db_finish(s);
	return rc;
}

static enum rc count_fitting(struct folders *f, struct db *db)
{
	struct layout_place place;
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(db,
	    "SELECT p.path, s.num, s.id FROM pending p CROSS JOIN staged s"
	    " ON s.num=p.staged WHERE p.op=1",
	    &s);

	while (!rc) {
		size_t n;
		const char *path;
		int at;

		rc = db_step(s, &row);
		if (rc || !row)
			break;
		path = db_text(s, 0, &n);
		at = folder_of(path);
		rc = catalog_row_place(s, 1, 2, &place);
		if (rc || at < 0)
			continue;
		if (fits(path, &place))
			f->fit[at]++;
		else
			f->unfit[at] = true;
	}
	db_finish(s);
	return rc;
}

static enum rc write_fitting(struct folders *f, struct db *db)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(db,
	    "INSERT INTO move(what, path, size) SELECT 5, ?1, ?2 WHERE NOT"
	    " EXISTS(SELECT 1 FROM entry WHERE path>?1 || '/' AND"
	    " path<?1 || '0' AND last IS NULL)",
	    &s);

	for (unsigned i = 0; !rc && i < 256; i++) {
		char name[3];

		if (f->fit[i] == 0 || f->unfit[i] || f->fit[i] != f->staged[i])
			continue;
		snprintf(name, sizeof(name), "%02x", i);
		db_bind_text(s, 1, name, 2);
		db_bind_int(s, 2, f->fit[i]);
		rc = db_run(s);
	}
	db_finish(s);
	return rc;
}

_Static_assert(JOURNAL_PLACE_DIR == 5, "write_fitting() has it");

enum rc journal_folders_write(struct db *db)
{
	struct folders f = { .staged = { 0 } };
	enum rc rc = count_staged(&f, db);

	if (!rc)
		rc = count_fitting(&f, db);
	return rc ? rc : write_fitting(&f, db);
}

/* --- replay ------------------------------------------------------------------ */

static enum rc count_name(void *arg, const char *name)
{
	(void)name;
	(*(uint64_t *)arg)++;
	return RC_OK;
}

enum rc journal_folder_rename(
    struct vault_phone *p, const char *rel, uint64_t files, bool *moved)
{
	char from[LAYOUT_PATH], to[LAYOUT_PATH];
	uint64_t names = 0;
	uint32_t num;
	enum rc rc;
	int rv;

	*moved = false;
	if (!layout_parse_hex(rel, LAYOUT_NAMED_DIR_DIGITS, &num))
		return RC_CORRUPT;
	layout_named_dir(from, num);
	layout_latest(to, p->udid, rel);
	rc = fileops_each_name(p->ops, p->root, from, count_name, &names);
	if (rc || names != files)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	rv = p->ops->rename(p->ops->ctx, p->root, from, to);
	*moved = rv == 0;
	/* Not every file system puts a folder onto an empty one, and this one
	 * may not be empty: a power cut came in between, or it holds something
	 * of a stranger. */
	if (rv < 0)
		log_info("a folder is moved file by file: %s",
		    rc_words(fileops_rc(rv)));
	return RC_OK;
}

enum rc journal_folder_each(struct vault_phone *p, const char *rel, int64_t id,
    journal_file_fn fn, void *arg)
{
	struct layout_place place = { .named = true };
	char path[LIMIT_DL_PATH + 1];
	struct db_stmt *s = NULL;
	uint64_t size;
	bool row = true;
	enum rc rc = db_prepare(p->cat.db,
	    "SELECT path, size FROM entry WHERE path>?1 || '/' AND"
	    " path<?1 || '0' AND last IS NULL AND kind=1 AND first=?2",
	    &s);

	if (rc)
		return rc;
	db_bind_text(s, 1, rel, strlen(rel));
	db_bind_int(s, 2, id);
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_path(s, 0, path);
		if (!rc)
			rc = catalog_row_size(s, 1, &size);
		if (!rc && !layout_parse_id(path + 3, place.id))
			rc = RC_CORRUPT;
		if (!rc)
			rc = fn(arg, path, size, &place);
	}
	db_finish(s);
	return rc;
}
