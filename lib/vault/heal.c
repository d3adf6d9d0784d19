#include "heal.h"

#include <stdlib.h>
#include <string.h>

#include "lend.h"
#include "reread.h"

#define LOG_MODULE "repair"
#include "log.h"

#define COPY_FILE   LAYOUT_INCOMING "/repair"
#define COPY_BUFFER (1u << 20)
#define COPIES_MAX  4 /* of latest/ that are tried for one content */

struct fix {
	const struct damage_row *row;
	size_t n;
	struct content copies[1 + COPIES_MAX]; /* the object stands first */
};

void heal_sweep(struct vault_phone *p)
{
	p->ops->unlink(p->ops->ctx, p->root, COPY_FILE);
	p->ops->unlink(p->ops->ctx, p->root, LEND_FILE);
}

/* --- where copies may be ------------------------------------------------------ */

static enum rc add_object(struct vault_phone *p, struct fix *f)
{
	struct content *c = &f->copies[f->n];
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc;

	if (f->row->c.stage == CONTENTS_OBJECTS)
		return RC_OK;
	rc = db_prepare(p->cat.db,
	    "SELECT 1 FROM entry e WHERE e.digest=?1 AND e.last IS NOT NULL"
	    " AND NOT EXISTS(SELECT 1 FROM damage WHERE digest=?1 AND"
	    " path='') LIMIT 1",
	    &s);
	if (rc)
		return rc;
	db_bind_blob(s, 1, f->row->c.digest, DIGEST_LEN);
	rc = db_step(s, &row);
	db_finish(s);
	if (rc || !row)
		return rc;
	*c = f->row->c;
	c->stage = CONTENTS_OBJECTS;
	c->rel[0] = '\0';
	f->n++;
	return RC_OK;
}

static enum rc add_path(struct db_stmt *s, struct fix *f, size_t n)
{
	uint8_t digest[DIGEST_LEN];
	enum rc rc = catalog_row_digest(s, 0, digest);

	for (size_t i = 0; !rc && i < n; i++) {
		struct content *c = &f[i].copies[f[i].n];

		if (f[i].n == 1 + COPIES_MAX ||
		    memcmp(f[i].row->c.digest, digest, DIGEST_LEN) != 0)
			continue;
		*c = f[i].row->c;
		c->stage = CONTENTS_LATEST;
		rc = catalog_row_path(s, 1, c->rel);
		if (!rc && strcmp(c->rel, f[i].row->c.rel) != 0)
			f[i].n++;
	}
	return rc;
}

/* One walk over the current entries for all that is damaged: they have no
 * index by hash, which each night would have to pay for. */
static enum rc add_paths(struct vault_phone *p, struct fix *f, size_t n)
{
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(p->cat.db,
	    "SELECT e.digest, e.path FROM entry e WHERE e.last IS NULL AND"
	    " e.kind=1 AND EXISTS(SELECT 1 FROM damage d WHERE"
	    " d.digest=e.digest) AND NOT EXISTS(SELECT 1 FROM damage d WHERE"
	    " d.digest=e.digest AND d.path=e.path)",
	    &s);

	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = add_path(s, f, n);
	}
	db_finish(s);
	return rc;
}

/* --- one copy ------------------------------------------------------------------ */

static enum rc pump(
    const struct fileops *ops, int from, int to, struct digest *hash, char *buf)
{
	ssize_t got = 1;
	enum rc rc = RC_OK;

	digest_begin(hash);
	while (!rc && got > 0) {
		got = ops->read(ops->ctx, from, buf, COPY_BUFFER);
		if (got < 0)
			return RC_CORRUPT; /* this copy is no help */
		digest_update(hash, buf, (size_t)got);
		rc = fileops_write_all(ops, to, buf, (size_t)got);
	}
	return rc;
}

static enum rc copy_fds(
    struct vault_phone *p, int from, int to, const struct content *c)
{
	struct digest *hash = digest_new();
	char *buf = malloc(COPY_BUFFER);
	uint8_t digest[DIGEST_LEN];
	enum rc rc = hash && buf ? RC_OK : RC_NOMEM;

