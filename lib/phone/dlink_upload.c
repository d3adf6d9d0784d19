/*
 * UploadFiles: the phone sends files. Form (protocols.md 5.6), per file:
 * u32 n, source name; u32 n, destination; blocks of u32 n+1, code, n bytes;
 * a u32 0 in place of a source name ends the list.
 *
 * Whatever our disk does, the stream is read to its end and only then the
 * status tells: a host that stops in the middle loses its place for good.
 */
#define LOG_MODULE "dlink"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlink_priv.h"
#include "log.h"
#include "relpath.h"

/* Of a source or destination, before checks. A name that no store takes is
 * still read past, so that the phone hears why instead of losing its place. */
#define NAME_MAX_BYTES 65536u

/* End codes are status codes with the sign off (protocols.md 5.6). */
#define END_CODE_MAX 0x0fu

struct upload {
	struct dlink *d;
	char dest[LIMIT_DL_PATH + 1];
	char source[256]; /* cut; for texts only */
	struct store_file *file; /* NULL: what comes is thrown away */
	enum rc rc; /* why */
	enum rc first; /* first failure of the batch */
	enum rc sticky; /* the disk itself failed: create no more */
	uint8_t *status; /* copy of Status.plist, or NULL */
	size_t status_len;
	uint64_t got; /* bytes of this file */
	uint32_t n_files;
};

/* u32 length and text, kept in buf (cut); *whole: it was not cut. */
static enum rc read_name(struct dlink *d, uint32_t len, char *buf, size_t cap)
{
	size_t keep = len < cap ? len : cap - 1;
	enum rc rc;

	if (len == 0)
		return RC_PROTO;
	if (len > NAME_MAX_BYTES)
		return RC_LIMIT;
	rc = wire_need(&d->wire, len);
	if (rc)
		return rc;
	memcpy(buf, wire_take(&d->wire, len), keep);
	buf[keep] = '\0';
	return RC_OK;
}

static bool is_status_plist(const struct upload *u)
{
	const char *slash = strchr(u->dest, '/');

	return slash && strcmp(slash, "/Status.plist") == 0;
}

static enum rc begin_file(struct upload *u)
{
	const struct store *st = u->d->store;
	uint32_t len;
	enum rc rc;

	u->file = NULL;
	u->got = 0;
	u->status_len = 0;
	rc = wire_u32(&u->d->wire, &len);
	if (rc)
		return rc;
	rc = read_name(u->d, len, u->dest, sizeof(u->dest));
	if (rc)
		return rc;
	u->rc = len > LIMIT_DL_PATH
		    ? RC_LIMIT
		    : relpath_check_below(u->dest, len, u->d->udid);
	if (u->rc) {
		log_warn("the phone named an unusable path, code=%d", u->rc);
		dlink_detail(u->d, "unusable path: %.200s", u->dest);
		return RC_OK;
	}
	free(u->status);
	u->status = is_status_plist(u) ? malloc(DLINK_STATUS_MAX) : NULL;
	if (!is_status_plist(u))
		dlink_stage_is(u->d, DLINK_STAGE_RECEIVING);
	u->rc = u->sticky;
	if (!u->rc)
		u->rc = st->ops->create(st->ctx, u->dest, &u->file);
	if (u->rc)
		u->file = NULL;
	return RC_OK;
}

static void store_piece(struct upload *u, const uint8_t *p, size_t len)
{
	const struct store_ops *ops = u->d->store->ops;

	if (u->status && len <= DLINK_STATUS_MAX - u->status_len) {
		memcpy(u->status + u->status_len, p, len);
		u->status_len += len;
	} else if (u->status) {
		free(u->status);
		u->status = NULL;
	}
	if (!u->file)
		return;
	u->rc = ops->write(u->file, p, len);
	if (u->rc) {
		ops->discard(u->file);
		u->file = NULL;
	}
}

static enum rc read_data(struct upload *u, uint32_t left)
{
	struct dlink *d = u->d;

	while (left > 0) {
		size_t some = left < WIRE_PIECE ? left : WIRE_PIECE;
		enum rc rc = wire_need(&d->wire, some);

		if (rc)
			return rc;
		store_piece(u, wire_take(&d->wire, some), some);
		left -= (uint32_t)some;
		u->got += some;
		d->res.bytes += some;
		d->shown.batch_done += some;
		dlink_progress(d, false);
	}
	return RC_OK;
}

/* What the phone says of itself: decides how a session without a last word
 * is judged. */
static void note_status(struct upload *u)
{
	struct dlink_result *res = &u->d->res;
	struct pl *plist = NULL;
	enum rc rc;

	rc = pl_parse(u->status, u->status_len, &plist);
	if (rc) {
		log_warn("Status.plist can't be read, bytes=%zu: %s",
		    u->status_len, rc_words(rc));
		res->status_state[0] = '\0';
		res->finished = false;
		return;
	}
	pl_copy_str(pl_get(plist, "SnapshotState"), res->status_state,
	    sizeof(res->status_state));
	res->was_full = pl_truth(pl_get(plist, "IsFullBackup"), false);
	res->finished = strcmp(res->status_state, "finished") == 0;
	log_note(
	    "the phone's state: %s, full=%d", res->status_state, res->was_full);
	pl_free(plist);
}

