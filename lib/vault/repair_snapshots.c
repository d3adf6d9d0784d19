/*
 * The snapshots of a catalogue that is made anew: latest/ becomes one when it
 * is not the base's last one, and each older one is good only when all of it
 * is there. See repair_int.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plistread.h"
#include "repair_int.h"
#include "verify.h"

#define LOG_MODULE "repair"
#include "log.h"

/* --- is latest/ a whole backup? ------------------------------------------------ */

/* The same questions as before a commit, asked of the current rows. */
static enum rc verify_latest(struct repair *r, bool *encrypted)
{
	struct vault_verdict verdict;
	struct vault_night *n = calloc(1, sizeof(*n));
	struct verify v = { .n = n, .out = &verdict };
	enum rc rc;

	if (!n)
		return RC_NOMEM;
	memset(&verdict, 0, sizeof(verdict));
	n->p = &r->p;
	rc = view_new(r->p.cat.db, &n->view);
	if (!rc)
		rc = verify_view(&v);
	if (rc == RC_IO) /* "damaged" lasts: the disk is asked twice */
		rc = verify_view(&v);
	r->out->is_whole = !rc;
	*encrypted = verdict.encrypted;
	snprintf(r->out->why, sizeof(r->out->why), "%s", verdict.why);
	if (rc == RC_IO && !verdict.why[0])
		snprintf(r->out->why, sizeof(r->out->why),
		    "The disk does not give back what is needed to tell.");
	view_free(n->view);
	free(n);
	return rc == RC_CORRUPT || rc == RC_IO ? RC_OK : rc;
}

/* --- the new row --------------------------------------------------------------- */

/* Manifest.plist names the phone. Without it the row has no names. */
static void read_facts(struct repair *r, struct plistread_facts *out)
{
	const struct fileops *ops = r->p.ops;
	char path[LAYOUT_PATH];
	size_t len = 0, cap = PLISTREAD_MANIFEST_MAX;
	char *buf = NULL;
	struct stat st;
	ssize_t n = 1;
	int fd;

	memset(out, 0, sizeof(*out));
	layout_latest(path, r->p.udid, "Manifest.plist");
	if (ops->stat(ops->ctx, r->p.root, path, &st) < 0 || st.st_size <= 0 ||
	    (uint64_t)st.st_size > cap)
		return;
	cap = (size_t)st.st_size;
	fd = ops->open(ops->ctx, r->p.root, path, O_RDONLY);
	buf = fd >= 0 ? malloc(cap) : NULL;
	while (buf && n > 0 && len < cap) {
		n = ops->read(ops->ctx, fd, buf + len, cap - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (buf && plistread_facts(buf, len, out))
		memset(out, 0, sizeof(*out));
	free(buf);
	if (fd >= 0)
		ops->close(ops->ctx, fd);
}

/* The phone writes its status last: its time is the night's end. */
static int64_t finished_at(struct repair *r)
{
	char path[LAYOUT_PATH];
	struct stat st;

	layout_latest(path, r->p.udid, "Status.plist");
	if (r->p.ops->stat(r->p.ops->ctx, r->p.root, path, &st) < 0)
		return 0;
	return st.st_mtime;
}

static enum rc insert_snapshot(struct repair *r, bool encrypted)
{
	struct plistread_facts facts;
	struct db_stmt *s = NULL;
	int64_t at = finished_at(r);
	enum rc rc;

	read_facts(r, &facts);
	rc = db_prepare(r->p.cat.db,
	    "INSERT INTO snapshot(id, started, finished, state, placing,"
	    " device_name, model, ios, encrypted, files, bytes, new_files,"
	    " new_bytes, phone_seconds, box_seconds)"
	    " SELECT ?1, ?2, ?2, ?3, 0, ?4, ?5, ?6, ?7, count(*),"
	    " coalesce(sum(size), 0), coalesce(sum(first=?1), 0),"
	    " coalesce(sum(size*(first=?1)), 0), 0, 0 FROM entry"
	    " WHERE kind=1 AND last IS NULL",
	    &s);
	if (rc)
		return rc;
	r->out->new_snapshot = r->newest + 1;
	db_bind_int(s, 1, r->newest + 1);
	db_bind_int(s, 2, at);
	db_bind_int(
	    s, 3, (int64_t)(r->out->is_whole ? VAULT_GOOD : VAULT_DAMAGED));
	db_bind_text(s, 4, facts.device_name, strlen(facts.device_name));
	db_bind_text(s, 5, facts.model, strlen(facts.model));
	db_bind_text(s, 6, facts.ios, strlen(facts.ios));
	db_bind_int(s, 7, encrypted);
	rc = db_run(s);
	db_finish(s);
	return rc;
}

/* --- the older ones -------------------------------------------------------------- */

/* Rows that a broken catalogue did not give back are files that a snapshot
 * had: it knows how many. One pass over the entries a snapshot. */
static enum rc check_counts(struct repair *r)
{
	struct db *db = r->p.cat.db;
	struct db_stmt *each = NULL;
	int64_t id = 0;
	bool row = true;
	enum rc rc = db_prepare(db,
	    "SELECT id FROM snapshot WHERE id>?1 AND state=2 AND (files, bytes)"
	    " IS NOT (SELECT count(*), coalesce(sum(size), 0) FROM entry WHERE"
	    " kind=1 AND first<=id AND (last IS NULL OR last>=id))"
	    " ORDER BY id LIMIT 1",
	    &each);

	while (!rc) {
		db_bind_int(each, 1, id);
		rc = db_step(each, &row);
		if (rc || !row)
			break;
		id = db_int(each, 0);
		db_reset(each);
		rc = repair_run(
		    db, "UPDATE snapshot SET state=3 WHERE id=?1", id, 0);
	}
	db_finish(each);
	return rc;
}

static enum rc count_states(struct repair *r)
{
	int64_t good = 0, damaged = 0;
	enum rc rc = db_number(
	    r->p.cat.db, "SELECT count(*) FROM snapshot WHERE state=2", &good);

	if (!rc)
		rc = db_number(r->p.cat.db,
		    "SELECT count(*) FROM snapshot WHERE state=3", &damaged);
	r->out->good = (unsigned)good;
	r->out->damaged = (unsigned)damaged;
	return rc;
}

static enum rc differs(struct repair *r, bool *out)
{
	const struct vault_repair_report *rep = r->out;
	struct db_stmt *s = NULL;
	bool row = false;
	enum rc rc;

	*out = rep->changed + rep->added + rep->gone > 0;
	rc = db_prepare(r->p.cat.db,
	    "SELECT 1 FROM entry WHERE last IS NULL AND kind=1 LIMIT 1", &s);
	if (rc)
		return rc;
	rc = db_step(s, &row);
	db_finish(s);
	*out = *out && row; /* an empty latest/ is no snapshot */
	return rc;
}

enum rc repair_snapshots(struct repair *r)
{
	bool encrypted = false, differ = false;
	enum rc rc = verify_latest(r, &encrypted);

	if (!rc && r->out->base == VAULT_REPAIR_FROM_ROWS)
		rc = check_counts(r);
	if (!rc)
		rc = differs(r, &differ);
	if (!rc && differ)
		rc = insert_snapshot(r, encrypted);
	return rc ? rc : count_states(r);
}
