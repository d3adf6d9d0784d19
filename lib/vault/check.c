/*
 * Reading a finished snapshot back, and a copy of the catalogue for the box.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "readback.h"
#include "vphone.h"

#define LOG_MODULE "vault"
#include "log.h"

struct check {
	struct vault_phone *p;
	struct vault_check *out;
	struct readback *rb;
};

static enum rc check_one(
    void *arg, const struct readback_item *item, enum rc rc)
{
	struct check *c = arg;

	c->out->files++;
	c->out->bytes += item->size;
	if (!rc)
		return RC_OK;
	if (rc != RC_CORRUPT && rc != RC_NOTFOUND && rc != RC_IO)
		return rc; /* our trouble, not the file's */
	if (c->out->bad++ == 0)
		snprintf(c->out->first_bad, sizeof(c->out->first_bad), "%.255s",
		    item->path);
	log_error("a file of a backup is %s",
	    rc == RC_NOTFOUND ? "missing" : "damaged");
	log_debug("that file is %s", item->path);
	return RC_OK;
}

static enum rc add_entry(void *arg, const struct catalog_entry *e)
{
	struct readback_item item = { .size = e->size };
	struct check *c = arg;

	if (e->kind != STORE_FILE)
		return RC_OK;
	vphone_file_of(c->p, e, item.path);
	memcpy(item.digest, e->digest, sizeof(item.digest));
	return readback_add(c->rb, &item);
}

enum rc vault_check_snapshot(
    struct vault_phone *p, int64_t snapshot, struct vault_check *out)
{
	struct check c = { .p = p, .out = out };
	struct vault_snapshot snap;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	rc = catalog_snapshot(&p->cat, snapshot, &snap);
	if (rc)
		return rc;
	if (snap.state != VAULT_GOOD && snap.state != VAULT_DAMAGED)
		return RC_NOTFOUND;
	c.rb = readback_new(p->ops, p->root, check_one, &c);
	if (!c.rb)
		return RC_NOMEM;
	rc = catalog_each_entry(&p->cat, snapshot, add_entry, &c);
	if (!rc)
		rc = readback_flush(c.rb);
	readback_free(c.rb);
	if (!rc && out->bad > 0)
		rc = RC_CORRUPT;
	return rc;
}

/* The copy is made beside its place and renamed over the older one. */
enum rc vault_phone_backup_catalog(struct vault_phone *p, const char *dest)
{
	const struct fileops *ops = p->ops;
	char *tmp;
	enum rc rc;

	if (asprintf(&tmp, "%s.tmp", dest) < 0)
		return RC_NOMEM;
	/* A rest of an interrupted one. */
	ops->unlink(ops->ctx, AT_FDCWD, tmp);
	rc = db_copy_to(p->cat.db, ops, tmp);
	if (!rc)
		rc = fileops_rc(ops->rename(ops->ctx, AT_FDCWD, tmp, dest));
	if (rc)
		ops->unlink(ops->ctx, AT_FDCWD, tmp);
	free(tmp);
	return rc;
}
