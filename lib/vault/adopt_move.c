/* The renames of an adoption, and their reverse (adopt.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adopt.h"
#include "relpath.h"

#define LOG_MODULE "adopt"
#include "log.h"

/* One row of the table `adopt`. */
struct name {
	char rel[48]; /* "ab", "ab/<file id>" or "Manifest.db" */
	char there[LAYOUT_PATH],
	    here[LAYOUT_PATH]; /* from the phone's folder */
};

struct names {
	struct vault_phone *p;
	char from[ADOPT_FROM];
	uint64_t moved;
};

/* Some "../", then a path of plain components. Others can write to a disk. */
static enum rc check_from(const char *from)
{
	const char *rest = from;

	while (strncmp(rest, "../", 3) == 0)
		rest += 3;
	if (rest == from && strcmp(rest, "..") != 0)
		return RC_CORRUPT; /* not a place outside of the phone's folder */
	if (strcmp(rest, "..") == 0)
		return RC_OK;
	return relpath_check(rest, strlen(rest)) ? RC_CORRUPT : RC_OK;
}

/* RC_NOTFOUND: no adoption is under way, or only a copy. */
static enum rc load_from(struct names *ns)
{
	struct db_stmt *s = NULL;
	const char *text;
	bool row = false;
	size_t n = 0;
	enum rc rc = db_prepare(
	    ns->p->cat.db, "SELECT place FROM adopt WHERE name=''", &s);

	if (rc)
		return rc;
	rc = db_step(s, &row);
	if (!rc && !row)
		rc = RC_NOTFOUND;
	text = rc ? "" : db_text(s, 0, &n);
	if (!rc && (n >= sizeof(ns->from) || strlen(text) != n))
		rc = RC_CORRUPT;
	if (!rc)
		memcpy(ns->from, text, n + 1);
	if (!rc)
		rc = check_from(ns->from);
	db_finish(s);
	return rc;
}

static enum rc read_name(struct names *ns, struct db_stmt *s, struct name *nm)
{
	char rel[LIMIT_DL_PATH + 1];
	enum rc rc = catalog_row_path(s, 0, rel);

	if (!rc && strlen(rel) >= sizeof(nm->rel))
		rc = RC_CORRUPT;
	if (rc)
		return rc;
	memcpy(nm->rel, rel, strlen(rel) + 1);
	layout_latest(nm->here, ns->p->udid, nm->rel);
	snprintf(nm->there, sizeof(nm->there), "%s/%s", ns->from, nm->rel);
	return RC_OK;
}

static enum rc each_name(
    struct names *ns, enum rc (*fn)(struct names *ns, const struct name *nm))
{
	struct db_stmt *s = NULL;
	struct name nm;
	bool row = true;
	enum rc rc = db_prepare(ns->p->cat.db,
	    "SELECT name FROM adopt WHERE name<>'' ORDER BY name", &s);

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = read_name(ns, s, &nm);
		if (!rc)
			rc = fn(ns, &nm);
	}
	db_finish(s);
	return rc;
}

/* The folder that a file of its own ("ab/<file id>") lies in. */
static bool folder_of(
    const struct vault_phone *p, const struct name *nm, char out[LAYOUT_PATH])
{
	const char *slash = strchr(nm->rel, '/');
	char two[8];

	if (!slash || slash - nm->rel != 2)
		return false;
	snprintf(two, sizeof(two), "%.2s", nm->rel);
	layout_latest(out, p->udid, two);
	return true;
}

static enum rc exists(struct vault_phone *p, const char *path, bool *yes)
{
	struct stat st;
	int rv = p->ops->stat(p->ops->ctx, p->root, path, &st);

	*yes = rv == 0;
	return rv == -ENOENT || rv == -ENOTDIR ? RC_OK : fileops_rc(rv);
}

/* An overlay of file systems may look like one and still refuse. */
static enum rc rename_name(
    struct vault_phone *p, const char *from, const char *to)
{
	int rv = p->ops->rename(p->ops->ctx, p->root, from, to);

	return rv == -EXDEV ? RC_UNSUPPORTED : fileops_rc(rv);
}

static enum rc sync_disk(struct vault_phone *p)
{
	return fileops_rc(p->ops->syncfs(p->ops->ctx, p->root));
}

