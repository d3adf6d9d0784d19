#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "mono.h"
#include "plistread.h"
#include "readback.h"
#include "vault_adopt.h"

#define LOG_MODULE "verify"
#include "log.h"

enum rc verify_found(struct verify *v, const char *fmt, ...)
{
	va_list ap;

	if (v->out->why[0] == '\0') {
		va_start(ap, fmt);
		vsnprintf(v->out->why, sizeof(v->out->why), fmt, ap);
		va_end(ap);
		log_warn("%s", v->out->why);
	}
	return RC_CORRUPT;
}

/* --- the two property lists ------------------------------------------------ */

static enum rc read_whole(struct vault_night *n, int fd, char *buf, size_t size)
{
	const struct fileops *ops = n->p->ops;
	size_t got = 0;

	while (got < size) {
		ssize_t k = ops->read(ops->ctx, fd, buf + got, size - got);

		if (k < 0)
			return fileops_rc(k);
		if (k == 0)
			return RC_CORRUPT; /* shorter than it was */
		got += (size_t)k;
	}
	return RC_OK;
}

/* A small file of the view, whole; free() it. */
static enum rc load(
    struct verify *v, const char *rel, size_t max, char **out, size_t *size)
{
	struct vault_night *n = v->n;
	struct view_node node;
	int fd = -1;
	enum rc rc = view_get(n->view, rel, &node);

	if (rc == RC_NOTFOUND)
		return verify_found(v, "%s is missing.", rel);
	if (!rc && node.size > max)
		return verify_found(v, "%s is too large.", rel);
	if (!rc)
		rc = night_open_file(n, &node, rel, &fd);
	if (rc)
		return rc;
	*size = (size_t)node.size;
	*out = malloc(*size + 1);
	rc = *out ? read_whole(n, fd, *out, *size) : RC_NOMEM;
	n->p->ops->close(n->p->ops->ctx, fd);
	if (rc)
		free(*out);
	return rc;
}

static enum rc check_status(struct verify *v)
{
	struct plistread_status st;
	char *data;
	size_t size;
	enum rc rc =
	    load(v, "Status.plist", PLISTREAD_STATUS_MAX, &data, &size);

	if (rc)
		return rc;
	rc = plistread_status(data, size, &st);
	free(data);
	if (rc)
		return verify_found(v, "Status.plist cannot be read.");
	if (strcmp(st.snapshot_state, "finished") != 0)
		return verify_found(v,
		    "The phone did not finish: its status says \"%.20s\".",
		    st.snapshot_state);
	if (strncmp(st.version, "3.", 2) != 0)
		return verify_found(v,
		    "Status.plist has the unknown version \"%.10s\".",
		    st.version);
	return RC_OK;
}

static enum rc any_node(
    void *arg, const char *path, const struct view_node *node)
{
	(void)path;
	(void)node;
	*(bool *)arg = true;
	return RC_OK;
}

/* What the phone sends is moved to its place at the end; a rest is a run
 * that did not get there. */
static enum rc check_no_snapshot_folder(struct verify *v)
{
	struct view_walk walk = { .rel = "Snapshot", .after = "", .max = 1 };
	struct view_node node;
	bool any = false;
	enum rc rc = view_get(v->n->view, "Snapshot", &node);

	if (rc == RC_NOTFOUND)
		rc = view_each(v->n->view, &walk, any_node, &any);
	else if (!rc)
		any = true;
	if (!rc && any)
		return verify_found(v, "The Snapshot folder is still there: "
				       "files were not moved to their place.");
	return rc;
}

static enum rc check_manifest_plist(struct verify *v)
{
	struct plistread_manifest m;
	char *data;
	size_t size;
	enum rc rc =
	    load(v, "Manifest.plist", PLISTREAD_MANIFEST_MAX, &data, &size);

	if (rc)
		return rc;
	rc = plistread_manifest(data, size, &m);
	free(data);
	if (rc)
		return verify_found(v, "Manifest.plist cannot be read.");
	if (!vault_adopt_same_udid(m.udid, v->n->p->udid))
		return verify_found(
		    v, "Manifest.plist belongs to another phone.");
	if (m.encrypted != m.has_key)
		return verify_found(
		    v, m.encrypted ? "The backup is encrypted, but has no key."
				   : "The backup is not encrypted, but has a "
				     "key.");
	v->out->encrypted = m.encrypted;
	v->n->encrypted = m.encrypted;
	return RC_OK;
}

/* --- a base under other keys ------------------------------------------------ */

/* ab/abcd…: a file of the phone, not one of the lists. */
static bool is_content(const char *path)
{
	return path[0] && path[1] && path[2] == '/';
}

