#include "record.h"

#include "alloc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIE(what)                                                              \
	do {                                                                   \
		fprintf(stderr, "record: %s\n", what);                         \
		abort();                                                       \
	} while (0)

static void *grown(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? 2 * *cap : 64;
	p = realloc(p, *cap * size);
	if (!p)
		DIE("no memory");
	return p;
}

/* --- what is there ---------------------------------------------------------- */

static uint32_t new_inode(struct record *r, bool is_dir)
{
	r->inodes =
	    grown(r->inodes, r->n_inodes, &r->cap_inodes, sizeof(*r->inodes));
	r->inodes[r->n_inodes] = (struct record_inode){ .is_dir = is_dir };
	return (uint32_t)r->n_inodes++;
}

static uint32_t slot_of(
    struct record *r, uint32_t dir, const char *name, size_t len)
{
	struct record_slot *s;

	for (size_t i = 0; i < r->n_slots; i++) {
		s = &r->slots[i];
		if (s->dir == dir && strncmp(s->name, name, len) == 0 &&
		    s->name[len] == '\0')
			return (uint32_t)i;
	}
	r->slots =
	    grown(r->slots, r->n_slots, &r->cap_slots, sizeof(*r->slots));
	s = &r->slots[r->n_slots];
	memset(s, 0, sizeof(*s));
	if (len >= sizeof(s->name))
		DIE("a long name");
	s->dir = dir;
	memcpy(s->name, name, len);
	return (uint32_t)r->n_slots++;
}

/* The folder that a folder lies in; 0 above the root. */
static uint32_t parent_of(const struct record *r, uint32_t dir)
{
	for (size_t i = 0; i < r->n_slots; i++)
		if (r->slots[i].now == dir)
			return r->slots[i].dir;
	return 0;
}

/* The slot of a path, or -1 when it does not lie below the root (or is it). */
static int64_t slot_at(
    struct record *r, int dir, const char *path, uint32_t *self)
{
	uint32_t at = 0;
	int64_t slot = -1;
	size_t len = strlen(r->root);

	if (dir >= 0 && dir < RECORD_FDS) {
		at = r->fds[dir].ino;
	} else if (strncmp(path, r->root, len) == 0 &&
		   (path[len] == '/' || path[len] == '\0')) {
		at = RECORD_ROOT;
		path += len;
	}
	while (at != 0) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.'))
			break;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			at = parent_of(r, at);
			slot = -1;
			path += len;
			continue;
		}
		slot = slot_of(r, at, path, len);
		at = r->slots[slot].now;
		path += len;
		if (at == 0 && strchr(path, '/'))
			return -1;
	}
	*self = at;
	return slot;
}

static void load(int fd, struct record_inode *node)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		DIE("cannot look at a file");
	node->base_len = node->now_len = (size_t)st.st_size;
	node->base = malloc(node->base_len + 1);
	if (!node->base ||
	    read(fd, node->base, node->base_len) != (ssize_t)node->base_len)
		DIE("cannot read a file");
}

static void scan(struct record *r, int fd, uint32_t dir)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d)
		DIE("cannot read a folder");
	while ((e = readdir(d)) != NULL) {
		struct stat st;
		uint32_t slot, ino;
		int sub;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		sub = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW);
		if (sub < 0 || fstat(sub, &st) < 0)
			DIE("cannot open");
		slot = slot_of(r, dir, e->d_name, strlen(e->d_name));
		ino = new_inode(r, S_ISDIR(st.st_mode));
		r->slots[slot].base = r->slots[slot].now = ino;
		if (S_ISDIR(st.st_mode)) {
			scan(r, sub, ino);
		} else {
			load(sub, &r->inodes[ino]);
			close(sub);
		}
	}
	closedir(d);
}

/* --- writing it down ---------------------------------------------------------- */

static struct record_op *add(struct record *r, enum record_kind kind)
{
	r->ops = grown(r->ops, r->n_ops, &r->cap_ops, sizeof(*r->ops));
	r->ops[r->n_ops] = (struct record_op){ .kind = kind };
	return &r->ops[r->n_ops++];
}

static void show(struct record *r, int64_t slot, uint32_t ino)
{
	struct record_op *op;

	if (slot < 0)
		return;
	op = add(r, RECORD_NAME);
	op->to = (uint32_t)slot;
	op->ino = ino;
	r->slots[slot].now = ino;
}

static void note_size(struct record *r, uint32_t ino, uint64_t size)
{
	struct record_op *op = add(r, RECORD_SIZE);

	op->ino = ino;
	op->len = size;
	r->inodes[ino].now_len = (size_t)size;
}

