#include "vault.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fileops.h"
#include "relpath.h"
#include "vault_int.h"
#include "vault_lock.h"

#define LOG_MODULE "vault"
#include "log.h"

/* VAULT: two lines of text, "nightstand-vault 1" and "id <32 hex digits>". */
#define VAULT_FOLDER "Nightstand"
#define VAULT_FILE   "VAULT"
#define VAULT_TMP    "VAULT.tmp"
#define VAULT_MAGIC  "nightstand-vault "
#define VAULT_FORMAT 1
/* Making it takes a few syncs; a disk that is slow at them takes seconds. */
#define MAKE_WAIT_MS 60000

static enum rc read_text(
    const struct vault *v, const char *name, char *buf, size_t cap)
{
	const struct fileops *ops = v->ops;
	size_t n = 0;
	enum rc rc = RC_OK;
	int fd = ops->open(ops->ctx, v->root, name, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return fileops_rc(fd);
	while (!rc && n < cap - 1) {
		ssize_t got = ops->read(ops->ctx, fd, buf + n, cap - 1 - n);

		rc = fileops_rc(got);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	buf[n] = '\0';
	ops->close(ops->ctx, fd);
	return rc;
}

static enum rc check_vault_file(struct vault *v)
{
	char text[128];
	unsigned format;
	int end = 0;
	enum rc rc = read_text(v, VAULT_FILE, text, sizeof(text));

	if (rc)
		return rc;
	if (sscanf(text, VAULT_MAGIC "%4u\nid %32[0-9a-f]\n%n", &format, v->id,
		&end) < 1)
		return RC_CORRUPT;
	if (format > VAULT_FORMAT)
		return RC_UNSUPPORTED;
	return end > 0 && strlen(v->id) == 32 ? RC_OK : RC_CORRUPT;
}

static enum rc make_id(char out[33])
{
	uint8_t raw[16];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return RC_IO;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	return RC_OK;
}

static enum rc write_vault_file(struct vault *v)
{
	const struct fileops *ops = v->ops;
	char text[128];
	enum rc rc = make_id(v->id);
	int fd, rv;

	if (rc)
		return rc;
	snprintf(
	    text, sizeof(text), VAULT_MAGIC "%d\nid %s\n", VAULT_FORMAT, v->id);
	fd = ops->open(
	    ops->ctx, v->root, VAULT_TMP, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0)
		return fileops_rc(fd);
	rc = fileops_write_all(ops, fd, text, strlen(text));
	if (!rc)
		rc = fileops_rc(ops->fsync(ops->ctx, fd));
	rv = ops->close(ops->ctx, fd);
	if (!rc)
		rc = fileops_rc(rv);
	if (!rc)
		rc = fileops_rc(
		    ops->rename(ops->ctx, v->root, VAULT_TMP, VAULT_FILE));
	if (!rc)
		rc = fileops_sync_dir(ops, v->root, ".");
	return rc;
}

/* A folder of that name without our file is somebody else's, unless it is
 * empty: then it is new, or the power went while we made it (V7). */
static enum rc check_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	enum rc rc = RC_OK;

	if (!d)
		return rc_from_errno(errno);
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, VAULT_TMP) == 0)
			continue;
		rc = RC_CORRUPT;
		break;
	}
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc;
}

/* `disk` is the opened folder that the vault's folder is to lie in. */
static enum rc make_folder(const struct fileops *ops, int disk)
{
	enum rc rc = fileops_ensure_dir(ops, disk, VAULT_FOLDER);

	return rc ? rc : fileops_sync_dir(ops, disk, ".");
}

static enum rc open_folder(struct vault *v)
{
	v->root = v->ops->open(
	    v->ops->ctx, AT_FDCWD, v->path, O_RDONLY | O_DIRECTORY);
	return fileops_rc(v->root);
}

/* What is there; RC_NOTFOUND when it has yet to be made, or to be finished. */
static enum rc open_made(struct vault *v)
{
	enum rc rc = v->root >= 0 ? RC_OK : open_folder(v);

	return rc ? rc : check_vault_file(v);
}

static enum rc make(struct vault *v, int disk)
{
	enum rc rc = open_made(v); /* another one may just have made it */

	if (rc != RC_NOTFOUND)
		return rc;
	if (v->root < 0) {
		rc = make_folder(v->ops, disk);
		if (!rc)
			rc = open_folder(v);
		if (rc)
			return rc;
	}
	rc = check_empty(v->path);
	return rc ? rc : write_vault_file(v);
}

/*
 * Two phones on a new disk are two sessions that both find no vault: one makes
 * it, the other waits. The lock is on the disk's folder, as there is no other
 * yet.
 */
static enum rc make_locked(struct vault *v, const char *dir)
{
	const struct fileops *ops = v->ops;
	int disk = ops->open(ops->ctx, AT_FDCWD, dir, O_RDONLY | O_DIRECTORY);
	enum rc rc;

	if (disk < 0)
		return fileops_rc(disk);
	rc = vault_lock_fd(disk, MAKE_WAIT_MS);
	if (!rc)
		rc = make(v, disk);
	ops->close(ops->ctx, disk);
	return rc;
}

enum rc vault_open(
    const struct fileops *ops, const char *dir, bool create, struct vault **out)
{
	struct vault *v = calloc(1, sizeof(*v));
	enum rc rc;

	if (!v)
		return RC_NOMEM;
	v->root = -1;
	v->ops = ops ? ops : fileops_posix();
	if (asprintf(&v->path, "%s/" VAULT_FOLDER, dir) < 0) {
		v->path = NULL;
		rc = RC_NOMEM;
		goto out;
	}
	rc = open_made(v);
	if (rc == RC_NOTFOUND && create)
		rc = make_locked(v, dir);
	if (rc)
		goto out;
	*out = v;
	v = NULL;
out:
	vault_close(v);
	return rc;
}

void vault_close(struct vault *v)
{
	if (!v)
		return;
	if (v->root >= 0)
		v->ops->close(v->ops->ctx, v->root);
	free(v->path);
	free(v);
}

const char *vault_path(const struct vault *v)
{
	return v->path;
}

const char *vault_id(const struct vault *v)
{
	return v->id;
}

enum rc vault_each_phone(
    struct vault *v, enum rc (*fn)(void *arg, const char *udid), void *arg)
{
	DIR *d = opendir(v->path);
	struct dirent *e;
	enum rc rc = RC_OK;

	if (!d)
		return rc_from_errno(errno);
	for (errno = 0; !rc && (e = readdir(d)) != NULL; errno = 0)
		if (relpath_check_udid(e->d_name) == RC_OK)
			rc = fn(arg, e->d_name);
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc;
}
