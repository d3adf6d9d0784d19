/* The bytes: hashed where they lie, or copied into the night's store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"

#define LOG_MODULE "adopt"
#include "log.h"

/* Large pieces, for a disk with a head. */
#define PIECE (1u << 20)
#define AHEAD (128 << 10) /* of each of 64 files */

static enum rc changed(struct adopt *a, const char *rel)
{
	return adopt_because(a, RC_CORRUPT,
	    "%s changed while it was read. End the program that writes to the "
	    "folder, then try again.",
	    rel);
}

static enum rc unreadable(struct adopt *a, const char *rel, enum rc rc)
{
	if (rc == RC_NOTFOUND)
		return changed(a, rel);
	if (rc == RC_READONLY)
		return adopt_because(a, rc,
		    "%s may not be read: permission is "
		    "missing.",
		    rel);
	return adopt_because(a, rc, "%s could not be read from the disk: %s.",
	    rel, rc_words(rc));
}

/*
 * What the medium holds is wanted, not what a program has just written to
 * memory (the disk was synced): pages that are there go. Then the kernel reads
 * the beginnings of many small files at a time, in the order that it likes.
 */
void adopt_read_ahead(
    struct adopt *a, const struct adopt_file *files, unsigned n)
{
	const struct fileops *ops = a->p->ops;
	char path[LAYOUT_PATH];

	for (unsigned i = 0; i < n; i++) {
		int fd;

		if (files[i].size == 0)
			continue;
		adopt_path(a, files[i].path, path);
		fd = ops->open(
		    ops->ctx, a->p->root, path, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			continue; /* whoever reads it will say so */
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		(void)posix_fadvise(fd, 0,
		    files[i].size < AHEAD ? (off_t)files[i].size : AHEAD,
		    POSIX_FADV_WILLNEED);
		ops->close(ops->ctx, fd);
	}
}

/* fn for each piece of a file that must still be what the scan saw. */
static enum rc each_piece(struct adopt *a, const struct adopt_file *f,
    char *buf, enum rc (*fn)(void *arg, const void *data, size_t len),
    void *arg)
{
	const struct fileops *ops = a->p->ops;
	char path[LAYOUT_PATH];
	uint64_t got = 0;
	ssize_t k = 1;
	enum rc rc = RC_OK;
	int fd;

	adopt_path(a, f->path, path);
	fd = ops->open(ops->ctx, a->p->root, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return unreadable(a, f->path, fileops_rc(fd));
	while (!rc && k > 0) {
		k = ops->read(ops->ctx, fd, buf, PIECE);
		if (k < 0)
			rc = unreadable(a, f->path, fileops_rc(k));
		if (k <= 0)
			break;
		got += (uint64_t)k;
		a->bytes_done += (uint64_t)k;
		rc = fn(arg, buf, (size_t)k);
		if (!rc)
			rc = adopt_step(a);
	}
	/* No pages are kept for what is read once. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	ops->close(ops->ctx, fd);
	if (!rc && got != f->size)
		rc = changed(a, f->path);
	a->files_done++;
	return rc;
}

/* A file that was written to meanwhile, at the same length. */
static enum rc check_unchanged(struct adopt *a, const struct adopt_file *f)
{
	const struct fileops *ops = a->p->ops;
	char path[LAYOUT_PATH];
	struct stat st;
	int rv;

	adopt_path(a, f->path, path);
	rv = ops->stat(ops->ctx, a->p->root, path, &st);
	if (rv < 0)
		return unreadable(a, f->path, fileops_rc(rv));
	if ((int64_t)st.st_mtime != f->mtime || !S_ISREG(st.st_mode))
		return changed(a, f->path);
	return RC_OK;
}

/* --- in place ------------------------------------------------------------------
 */

struct hashing {
	struct adopt *a;
	char *buf;
	struct digest *d;
	struct db_stmt *put;
};

static enum rc hash_piece(void *arg, const void *data, size_t len)
{
	struct hashing *h = arg;

	digest_update(h->d, data, len);
	return RC_OK;
}

static enum rc hash_one(void *arg, const struct adopt_file *f)
{
	struct hashing *h = arg;
	uint8_t digest[DIGEST_LEN];
	enum rc rc = night_change(h->a->n);

	if (rc)
		return rc;
	digest_begin(h->d);
	rc = each_piece(h->a, f, h->buf, hash_piece, h);
	if (!rc)
		rc = check_unchanged(h->a, f);
	if (rc)
		return rc;
	digest_final(h->d, digest);
	db_bind_int(h->put, 1, f->num);
	db_bind_blob(h->put, 2, digest, sizeof(digest));
	rc = db_run(h->put);
	return rc ? rc : night_changed(h->a->n);
}

enum rc adopt_hash(struct adopt *a)
{
	struct hashing h = { .a = a, .buf = malloc(PIECE), .d = digest_new() };
	enum rc rc = h.buf && h.d ? RC_OK : RC_NOMEM;

	if (!rc)
		rc = db_prepare(a->p->cat.db,
		    "UPDATE staged SET digest=?2 WHERE num=?1", &h.put);
	if (!rc)
		rc = adopt_each_row(a, hash_one, &h);
	db_finish(h.put);
	digest_free(h.d);
	free(h.buf);
	return rc;
}

/* --- the copy: a night as a phone would drive it ---------------------------- */

struct copying {
	struct adopt *a;
	char *buf;
	const struct store *to;
	struct store_file *file;
};

static enum rc copy_piece(void *arg, const void *data, size_t len)
{
	struct copying *c = arg;
	enum rc rc = c->to->ops->write(c->file, data, len);

	if (rc == RC_NOSPC)
		return adopt_because(c->a, rc, "The vault's disk is full.");
	return rc;
}

static enum rc copy_one(void *arg, const struct adopt_file *f)
{
	struct copying *c = arg;
	char path[LIMIT_UDID + sizeof(f->path) + 8];
	enum rc rc;

	snprintf(path, sizeof(path), "%s/%s", c->a->p->udid, f->path);
	rc = c->to->ops->create(c->to->ctx, path, &c->file);
	if (rc)
		return rc;
	rc = each_piece(c->a, f, c->buf, copy_piece, c);
	if (!rc)
		rc = check_unchanged(c->a, f);
	if (!rc)
		return c->to->ops->finish(c->file);
	c->to->ops->discard(c->file);
	return rc;
}

static enum rc copy_folders(struct copying *c)
{
	char path[LIMIT_UDID + 16];
	enum rc rc = RC_OK;

	/* A phone expects all of them, also the empty ones. */
	for (unsigned i = 0; !rc && i < 256; i++) {
		snprintf(path, sizeof(path), "%s/%02x", c->a->p->udid, i);
		rc = c->to->ops->make_dir(c->to->ctx, path);
		if (rc == RC_EXISTS)
			rc = RC_OK;
	}
	return rc;
}

enum rc adopt_copy(struct adopt *a)
{
	struct copying c = {
		.a = a, .buf = malloc(PIECE), .to = vault_night_store(a->n)
	};
	enum rc rc = c.buf ? copy_folders(&c) : RC_NOMEM;

	if (!rc)
		rc = adopt_each_name(a, copy_one, &c);
	free(c.buf);
	return rc;
}
