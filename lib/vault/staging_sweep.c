/*
 * incoming/ against the catalogue: what a power cut, a crash or a failed
 * unlink left there without a row goes.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "db.h"
#include "layout.h"
#include "staging.h"

#define LOG_MODULE "staging"
#include "log.h"

/* Places that are held in memory at a time: 1.8 MB, and as much to sort. */
#define KNOWN_MAX 65536
#define BUCKETS   256

struct sweep {
	struct staging *st;
	struct db *db;
	size_t staged; /* rows in all */
	struct layout_place *known; /* sorted; those of the buckets lo to hi */
	size_t n, cap;
	unsigned lo, hi;
	uint64_t found, dropped;
	/* the folder that is being read */
	struct layout_place in; /* its files are named, or by number */
	char path[LAYOUT_PATH];
};

/* All of a folder is in one bucket. */
static unsigned bucket_of(const struct layout_place *place)
{
	if (place->named)
		return place->id[0];
	return place->num / LAYOUT_STAGED_PER_DIR % BUCKETS;
}

static int compare(const void *a, const void *b)
{
	const struct layout_place *x = a, *y = b;

	if (x->named != y->named)
		return x->named ? 1 : -1;
	if (x->named)
		return memcmp(x->id, y->id, LAYOUT_ID_LEN);
	return (x->num > y->num) - (x->num < y->num);
}

static enum rc add_known(struct sweep *sw, const struct layout_place *place)
{
	if (sw->n == sw->cap) {
		size_t cap = sw->cap ? 2 * sw->cap : 1024;
		void *more = realloc(sw->known, cap * sizeof(*sw->known));

		if (!more)
			return RC_NOMEM;
		sw->known = more;
		sw->cap = cap;
	}
	sw->known[sw->n++] = *place;
	return RC_OK;
}

static enum rc load_known(struct sweep *sw)
{
	struct layout_place place;
	struct db_stmt *s = NULL;
	bool row = true;
	enum rc rc = db_prepare(sw->db, "SELECT num, id FROM staged", &s);

	sw->n = 0;
	while (!rc) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_place(s, 0, 1, &place);
		if (rc)
			break;
		if (place.num >= sw->st->next)
			sw->st->next = place.num + 1;
		if (bucket_of(&place) >= sw->lo && bucket_of(&place) < sw->hi)
			rc = add_known(sw, &place);
	}
	db_finish(s);
	if (sw->n > 0) /* else there may be no array */
		qsort(sw->known, sw->n, sizeof(*sw->known), compare);
	return rc;
}

/* False for a name that we did not give, or not in this folder. */
static bool parse_file(
    const struct sweep *sw, const char *name, struct layout_place *out)
{
	char dir[LAYOUT_PATH];

	*out = (struct layout_place){ .named = sw->in.named };
	if (out->named
		? !layout_parse_id(name, out->id)
		: !layout_parse_hex(name, LAYOUT_STAGED_DIGITS, &out->num))
		return false;
	layout_staged_dir(dir, out);
	return strcmp(dir, sw->path) == 0;
}

static enum rc sweep_file(void *arg, const char *name)
{
	struct sweep *sw = arg;
	const struct fileops *ops = sw->st->ops;
	struct layout_place place;
	char path[LAYOUT_PATH];

	if (!parse_file(sw, name, &place))
		return RC_OK;
	if (sw->n > 0 &&
	    bsearch(&place, sw->known, sw->n, sizeof(place), compare)) {
		sw->found++;
		return RC_OK;
	}
	layout_staged(path, &place);
	if (ops->unlink(ops->ctx, sw->st->root, path) == 0)
		sw->dropped++;
	return RC_OK;
}

static bool parse_folder(struct sweep *sw, const char *name)
{
	uint32_t num;

	memset(&sw->in, 0, sizeof(sw->in));
	if (layout_parse_hex(name, LAYOUT_NAMED_DIR_DIGITS, &num)) {
		sw->in.named = true;
		sw->in.id[0] = (uint8_t)num;
		return true;
	}
	if (!layout_parse_hex(name, LAYOUT_STAGED_DIR_DIGITS, &num) ||
	    num > LAYOUT_STAGED_MAX / LAYOUT_STAGED_PER_DIR)
		return false;
	sw->in.num = num * LAYOUT_STAGED_PER_DIR;
	return true;
}

static enum rc sweep_folder(void *arg, const char *name)
{
	struct sweep *sw = arg;
	const struct fileops *ops = sw->st->ops;
	enum rc rc;

	if (!parse_folder(sw, name) || bucket_of(&sw->in) < sw->lo ||
	    bucket_of(&sw->in) >= sw->hi)
		return RC_OK;
	layout_staged_dir(sw->path, &sw->in);
	rc = fileops_each_name(ops, sw->st->root, sw->path, sweep_file, sw);
	/* An empty one goes, one with files stays: rmdir knows. */
	if (!rc)
		ops->rmdir(ops->ctx, sw->st->root, sw->path);
	return rc;
}

/* As many passes as it takes to hold what is known of each in memory: one,
 * unless a night of a very large phone was interrupted. */
static enum rc sweep_all(struct sweep *sw)
{
	unsigned passes = (unsigned)(sw->staged / KNOWN_MAX) + 1;
	unsigned step = passes < BUCKETS ? (BUCKETS + passes - 1) / passes : 1;
	enum rc rc = RC_OK;

	for (sw->lo = 0; !rc && sw->lo < BUCKETS; sw->lo = sw->hi) {
		sw->hi = sw->lo + step;
		rc = load_known(sw);
		if (!rc)
			rc = fileops_each_name(sw->st->ops, sw->st->root,
			    LAYOUT_INCOMING, sweep_folder, sw);
	}
	return rc;
}

enum rc staging_sweep(struct staging *st, struct db *db, uint64_t *lost)
{
	struct sweep sw = { .st = st, .db = db };
	int64_t staged = 0;
	enum rc rc = db_number(db, "SELECT count(*) FROM staged", &staged);

	st->next = 0;
	st->dir_made = 0;
	memset(st->named_made, 0, sizeof(st->named_made));
	sw.staged = (size_t)staged;
	if (!rc)
		rc = sweep_all(&sw);
	if (!rc && sw.dropped > 0)
		log_note("dropped leftovers files=%llu",
		    (unsigned long long)sw.dropped);
	if (!rc)
		*lost = sw.staged > sw.found ? sw.staged - sw.found : 0;
	free(sw.known);
	return rc;
}
