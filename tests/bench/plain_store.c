#include "plain_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PATH_CAP 2048

struct store_file {
	struct plain_store *p;
	int fd; /* -1: thrown away */
	char path[PATH_CAP];
};

static void full_path(const struct plain_store *p, const char *path, char *out)
{
	snprintf(out, PATH_CAP, "%s/%s", p->root, path);
}

static enum rc last_error(void)
{
	return rc_from_errno(errno);
}

static enum rc plain_stat(void *ctx, const char *path, struct store_stat *out)
{
	struct plain_store *p = ctx;
	char full[PATH_CAP];
	struct stat st;

	if (!p->root)
		return RC_NOTFOUND;
	full_path(p, path, full);
	if (lstat(full, &st))
		return last_error();
	out->kind = S_ISDIR(st.st_mode) ? STORE_DIR : STORE_FILE;
	out->size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size;
	out->mtime = st.st_mtime;
	return RC_OK;
}

static enum rc plain_list(
    void *ctx, const char *path, store_list_fn fn, void *arg)
{
	struct plain_store *p = ctx;
	char full[PATH_CAP], child[PATH_CAP];
	struct store_stat st;
	struct dirent *e;
	enum rc rc = RC_OK;
	DIR *dir;

	if (!p->root)
		return RC_NOTFOUND;
	full_path(p, path, full);
	dir = opendir(full);
	if (!dir)
		return last_error();
	while (!rc && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >=
		    (int)sizeof(child))
			rc = RC_LIMIT;
		if (!rc)
			rc = plain_stat(p, child, &st);
		if (!rc)
			rc = fn(arg, e->d_name, &st);
	}
	closedir(dir);
	return rc;
}

/* Makes what is missing above `full`. */
static enum rc make_parents(char *full)
{
	for (char *c = full + 1; *c; c++) {
		int failed;

		if (*c != '/')
			continue;
		*c = '\0';
		failed = mkdir(full, 0755) && errno != EEXIST;
		*c = '/';
		if (failed)
			return last_error();
	}
	return RC_OK;
}

static enum rc plain_make_dir(void *ctx, const char *path)
{
	struct plain_store *p = ctx;
	char full[PATH_CAP];
	enum rc rc;

	if (!p->root)
		return RC_OK;
	full_path(p, path, full);
	rc = make_parents(full);
	if (!rc && mkdir(full, 0755))
		rc = last_error();
	return rc;
}

static enum rc plain_move(void *ctx, const char *from, const char *to)
{
	struct plain_store *p = ctx;
	char a[PATH_CAP], b[PATH_CAP];
	enum rc rc;

	if (!p->root)
		return RC_OK;
	full_path(p, from, a);
	full_path(p, to, b);
	rc = make_parents(b);
	if (!rc && rename(a, b))
		rc = last_error();
	return rc;
}

static enum rc remove_tree(const char *full)
{
	char child[PATH_CAP];
	struct dirent *e;
	enum rc rc = RC_OK;
	DIR *dir;

	if (unlink(full) == 0)
		return RC_OK;
	if (errno != EISDIR)
		return last_error();
	dir = opendir(full);
	if (!dir)
		return last_error();
	while (!rc && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", full, e->d_name) >=
		    (int)sizeof(child))
			rc = RC_LIMIT;
		else
			rc = remove_tree(child);
	}
	closedir(dir);
	if (!rc && rmdir(full))
		rc = last_error();
	return rc;
}

static enum rc plain_remove(void *ctx, const char *path)
{
	struct plain_store *p = ctx;
	char full[PATH_CAP];

	if (!p->root)
		return RC_OK;
	full_path(p, path, full);
	return remove_tree(full);
}