static void failed_forget(struct dlink *d, const char *path)
{
	for (uint32_t i = 0; i < d->n_failed; i++) {
		if (strcmp(d->failed[i], path) != 0)
			continue;
		free(d->failed[i]);
		d->failed[i] = d->failed[--d->n_failed];
		if (d->n_failed == 0 && !d->hard_fault)
			d->res.host_fault = RC_OK;
		return;
	}
}

static void failed_add(struct dlink *d, const char *path, enum rc rc)
{
	char *copy;

	failed_forget(d, path);
	log_error("a file could not be stored: %s", rc_words(rc));
	if (d->res.host_fault == RC_OK)
		d->res.host_fault = rc;
	copy = d->n_failed < DLINK_FAILED_MAX ? strdup(path) : NULL;
	if (copy)
		d->failed[d->n_failed++] = copy;
	else
		d->hard_fault = true;
}

/* The end mark said that the file is whole. */
static void end_good(struct upload *u)
{
	struct dlink *d = u->d;

	if (u->file) {
		u->rc = d->store->ops->finish(u->file);
		u->file = NULL;
	}
	if (u->rc) {
		if (u->first == RC_OK)
			u->first = u->rc;
		if (u->rc == RC_IO || u->rc == RC_READONLY)
			u->sticky = u->rc;
		if (u->rc != RC_REFUSED && u->rc != RC_LIMIT) {
			failed_add(d, u->dest, u->rc);
		}
		return;
	}
	d->res.files++;
	d->shown.files_done = d->res.files;
	failed_forget(d, u->dest);
	if (u->status)
		note_status(u);
}

/*
 * The phone could not read its file to the end. Half a file is dropped, and
 * what stood at its path stays; but the manifest, which the check before a
 * commit opens and judges for itself, is kept (iOS 17 was seen to end it this
 * way and to go on, pmd3#507).
 */
static void end_bad(struct upload *u, uint8_t code, const char *text)
{
	struct dlink *d = u->d;
	const char *name = strrchr(u->dest, '/');

	d->res.incomplete++;
	log_warn("the phone could not read a file, code=%u bytes=%llu: %s",
	    code, (unsigned long long)u->got, text);
	dlink_detail(
	    d, "The phone could not read %.200s (%.200s)", u->source, text);
	if (u->file && name && strcmp(name, "/Manifest.db") == 0) {
		end_good(u);
		return;
	}
	d->store->ops->discard(u->file);
	u->file = NULL;
}

static enum rc end_file(struct upload *u, uint8_t code, uint32_t left)
{
	char text[256] = "";
	enum rc rc = RC_OK;

	if (code > END_CODE_MAX)
		return RC_PROTO;
	if (left > LIMIT_DL_TEXT)
		return RC_LIMIT;
	if (left > 0)
		rc = read_name(u->d, left, text, sizeof(text));
	if (rc)
		return rc;
	if (code == DLINK_END)
		end_good(u);
	else
		end_bad(u, code, text);
	return RC_OK;
}

/* Blocks until the end mark. */
static enum rc read_file(struct upload *u)
{
	for (;;) {
		uint32_t len;
		uint8_t code;
		enum rc rc = wire_u32(&u->d->wire, &len);

		if (rc)
			return rc;
		if (len == 0)
			return RC_PROTO;
		if (len > LIMIT_DL_CHUNK)
			return RC_LIMIT;
		rc = wire_need(&u->d->wire, 1);
		if (rc)
			return rc;
		code = wire_take(&u->d->wire, 1)[0];
		if (code != DLINK_DATA)
			return end_file(u, code, len - 1);
		rc = read_data(u, len - 1);
		if (rc)
			return rc;
	}
}

static enum rc read_files(struct upload *u)
{
	for (;;) {
		uint32_t len;
		enum rc rc = wire_u32(&u->d->wire, &len);

		if (rc || len == 0)
			return rc;
		if (++u->n_files > LIMIT_DL_ITEMS)
			return RC_LIMIT;
		rc = read_name(u->d, len, u->source, sizeof(u->source));
		if (!rc)
			rc = begin_file(u);
		if (!rc)
			rc = read_file(u);
		if (rc)
			return rc;
		dlink_progress(u->d, false);
	}
}

enum rc dlink_upload(struct dlink *d, const struct pl *msg)
{
	struct upload *u = calloc(1, sizeof(*u));
	int64_t size = 0;
	enum rc rc;

	if (!u)
		return RC_NOMEM;
	u->d = d;
	if (pl_int(pl_at(msg, 3), &size) || size < 0)
		size = 0;
	d->shown.batch_done = 0;
	d->shown.batch_total = (uint64_t)size;
	rc = read_files(u);
	if (u->file)
		d->store->ops->discard(u->file);
	if (!rc)
		rc = dlink_reply_rc(d, u->first);
	free(u->status);
	free(u);
	return rc;
}
