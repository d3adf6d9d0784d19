#include "dbvfs.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG_MODULE "db"
#include "log.h"

/* Where SQLite's unix VFS puts its locks: os.h, "file locking". */
#define PENDING_BYTE  0x40000000
#define RESERVED_BYTE (PENDING_BYTE + 1)
#define SHARED_FIRST  (PENDING_BYTE + 2)
#define SHARED_SIZE   510

#define SECTOR 4096

struct dbvfs {
	sqlite3_vfs base;
	const struct fileops *ops;
	int dir;
	bool immutable;
	int err; /* errno of the last failure */
	char name[32];
};

struct file {
	sqlite3_file base; /* SQLite's: the first member */
	struct dbvfs *v;
	int fd;
	int lock; /* SQLITE_LOCK_… */
	const char *name; /* SQLite's own, there until it is closed */
	bool new_name; /* made by us, its folder is not synced yet */
};

static struct file *file_of(sqlite3_file *base)
{
	return (struct file *)base;
}

static struct dbvfs *vfs_of(sqlite3_vfs *base)
{
	return (struct dbvfs *)base;
}

/* Keeps what went wrong for dbvfs_errno(). */
static int failed(struct dbvfs *v, int64_t neg_errno, int code)
{
	v->err = (int)-neg_errno;
	return code;
}

/* --- bytes ---------------------------------------------------------------- */

static int file_close(sqlite3_file *base)
{
	struct file *f = file_of(base);
	int rv = f->v->ops->close(f->v->ops->ctx, f->fd); /* frees locks */

	f->fd = -1;
	return rv < 0 ? failed(f->v, rv, SQLITE_IOERR_CLOSE) : SQLITE_OK;
}

