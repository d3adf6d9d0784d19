#include "lazy_store.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "disk.h"
#include "fsprobe.h"
#include "log.h"
#include "mend.h"

#define LOG_MODULE "store"

#define BUSY_US 100000

struct lazy_store {
	pthread_t thread;
	bool joined;
	atomic_bool failed;
	char dir[512];
	char udid[48];
	char state_dir[512];
	char why[256];
	bool fresh;
	bool mounted;
	uint64_t reserve_bytes;
	int lock_wait_s;
	struct vault_keep keep;
	/* written by the thread, read after the join */
	enum rc rc;
	struct fsprobe probe;
	struct vault *vault;
	struct vault_phone *phone;
	struct vault_night *night;
	const struct store *real;
	bool resumed;
	/* what the engine sees; calls on open files go straight through */
	struct store_ops ops;
	struct store store;
};

/* A small disk can't spare what a large one does. */
static uint64_t reserve_of(const struct lazy_store *l)
{
	struct statvfs fs;
	uint64_t most;

	if (statvfs(l->dir, &fs) != 0)
		return l->reserve_bytes;
	most = (uint64_t)fs.f_blocks * fs.f_frsize / 50;
	return l->reserve_bytes < most ? l->reserve_bytes : most;
}

/* Two phones that are plugged in together try out one disk: one by one. */
static enum rc probe_alone(struct lazy_store *l)
{
	int fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc;

	if (fd >= 0 && flock(fd, LOCK_EX) != 0)
		log_info("no lock on the disk's folder dir=%s", l->dir);
	rc = fsprobe(l->dir, 0, &l->probe);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* A scrub that has just been stopped for us, or a check that writes down what
 * it found, gives the lock free in a moment. */
static enum rc open_phone(struct lazy_store *l)
{
	enum rc rc;
	int tries = 0;

	do
		rc = mend_open(l->state_dir, l->vault, l->udid, &l->phone);
	while (rc == RC_BUSY && ++tries <= 10 * l->lock_wait_s &&
	       !usleep(BUSY_US));
	return rc;
}

/* Before a disk is mounted and after it was pulled there is a folder in the
 * box's memory for a moment. A backup that went there would be none. */
static bool is_place(const struct lazy_store *l)
{
	return !l->mounted || disk_is_mount_point(l->dir);
}

static enum rc open_all(struct lazy_store *l)
{
	enum rc rc;

	if (!is_place(l))
		return RC_NOTFOUND;
	rc = probe_alone(l);
	/* Full is not unfit: what is there may be freed. What else is wrong
	 * the vault says itself. */
	if (rc != RC_UNSUPPORTED)
		rc = vault_open(NULL, l->dir, true, &l->vault);
	if (!rc && !is_place(l))
		rc = RC_NOTFOUND;
	if (!rc)
		rc = open_phone(l);
	if (!rc) {
		vault_phone_set_keep(l->phone, &l->keep);
		vault_make_room(l->phone);
	}
	if (!rc)
		rc = vault_night_begin(
		    l->phone, l->fresh, &l->night, &l->resumed);
	if (rc)
		return rc;
	vault_night_set_reserve(l->night, reserve_of(l));
	l->real = vault_night_store(l->night);
	return RC_OK;
}

static void *run(void *arg)
{
	struct lazy_store *l = arg;

	l->rc = open_all(l);
	if (l->rc) {
		/* Now, while the one who is in the way still is. */
		if (l->rc == RC_UNSUPPORTED && l->probe.why[0])
			snprintf(l->why, sizeof(l->why), "%s", l->probe.why);
		else
			mend_words(
			    l->rc, l->vault, l->udid, l->why, sizeof(l->why));
		log_error("the vault can't be used dir=%s: %s: %s", l->dir,
		    rc_words(l->rc), l->why);
		atomic_store(&l->failed, true);
	}
	return NULL;
}

enum rc lazy_store_wait(struct lazy_store *l)
{
	if (!l->joined) {
		pthread_join(l->thread, NULL);
		l->joined = true;
		if (!l->rc) {
			l->ops.write = l->real->ops->write;
			l->ops.finish = l->real->ops->finish;
			l->ops.discard = l->real->ops->discard;
			l->ops.read = l->real->ops->read;
			l->ops.close = l->real->ops->close;
		}
	}
	return l->rc;
}

/* Waits, then passes a call on to the vault's own view. */
#define PASS(call)                                                             \
	struct lazy_store *l = ctx;                                            \
	enum rc rc = lazy_store_wait(l);                                       \
                                                                               \
	return rc ? rc : l->real->ops->call

static enum rc pass_stat(void *ctx, const char *path, struct store_stat *out)
{
	PASS(stat)(l->real->ctx, path, out);
}

static enum rc pass_list(
    void *ctx, const char *path, store_list_fn fn, void *arg)
{
	PASS(list)(l->real->ctx, path, fn, arg);
}

static enum rc pass_make_dir(void *ctx, const char *path)
{
	PASS(make_dir)(l->real->ctx, path);
}

static enum rc pass_move(void *ctx, const char *from, const char *to)
{
	PASS(move)(l->real->ctx, from, to);
}

static enum rc pass_remove(void *ctx, const char *path)
{
	PASS(remove)(l->real->ctx, path);
}

static enum rc pass_copy(void *ctx, const char *from, const char *to)
{
	PASS(copy)(l->real->ctx, from, to);
}

static enum rc pass_create(void *ctx, const char *path, struct store_file **out)
{
	PASS(create)(l->real->ctx, path, out);
}

static enum rc pass_open(
    void *ctx, const char *path, struct store_file **out, uint64_t *size)
{
	PASS(open)(l->real->ctx, path, out, size);
}

static enum rc pass_free_space(void *ctx, uint64_t *out)
{
	PASS(free_space)(l->real->ctx, out);
}

/* Before the vault is there nothing was done. */
static enum rc pass_confirm(void *ctx)
{
	struct lazy_store *l = ctx;

