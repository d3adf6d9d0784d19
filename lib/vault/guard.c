#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "guard"
#include "log.h"

/* Phones have some 400; more than this is no phone's Manifest.db. */
#define DOMAINS_MAX 8192
#define DOMAIN_LEN  128

struct domain {
	char name[DOMAIN_LEN];
	uint64_t files;
};

struct guard {
	size_t n, cap;
	struct domain *d; /* by name */
};

void guard_forget(struct vault_phone *p)
{
	if (!p->guard)
		return;
	free(p->guard->d);
	free(p->guard);
	p->guard = NULL;
}

/* --- counting --------------------------------------------------------------- */

/* Where `name` is, or would be. */
static size_t place_of(const struct guard *g, const char *name)
{
	size_t lo = 0, hi = g->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(g->d[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_at(const struct guard *g, size_t i, const char *name)
{
	return i < g->n && strcmp(g->d[i].name, name) == 0;
}

static enum rc add_domain(struct guard *g, size_t at, const char *name)
{
	struct domain *d;

	if (g->n == DOMAINS_MAX)
		return RC_LIMIT;
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 128;

		d = realloc(g->d, cap * sizeof(*d));
		if (!d)
			return RC_NOMEM;
		g->d = d;
		g->cap = cap;
	}
	d = &g->d[at];
	memmove(d + 1, d, (g->n - at) * sizeof(*d));
	g->n++;
	memset(d, 0, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "%s", name);
	return RC_OK;
}

/* *last: where the row before this one was counted; many have the same. */
static enum rc count_row(struct guard *g, struct db_stmt *s, size_t *last)
{
	size_t len;
	const char *name = db_text(s, 0, &len);
	enum rc rc;

	if (len == 0 || len >= DOMAIN_LEN || memchr(name, '\0', len))
		return RC_OK; /* not one that we could name */
	if (!is_at(g, *last, name))
		*last = place_of(g, name);
	if (!is_at(g, *last, name)) {
		rc = add_domain(g, *last, name);
		if (rc)
			return rc;
	}
	g->d[*last].files++;
	return RC_OK;
}

/* Not by GROUP BY: SQLite would first sort all rows, in memory, which is 50
 * MiB for a million files. */
static enum rc count_domains(
    struct guard *g, const struct vault_phone *p, const char *path)
{
	struct db_stmt *s = NULL;
	struct db *db = NULL;
	bool row = true;
	size_t last = 0;
	enum rc rc = db_open(p->ops, p->root, path, DB_IMMUTABLE, &db);

	if (!rc) /* flags 1: a file */
		rc = db_prepare(
		    db, "SELECT domain FROM Files WHERE flags=1", &s);
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = count_row(g, s, &last);
	}
	db_finish(s);
	db_close(db);
	return rc;
}

static enum rc look(struct vault_night *n, struct guard *g)
{
	char path[LAYOUT_PATH];
	struct view_node node;
	enum rc rc = view_get(n->view, "Manifest.db", &node);

	if (rc)
		return rc;
	night_path_of(n, &node, "Manifest.db", path);
	return count_domains(g, n->p, path);
}

void guard_look(struct vault_night *n)
{
	enum rc rc;

	guard_forget(n->p);
	n->p->guard = calloc(1, sizeof(*n->p->guard));
	if (!n->p->guard || n->encrypted)
		return;
	rc = look(n, n->p->guard);
	if (rc) {
		log_info("files are not counted by domain: %s", rc_words(rc));
		n->p->guard->n = 0;
	}
}

/* --- comparing -------------------------------------------------------------- */

struct loss {
	int64_t before;
	char domain[DOMAIN_LEN];
	uint64_t was, lost;
};

static bool is_much(const struct vault_keep *k, uint64_t was, uint64_t lost)
{
	return k->loss_pct > 0 && lost > 0 && lost >= (uint64_t)k->loss_files &&
	       lost * 100 >= was * (uint64_t)k->loss_pct;
}

static int by_name(const void *key, const void *item)
{
	return strcmp(key, ((const struct domain *)item)->name);
}

static uint64_t files_now(const struct guard *g, const char *name)
{
	const struct domain *d =
	    g->n ? bsearch(name, g->d, g->n, sizeof(*g->d), by_name) : NULL;

	return d ? d->files : 0;
}

/* The domain that lost the most files among those that lost much. */
static enum rc worst_domain(struct vault_phone *p, struct loss *worst)
{
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(
	    p->cat.db, "SELECT name, files FROM domain WHERE snapshot=?1", &s);

	if (!rc)
		db_bind_int(s, 1, worst->before);
	while (!rc) {
		uint64_t was = 0, now;
		size_t len;

		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_size(s, 1, &was);
		now = files_now(p->guard, db_text(s, 0, &len));
		if (rc || now >= was || !is_much(&p->keep, was, was - now) ||
		    was - now <= worst->lost)
			continue;
		worst->was = was;
		worst->lost = was - now;
		snprintf(worst->domain, sizeof(worst->domain), "%s",
		    db_text(s, 0, &len));
	}
	db_finish(s);
	return rc;
}

/* A domain that explains most of what went says more than the sum does. */
static void weigh_total(const struct vault_keep *keep,
    const struct vault_snapshot *before, const struct vault_snapshot *snap,
    struct loss *l)
{
	uint64_t lost =
	    before->files > snap->files ? before->files - snap->files : 0;

	if (!is_much(keep, before->files, lost) || l->lost * 2 >= lost)
		return;
	l->domain[0] = '\0';
	l->was = before->files;
	l->lost = lost;
}

/* --- writing ---------------------------------------------------------------- */

static enum rc write_loss(struct db *db, int64_t snapshot, const struct loss *l)
{
	struct db_stmt *pin = NULL, *add = NULL;
	enum rc rc =
	    db_prepare(db, "UPDATE snapshot SET pinned=1 WHERE id=?1", &pin);

	if (!rc)
		rc = db_prepare(
		    db, "INSERT INTO loss VALUES(?1,?2,?3,?4,?5)", &add);
	if (!rc) {
		db_bind_int(pin, 1, l->before);
		rc = db_run(pin);
	}
	if (!rc) {
		db_bind_int(add, 1, snapshot);
		db_bind_int(add, 2, l->before);
		db_bind_text(add, 3, l->domain, strlen(l->domain));
		db_bind_int(add, 4, (int64_t)l->was);
		db_bind_int(add, 5, (int64_t)l->lost);
		rc = db_run(add);
	}
	db_finish(pin);
	db_finish(add);
	return rc;
}

static enum rc write_domains(
    struct db *db, const struct guard *g, int64_t snapshot)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_exec(db, "DELETE FROM domain");

	if (!rc)
		rc = db_prepare(db,
		    "INSERT OR REPLACE INTO domain(name, snapshot, files)"
		    " VALUES(?1,?2,?3)",
		    &s);
	for (size_t i = 0; !rc && i < g->n; i++) {
		db_bind_text(s, 1, g->d[i].name, strlen(g->d[i].name));
		db_bind_int(s, 2, snapshot);
		db_bind_int(s, 3, (int64_t)g->d[i].files);
		rc = db_run(s);
	}
	db_finish(s);
	return rc;
}

