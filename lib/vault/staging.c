#include "staging.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "db.h"
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

static enum rc make_subfolder(struct staging *st)
{
	char path[LAYOUT_PATH];
	enum rc rc;

	if (st->dir_made && st->next % LAYOUT_STAGED_PER_DIR != 0)
		return RC_OK;
	layout_staged_dir(path, st->next);
	rc = fileops_ensure_dir(st->ops, st->root, path);
	st->dir_made = !rc;
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

enum rc staging_create(struct staging *st, struct staging_file *f)
{
	char path[LAYOUT_PATH];
	enum rc rc;
	int fd;

	memset(f, 0, sizeof(*f));
	f->st = st;
	f->fd = -1;
	do {
		if (st->next >= LAYOUT_STAGED_MAX)
			return RC_LIMIT;
		rc = make_subfolder(st);
		if (rc)
			return rc;
		f->num = st->next++;
		layout_staged(path, f->num);
		fd = st->ops->open(
		    st->ops->ctx, st->root, path, O_WRONLY | O_CREAT | O_EXCL);
		/* EEXIST: a leftover that could not be swept; not touched */
	} while (fd == -EEXIST);
	if (fd < 0)
		return fileops_rc(fd);
	f->fd = fd;
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
	layout_staged(path, f->num);
	st->ops->unlink(st->ops->ctx, st->root, path);
}

enum rc staging_doom(struct staging *st, uint32_t num)
{
	if (st->n_doomed == st->cap_doomed) {
		size_t cap = st->cap_doomed ? 2 * st->cap_doomed : 256;
		uint32_t *more = realloc(st->doomed, cap * sizeof(*more));

		if (!more)
			return RC_NOMEM;
		st->doomed = more;
		st->cap_doomed = cap;
	}
	st->doomed[st->n_doomed++] = num;
	return RC_OK;
}

void staging_reap(struct staging *st)
{
	char path[LAYOUT_PATH];

	for (size_t i = 0; i < st->n_doomed; i++) {
		layout_staged(path, st->doomed[i]);
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

/* --- the sweep ------------------------------------------------------------ */

struct sweep {
	struct staging *st;
	uint32_t *known; /* sorted: the table is by number */
	size_t n;
	size_t found;
	uint64_t dropped;
};

static enum rc load_known(struct sweep *sw, struct db *db)
{
	struct db_stmt *s = NULL;
	int64_t n = 0;
	bool row;
	enum rc rc = db_number(db, "SELECT count(*) FROM staged", &n);

	if (rc)
		return rc;
	sw->known = calloc((size_t)n + 1, sizeof(*sw->known));
	if (!sw->known)
		return RC_NOMEM;
	rc = db_prepare(db, "SELECT num FROM staged ORDER BY num", &s);
	while (!rc && sw->n < (size_t)n) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_staged(s, 0, &sw->known[sw->n]);
		if (!rc)
			sw->n++;
	}
	db_finish(s);
	if (sw->n > 0)
		sw->st->next = sw->known[sw->n - 1] + 1;
	return rc;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void sweep_name(struct sweep *sw, const char *dir, const char *name)
{
	const struct fileops *ops = sw->st->ops;
	char path[LAYOUT_PATH], given[LAYOUT_PATH];
	uint32_t num;

	if (!layout_parse_hex(name, LAYOUT_STAGED_DIGITS, &num))
		return;
	layout_staged(path, num);
	layout_staged_dir(given, num);
	if (strcmp(given + sizeof(LAYOUT_INCOMING), dir) != 0)
		return; /* a number in a folder where we never put it */
	if (sw->n > 0 &&
	    bsearch(&num, sw->known, sw->n, sizeof(num), compare_u32)) {
		sw->found++;
		return;
	}
	if (ops->unlink(ops->ctx, sw->st->root, path) == 0)
		sw->dropped++;
}

/* fn for each name in a folder below the root. */
static enum rc each_name(struct sweep *sw, const char *path,
    enum rc (*fn)(struct sweep *sw, const char *dir, const char *name))
{
	const struct fileops *ops = sw->st->ops;
	const char *slash = strrchr(path, '/');
	int fd =
	    ops->open(ops->ctx, sw->st->root, path, O_RDONLY | O_DIRECTORY);
	struct dirent *e;
	enum rc rc = RC_OK;
	DIR *d;

	if (fd < 0)
		return fileops_rc(fd);
	d = fdopendir(fd);
	if (!d) {
		ops->close(ops->ctx, fd);
		return RC_IO;
	}
	for (errno = 0; !rc && (e = readdir(d)) != NULL; errno = 0)
		if (e->d_name[0] != '.')
			rc = fn(sw, slash ? slash + 1 : "", e->d_name);
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc;
}

static enum rc sweep_in_folder(
    struct sweep *sw, const char *dir, const char *name)
{
	sweep_name(sw, dir, name);
	return RC_OK;
}

static enum rc sweep_folder(struct sweep *sw, const char *dir, const char *name)
{
	const struct fileops *ops = sw->st->ops;
	char path[LAYOUT_PATH];
	uint32_t num;
	enum rc rc;

	(void)dir;
	if (!layout_parse_hex(name, LAYOUT_STAGED_DIR_DIGITS, &num) ||
	    num > LAYOUT_STAGED_MAX / LAYOUT_STAGED_PER_DIR)
		return RC_OK;
	layout_staged_dir(path, num * LAYOUT_STAGED_PER_DIR);
	rc = each_name(sw, path, sweep_in_folder);
	/* An empty one goes, one with files stays: rmdir knows. */
	if (!rc)
		ops->rmdir(ops->ctx, sw->st->root, path);
	return rc;
}

enum rc staging_sweep(struct staging *st, struct db *db, uint64_t *lost)
{
	struct sweep sw = { .st = st };
	enum rc rc;

	st->next = 0;
	st->dir_made = false;
	rc = load_known(&sw, db);
	if (!rc)
		rc = each_name(&sw, LAYOUT_INCOMING, sweep_folder);
	if (!rc && sw.dropped > 0)
		log_note("dropped leftovers files=%llu",
		    (unsigned long long)sw.dropped);
	if (!rc)
		*lost = sw.n > sw.found ? sw.n - sw.found : 0;
	free(sw.known);
	return rc;
}
