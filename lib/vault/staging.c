#include "staging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layout.h"
#include "spool.h"

#define SPOOL_BYTES (128u << 10)

#define LOG_MODULE "staging"
#include "log.h"

void staging_init(struct staging *st, const struct fileops *ops, int root)
{
	memset(st, 0, sizeof(*st));
	st->ops = ops;
	st->root = root;
}

void staging_free(struct staging *st)
{
	digest_free(st->spare);
	quickhash_free(st->spare_quick);
	free(st->doomed);
	st->spare = NULL;
	st->spare_quick = NULL;
	spool_free(st->spool);
	st->spool = NULL;
	st->doomed = NULL;
	st->n_doomed = 0;
}

static enum rc make_subfolder(
    struct staging *st, const struct layout_place *place)
{
	uint32_t numbered = place->num / LAYOUT_STAGED_PER_DIR + 1;
	char path[LAYOUT_PATH];
	enum rc rc;

	if (place->named ? st->named_made[place->id[0]]
			 : st->dir_made == numbered)
		return RC_OK;
	layout_staged_dir(path, place);
	rc = fileops_ensure_dir(st->ops, st->root, path);
	if (!rc && place->named)
		st->named_made[place->id[0]] = true;
	else if (!rc)
		st->dir_made = numbered;
	return rc;
}

static enum rc take_hashes(struct staging *st, struct staging_file *f)
{
	f->hash = st->spare ? st->spare : digest_new();
	f->quick = st->spare_quick ? st->spare_quick : quickhash_new();
	st->spare = NULL;
	st->spare_quick = NULL;
	if (!f->hash || !f->quick)
		return RC_NOMEM;
	quickhash_begin(f->quick);
	digest_begin(f->hash);
	return RC_OK;
}

static void give_hashes(struct staging *st, struct staging_file *f)
{
	if (st->spare)
		digest_free(f->hash);
	else
		st->spare = f->hash;
	if (st->spare_quick)
		quickhash_free(f->quick);
	else
		st->spare_quick = f->quick;
	f->hash = NULL;
	f->quick = NULL;
}

/* -EEXIST: the place is taken. */
static int create_at(struct staging *st, const struct layout_place *place)
{
	char path[LAYOUT_PATH];

	layout_staged(path, place);
	return st->ops->open(
	    st->ops->ctx, st->root, path, O_WRONLY | O_CREAT | O_EXCL);
}

static enum rc create_file(
    struct staging *st, const char *rel, struct staging_file *f)
{
	const char *slash = strrchr(rel, '/');
	struct layout_place *place = &f->place;
	enum rc rc;

	place->named = layout_parse_id(slash ? slash + 1 : rel, place->id);
	do {
		if (st->next >= LAYOUT_STAGED_MAX)
			return RC_LIMIT;
		place->num = st->next;
		rc = make_subfolder(st, place);
		if (rc)
			return rc;
		st->next++;
		f->fd = create_at(st, place);
		if (f->fd != -EEXIST)
			break;
		/* The phone sent it twice, or a leftover could not be swept:
		 * what is there is not touched. */
		place->named = false;
	} while (true);
	return fileops_rc(f->fd);
}

enum rc staging_create(
    struct staging *st, const char *rel, struct staging_file *f)
{
	enum rc rc;

	memset(f, 0, sizeof(*f));
	f->st = st;
	rc = create_file(st, rel, f);
	if (rc)
		return rc;
	rc = take_hashes(st, f);
	if (rc)
		staging_discard(f);
	return rc;
}

/* The first piece tells: only of a large file so much comes at once. */
static bool use_spool(struct staging_file *f, size_t len)
{
	struct staging *st = f->st;

	if (f->size > 0 || len < SPOOL_BYTES || st->no_spool)
		return false;
	if (!st->spool)
		st->spool = spool_new(st->ops);
	f->spooled = spool_begin(st->spool, f->fd);
	st->no_spool = !f->spooled;
	return f->spooled;
}

enum rc staging_write(struct staging_file *f, const void *data, size_t len)
{
	enum rc rc;

	digest_update(f->hash, data, len);
	quickhash_update(f->quick, data, len);
	if (f->spooled || use_spool(f, len))
		rc = spool_write(f->st->spool, data, len);
	else
		rc = fileops_write_all(f->st->ops, f->fd, data, len);
	f->size += len;
	f->st->bytes_dirty += len;
	return rc;
}

/* The descriptor is given away in any case. */
static enum rc close_file(struct staging_file *f)
{
	const struct fileops *ops = f->st->ops;
	bool spooled = f->spooled;
	int fd = f->fd;

	f->spooled = false;
	f->fd = -1;
	if (spooled)
		return spool_end(f->st->spool);
	return fileops_rc(ops->close(ops->ctx, fd));
}

enum rc staging_close(struct staging_file *f)
{
	struct staging *st = f->st;
	enum rc rc = close_file(f);

	digest_final(f->hash, f->digest);
	f->quick_hash = quickhash_final(f->quick);
	give_hashes(st, f);
	st->files_dirty++;
	return rc;
}

void staging_discard(struct staging_file *f)
{
	struct staging *st = f->st;
	char path[LAYOUT_PATH];

	if (f->fd >= 0)
		(void)close_file(f);
	if (staging_settle(st)) { /* the thread may still be at it */
		/* It failed: that is told at the next write or sync. */
	}
	give_hashes(st, f);
	f->fd = -1;
	layout_staged(path, &f->place);
	st->ops->unlink(st->ops->ctx, st->root, path);
}

enum rc staging_doom(struct staging *st, const struct layout_place *place)
{
	if (st->n_doomed == st->cap_doomed) {
		size_t cap = st->cap_doomed ? 2 * st->cap_doomed : 256;
		struct layout_place *more =
		    realloc(st->doomed, cap * sizeof(*more));

		if (!more)
			return RC_NOMEM;
		st->doomed = more;
		st->cap_doomed = cap;
	}
	st->doomed[st->n_doomed++] = *place;
	return RC_OK;
}

void staging_reap(struct staging *st)
{
	char path[LAYOUT_PATH];

	for (size_t i = 0; i < st->n_doomed; i++) {
		layout_staged(path, &st->doomed[i]);
		st->ops->unlink(st->ops->ctx, st->root, path);
	}
	st->n_doomed = 0;
}

enum rc staging_settle(struct staging *st)
{
	return spool_drain(st->spool);
}

void staging_new_night(struct staging *st)
{
	if (!staging_settle(st))
		return;
	spool_free(st->spool);
	st->spool = NULL;
}

enum rc staging_sync(struct staging *st)
{
	enum rc rc = staging_settle(st);
	int rv;

	if (rc)
		return rc;
	if (st->files_dirty == 0 && st->bytes_dirty == 0)
		return RC_OK;
	/* One syncfs: it also covers the names, and costs about as much as
	 * the sync of one file. */
	rv = st->ops->syncfs(st->ops->ctx, st->root);
	if (rv < 0)
		return fileops_rc(rv);
	st->files_dirty = 0;
	st->bytes_dirty = 0;
	return RC_OK;
}
