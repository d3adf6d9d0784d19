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

#define LOG_MODULE "vault"
#include "log.h"

/* VAULT: two lines of text, "nightstand-vault 1" and "id <32 hex digits>". */
#define VAULT_FOLDER "Nightstand"
#define VAULT_FILE   "VAULT"
#define VAULT_TMP    "VAULT.tmp"
#define VAULT_MAGIC  "nightstand-vault "
#define VAULT_FORMAT 1

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

static enum rc make_folder(const struct fileops *ops, const char *dir)
{
	int fd = ops->open(ops->ctx, AT_FDCWD, dir, O_RDONLY | O_DIRECTORY);
	enum rc rc;

	if (fd < 0)
		return fileops_rc(fd);
	rc = fileops_ensure_dir(ops, fd, VAULT_FOLDER);
	if (!rc)
		rc = fileops_sync_dir(ops, fd, ".");
	ops->close(ops->ctx, fd);
	return rc;
}

static enum rc open_folder(struct vault *v, const char *dir, bool create)
{
	enum rc rc = RC_OK;

	if (asprintf(&v->path, "%s/" VAULT_FOLDER, dir) < 0) {
		v->path = NULL;
		return RC_NOMEM;
	}
	v->root = v->ops->open(
	    v->ops->ctx, AT_FDCWD, v->path, O_RDONLY | O_DIRECTORY);
	if (v->root == -ENOENT && create) {
		rc = make_folder(v->ops, dir);
		if (rc)
			return rc;
		v->root = v->ops->open(
		    v->ops->ctx, AT_FDCWD, v->path, O_RDONLY | O_DIRECTORY);
	}
	return fileops_rc(v->root);
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
	rc = open_folder(v, dir, create);
	if (rc)
		goto out;
	rc = check_vault_file(v);
	if (rc == RC_NOTFOUND && create) {
		rc = check_empty(v->path);
		if (!rc)
			rc = write_vault_file(v);
	}
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
