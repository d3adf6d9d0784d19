/*
 * The seam to the disk. Every call of the vault that changes, syncs or reads
 * a file goes through one table, so that a test can record it, let the n-th
 * call fail, or replay a night up to any point. SQLite runs over the same
 * table (dbvfs.h). What only looks at folders or takes locks does not.
 *
 * Functions return 0 (or a count, or a descriptor) and -errno on failure.
 * `dir` is a descriptor from open(); paths are relative to it. Descriptors,
 * not absolute paths: when a disk is pulled and its mount point becomes an
 * empty folder of the root file system, nothing lands there by mistake.
 */
#ifndef FILEOPS_H
#define FILEOPS_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "rc.h"

/* One read among many (readq.h). */
struct fileops_read {
	int fd;
	void *buf;
	size_t len;
	uint64_t at;
	ssize_t n; /* out, once it is done: as of pread() */
	enum {
		FILEOPS_READ_NEW,
		FILEOPS_READ_STARTED, /* it and `buf` must stay where they are */
		FILEOPS_READ_DONE
	} state;
};

/*
 * Reads that run while their caller does something else. A queue is one
 * thread's; different queues know nothing of each other.
 */
struct fileops_async {
	/* For at most `depth` reads at a time. */
	int (*open)(void *ctx, unsigned depth, void **queue);
	/* Waits for the reads that were started; their results are lost. */
	void (*close)(void *ctx, void *queue);
	/* How many it took, from the first on: those are STARTED. */
	int (*start)(void *ctx, void *queue, struct fileops_read *const *reads,
	    size_t n);
	/* Waits until `min` of those that were started are DONE. */
	int (*reap)(void *ctx, void *queue, size_t min);
};

struct fileops {
	void *ctx;
	int (*open)(void *ctx, int dir, const char *path, int flags);
	int (*close)(void *ctx, int fd);
	ssize_t (*read)(void *ctx, int fd, void *buf, size_t len);
	ssize_t (*pread)(void *ctx, int fd, void *buf, size_t len, uint64_t at);
	ssize_t (*write)(void *ctx, int fd, const void *buf, size_t len);
	/* These three are for the catalogue. */
	ssize_t (*pwrite)(
	    void *ctx, int fd, const void *buf, size_t len, uint64_t at);
	int (*truncate)(void *ctx, int fd, int64_t size);
	int64_t (*size)(void *ctx, int fd);
	int (*fsync)(void *ctx, int fd);
	int (*fdatasync)(void *ctx, int fd); /* a file's bytes and size */
	int (*syncfs)(void *ctx, int fd); /* the file system of `fd` */
	int (*rename)(void *ctx, int dir, const char *from, const char *to);
	int (*unlink)(void *ctx, int dir, const char *path);
	int (*mkdir)(void *ctx, int dir, const char *path);
	int (*rmdir)(void *ctx, int dir, const char *path);
	int (*stat)(void *ctx, int dir, const char *path, struct stat *out);
	const struct fileops_async *async; /* NULL: it has none */
};

const struct fileops *fileops_posix(void);
extern const struct fileops_async fileops_aio; /* what that one has */

/* As rc_from_errno() for the table's negative numbers; logs nothing. */
MUST_CHECK enum rc fileops_rc(int64_t neg_errno);

/* All of it, in as many writes as it takes. */
MUST_CHECK enum rc fileops_write_all(
    const struct fileops *ops, int fd, const void *data, size_t len);

/* mkdir that is content when the folder is there already. */
MUST_CHECK enum rc fileops_ensure_dir(
    const struct fileops *ops, int dir, const char *path);

/* fn for each name in a folder but "." and "..", in no order. Non-zero from fn
 * ends the walk and is returned. */
MUST_CHECK enum rc fileops_each_name(const struct fileops *ops, int dir,
    const char *path, enum rc (*fn)(void *arg, const char *name), void *arg);

/* Makes the names in a folder durable. */
MUST_CHECK enum rc fileops_sync_dir(
    const struct fileops *ops, int dir, const char *path);

#endif
