/*
 * DownloadFiles: we send files. Blocks carry at most LIMIT_DL_SEND_FRAME
 * bytes, because BackupAgent2 holds a whole block in memory (pmd3#1857); a
 * block's header and data leave in one write. The length that a block names is
 * what was read, never what stat() said, so a file that shrinks meanwhile is
 * just shorter.
 */
#define LOG_MODULE "dlink"
#include <stdlib.h>
#include <string.h>

#include "dlink_priv.h"
#include "log.h"

struct download {
	struct dlink *d;
	struct pl *errors; /* path -> error, for the status */
	uint8_t *buf; /* LIMIT_DL_SEND_FRAME */
	uint32_t n_files;
};

static enum rc put_end(struct dlink *d, enum rc why)
{
	uint8_t code = (uint8_t)-dlink_code_of(why);
	const char *text = why ? rc_words(why) : "";
	size_t n = strlen(text);
	enum rc rc = wire_put_u32(&d->wire, (uint32_t)n + 1);

	if (!rc)
		rc = wire_put(&d->wire, &code, 1);
	if (!rc)
		rc = wire_put(&d->wire, text, n);
	return rc;
}

static enum rc put_block(struct dlink *d, const uint8_t *p, size_t len)
{
	static const uint8_t data = DLINK_DATA;
	enum rc rc;

	/* The whole block in one write: flush first when it would not fit
	 * behind what waits. */
	if (d->wire.out_len + 5 + len > WIRE_OUT) {
		rc = wire_flush(&d->wire);
		if (rc)
			return rc;
	}
	rc = wire_put_u32(&d->wire, (uint32_t)len + 1);
	if (!rc)
		rc = wire_put(&d->wire, &data, 1);
	if (!rc)
		rc = wire_put(&d->wire, p, len);
	return rc;
}

/* Result: of the link. *why: of our disk. */
static enum rc send_content(
    struct download *dl, struct store_file *file, enum rc *why)
{
	const struct store_ops *ops = dl->d->store->ops;

	for (;;) {
		size_t len = 0;
		enum rc rc;

		*why = ops->read(file, dl->buf, LIMIT_DL_SEND_FRAME, &len);
		if (*why || len == 0)
			return RC_OK;
		rc = put_block(dl->d, dl->buf, len);
		if (rc)
			return rc;
		rc = dl->d->hooks.tick(dl->d->hooks.ctx, false, 0);
		if (rc)
			return rc;
	}
}

static enum rc send_file(void *arg, const struct pl *item)
{
	struct download *dl = arg;
	struct dlink *d = dl->d;
	const struct store *st = d->store;
	struct store_file *file = NULL;
	const char *path;
	uint64_t size = 0;
	enum rc why;
	enum rc rc;

	/* The name goes back exactly as it came, or the phone gives up; an
	 * empty one would be the end of the list. */
	if (pl_str(item, &path) || !path[0] || ++dl->n_files > LIMIT_DL_ITEMS ||
	    strlen(path) > LIMIT_DL_TEXT)
		return RC_PROTO;
	rc = wire_put_u32(&d->wire, (uint32_t)strlen(path));
	if (!rc)
		rc = wire_put(&d->wire, path, strlen(path));
	if (rc)
		return rc;
	why = dlink_path(d, item, &path);
	if (!why)
		why = st->ops->open(st->ctx, path, &file, &size);
	if (why)
		file = NULL;
	log_debug("send %s bytes=%llu: %s", path, (unsigned long long)size,
	    rc_words(why));
	if (!why)
		rc = send_content(dl, file, &why);
	st->ops->close(file);
	if (rc)
		return rc;
	if (why) {
		dlink_reply_note(dl->errors, path, why);
		if (!dlink_is_plain(why))
			dlink_fault(d, why, path);
	}
	return put_end(d, why);
}

enum rc dlink_download(struct dlink *d, const struct pl *msg)
{
	struct download dl = { .d = d };
	struct pl *errors = NULL;
	enum rc rc;

	dl.buf = malloc(LIMIT_DL_SEND_FRAME);
	if (!dl.buf)
		return RC_NOMEM;
	dl.errors = pl_new_dict();
	/* The array may be empty: a terminator and a status all the same
	 * (limd#112). */
	rc = pl_each_item(pl_at(msg, 1), send_file, &dl);
	if (!rc)
		rc = wire_put_u32(&d->wire, 0);
	if (!rc)
		rc = wire_flush(&d->wire);
	if (!rc) {
		errors = dl.errors;
		dl.errors = NULL;
		rc = dlink_reply_multi(d, errors);
	}
	pl_free(dl.errors);
	free(dl.buf);
	return rc;
}
