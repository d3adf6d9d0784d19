#include "reread.h"

#include <stdio.h>
#include <string.h>

void reread_item(const struct vault_phone *p, const struct content *c,
    struct readback_item *out)
{
	memset(out, 0, sizeof(*out));
	contents_file(p, c, out->path);
	out->size = c->size;
	out->tag = (uint32_t)c->stage;
	memcpy(out->digest, c->digest, DIGEST_LEN);
}

void reread_content(const struct vault_phone *p,
    const struct readback_item *item, struct content *out)
{
	size_t skip = strlen(LAYOUT_LATEST "//") + strlen(p->udid);

	memset(out, 0, sizeof(*out));
	out->stage = (enum contents_stage)item->tag;
	out->size = item->size;
	memcpy(out->digest, item->digest, DIGEST_LEN);
	if (out->stage == CONTENTS_LATEST)
		snprintf(out->rel, sizeof(out->rel), "%.*s", LIMIT_DL_PATH,
		    item->path + skip);
}

static enum rc keep_rc(void *arg, const struct readback_item *item, enum rc rc)
{
	(void)item;
	*(enum rc *)arg = rc;
	return RC_OK;
}

static enum rc read_item(struct vault_phone *p, const struct readback_item *it)
{
	enum rc found = RC_BUG;
	struct readback *rb = readback_new(p->ops, p->root, keep_rc, &found);
	enum rc rc;

	if (!rb)
		return RC_NOMEM;
	rc = readback_add(rb, it);
	if (!rc)
		rc = readback_flush(rb);
	readback_free(rb);
	return rc ? rc : found;
}

enum rc reread_one(struct vault_phone *p, const struct content *c)
{
	struct readback_item item;

	reread_item(p, c, &item);
	return read_item(p, &item);
}

enum rc reread_file(struct vault_phone *p, const char *path, uint64_t size,
    const uint8_t digest[DIGEST_LEN])
{
	struct readback_item item = { .size = size };

	snprintf(item.path, sizeof(item.path), "%s", path);
	memcpy(item.digest, digest, DIGEST_LEN);
	return read_item(p, &item);
}

enum rc reread_place(struct vault_phone *p, const struct content *c)
{
	char path[LAYOUT_PATH];
	struct stat st;
	int rv;

	contents_file(p, c, path);
	rv = p->ops->stat(p->ops->ctx, p->root, path, &st);
	if (rv < 0)
		return fileops_rc(rv);
	if (!S_ISREG(st.st_mode))
		return RC_NOTFOUND;
	return (uint64_t)st.st_size == c->size ? RC_OK : RC_CORRUPT;
}
