#include "fileops.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What the vault makes is for its owner; the disk's owner is root. */
#define FILE_MODE 0644
#define DIR_MODE  0755

static int posix_open(void *ctx, int dir, const char *path, int flags)
{
	int fd;

	(void)ctx;
	do
		fd = openat(
		    dir, path, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static int posix_close(void *ctx, int fd)
{
	(void)ctx;
	/* Linux frees the descriptor even when it reports EINTR. */
	if (close(fd) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static ssize_t posix_read(void *ctx, int fd, void *buf, size_t len)
{
	ssize_t n;

	(void)ctx;
	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t posix_pread(
    void *ctx, int fd, void *buf, size_t len, uint64_t at)
{
	ssize_t n;

	(void)ctx;
	do
		n = pread(fd, buf, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t posix_write(void *ctx, int fd, const void *buf, size_t len)
{
	ssize_t n;

	(void)ctx;
	do
		n = write(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t posix_pwrite(
    void *ctx, int fd, const void *buf, size_t len, uint64_t at)
{
	ssize_t n;

	(void)ctx;
	do
		n = pwrite(fd, buf, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int posix_truncate(void *ctx, int fd, int64_t size)
{
	int rv;

	(void)ctx;
	do
		rv = ftruncate(fd, size);
	while (rv < 0 && errno == EINTR);
	return rv < 0 ? -errno : 0;
}

static int64_t posix_size(void *ctx, int fd)
{
	struct stat st;

	(void)ctx;
	return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

static int posix_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int posix_fsync(void *ctx, int fd)
{
	(void)ctx;
	return fsync(fd) < 0 ? -errno : 0;
}

/* The kernel's syncfs() ends at the program that is the file system; that one
 * writes what it keeps when a file or folder of it is synced. */
static int sync_fuse(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 ||
	    ((unsigned long)fs.f_type & 0xffffffffUL) != FUSE_SUPER_MAGIC)
		return 0;
	if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS ||
	    errno == ENOTSUP)
		return 0;
	return -errno;
}

static int posix_syncfs(void *ctx, int fd)
{
	(void)ctx;
	return syncfs(fd) < 0 ? -errno : sync_fuse(fd);
}

static int posix_rename(void *ctx, int dir, const char *from, const char *to)
{
	(void)ctx;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

static int posix_unlink(void *ctx, int dir, const char *path)
{
	(void)ctx;
	return unlinkat(dir, path, 0) < 0 ? -errno : 0;
}

static int posix_mkdir(void *ctx, int dir, const char *path)
{
	(void)ctx;
	return mkdirat(dir, path, DIR_MODE) < 0 ? -errno : 0;
}

static int posix_rmdir(void *ctx, int dir, const char *path)
{
	(void)ctx;
	return unlinkat(dir, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int posix_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	(void)ctx;
	return fstatat(dir, path, out, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

const struct fileops *fileops_posix(void)
{
	static const struct fileops table = {
		.open = posix_open,
		.close = posix_close,
		.read = posix_read,
		.write = posix_write,
		.pread = posix_pread,
		.pwrite = posix_pwrite,
		.truncate = posix_truncate,
		.size = posix_size,
		.fsync = posix_fsync,
		.fdatasync = posix_fdatasync,
		.syncfs = posix_syncfs,
		.rename = posix_rename,
		.unlink = posix_unlink,
		.mkdir = posix_mkdir,
		.rmdir = posix_rmdir,
		.stat = posix_stat,
		.async = &fileops_aio,
	};

	return &table;
}