static void note_write(struct record *r, uint32_t ino, const void *data,
    size_t len, uint64_t offset)
{
	struct record_op *op = add(r, RECORD_WRITE);

	op->ino = ino;
	op->offset = offset;
	op->len = len;
	op->data = malloc(len);
	if (!op->data)
		DIE("no memory");
	memcpy(op->data, data, len);
	if (offset + len > r->inodes[ino].now_len)
		r->inodes[ino].now_len = (size_t)(offset + len);
}

static void note_sync(struct record *r, int fd)
{
	if (r->fds[fd].ino != 0)
		add(r, RECORD_SYNC)->ino = r->fds[fd].ino;
}

/* --- failing ------------------------------------------------------------------- */

/* 0, or -errno to return instead; FAULT_SHORT: half of it. */
static int hit(struct record *r)
{
	bool now;

	if (!pthread_equal(pthread_self(), r->thread))
		return 0;
	r->calls++;
	now = (r->fault == FAULT_ONCE && r->calls == r->fault_at) ||
	      (r->fault == FAULT_EVER && r->calls >= r->fault_at);
	if (!now)
		return 0;
	return r->fault_errno == FAULT_SHORT ? FAULT_SHORT - 10000
					     : -r->fault_errno;
}

#define IS_SHORT(rv) ((rv) == FAULT_SHORT - 10000)

/* For calls of which there is no half. */
static int hit_whole(struct record *r)
{
	int rv = hit(r);

	return IS_SHORT(rv) ? 0 : rv;
}

/* *len is what is to be done. */
static int hit_part(struct record *r, size_t *len)
{
	int rv = hit(r);

	if (!IS_SHORT(rv))
		return rv;
	if (*len > 1)
		*len /= 2;
	return 0;
}

/* --- the table ------------------------------------------------------------------ */

#define POSIX fileops_posix()
#define ENTER                                                                  \
	struct record *r = ctx;                                                \
	alloc_pause();                                                         \
	pthread_mutex_lock(&r->lock)
#define LEAVE                                                                  \
	do {                                                                   \
		pthread_mutex_unlock(&r->lock);                                \
		alloc_resume();                                                \
	} while (0)

static int rec_open(void *ctx, int dir, const char *path, int flags)
{
	uint32_t ino = 0;
	int64_t slot;
	int rv;

	ENTER;
	slot = slot_at(r, dir, path, &ino);
	rv = hit_whole(r);
	if (!rv)
		rv = POSIX->open(NULL, dir, path, flags);
	if (rv >= RECORD_FDS)
		DIE("too many descriptors");
	if (rv >= 0) {
		if (ino == 0 && slot >= 0 && flags & O_CREAT) {
			ino = new_inode(r, false);
			show(r, slot, ino);
		} else if (ino != 0 && flags & O_TRUNC) {
			note_size(r, ino, 0);
		}
		r->fds[rv].ino = ino;
		r->fds[rv].offset = 0;
	}
	LEAVE;
	return rv;
}

static int rec_close(void *ctx, int fd)
{
	int rv, done;

	ENTER;
	rv = hit_whole(r);
	r->fds[fd].ino = 0;
	done = POSIX->close(NULL, fd); /* an error closes, too */
	LEAVE;
	return rv ? rv : done;
}

static ssize_t rec_read(void *ctx, int fd, void *buf, size_t len)
{
	int rv;

	ENTER;
	rv = hit_part(r, &len);
	LEAVE;
	return rv ? rv : POSIX->read(NULL, fd, buf, len);
}

static ssize_t rec_pread(
    void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
	int rv;

	ENTER;
	rv = hit_part(r, &len);
	LEAVE;
	return rv ? rv : POSIX->pread(NULL, fd, buf, len, offset);
}

/* What fails half way has left its first half. */
static ssize_t put(
    struct record *r, int fd, const void *buf, size_t len, uint64_t offset)
{
	int rv = hit_part(r, &len);
	ssize_t n;

	if (rv)
		len /= 2;
	n = len ? POSIX->pwrite(NULL, fd, buf, len, offset) : 0;
	if (n > 0 && r->fds[fd].ino != 0)
		note_write(r, r->fds[fd].ino, buf, (size_t)n, offset);
	return rv ? rv : n;
}

static ssize_t rec_write(void *ctx, int fd, const void *buf, size_t len)
{
	ssize_t n;

	ENTER;
	n = put(r, fd, buf, len, r->fds[fd].offset);
	if (n > 0)
		r->fds[fd].offset += (uint64_t)n;
	LEAVE;
	return n;
}

static ssize_t rec_pwrite(
    void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n;

	ENTER;
	n = put(r, fd, buf, len, offset);
	LEAVE;
	return n;
}