/* --- there ---------------------------------------------------------------------
 */

static enum rc move_one(struct names *ns, const struct name *nm)
{
	struct vault_phone *p = ns->p;
	char folder[LAYOUT_PATH];
	bool taken = false;
	enum rc rc = RC_OK;

	if (folder_of(p, nm, folder))
		rc = fileops_ensure_dir(p->ops, p->root, folder);
	if (!rc) /* a rename would replace it without a word */
		rc = exists(p, nm->here, &taken);
	if (!rc && taken)
		rc = RC_EXISTS;
	if (!rc)
		rc = rename_name(p, nm->there, nm->here);
	if (rc)
		log_warn("a name could not be moved: %s", rc_words(rc));
	ns->moved += !rc;
	return rc;
}

enum rc adopt_move(struct adopt *a)
{
	struct names ns = { .p = a->p };
	enum rc rc = load_from(&ns);

	if (!rc)
		rc = each_name(&ns, move_one);
	if (!rc)
		rc = sync_disk(a->p);
	log_info("moved names=%llu", (unsigned long long)ns.moved);
	return rc;
}

/* --- and back ------------------------------------------------------------------
 */

/* The folder itself, should somebody have removed it meanwhile: it looked
 * empty. Only on this disk: no row may lead us to another. */
static enum rc ensure_place(struct names *ns)
{
	const struct fileops *ops = ns->p->ops;
	char path[ADOPT_FROM];
	struct stat root, st;
	int rv = ops->stat(ops->ctx, ns->p->root, ".", &root);
	enum rc rc = fileops_rc(rv);

	for (const char *end = ns->from; !rc && *end;) {
		end = strchrnul(end + (*end == '/'), '/');
		memcpy(path, ns->from, (size_t)(end - ns->from));
		path[end - ns->from] = '\0';
		rc = fileops_ensure_dir(ops, ns->p->root, path);
		if (!rc)
			rc = fileops_rc(
			    ops->stat(ops->ctx, ns->p->root, path, &st));
		if (!rc && st.st_dev != root.st_dev)
			rc = RC_CORRUPT;
	}
	return rc;
}

static enum rc undo_one(struct names *ns, const struct name *nm)
{
	struct vault_phone *p = ns->p;
	char folder[LAYOUT_PATH];
	bool moved, taken = false;
	enum rc rc = exists(p, nm->here, &moved);

	if (!rc && moved && ns->moved++ == 0)
		rc = ensure_place(ns);
	/* A folder replaces an empty one only, a file anything. */
	if (!rc && moved && strlen(nm->rel) != 2)
		rc = exists(p, nm->there, &taken);
	if (!rc && moved)
		rc = taken ? RC_EXISTS : rename_name(p, nm->here, nm->there);
	if (rc == RC_EXISTS)
		log_error("what was to be adopted can't go back: %s/%s is "
			  "there again",
		    ns->from, nm->rel);
	/* Not empty until its last file is back. */
	if (!rc && folder_of(p, nm, folder))
		p->ops->rmdir(p->ops->ctx, p->root, folder);
	return rc;
}

static enum rc forget(struct vault_phone *p)
{
	struct db *db = p->cat.db;
	enum rc rc = db_begin(db);

	if (!rc)
		rc = db_exec(db, "DELETE FROM adopt");
	if (!rc)
		rc = view_clear(db);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

enum rc adopt_undo(struct vault_phone *p)
{
	struct names ns = { .p = p };
	int64_t rows = 0;
	enum rc rc =
	    db_number(p->cat.db, "SELECT EXISTS(SELECT 1 FROM adopt)", &rows);

	if (rc || rows == 0)
		return rc;
	rc = load_from(&ns);
	if (!rc)
		rc = each_name(&ns, undo_one);
	else if (rc == RC_NOTFOUND) /* a copy: nothing was moved */
		rc = RC_OK;
	if (!rc && ns.moved > 0)
		rc = sync_disk(p); /* before the rows that know of it go */
	if (!rc)
		rc = forget(p);
	if (rc)
		log_error("an adoption could not be taken back yet: %s",
		    rc_words(rc));
	else if (ns.moved > 0)
		log_note("an adoption was taken back names=%llu",
		    (unsigned long long)ns.moved);
	return rc;
}