static int open_new(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

static enum rc plain_create(
    void *ctx, const char *path, struct store_file **out)
{
	struct plain_store *p = ctx;
	struct store_file *f = calloc(1, sizeof(*f));
	enum rc rc = RC_OK;

	if (!f)
		return RC_NOMEM;
	f->p = p;
	f->fd = -1;
	*out = f;
	if (!p->root)
		return RC_OK;
	full_path(p, path, f->path);
	f->fd = open_new(f->path);
	if (f->fd < 0 && errno == ENOENT && make_parents(f->path) == RC_OK)
		f->fd = open_new(f->path);
	if (f->fd < 0) {
		rc = last_error();
		free(f);
	}
	return rc;
}

static enum rc plain_write(struct store_file *f, const void *data, size_t len)
{
	const char *c = data;

	f->p->written += len;
	while (f->fd >= 0 && len > 0) {
		ssize_t n = write(f->fd, c, len);

		if (n < 0)
			return last_error();
		c += n;
		len -= (size_t)n;
	}
	return RC_OK;
}

static enum rc plain_finish(struct store_file *f)
{
	enum rc rc = RC_OK;

	if (f->fd >= 0 && close(f->fd))
		rc = last_error();
	free(f);
	return rc;
}

static void plain_discard(struct store_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0) {
		close(f->fd);
		unlink(f->path);
	}
	free(f);
}

static enum rc plain_open(
    void *ctx, const char *path, struct store_file **out, uint64_t *size)
{
	struct plain_store *p = ctx;
	struct store_file *f;
	struct stat st;

	if (!p->root)
		return RC_NOTFOUND;
	f = calloc(1, sizeof(*f));
	if (!f)
		return RC_NOMEM;
	f->p = p;
	full_path(p, path, f->path);
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st)) {
		enum rc rc = last_error();

		if (f->fd >= 0)
			close(f->fd);
		free(f);
		return rc;
	}
	*size = (uint64_t)st.st_size;
	*out = f;
	return RC_OK;
}

static enum rc plain_read(
    struct store_file *f, void *buf, size_t cap, size_t *len)
{
	ssize_t n = read(f->fd, buf, cap);

	*len = n > 0 ? (size_t)n : 0;
	return n < 0 ? last_error() : RC_OK;
}

static void plain_close(struct store_file *f)
{
	if (!f)
		return;
	close(f->fd);
	free(f);
}

static enum rc plain_copy(void *ctx, const char *from, const char *to)
{
	struct store_file *in = NULL;
	struct store_file *out = NULL;
	char buf[65536];
	uint64_t size;
	size_t n = 1;
	enum rc rc = plain_open(ctx, from, &in, &size);

	if (!rc)
		rc = plain_create(ctx, to, &out);
	while (!rc && n > 0) {
		rc = plain_read(in, buf, sizeof(buf), &n);
		if (!rc && n > 0)
			rc = plain_write(out, buf, n);
	}
	plain_close(in);
	if (rc)
		plain_discard(out);
	else
		rc = plain_finish(out);
	return rc;
}

static enum rc plain_free_space(void *ctx, uint64_t *out)
{
	struct plain_store *p = ctx;
	struct statvfs v;

	*out = p->room ? p->room : UINT64_C(1) << 50;
	if (p->room || !p->root)
		return RC_OK;
	if (statvfs(p->root, &v))
		return last_error();
	*out = (uint64_t)v.f_bavail * v.f_frsize;
	return RC_OK;
}

static enum rc plain_purge(void *ctx, uint64_t want, uint64_t *freed)
{
	(void)ctx;
	(void)want;
	*freed = 0;
	return RC_OK;
}

/* As other hosts: nothing is made durable before the end. */
static enum rc plain_confirm(void *ctx)
{
	(void)ctx;
	return RC_OK;
}

struct store plain_store_of(struct plain_store *p)
{
	static const struct store_ops ops = { .stat = plain_stat,
		.list = plain_list,
		.make_dir = plain_make_dir,
		.move = plain_move,
		.remove = plain_remove,
		.copy = plain_copy,
		.create = plain_create,
		.write = plain_write,
		.finish = plain_finish,
		.discard = plain_discard,
		.open = plain_open,
		.read = plain_read,
		.close = plain_close,
		.free_space = plain_free_space,
		.purge = plain_purge,
		.confirm = plain_confirm };

	return (struct store){ &ops, p };
}