static int rec_truncate(void *ctx, int fd, int64_t size)
{
	int rv;

	ENTER;
	rv = hit_whole(r);
	if (!rv)
		rv = POSIX->truncate(NULL, fd, size);
	if (!rv && r->fds[fd].ino != 0)
		note_size(r, r->fds[fd].ino, (uint64_t)size);
	LEAVE;
	return rv;
}

static int64_t rec_size(void *ctx, int fd)
{
	int rv;

	ENTER;
	rv = hit_whole(r);
	LEAVE;
	return rv ? rv : POSIX->size(NULL, fd);
}

static int rec_fsync(void *ctx, int fd)
{
	int rv;

	ENTER;
	rv = hit_whole(r);
	if (!rv)
		note_sync(r, fd);
	LEAVE;
	return rv;
}

static int rec_syncfs(void *ctx, int fd)
{
	int rv;

	(void)fd;
	ENTER;
	rv = hit_whole(r);
	if (!rv)
		add(r, RECORD_SYNCFS);
	LEAVE;
	return rv;
}

static int rec_rename(void *ctx, int dir, const char *from, const char *to)
{
	uint32_t ino, over;
	int64_t a, b;
	int rv;

	ENTER;
	a = slot_at(r, dir, from, &ino);
	b = slot_at(r, dir, to, &over);
	if (r->stop_at_rename && ++r->renames == r->stop_at_rename) {
		r->fault = FAULT_EVER;
		r->fault_at = 0;
		r->fault_errno = EIO;
	}
	rv = hit_whole(r);
	if (!rv)
		rv = POSIX->rename(NULL, dir, from, to);
	if (!rv && a >= 0 && b >= 0) {
		struct record_op *op = add(r, RECORD_RENAME);

		op->from = (uint32_t)a;
		op->to = (uint32_t)b;
		op->ino = ino;
		r->slots[a].now = 0;
		r->slots[b].now = ino;
	}
	LEAVE;
	return rv;
}

static int change_name(struct record *r, int dir, const char *path,
    int (*fn)(void *ctx, int dir, const char *path), bool makes)
{
	uint32_t ino = 0;
	int64_t slot = slot_at(r, dir, path, &ino);
	int rv = hit_whole(r);

	if (!rv)
		rv = fn(NULL, dir, path);
	if (!rv)
		show(r, slot, makes ? new_inode(r, true) : 0);
	return rv;
}

static int rec_unlink(void *ctx, int dir, const char *path)
{
	int rv;

	ENTER;
	rv = change_name(r, dir, path, POSIX->unlink, false);
	LEAVE;
	return rv;
}

static int rec_mkdir(void *ctx, int dir, const char *path)
{
	int rv;

	ENTER;
	rv = change_name(r, dir, path, POSIX->mkdir, true);
	LEAVE;
	return rv;
}

static int rec_rmdir(void *ctx, int dir, const char *path)
{
	int rv;

	ENTER;
	rv = change_name(r, dir, path, POSIX->rmdir, false);
	LEAVE;
	return rv;
}

static int rec_stat(void *ctx, int dir, const char *path, struct stat *out)
{
	int rv;

	ENTER;
	rv = hit_whole(r);
	LEAVE;
	return rv ? rv : POSIX->stat(NULL, dir, path, out);
}

static const struct fileops table = {
	.open = rec_open,
	.close = rec_close,
	.read = rec_read,
	.write = rec_write,
	.pread = rec_pread,
	.pwrite = rec_pwrite,
	.truncate = rec_truncate,
	.size = rec_size,
	.fsync = rec_fsync,
	.fdatasync = rec_fsync,
	.syncfs = rec_syncfs,
	.rename = rec_rename,
	.unlink = rec_unlink,
	.mkdir = rec_mkdir,
	.rmdir = rec_rmdir,
	.stat = rec_stat,
};

void record_begin(struct record *r, const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		DIE("no folder");
	memset(r, 0, sizeof(*r));
	snprintf(r->root, sizeof(r->root), "%s", root);
	pthread_mutex_init(&r->lock, NULL);
	r->thread = pthread_self();
	r->table = table;
	r->table.ctx = r;
	new_inode(r, false); /* 0 is nothing */
	new_inode(r, true);
	scan(r, fd, RECORD_ROOT);
}

void record_mark(struct record *r)
{
	alloc_pause();
	add(r, RECORD_MARK);
	alloc_resume();
}

void record_stop_at_rename(struct record *r, unsigned n)
{
	r->stop_at_rename = n;
}

void record_free(struct record *r)
{
	for (size_t i = 0; i < r->n_ops; i++)
		free(r->ops[i].data);
	for (size_t i = 0; i < r->n_inodes; i++)
		free(r->inodes[i].base);
	free(r->ops);
	free(r->slots);
	free(r->inodes);
	pthread_mutex_destroy(&r->lock);
	memset(r, 0, sizeof(*r));
}
