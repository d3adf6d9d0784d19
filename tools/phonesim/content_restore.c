/*
 * Putting things back. A restored file is written beside its place, checked
 * (padding, size) and renamed; then its row appears.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content_bytes.h"
#include "content_int.h"

#define PIECE (64 * 1024)

struct content_writer {
	struct content *c;
	struct content_item it; /* its strings are ours */
	struct cipher_cbc *cbc; /* NULL: plain */
	uint64_t got, plain; /* bytes from the host, bytes written */
	int fd;
	char path[640], part[660];
	uint8_t buf[PIECE + CIPHER_BLOCK];
};

/* ---- wipe ---- */

static int remove_one(
    const char *path, const struct stat *st, int flag, struct FTW *where)
{
	(void)st;
	(void)flag;
	(void)where;
	return remove(path);
}

int content_wipe(struct content *c)
{
	char dir[640];
	int rc = 0;

	snprintf(dir, sizeof(dir), "%s/restored", c->dir);
	pthread_mutex_lock(&c->lock);
	c->last_domain = 0;
	if (content_exec(c->db,
		"BEGIN IMMEDIATE;DELETE FROM items;DELETE FROM domains;"
		"COMMIT"))
		rc = -1;
	else if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) &&
		 errno != ENOENT) {
		perror(dir);
		rc = -1;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- rows ---- */

static void item_of(const struct manifest_row *row, struct content_item *it)
{
	memset(it, 0, sizeof(*it));
	memcpy(it->file_id, row->file_id, sizeof(it->file_id));
	it->domain = row->domain;
	it->path = row->path;
	it->target = row->target;
	it->kind = (enum content_kind)row->flags;
	it->size = row->size;
	it->mtime = row->mtime;
	it->ctime = row->ctime;
	it->birth = row->birth;
	it->mode = row->mode;
	it->uid = row->uid;
	it->gid = row->gid;
	it->inode = row->inode;
	it->pclass = row->pclass;
	it->flags = row->mb_flags;
}

/* The seed of what comes from outside hangs on its name and its day. */
static int seed_of(struct content *c, struct content_item *it)
{
	uint8_t id[CIPHER_SHA1];
	char hex[41];

	if (content_file_id(c, it->domain, it->path, id))
		return -1;
	cipher_hex(id, sizeof(id), hex);
	memcpy(&it->seed, id, 8);
	it->seed = content_mix(it->seed, (uint64_t)it->mtime);
	return strcmp(hex, it->file_id) ? -1 : 0;
}

static int replace(struct content *c, struct content_item *it, bool stored)
{
	sqlite3_stmt *s = NULL;
	uint8_t id[CIPHER_SHA1];
	int rc = content_put(c, it, stored);

	if (rc)
		return rc < 0 ? -1 : 0;
	if (cipher_unhex(it->file_id, id, CIPHER_SHA1) ||
	    content_prepare(c->db, "DELETE FROM items WHERE file_id=?", &s))
		return -1;
	sqlite3_bind_blob(s, 1, id, CIPHER_SHA1, SQLITE_STATIC);
	sqlite3_step(s);
	sqlite3_finalize(s);
	return content_put(c, it, stored) == 1 ? 0 : -1;
}

int content_restore_other(struct content *c, const struct manifest_row *row)
{
	struct content_item it;
	int rc = -1;

	item_of(row, &it);
	if (it.kind == CONTENT_FILE)
		return -1;
	pthread_mutex_lock(&c->lock);
	if (!seed_of(c, &it))
		rc = replace(c, &it, false);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* ---- files ---- */

static int keep_names(struct content_item *it)
{
	char *d = strdup(it->domain), *p = strdup(it->path);

	it->domain = d;
	it->path = p;
	it->target = NULL;
	return d && p ? 0 : -1;
}

static int open_part(struct content_writer *w)
{
	char dir[640];

	snprintf(dir, sizeof(dir), "%s/restored", w->c->dir);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -1;
	content_stored_path(w->c, w->it.file_id, w->path);
	snprintf(dir, sizeof(dir), "%s", w->path);
	dir[strlen(dir) - 41] = '\0';
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -1;
	snprintf(w->part, sizeof(w->part), "%s.part", w->path);
	w->fd = open(w->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return w->fd < 0 ? -1 : 0;
}

struct content_writer *content_restore_file(
    struct content *c, const struct manifest_row *row)
{
	struct content_writer *w = calloc(1, sizeof(*w));
	int bad;

	if (!w)
		return NULL;
	w->c = c;
	w->fd = -1;
	item_of(row, &w->it);
	if (keep_names(&w->it) || w->it.kind != CONTENT_FILE)
		goto fail;
	pthread_mutex_lock(&c->lock);
	bad = seed_of(c, &w->it);
	pthread_mutex_unlock(&c->lock);
	if (bad)
		goto fail;
	if (row->has_key) {
		w->cbc = cipher_cbc_new(row->key, 0);
		if (!w->cbc)
			goto fail;
	}
	if (open_part(w)) {
		perror(w->part);
		goto fail;
	}
	return w;
fail:
	content_writer_discard(w);
	return NULL;
}

static int put_bytes(struct content_writer *w, const uint8_t *p, size_t n)
{
	/* a host may send more than it said; the disk is ours */
	if (n > w->it.size - w->plain)
		return -1;
	w->plain += n;
	while (n) {
		ssize_t put = write(w->fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int content_writer_write(struct content_writer *w, const void *d, size_t n)
{
	const uint8_t *p = d;

	w->got += n;
	if (!w->cbc)
		return put_bytes(w, p, n);
	while (n) {
		size_t take = n < PIECE ? n : PIECE;
		long made = cipher_cbc_step(w->cbc, p, take, w->buf);

		if (made < 0 || put_bytes(w, w->buf, (size_t)made))
			return -1;
		p += take;
		n -= take;
	}
	return 0;
}

static int finish_bytes(struct content_writer *w)
{
	/* an empty file may have come without its block of padding */
	if (w->cbc && w->got) {
		long made = cipher_cbc_end(w->cbc, w->buf);

		if (made < 0 || put_bytes(w, w->buf, (size_t)made))
			return -1;
	}
	return w->plain == w->it.size ? 0 : -1;
}

int content_writer_finish(struct content_writer *w)
{
	int rc = finish_bytes(w);

	if (close(w->fd))
		rc = -1;
	w->fd = -1;
	if (!rc && rename(w->part, w->path)) {
		perror(w->path);
		rc = -1;
	}
	if (!rc) {
		pthread_mutex_lock(&w->c->lock);
		rc = replace(w->c, &w->it, true);
		pthread_mutex_unlock(&w->c->lock);
	}
	content_writer_discard(w);
	return rc;
}

void content_writer_discard(struct content_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	if (*w->part)
		unlink(w->part);
	cipher_cbc_free(w->cbc);
	/* strings of keep_names */
	free((void *)(uintptr_t)w->it.domain);
	free((void *)(uintptr_t)w->it.path);
	free(w);
}
