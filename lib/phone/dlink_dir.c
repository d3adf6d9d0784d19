/*
 * The short commands: list, make, move, remove, copy, room.
 */
#define LOG_MODULE "dlink"
#include <string.h>

#include "dlink_priv.h"
#include "log.h"

/* What the phone adds to the missing bytes when it asks for room
 * (protocols.md, Appendix B). */
#define PURGE_SLACK 2147483648u
#define PURGE_MORE  (4u << 20)

struct batch {
	struct dlink *d;
	struct pl *errors;
	uint32_t n;
	enum rc last; /* of the only item, when there is one */
	enum rc fatal; /* ends the session */
};

static enum rc list_entry(
    void *arg, const char *name, const struct store_stat *st)
{
	struct pl *dict = arg;
	struct pl *entry = pl_new_dict();

	pl_set(entry, "DLFileType",
	    pl_new_str(st->kind == STORE_DIR ? "DLFileTypeDirectory"
					     : "DLFileTypeRegular"));
	pl_set(entry, "DLFileSize", pl_new_int((int64_t)st->size));
	pl_set(entry, "DLFileModificationDate", pl_new_date(st->mtime));
	pl_set(dict, name, entry);
	return RC_OK;
}

enum rc dlink_list(struct dlink *d, const struct pl *msg)
{
	struct pl *dict = pl_new_dict();
	const char *path;
	enum rc rc = dlink_path(d, pl_at(msg, 1), &path);

	if (!rc)
		rc = d->store->ops->list(d->store->ctx, path, list_entry, dict);
	/* A missing folder is an empty one: phones ask for Snapshot before
	 * there is one. */
	if (rc == RC_NOTFOUND)
		rc = RC_OK;
	if (rc) {
		pl_free(dict);
		return dlink_reply_rc(d, rc);
	}
	return dlink_reply(d, DLINK_OK, NULL, dict);
}

enum rc dlink_mkdir(struct dlink *d, const struct pl *msg)
{
	const char *path;
	enum rc rc = dlink_path(d, pl_at(msg, 1), &path);

	if (!rc)
		rc = d->store->ops->make_dir(d->store->ctx, path);
	if (!dlink_is_plain(rc))
		dlink_fault(d, rc, path);
	return dlink_reply_rc(d, rc);
}

static void batch_note(struct batch *b, const char *path, enum rc rc)
{
	b->n++;
	b->last = rc;
	if (rc == RC_OK)
		return;
	dlink_reply_note(b->errors, path, rc);
	if (!dlink_is_plain(rc))
		dlink_fault(b->d, rc, path);
}

/* One item: its own code, as other hosts answer (the phone lets -6 pass for
 * some); several: multi status. */
static enum rc batch_reply(struct batch *b, enum rc rc)
{
	struct pl *errors = b->errors;

	b->errors = NULL;
	if (!rc && b->n == 1)
		rc = b->last;
	if (!rc && !b->fatal)
		return dlink_reply_multi(b->d, errors);
	pl_free(errors);
	return b->fatal ? b->fatal : dlink_reply_rc(b->d, rc);
}

static enum rc batch_tick(struct batch *b)
{
	if (b->n >= LIMIT_DL_ITEMS)
		b->fatal = RC_LIMIT;
	else if (b->n % 64 == 0)
		b->fatal = b->d->hooks.tick(b->d->hooks.ctx, false, 0);
	return b->fatal;
}

static enum rc move_pair(void *arg, const char *from, const struct pl *value)
{
	struct batch *b = arg;
	struct pl *key = pl_new_str(from);
	const struct store *st = b->d->store;
	const char *src, *to;
	enum rc rc = dlink_path(b->d, key, &src);

	if (!rc)
		rc = dlink_path(b->d, value, &to);
	if (!rc)
		rc = st->ops->move(st->ctx, src, to);
	batch_note(b, from, rc);
	pl_free(key);
	return batch_tick(b);
}