static enum rc from_base(
    void *arg, const char *path, const struct view_node *node)
{
	if (node->kind != STORE_FILE || node->staged || !is_content(path))
		return RC_OK;
	return verify_found(arg,
	    "Encryption was switched since the last backup, but not all files "
	    "were sent again.");
}

/* Files that were sent encrypted are no use to a backup that is not, nor the
 * other way round: when it was switched, a phone makes a full backup. */
static enum rc check_not_mixed(struct verify *v)
{
	struct view_walk walk = { .rel = "", .after = "" };
	int64_t was = 0;
	enum rc rc = db_number(v->n->p->cat.db,
	    "SELECT coalesce((SELECT 1+encrypted FROM snapshot"
	    " WHERE state IN (2, 3) ORDER BY id DESC LIMIT 1), 0)",
	    &was);

	if (rc || was == 0 || (was == 2) == v->out->encrypted)
		return rc;
	return view_each(v->n->view, &walk, from_base, v);
}

/* --- Manifest.db, not encrypted -------------------------------------------- */

static enum rc check_row(void *arg, const struct manifest_row *row)
{
	struct verify *v = arg;
	struct view_node node;
	char rel[48];
	enum rc rc;

	v->out->manifest_rows++;
	v->wrong_ids += !row->id_matches;
	if (row->flags != MANIFEST_FILE)
		return RC_OK;
	v->out->manifest_files++;
	snprintf(rel, sizeof(rel), "%.2s/%s", row->file_id, row->file_id);
	rc = view_get(v->n->view, rel, &node);
	if (rc == RC_NOTFOUND || (!rc && node.kind != STORE_FILE))
		return verify_found(v,
		    "A file that Manifest.db names did not arrive (%s).",
		    row->file_id);
	/* Known on real phones for files that change while they are sent. */
	if (!rc && node.size != (uint64_t)row->file.size)
		v->out->size_warnings++;
	return rc;
}

static enum rc check_plain_db(struct verify *v, const struct view_node *node)
{
	struct vault_phone *p = v->n->p;
	char path[LAYOUT_PATH];
	enum rc rc;

	night_path_of(v->n, node, "Manifest.db", path);
	rc = manifest_each(p->ops, p->root, path, check_row, v);
	if (rc == RC_CORRUPT)
		return verify_found(v, "Manifest.db is damaged.");
	if (!rc && v->wrong_ids > 0)
		log_warn("file ids that are not the hash of their path "
			 "rows=%" PRIu64,
		    v->wrong_ids);
	if (!rc && v->out->size_warnings > 0)
		log_note("files changed while they were sent files=%" PRIu64,
		    v->out->size_warnings);
	return rc;
}

/* --- encrypted: what can be seen without the password ------------------------ */

static enum rc check_cipher_db(struct verify *v, const struct view_node *node)
{
	static const char magic[] = "SQLite format 3"; /* with its NUL */
	char head[sizeof(magic)];
	int fd = -1;
	enum rc rc;

	if (node->size == 0 || node->size % 16 != 0)
		return verify_found(v, "Manifest.db has an impossible length.");
	if (node->size % 4096 != 16)
		log_info("encrypted Manifest.db of an unusual length");
	rc = night_open_file(v->n, node, "Manifest.db", &fd);
	if (rc)
		return rc;
	rc = read_whole(v->n, fd, head, sizeof(head));
	v->n->p->ops->close(v->n->p->ops->ctx, fd);
	if (!rc && memcmp(head, magic, sizeof(magic)) == 0)
		return verify_found(
		    v, "Manifest.db of an encrypted backup is not encrypted.");
	return rc;
}

/* Whole AES blocks, for the files that this night brought. */
static enum rc check_cipher_lengths(struct verify *v)
{
	int64_t odd = 0;
	enum rc rc = db_number(v->n->p->cat.db,
	    "SELECT count(*) FROM pending p CROSS JOIN staged s"
	    " ON s.num=p.staged WHERE p.op=1 AND p.path GLOB"
	    " '[0-9a-f][0-9a-f]/*' AND s.size % 16 <> 0",
	    &odd);

	if (!rc && odd > 0)
		return verify_found(v,
		    "%" PRId64 " files of an encrypted backup have an "
		    "impossible length.",
		    odd);
	return rc;
}

static enum rc check_manifest_db(struct verify *v)
{
	struct view_node node;
	enum rc rc = view_get(v->n->view, "Manifest.db", &node);

	if (rc == RC_NOTFOUND || (!rc && node.kind != STORE_FILE))
		return verify_found(v, "Manifest.db is missing.");
	if (rc)
		return rc;
	if (!v->out->encrypted)
		return check_plain_db(v, &node);
	rc = check_cipher_db(v, &node);
	return rc ? rc : check_cipher_lengths(v);
}

/* --- the bytes --------------------------------------------------------------- */