static int file_read(
    sqlite3_file *base, void *buf, int len, sqlite3_int64 offset)
{
	struct file *f = file_of(base);
	const struct fileops *ops = f->v->ops;
	char *p = buf;
	size_t left = (size_t)len;
	uint64_t at = (uint64_t)offset;

	while (left > 0) {
		ssize_t n = ops->pread(ops->ctx, f->fd, p, left, at);

		if (n < 0)
			return failed(f->v, n, SQLITE_IOERR_READ);
		if (n == 0)
			break;
		p += n;
		left -= (size_t)n;
		at += (uint64_t)n;
	}
	if (left == 0)
		return SQLITE_OK;
	memset(p, 0, left); /* SQLite relies on it */
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(
    sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
	struct file *f = file_of(base);
	const struct fileops *ops = f->v->ops;
	const char *p = data;
	size_t left = (size_t)len;
	uint64_t at = (uint64_t)offset;

	while (left > 0) {
		ssize_t n = ops->pwrite(ops->ctx, f->fd, p, left, at);

		if (n == -ENOSPC || n == -EDQUOT)
			return failed(f->v, n, SQLITE_FULL);
		if (n <= 0)
			return failed(
			    f->v, n < 0 ? n : -EIO, SQLITE_IOERR_WRITE);
		p += n;
		left -= (size_t)n;
		at += (uint64_t)n;
	}
	return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *f = file_of(base);
	int rv = f->v->ops->truncate(f->v->ops->ctx, f->fd, size);

	return rv < 0 ? failed(f->v, rv, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

/* The folder of that name. fileops_sync_dir() speaks in rc; SQLite wants to hear
 * of one code. */
static int sync_folder(struct dbvfs *v, const char *name)
{
	const char *slash = strrchr(name, '/');
	char folder[PATH_MAX] = ".";
	enum rc rc;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s",
		    (int)(slash == name ? 1 : slash - name), name);
	rc = fileops_sync_dir(v->ops, v->dir, folder);
	if (!rc)
		return SQLITE_OK;
	v->err = rc == RC_NOSPC ? ENOSPC : rc == RC_READONLY ? EROFS : EIO;
	return SQLITE_IOERR_DIR_FSYNC;
}

/* Before a journal's bytes count, its name must be there to be found. */
static int file_sync(sqlite3_file *base, int flags)
{
	struct file *f = file_of(base);
	int rv = f->v->ops->fdatasync(f->v->ops->ctx, f->fd);
	int code;

	(void)flags; /* normal or full: there is but one kind here */
	if (rv < 0)
		return failed(f->v, rv, SQLITE_IOERR_FSYNC);
	if (!f->new_name)
		return SQLITE_OK;
	code = sync_folder(f->v, f->name);
	f->new_name = code != SQLITE_OK;
	return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out)
{
	struct file *f = file_of(base);
	int64_t size = f->v->ops->size(f->v->ops->ctx, f->fd);

	if (size < 0)
		return failed(f->v, size, SQLITE_IOERR_FSTAT);
	*out = size;
	return SQLITE_OK;
}

/* --- locks ------------------------------------------------------------------ */

/* SQLITE_BUSY: somebody else has it. */
static int set_lock(struct file *f, short type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len,
	};

	if (fcntl(f->fd, F_OFD_SETLK, &fl) == 0)
		return SQLITE_OK;
	if (errno == EAGAIN || errno == EACCES || errno == EINTR ||
	    errno == ENOLCK)
		return SQLITE_BUSY;
	return failed(f->v, -errno,
	    type == F_UNLCK ? SQLITE_IOERR_UNLOCK : SQLITE_IOERR_LOCK);
}

/* A reader passes through PENDING, so that a waiting writer, who holds it,
 * gets its turn. */
static int lock_shared(struct file *f)
{
	int code = set_lock(f, F_RDLCK, PENDING_BYTE, 1);
	int undo;

	if (code != SQLITE_OK)
		return code;
	code = set_lock(f, F_RDLCK, SHARED_FIRST, SHARED_SIZE);
	undo = set_lock(f, F_UNLCK, PENDING_BYTE, 1);
	if (code == SQLITE_OK && undo != SQLITE_OK) {
		(void)set_lock(f, F_UNLCK, 0, 0);
		return undo;
	}
	return code;
}

/* When readers are still there PENDING is kept: no new ones come. */
static int lock_exclusive(struct file *f)
{
	int code = SQLITE_OK;

	if (f->lock < SQLITE_LOCK_PENDING)
		code = set_lock(f, F_WRLCK, PENDING_BYTE, 1);
	if (code != SQLITE_OK)
		return code;
	f->lock = SQLITE_LOCK_PENDING;
	return set_lock(f, F_WRLCK, SHARED_FIRST, SHARED_SIZE);
}

static int file_lock(sqlite3_file *base, int want)
{
	struct file *f = file_of(base);
	int code;

	if (f->v->immutable || f->lock >= want)
		return SQLITE_OK;
	if (want == SQLITE_LOCK_SHARED)
		code = lock_shared(f);
	else if (want == SQLITE_LOCK_RESERVED)
		code = set_lock(f, F_WRLCK, RESERVED_BYTE, 1);
	else
		code = lock_exclusive(f);
	if (code == SQLITE_OK)
		f->lock = want;
	return code;
}

static int file_unlock(sqlite3_file *base, int want)
{
	struct file *f = file_of(base);
	int code = SQLITE_OK;

	if (f->v->immutable || f->lock <= want)
		return SQLITE_OK;
	if (want == SQLITE_LOCK_NONE) {
		code = set_lock(f, F_UNLCK, 0, 0);
	} else {
		/* First down to a reader's, then let others come. */
		if (set_lock(f, F_RDLCK, SHARED_FIRST, SHARED_SIZE))
			return SQLITE_IOERR_RDLOCK;
		code = set_lock(f, F_UNLCK, PENDING_BYTE, 2);
	}
	if (code == SQLITE_OK)
		f->lock = want;
	return code;
}

static int file_is_reserved(sqlite3_file *base, int *out)
{
	struct file *f = file_of(base);
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = RESERVED_BYTE,
		.l_len = 1,
	};

	*out = f->lock > SQLITE_LOCK_SHARED;
	if (*out || f->v->immutable)
		return SQLITE_OK;
	if (fcntl(f->fd, F_OFD_GETLK, &fl) < 0)
		return failed(f->v, -errno, SQLITE_IOERR_CHECKRESERVEDLOCK);
	*out = fl.l_type != F_UNLCK;
	return SQLITE_OK;
}

/* --- what SQLite may know ----------------------------------------------------- */

static int file_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND; /* "not known here": SQLite does without */
}

static int file_sector(sqlite3_file *base)
{
	(void)base;
	return SECTOR;
}

static int file_traits(sqlite3_file *base)
{
	return file_of(base)->v->immutable ? SQLITE_IOCAP_IMMUTABLE : 0;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1, /* 2 would be shared memory, 3 mapped pages */
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_is_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
};