enum rc guard_write(struct vault_phone *p, const struct vault_snapshot *snap)
{
	struct vault_snapshot before = { 0 };
	struct loss loss = { 0 };
	enum rc rc;

	if (!p->guard)
		return RC_OK;
	/* The new one is still `committing`. */
	rc = catalog_newest(&p->cat, VAULT_GOOD, &before);
	if (!rc) {
		loss.before = before.id;
		/* Nothing is known of an encrypted night's domains. */
		if (p->guard->n > 0)
			rc = worst_domain(p, &loss);
		weigh_total(&p->keep, &before, snap, &loss);
	}
	if (rc == RC_NOTFOUND)
		rc = RC_OK;
	if (!rc && loss.lost > 0) {
		log_warn("this night lost files lost=%llu of=%llu: the one "
			 "before is kept snapshot=%lld",
		    (unsigned long long)loss.lost, (unsigned long long)loss.was,
		    (long long)loss.before);
		rc = write_loss(p->cat.db, snap->id, &loss);
	}
	return rc ? rc : write_domains(p->cat.db, p->guard, snap->id);
}

/* --- for a person ------------------------------------------------------------- */

static enum rc row_loss(struct db_stmt *s, struct vault_loss *out)
{
	size_t len;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	out->snapshot = db_int(s, 0);
	out->before = db_int(s, 1);
	snprintf(out->domain, sizeof(out->domain), "%s", db_text(s, 2, &len));
	rc = catalog_row_size(s, 3, &out->was);
	if (!rc)
		rc = catalog_row_size(s, 4, &out->lost);
	out->before_at = db_int(s, 5);
	if (!rc && (out->was == 0 || out->lost > out->was))
		rc = RC_CORRUPT;
	return rc;
}

enum rc vault_newest_loss(struct vault_phone *p, struct vault_loss *out)
{
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc = db_prepare(p->cat.db,
	    "SELECT l.snapshot, l.before, l.domain, l.was, l.lost, s.finished"
	    " FROM loss l JOIN snapshot s ON s.id=l.before"
	    " ORDER BY l.snapshot DESC LIMIT 1",
	    &s);

	if (!rc)
		rc = db_step(s, &row);
	if (!rc)
		rc = row ? row_loss(s, out) : RC_NOTFOUND;
	db_finish(s);
	return rc;
}

static enum rc run_counted(struct db *db, const char *sql, uint64_t *n)
{
	enum rc rc = db_exec(db, sql);

	*n = rc ? 0 : (uint64_t)db_changes(db);
	return rc;
}

enum rc vault_dismiss(
    struct vault_phone *p, bool unpin, uint64_t *losses, uint64_t *pins)
{
	struct db *db = p->cat.db;
	enum rc rc;

	*losses = *pins = 0;
	if (p->read_only)
		return RC_READONLY;
	if (p->broken)
		return p->broken;
	if (p->night)
		return RC_BUSY;
	rc = db_begin(db);
	/* With a WHERE, so that the rows are counted. */
	if (!rc)
		rc = run_counted(db, "DELETE FROM loss WHERE 1", losses);
	if (!rc && unpin)
		rc = run_counted(
		    db, "UPDATE snapshot SET pinned=0 WHERE pinned<>0", pins);
	if (!rc)
		rc = db_commit(db);
	if (rc)
		db_rollback(db);
	return rc;
}
