/*
 * What must be true of a disk after a cut: the promises that were given, rows
 * and files that fit, and the next night.
 */
#include "scenes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

/* Rows of the catalogue, asked by a program that is not the vault. */
struct census {
	sqlite3 *h;
	char phone[128]; /* its folder */
	const char *bad;
};

static int64_t number(struct census *c, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(c->h, sql, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

static bool has_row(struct census *c, const char *sql, const char *key)
{
	sqlite3_stmt *s = NULL;
	bool has = false;

	if (sqlite3_prepare_v2(c->h, sql, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC) == SQLITE_OK)
		has = sqlite3_step(s) == SQLITE_ROW;
	sqlite3_finalize(s);
	return has;
}

static const char *check_integrity(struct census *c)
{
	sqlite3_stmt *s = NULL;
	bool ok = false;

	if (sqlite3_prepare_v2(c->h, "PRAGMA integrity_check", -1, &s, NULL) ==
		SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		ok = strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
	sqlite3_finalize(s);
	return ok ? NULL : "the catalogue is damaged";
}

/* fn for each file below a folder, `rel` from there. */
static unsigned walk(struct census *c, const char *top, const char *rel,
    void (*fn)(struct census *c, const char *rel))
{
	char path[512], sub[256];
	unsigned n = 0;
	struct dirent *e;
	struct stat st;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s/%s", c->phone, top, rel);
	d = opendir(path);
	while (d && (e = readdir(d)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s%s%.100s", rel, rel[0] ? "/" : "",
		    e->d_name);
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			c->bad = "a file that cannot be looked at";
		else if (S_ISDIR(st.st_mode))
			n += walk(c, top, sub, fn);
		else if (++n)
			fn(c, sub);
	}
	if (d)
		closedir(d);
	return n;
}

static void in_latest(struct census *c, const char *rel)
{
	const char *sub = strchr(rel, '/'); /* behind the UDID */

	if (!sub || !has_row(c,
			"SELECT 1 FROM entry WHERE path=?1 AND kind=1 AND"
			" last IS NULL",
			sub + 1))
		c->bad = "latest/ holds a file that no row names";
}

static void in_objects(struct census *c, const char *rel)
{
	const char *sub = strchr(rel, '/');

	if (!sub || !has_row(c,
			"SELECT 1 FROM entry WHERE lower(hex(digest))=?1 AND"
			" last IS NOT NULL UNION ALL"
			" SELECT 1 FROM lost WHERE lower(hex(digest))=?1",
			sub + 1))
		c->bad = "objects/ holds a file that no row names";
}

/* ab/abcd… lies there by its id, 000000/00000000 by its number. */
static void in_incoming(struct census *c, const char *rel)
{
	const char *sub = strchr(rel, '/');
	char key[16] = "";
	bool has;

	if (sub && sub == rel + 2) {
		has = has_row(
		    c, "SELECT 1 FROM staged WHERE lower(hex(id))=?1", sub + 1);
	} else {
		if (sub)
			snprintf(
			    key, sizeof(key), "%ld", strtol(sub + 1, NULL, 16));
		has = has_row(c,
		    "SELECT 1 FROM staged WHERE num=CAST(?1 AS INTEGER) AND"
		    " id IS NULL",
		    key);
	}
	if (!has)
		c->bad = "incoming/ holds a file that no row names";
}

static const char *check_census(struct census *c)
{
	if (number(c, "SELECT count(*) FROM move") != 0)
		return "the journal is not empty";
	if (number(c, "SELECT count(*) FROM snapshot WHERE state NOT IN"
		      " (2, 4)") != 0) /* good, pruned */
		return "a snapshot is not good";
	if (number(c, "SELECT (SELECT count(*) FROM doomed) +"
		      " (SELECT count(*) FROM adopt) +"
		      " (SELECT count(*) FROM damage)") != 0)
		return "something is left to be ended";
	if (number(c, "SELECT count(*) FROM pending WHERE op=1 AND staged NOT"
		      " IN (SELECT num FROM staged)") != 0)
		return "the overlay names a file without a row";
	if (walk(c, "latest", "", in_latest) !=
	    number(c, "SELECT count(*) FROM entry WHERE kind=1 AND last IS"
		      " NULL"))
		return "latest/ is not what the rows say";
	if (walk(c, "objects", "", in_objects) <
	    number(c, "SELECT count(DISTINCT digest) FROM entry WHERE kind=1"
		      " AND last IS NOT NULL"))
		return "an object is missing";
	if (walk(c, "incoming", "", in_incoming) !=
	    number(c, "SELECT count(*) FROM staged"))
		return "incoming/ is not what the rows say";
	return c->bad ? c->bad : check_integrity(c);
}

/* SQLite gives a journal its first byte when it is synced and takes it away
 * when it is over: without it, it is none. */
static bool is_hot(const char *path)
{
	int fd = open(path, O_RDONLY);
	char first = 0;
	bool any = fd >= 0 && read(fd, &first, 1) == 1;

	if (fd >= 0)
		close(fd);
	return any && first != 0;
}

static const char *check_rows(const char *dir)
{
	struct census c = { .bad = NULL };
	char path[160];
	const char *bad = "the catalogue cannot be opened";

	snprintf(c.phone, sizeof(c.phone), "%s/Nightstand/" RIG_UDID, dir);
	snprintf(path, sizeof(path), "%s/catalog.db-journal", c.phone);
	if (is_hot(path))
		return "SQLite's journal is left";
	snprintf(path, sizeof(path), "%s/catalog.db", c.phone);
	if (sqlite3_open_v2(path, &c.h, SQLITE_OPEN_READONLY, NULL) ==
	    SQLITE_OK)
		bad = check_census(&c);
	sqlite3_close(c.h);
	return bad;
}

/* What was promised before, and whether the night that was cut is in. */
static const char *check_promises(const struct stage *st, struct rig *r,
    unsigned marks, int64_t *newest, const struct rig_world **w)
{
	struct vault_snapshot snap;
	unsigned n = st->played + marks;
	enum rc rc = vault_newest_good(r->p, &snap);

	*newest = 0;
	*w = NULL;
	if (rc && rc != RC_NOTFOUND)
		return "the newest snapshot cannot be found";
	for (unsigned i = 0; i < n; i++) {
		if (!rig_holds(r, st->promises[i].id, st->promises[i].w))
			return "a snapshot that was good is not whole";
		*newest = st->promises[i].id;
		*w = st->promises[i].w;
	}
	if (rc)
		return n ? "all snapshots are gone" : NULL;
	if (snap.id == *newest)
		return NULL;
	if (snap.id < *newest || !st->coming)
		return "the newest snapshot is not one that there was";
	*newest = snap.id;
	*w = st->coming;
	return rig_holds(r, snap.id, *w) ? NULL
					 : "the new snapshot is not whole";
}

/* What a phone does; what the kept overlay has from before is no error. */
static enum rc next_night(struct rig *r, bool resume,
    const struct rig_world *old, const struct rig_world *w,
    struct vault_snapshot *snap)
{
	struct rig_world base;
	enum rc rc = rig_begin(r, !resume);

	if (!rc)
		rc = rig_send(r, old, w);
	if (!rc && resume && r->resumed && old) {
		/* What is gone in the overlay is not removed again. */
		base = *old;
		for (int i = 0; i < RIG_FILES; i++) {
			struct store_stat st;
			char path[128];

			if (w->f[i].version || !base.f[i].version)
				continue;
			snprintf(path, sizeof(path), RIG_UDID "/%.2s/%s",
			    w->f[i].id, w->f[i].id);
			if (r->s->ops->stat(r->s->ctx, path, &st))
				base.f[i].version = 0;
		}
		old = &base;
	}
	if (!rc)
		rc = rig_settle(r, old, w);
	if (!rc)
		rc = rig_commit(r, snap);
	if (rc && r->n)
		vault_night_end(r->n, true);
	r->n = NULL;
	return rc;
}

static const char *check_next_night(const struct stage *st, struct rig *r,
    unsigned marks, bool resume, int64_t before, const struct rig_world *old)
{
	const struct rig_world *w = &worlds[0];
	struct vault_snapshot snap;

	/* The night that was cut is tried again; else the one after it. */
	if (old && st->coming && old != st->coming)
		w = st->coming;
	else if (old)
		w = old < &worlds[WORLDS - 1] ? old + 1 : old;
	if (next_night(r, resume, old, w, &snap))
		return "the next night does not come through";
	if (snap.id <= before || !rig_holds(r, snap.id, w))
		return "the next night's snapshot is not whole";
	if (before && !rig_holds(r, before, old))
		return "the next night spoilt the one before";
	for (unsigned i = 0; i < st->played + marks; i++)
		if (!rig_holds(r, st->promises[i].id, st->promises[i].w))
			return "the next night spoilt an older one";
	return NULL;
}

/* A snapshot that says of itself that it is good has each of its files. */
static enum rc each_is_whole(void *arg, const struct vault_snapshot *snap)
{
	struct vault_check check;

	return snap->state == VAULT_GOOD
		   ? vault_check_snapshot(arg, snap->id, &check)
		   : RC_OK;
}

const char *scene_check(const struct stage *st, const char *dir, unsigned marks,
    bool resume, bool *is_in)
{
	const struct rig_world *w = NULL;
	struct rig r = { .ops = NULL };
	const char *bad = NULL;
	int64_t newest = 0;

	snprintf(r.dir, sizeof(r.dir), "%s", dir);
	if (st->scene->mend && st->scene->mend(&r))
		bad = "it cannot be mended";
	else if (rig_open(&r))
		bad = "it does not open";
	if (!bad)
		bad = check_promises(st, &r, marks, &newest, &w);
	if (!bad && vault_each_snapshot(r.p, each_is_whole, r.p))
		bad = "a snapshot that is called good is not whole";
	*is_in = w && w == st->coming;
	if (!bad && st->scene->look)
		bad = st->scene->look(&r, marks, *is_in);
	if (!bad)
		bad = check_rows(dir);
	if (!bad)
		bad = check_next_night(st, &r, marks, resume, newest, w);
	rig_close(&r);
	return bad ? bad : check_rows(dir);
}