/* --- names -------------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *base, const char *name, sqlite3_file *out,
    int flags, int *out_flags)
{
	struct dbvfs *v = vfs_of(base);
	struct file *f = file_of(out);
	int how = flags & SQLITE_OPEN_READWRITE ? O_RDWR : O_RDONLY;

	f->base.pMethods = NULL; /* until it is open: nothing to close */
	if (!name) {
		log_error("SQLite wants a temporary file flags=%x", flags);
		return failed(v, -EPERM, SQLITE_CANTOPEN);
	}
	if (flags & SQLITE_OPEN_CREATE)
		how |= O_CREAT;
	if (flags & SQLITE_OPEN_EXCLUSIVE)
		how |= O_EXCL;
	f->fd = v->ops->open(v->ops->ctx, v->dir, name, how);
	if (f->fd < 0)
		return failed(v, f->fd, SQLITE_CANTOPEN);
	f->v = v;
	f->name = name;
	f->lock = SQLITE_LOCK_NONE;
	f->new_name = (flags & SQLITE_OPEN_CREATE) != 0 &&
		      (flags & SQLITE_OPEN_MAIN_JOURNAL) != 0;
	f->base.pMethods = &file_methods;
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
	struct dbvfs *v = vfs_of(base);
	int rv = v->ops->unlink(v->ops->ctx, v->dir, name);

	if (rv == -ENOENT)
		return SQLITE_IOERR_DELETE_NOENT; /* no fault */
	if (rv < 0)
		return failed(v, rv, SQLITE_IOERR_DELETE);
	return sync_dir ? sync_folder(v, name) : SQLITE_OK;
}

/* As in the unix VFS an empty file is none. A disk that does not answer is
 * not a journal that is not there. */
static int vfs_access(sqlite3_vfs *base, const char *name, int flags, int *out)
{
	struct dbvfs *v = vfs_of(base);
	struct stat st;
	int rv = v->ops->stat(v->ops->ctx, v->dir, name, &st);

	(void)flags;
	*out = rv == 0 && (!S_ISREG(st.st_mode) || st.st_size > 0);
	if (rv < 0 && rv != -ENOENT && rv != -ENOTDIR)
		return failed(v, rv, SQLITE_IOERR_ACCESS);
	return SQLITE_OK;
}

/* The names are below `dir` and stay what they are. */
static int vfs_full_path(
    sqlite3_vfs *base, const char *name, int cap, char *out)
{
	size_t len = strlen(name);

	if (len >= (size_t)cap)
		return failed(vfs_of(base), -ENAMETOOLONG, SQLITE_CANTOPEN);
	memcpy(out, name, len + 1);
	return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *base, int cap, char *out)
{
	(void)cap;
	(void)out;
	return vfs_of(base)->err;
}

/* --- not about files: SQLite's own ---------------------------------------------- */

static sqlite3_vfs *own(sqlite3_vfs *base)
{
	return base->pAppData;
}

static int vfs_randomness(sqlite3_vfs *base, int len, char *out)
{
	return own(base)->xRandomness(own(base), len, out);
}

static int vfs_sleep(sqlite3_vfs *base, int microseconds)
{
	return own(base)->xSleep(own(base), microseconds);
}

static int vfs_time(sqlite3_vfs *base, double *out)
{
	(void)base;
	*out = 2440587.5 + (double)time(NULL) / 86400; /* a Julian day */
	return SQLITE_OK;
}

static const sqlite3_vfs vfs_methods = {
	.iVersion = 1,
	.szOsFile = sizeof(struct file),
	.mxPathname = PATH_MAX,
	.xOpen = vfs_open,
	.xDelete = vfs_delete,
	.xAccess = vfs_access,
	.xFullPathname = vfs_full_path,
	/* xDl…: extensions are not loaded */
	.xRandomness = vfs_randomness,
	.xSleep = vfs_sleep,
	.xCurrentTime = vfs_time,
	.xGetLastError = vfs_last_error,
};

enum rc dbvfs_new(
    const struct fileops *ops, int dir, bool immutable, struct dbvfs **out)
{
	static atomic_uint count; /* two of a name would hide each other */
	struct dbvfs *v = calloc(1, sizeof(*v));

	if (!v)
		return RC_NOMEM;
	v->base = vfs_methods;
	v->base.pAppData = sqlite3_vfs_find(NULL);
	v->base.zName = v->name;
	v->ops = ops;
	v->dir = dir;
	v->immutable = immutable;
	snprintf(v->name, sizeof(v->name), "nightstand-%u",
	    atomic_fetch_add(&count, 1));
	if (!v->base.pAppData || sqlite3_vfs_register(&v->base, 0)) {
		free(v);
		return RC_NOMEM; /* SQLite could not even begin */
	}
	*out = v;
	return RC_OK;
}

void dbvfs_free(struct dbvfs *v)
{
	if (!v)
		return;
	sqlite3_vfs_unregister(&v->base);
	free(v);
}

int dbvfs_errno(const struct dbvfs *v)
{
	return v->err;
}

const char *dbvfs_name(const struct dbvfs *v)
{
	return v->name;
}