	if (!rc)
		rc = pump(p->ops, from, to, hash, buf);
	if (!rc) {
		digest_final(hash, digest);
		if (memcmp(digest, c->digest, DIGEST_LEN) != 0)
			rc = RC_CORRUPT;
	}
	if (!rc) /* before it is read back: V1 */
		rc = fileops_rc(p->ops->fsync(p->ops->ctx, to));
	digest_free(hash);
	free(buf);
	return rc;
}

/* RC_CORRUPT: the source is not whole, either. */
static enum rc make_copy(struct vault_phone *p, const struct content *from)
{
	const struct fileops *ops = p->ops;
	char path[LAYOUT_PATH];
	int src, dst, rv;
	enum rc rc;

	contents_file(p, from, path);
	src = ops->open(ops->ctx, p->root, path, O_RDONLY);
	if (src < 0)
		return RC_CORRUPT;
	dst = ops->open(
	    ops->ctx, p->root, COPY_FILE, O_WRONLY | O_CREAT | O_TRUNC);
	rc = fileops_rc(dst);
	if (!rc)
		rc = copy_fds(p, src, dst, from);
	if (dst >= 0) {
		rv = ops->close(ops->ctx, dst);
		rc = rc ? rc : fileops_rc(rv);
	}
	ops->close(ops->ctx, src);
	if (!rc)
		rc = reread_file(p, COPY_FILE, from->size, from->digest);
	return rc;
}

/* Somebody may have removed whole folders. */
static enum rc make_parents(struct vault_phone *p, char path[LAYOUT_PATH])
{
	enum rc rc = RC_OK;

	for (char *slash = strchr(path, '/'); !rc && slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		rc = fileops_ensure_dir(p->ops, p->root, path);
		*slash = '/';
	}
	return rc;
}

static enum rc put_in_place(struct vault_phone *p, const struct content *c)
{
	char path[LAYOUT_PATH];
	char *slash;
	enum rc rc;

	contents_file(p, c, path);
	rc = make_parents(p, path);
	if (!rc)
		rc = fileops_rc(
		    p->ops->rename(p->ops->ctx, p->root, COPY_FILE, path));
	slash = strrchr(path, '/');
	if (rc || !slash)
		return rc;
	*slash = '\0';
	return fileops_sync_dir(p->ops, p->root, path);
}

/* The name is durable: now the row may go. A cut in between costs one more
 * reading. */
static enum rc forget(struct vault_phone *p, const struct content *c)
{
	struct db *db = p->cat.db;
	enum rc rc = db_begin(db);

	if (!rc)
		rc = damage_clear(&p->cat, c);
	if (!rc)
		rc = damage_settle(&p->cat);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}

static enum rc heal(struct vault_phone *p, const struct fix *f, bool *done)
{
	enum rc rc = RC_CORRUPT;

	for (size_t i = 0; rc == RC_CORRUPT && i < f->n; i++)
		rc = make_copy(p, &f->copies[i]);
	if (!rc)
		rc = put_in_place(p, &f->row->c);
	if (!rc)
		rc = forget(p, &f->row->c);
	heal_sweep(p);
	*done = !rc;
	if (!rc)
		log_note("a damaged file was made whole from another copy");
	return rc == RC_CORRUPT ? RC_OK : rc;
}

enum rc heal_rows(struct vault_phone *p, const struct damage_row *rows,
    size_t n, uint64_t *healed)
{
	struct fix *f = calloc(n ? n : 1, sizeof(*f));
	enum rc rc = f ? RC_OK : RC_NOMEM;

	for (size_t i = 0; !rc && i < n; i++) {
		f[i].row = &rows[i];
		rc = add_object(p, &f[i]);
	}
	if (!rc && n > 0)
		rc = add_paths(p, f, n);
	for (size_t i = 0; !rc && i < n; i++) {
		bool done = false;

		rc = heal(p, &f[i], &done);
		*healed += done;
	}
	free(f);
	return rc;
}
