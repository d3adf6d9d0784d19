#include "fileops.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

enum rc fileops_rc(int64_t neg_errno)
{
	return neg_errno < 0 ? rc_from_errno((int)-neg_errno) : RC_OK;
}

enum rc fileops_write_all(
    const struct fileops *ops, int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = ops->write(ops->ctx, fd, p, len);

		if (n < 0)
			return fileops_rc(n);
		if (n == 0)
			return RC_IO; /* a device that takes nothing */
		p += n;
		len -= (size_t)n;
	}
	return RC_OK;
}

enum rc fileops_ensure_dir(const struct fileops *ops, int dir, const char *path)
{
	struct stat st;
	int rv = ops->mkdir(ops->ctx, dir, path);

	if (rv != -EEXIST)
		return fileops_rc(rv);
	rv = ops->stat(ops->ctx, dir, path, &st);
	if (rv < 0)
		return fileops_rc(rv);
	return S_ISDIR(st.st_mode) ? RC_OK : RC_NOTDIR;
}

enum rc fileops_sync_dir(const struct fileops *ops, int dir, const char *path)
{
	int fd = ops->open(ops->ctx, dir, path, O_RDONLY | O_DIRECTORY);
	int rv;

	if (fd < 0)
		return fileops_rc(fd);
	rv = ops->fsync(ops->ctx, fd);
	/* Some file systems cannot sync a folder and say so; what they can
	 * do is left to syncfs(). */
	if (rv == -EINVAL || rv == -ENOTSUP)
		rv = ops->syncfs(ops->ctx, fd);
	ops->close(ops->ctx, fd);
	return fileops_rc(rv);
}

enum rc fileops_each_name(const struct fileops *ops, int dir, const char *path,
    enum rc (*fn)(void *arg, const char *name), void *arg)
{
	int fd = ops->open(ops->ctx, dir, path, O_RDONLY | O_DIRECTORY);
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
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = fn(arg, e->d_name);
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc;
}