enum rc dlink_move(struct dlink *d, const struct pl *msg)
{
	struct batch b = { .d = d, .errors = pl_new_dict() };
	enum rc rc;

	dlink_stage_is(d, DLINK_STAGE_FINISHING);
	rc = pl_each_pair(pl_at(msg, 1), move_pair, &b);
	return batch_reply(&b, rc);
}

static enum rc remove_item(void *arg, const struct pl *item)
{
	struct batch *b = arg;
	const struct store *st = b->d->store;
	const char *path = NULL;
	enum rc rc = dlink_path(b->d, item, &path);

	if (!rc)
		rc = st->ops->remove(st->ctx, path);
	if (pl_str(item, &path))
		path = "";
	batch_note(b, path, rc);
	return batch_tick(b);
}

enum rc dlink_remove(struct dlink *d, const struct pl *msg)
{
	struct batch b = { .d = d, .errors = pl_new_dict() };
	enum rc rc = pl_each_item(pl_at(msg, 1), remove_item, &b);

	return batch_reply(&b, rc);
}

enum rc dlink_remove_one(struct dlink *d, const struct pl *msg)
{
	struct batch b = { .d = d, .errors = pl_new_dict() };

	return batch_reply(&b, remove_item(&b, pl_at(msg, 1)));
}

enum rc dlink_copy(struct dlink *d, const struct pl *msg)
{
	const char *from, *to;
	enum rc rc = dlink_path(d, pl_at(msg, 1), &from);

	if (!rc)
		rc = dlink_path(d, pl_at(msg, 2), &to);
	if (!rc)
		rc = d->store->ops->copy(d->store->ctx, from, to);
	if (!dlink_is_plain(rc))
		dlink_fault(d, rc, from);
	return dlink_reply_rc(d, rc);
}

enum rc dlink_space(struct dlink *d, const struct pl *msg)
{
	uint64_t room = 0;
	enum rc rc = d->store->ops->free_space(d->store->ctx, &room);

	(void)msg;
	if (rc) {
		/* The phone then goes on without the check, and so do we. */
		log_warn("free space is not known: %s", rc_words(rc));
		return dlink_reply_rc(d, rc);
	}
	if (room > INT64_MAX)
		room = INT64_MAX;
	log_note("room for this backup: %llu MB",
	    (unsigned long long)(room / 1000000));
	return dlink_reply(d, DLINK_OK, NULL, pl_new_int((int64_t)room));
}

static uint64_t purge(struct dlink *d, uint64_t want)
{
	uint64_t freed = 0;
	enum rc rc = d->store->ops->purge(d->store->ctx, want, &freed);

	if (!rc)
		return freed;
	log_warn("no room could be made: %s", rc_words(rc));
	return 0;
}

/* Bytes that are still missing after `freed`, by what the phone needs. */
static uint64_t missing_of(uint64_t want, uint64_t freed)
{
	return want > PURGE_SLACK + freed ? want - PURGE_SLACK - freed : 0;
}

enum rc dlink_purge(struct dlink *d, const struct pl *msg)
{
	uint64_t freed;
	uint64_t missing;
	int64_t want = 0;

	if (pl_int(pl_at(msg, 1), &want) || want < 0)
		return dlink_reply_rc(d, RC_PROTO);
	freed = purge(d, (uint64_t)want);
	missing = missing_of((uint64_t)want, freed);
	/* The store may not have what was asked for, and yet what is needed:
	 * that, and a little, because the phone wants more than nothing. */
	if (missing) {
		freed += purge(d, missing + PURGE_MORE);
		missing = missing_of((uint64_t)want, freed);
	}
	d->res.missing_bytes = missing;
	log_note("the phone asks for room: want=%lld freed=%llu missing=%llu",
	    (long long)want, (unsigned long long)freed,
	    (unsigned long long)missing);
	if (freed > INT64_MAX)
		freed = INT64_MAX;
	return dlink_reply(d, DLINK_OK, NULL, pl_new_int((int64_t)freed));
}