static enum rc read_one(void *arg, const struct readback_item *item, enum rc rc)
{
	struct verify *v = arg;
	struct vault_verdict *out = v->out;

	if (rc == RC_CORRUPT)
		return verify_found(v, "The disk returned other bytes than "
				       "were written to it.");
	if (rc == RC_NOTFOUND)
		return verify_found(
		    v, "A received file has vanished from the disk.");
	if (rc)
		return rc;
	out->read_back_files++;
	out->read_back_bytes += item->size;
	if (v->progress)
		v->progress(v->arg, out->read_back_files, v->files,
		    out->read_back_bytes, v->bytes);
	return RC_OK;
}

static enum rc next_item(
    struct db_stmt *s, struct readback_item *item, bool *more)
{
	struct layout_place place = { .num = 0 };
	enum rc rc = db_step(s, more);

	if (rc || !*more)
		return rc;
	item->is_quick = false; /* a row has no quick one */
	rc = catalog_row_place(s, 0, 3, &place);
	if (!rc)
		rc = catalog_row_size(s, 1, &item->size);
	if (!rc)
		rc = catalog_row_digest(s, 2, item->digest);
	if (!rc)
		layout_staged(item->path, &place);
	item->tag = place.num;
	return rc;
}

/* By number: the order in which they were written, which is about the order
 * in which they lie on the disk. */
static enum rc read_back(struct verify *v, struct readback *rb)
{
	struct rereader *rr = v->n->rereader;
	struct readback_item item;
	struct db_stmt *s = NULL;
	bool more = true;
	enum rc rc = db_prepare(v->n->p->cat.db,
	    "SELECT num, size, digest, id FROM staged ORDER BY num", &s);

	while (!rc) {
		rc = next_item(s, &item, &more);
		if (rc || !more)
			break;
		if (rereader_is_good(rr, item.tag))
			rc = read_one(v, &item, RC_OK);
		else
			rc = readback_add(rb, &item);
	}
	if (!rc)
		rc = readback_flush(rb);
	db_finish(s);
	return rc;
}

/* Most files were read back while the phone sent others. */
static void wait_for_rereader(struct verify *v)
{
	uint64_t files = 0, bytes = 0;

	while (!rereader_wait(v->n->rereader, 250, &files, &bytes))
		if (v->progress && files < v->files && bytes < v->bytes)
			v->progress(v->arg, files, v->files, bytes, v->bytes);
}

static enum rc check_bytes(struct verify *v)
{
	struct vault_phone *p = v->n->p;
	struct readback *rb;
	int64_t files = 0, bytes = 0;
	enum rc rc =
	    db_number(p->cat.db, "SELECT count(*) FROM staged", &files);

	if (!rc)
		rc = db_number(
		    p->cat.db, "SELECT sum(size) FROM staged", &bytes);
	if (rc)
		return rc;
	v->files = (uint64_t)files;
	v->bytes = (uint64_t)bytes;
	wait_for_rereader(v);
	rb = readback_new(p->ops, p->root, read_one, v);
	if (!rb)
		return RC_NOMEM;
	rc = read_back(v, rb);
	readback_free(rb);
	return rc;
}

enum rc verify_view(struct verify *v)
{
	enum rc rc = check_status(v);

	if (!rc)
		rc = check_no_snapshot_folder(v);
	if (!rc)
		rc = check_manifest_plist(v);
	if (!rc && v->has_base)
		rc = check_not_mixed(v);
	return rc ? rc : check_manifest_db(v);
}

static enum rc run_checks(struct verify *v, bool with_bytes)
{
	struct vault_night *night = v->n;
	struct vault_verdict *out = v->out;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	night->verify_ms = mono_ms();
	rc = night_checkpoint(night); /* what is on the medium can be read */
	if (!rc) /* one lock for all the questions, not one for each */
		rc = db_exec(night->p->cat.db, "BEGIN");
	if (!rc)
		rc = verify_view(v);
	if (!rc && with_bytes)
		rc = check_bytes(v);
	db_rollback(night->p->cat.db); /* nothing was written */
	if (rc && out->why[0] == '\0')
		snprintf(out->why, sizeof(out->why),
		    "The check could not be done: %s.", rc_words(rc));
	out->rc = rc;
	return rc;
}

enum rc verify_structure(struct vault_night *n, struct vault_verdict *out)
{
	struct verify v = { .n = n, .out = out, .has_base = true };

	return run_checks(&v, false);
}

enum rc vault_night_verify(struct vault_night *n, vault_progress_fn progress,
    void *arg, struct vault_verdict *out)
{
	struct verify v = { .has_base = true,
		.n = n,
		.progress = progress,
		.arg = arg,
		.out = out };
	enum rc rc = run_checks(&v, true);

	n->verified = !rc;
	return rc;
}
