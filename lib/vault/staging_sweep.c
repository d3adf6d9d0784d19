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

struct sweep {
	struct staging *st;
	struct layout_place *known; /* sorted */
	size_t n;
	size_t found;
	uint64_t dropped;
	/* the folder that is being read */
	struct layout_place in; /* its files are named, or by number */
	char path[LAYOUT_PATH];
};

static int compare(const void *a, const void *b)
{
	const struct layout_place *x = a, *y = b;

	if (x->named != y->named)
		return x->named ? 1 : -1;
	if (x->named)
		return memcmp(x->id, y->id, LAYOUT_ID_LEN);
	return (x->num > y->num) - (x->num < y->num);
}

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
	rc = db_prepare(db, "SELECT num, id FROM staged ORDER BY num", &s);
	while (!rc && sw->n < (size_t)n) {
		rc = db_step(s, &row);
		if (rc || !row)
			break;
		rc = catalog_row_place(s, 0, 1, &sw->known[sw->n]);
		if (!rc)
			sw->n++;
	}
	db_finish(s);
	if (sw->n > 0)
		sw->st->next = sw->known[sw->n - 1].num + 1;
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

	if (!parse_folder(sw, name))
		return RC_OK;
	layout_staged_dir(sw->path, &sw->in);
	rc = fileops_each_name(ops, sw->st->root, sw->path, sweep_file, sw);
	/* An empty one goes, one with files stays: rmdir knows. */
	if (!rc)
		ops->rmdir(ops->ctx, sw->st->root, sw->path);
	return rc;
}

enum rc staging_sweep(struct staging *st, struct db *db, uint64_t *lost)
{
	struct sweep sw = { .st = st };
	enum rc rc;

	st->next = 0;
	st->dir_made = 0;
	memset(st->named_made, 0, sizeof(st->named_made));
	rc = load_known(&sw, db);
	if (!rc)
		rc = fileops_each_name(
		    st->ops, st->root, LAYOUT_INCOMING, sweep_folder, &sw);
	if (!rc && sw.dropped > 0)
		log_note("dropped leftovers files=%llu",
		    (unsigned long long)sw.dropped);
	if (!rc)
		*lost = sw.n > sw.found ? sw.n - sw.found : 0;
	free(sw.known);
	return rc;
}