	return l->joined && !l->rc ? l->real->ops->confirm(l->real->ctx)
				   : RC_OK;
}

static enum rc pass_purge(void *ctx, uint64_t want, uint64_t *freed)
{
	PASS(purge)(l->real->ctx, want, freed);
}

/* No file was opened yet: NULL is all that can come here. */
static void drop_nothing(struct store_file *f)
{
	(void)f;
}

enum rc lazy_store_begin(
    const struct lazy_store_opts *opts, struct lazy_store **out)
{
	struct lazy_store *l = calloc(1, sizeof(*l));

	if (!l)
		return RC_NOMEM;
	snprintf(l->dir, sizeof(l->dir), "%s", opts->dir);
	snprintf(l->udid, sizeof(l->udid), "%s", opts->udid);
	snprintf(l->state_dir, sizeof(l->state_dir), "%s",
	    opts->state_dir ? opts->state_dir : "");
	l->fresh = opts->fresh;
	l->mounted = opts->mounted;
	l->reserve_bytes = opts->reserve_bytes;
	l->lock_wait_s = opts->lock_wait_s;
	l->keep = opts->keep;
	l->ops = (struct store_ops){
		.stat = pass_stat,
		.list = pass_list,
		.make_dir = pass_make_dir,
		.move = pass_move,
		.remove = pass_remove,
		.copy = pass_copy,
		.create = pass_create,
		.open = pass_open,
		.discard = drop_nothing,
		.close = drop_nothing,
		.free_space = pass_free_space,
		.purge = pass_purge,
		.confirm = pass_confirm,
	};
	l->store = (struct store){ &l->ops, l };
	if (pthread_create(&l->thread, NULL, run, l) != 0) {
		free(l);
		return RC_NOMEM;
	}
	*out = l;
	return RC_OK;
}

const struct store *lazy_store_store(struct lazy_store *l)
{
	return &l->store;
}

bool lazy_store_has_failed(struct lazy_store *l)
{
	return atomic_load(&l->failed);
}

const char *lazy_store_why(struct lazy_store *l, enum rc rc)
{
	if (!l->rc)
		mend_words(rc, l->vault, l->udid, l->why, sizeof(l->why));
	return l->why;
}

const struct vault *lazy_store_vault(const struct lazy_store *l)
{
	return l->vault;
}

struct vault_phone *lazy_store_phone(struct lazy_store *l)
{
	return l->phone;
}

struct vault_night *lazy_store_take_night(struct lazy_store *l)
{
	struct vault_night *n = l->night;

	l->night = NULL;
	return n;
}

bool lazy_store_resumed(const struct lazy_store *l)
{
	return l->resumed;
}

void lazy_store_end(struct lazy_store *l)
{
	if (!l)
		return;
	if (!l->joined)
		pthread_join(l->thread, NULL);
	vault_night_end(l->night, true);
	vault_phone_close(l->phone);
	vault_close(l->vault);
	free(l);
}
