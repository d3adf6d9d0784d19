/* Questions about what a repair is for, and what it left: see vault_repair.h. */
#include <stdio.h>
#include <string.h>

#include "vault_repair.h"
#include "vphone.h"

#define PAGE 128

struct page {
	struct vault_lost rows[PAGE];
	size_t n;
};

static enum rc read_page(struct db_stmt *s, struct page *p, bool first)
{
	uint8_t after[32];
	char path[LAYOUT_PATH];
	bool row = true;
	enum rc rc = RC_OK;

	if (!first)
		memcpy(after, p->rows[p->n - 1].digest, sizeof(after));
	db_bind_blob(
	    s, 1, first ? "" : (const char *)after, first ? 0 : sizeof(after));
	for (p->n = 0; p->n < PAGE; p->n++) {
		struct vault_lost *l = &p->rows[p->n];

		rc = db_step(s, &row);
		if (!rc && row)
			rc = catalog_row_digest(s, 0, l->digest);
		if (!rc && row)
			rc = catalog_row_size(s, 1, &l->size);
		if (rc || !row)
			break;
		layout_object(path, l->digest);
		snprintf(l->file, sizeof(l->file), "%.191s", path);
	}
	db_reset(s);
	return rc;
}

/* A page at a time: see struct catalog_entry. */
enum rc vault_each_lost(struct vault_phone *p,
    enum rc (*fn)(void *arg, const struct vault_lost *lost), void *arg)
{
	struct db_stmt *s = NULL;
	struct page page = { .n = 0 };
	int64_t has_table = 0;
	enum rc rc = db_number(p->cat.db,
	    "SELECT count(*) FROM sqlite_master WHERE name='lost'", &has_table);

	if (rc || !has_table)
		return rc;
	rc = db_prepare(p->cat.db,
	    "SELECT digest, size FROM lost WHERE digest>?1 ORDER BY digest",
	    &s);
	for (bool first = true; !rc; first = false) {
		rc = read_page(s, &page, first);
		for (size_t i = 0; !rc && i < page.n; i++)
			rc = fn(arg, &page.rows[i]);
		if (page.n < PAGE)
			break;
	}
	db_finish(s);
	return rc;
}

enum rc vault_phone_check_catalog(struct vault_phone *p)
{
	return db_quick_check(p->cat.db);
}
