#include "contents.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 128

#define OF_SNAPSHOT " AND (?2=0 OR (first<=?2 AND (last IS NULL OR last>=?2)))"

static const char *const pages[] = {
	[CONTENTS_LATEST] =
	    "SELECT path, size, digest FROM entry WHERE path>?1 AND last IS"
	    " NULL AND kind=1" OF_SNAPSHOT " ORDER BY path LIMIT ?3",
	[CONTENTS_OBJECTS] =
	    "SELECT '', min(size), digest FROM entry WHERE digest>?1 AND last"
	    " IS NOT NULL" OF_SNAPSHOT " GROUP BY digest ORDER BY digest"
	    " LIMIT ?3",
};

static const char *const totals[] = {
	[CONTENTS_LATEST] =
	    "SELECT count(*), coalesce(sum(size), 0) FROM entry"
	    " WHERE last IS NULL AND kind=1 AND ?1>=0" OF_SNAPSHOT,
	[CONTENTS_OBJECTS] =
	    "SELECT count(*), coalesce(sum(size), 0) FROM (SELECT min(size) AS"
	    " size FROM entry WHERE digest IS NOT NULL AND last IS NOT NULL"
	    " AND ?1>=0" OF_SNAPSHOT " GROUP BY digest)",
};

struct page {
	struct db_stmt *s;
	enum contents_stage stage;
	int64_t snapshot;
	size_t n;
	struct content rows[PAGE];
};

static void bind_key(
    struct db_stmt *s, enum contents_stage stage, const uint8_t *key, size_t n)
{
	if (stage == CONTENTS_LATEST)
		db_bind_text(s, 1, (const char *)key, n);
	else /* each blob sorts after each text: "" is before all of them */
		db_bind_blob(s, 1, n ? (const void *)key : "", n);
}

static enum rc read_row(struct page *p, struct content *c)
{
	enum rc rc = catalog_row_path(p->s, 0, c->rel);

	c->stage = p->stage;
	if (!rc)
		rc = catalog_row_size(p->s, 1, &c->size);
	if (!rc)
		rc = catalog_row_digest(p->s, 2, c->digest);
	return rc;
}

static enum rc read_page(struct page *p, const struct contents_place *after)
{
	enum rc rc = RC_OK;

	p->n = 0;
	bind_key(p->s, p->stage, after->key, after->len);
	db_bind_int(p->s, 2, p->snapshot);
	db_bind_int(p->s, 3, PAGE);
	while (!rc) {
		bool row;

		rc = db_step(p->s, &row);
		if (rc || !row)
			break;
		if (p->n == PAGE)
			rc = RC_BUG;
		else
			rc = read_row(p, &p->rows[p->n]);
		if (!rc)
			p->n++;
	}
	db_reset(p->s);
	return rc;
}

void contents_place_of(const struct content *c, struct contents_place *out)
{
	out->stage = c->stage;
	if (c->stage == CONTENTS_LATEST) {
		out->len = strlen(c->rel);
		memcpy(out->key, c->rel, out->len);
	} else {
		out->len = DIGEST_LEN;
		memcpy(out->key, c->digest, DIGEST_LEN);
	}
}

static enum rc each_of_stage(struct catalog *cat, struct page *p,
    struct contents_place *at, content_fn fn, void *arg)
{
	enum rc rc = db_prepare(cat->db, pages[p->stage], &p->s);

	do {
		if (!rc)
			rc = read_page(p, at);
		for (size_t i = 0; !rc && i < p->n; i++)
			rc = fn(arg, &p->rows[i]);
		if (!rc && p->n > 0)
			contents_place_of(&p->rows[p->n - 1], at);
	} while (!rc && p->n == PAGE);
	db_finish(p->s);
	p->s = NULL;
	return rc;
}

enum rc contents_each(struct catalog *cat, const struct contents_place *from,
    int64_t snapshot, content_fn fn, void *arg)
{
	struct contents_place at = *from;
	struct page *p = calloc(1, sizeof(*p));
	enum rc rc = RC_OK;

	if (!p)
		return RC_NOMEM;
	p->snapshot = snapshot;
	while (!rc && at.stage < CONTENTS_END) {
		p->stage = at.stage;
		rc = each_of_stage(cat, p, &at, fn, arg);
		at.stage = (enum contents_stage)(p->stage + 1);
		at.len = 0;
	}
	free(p);
	return rc;
}

enum rc contents_total(
    struct catalog *cat, int64_t snapshot, uint64_t *files, uint64_t *bytes)
{
	enum rc rc = RC_OK;

	*files = *bytes = 0;
	for (int i = 0; !rc && i < CONTENTS_END; i++) {
		struct db_stmt *s = NULL;
		uint64_t n = 0, sum = 0;
		bool row = false;

		rc = db_prepare(cat->db, totals[i], &s);
		if (rc)
			break;
		db_bind_int(s, 1, 0);
		db_bind_int(s, 2, snapshot);
		rc = db_step(s, &row);
		if (!rc && row)
			rc = catalog_row_size(s, 0, &n);
		if (!rc && row)
			rc = catalog_row_size(s, 1, &sum);
		db_finish(s);
		*files += n;
		*bytes += sum;
	}
	return rc;
}

void contents_file(
    const struct vault_phone *p, const struct content *c, char out[LAYOUT_PATH])
{
	if (c->stage == CONTENTS_LATEST)
		layout_latest(out, p->udid, c->rel);
	else
		layout_object(out, c->digest);
}

enum rc contents_is_there(
    struct catalog *cat, const struct content *c, bool *there)
{
	struct db_stmt *s = NULL;
	enum rc rc = db_prepare(cat->db,
	    c->stage == CONTENTS_LATEST
		? "SELECT 1 FROM entry WHERE path=?2 AND last IS NULL AND"
		  " digest=?1"
		: "SELECT 1 FROM entry WHERE digest=?1 AND last IS NOT NULL"
		  " AND ?2='' LIMIT 1",
	    &s);

	*there = false;
	if (rc)
		return rc;
	db_bind_blob(s, 1, c->digest, DIGEST_LEN);
	db_bind_text(s, 2, c->rel, strlen(c->rel));
	rc = db_step(s, there);
	db_finish(s);
	return rc;
}
