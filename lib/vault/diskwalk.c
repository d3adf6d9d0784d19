#include "diskwalk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct diskwalk {
	const struct fileops *ops;
	diskwalk_fn fn;
	void *arg;
	char rel[LIMIT_DL_PATH + 2];
};

static enum rc walk_folder(
    struct diskwalk *w, int dir, const char *path, unsigned depth);

static enum rc on_name(
    struct diskwalk *w, int folder, const char *name, unsigned depth)
{
	size_t len = strlen(w->rel);
	struct stat st;
	int n, rv;
	enum rc rc;

	n = snprintf(w->rel + len, sizeof(w->rel) - len, "%s%s",
	    len > 0 ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof(w->rel) - len) {
		w->rel[len] = '\0';
		return RC_OK;
	}
	rv = w->ops->stat(w->ops->ctx, folder, name, &st);
	rc = rv == -ENOENT ? RC_OK : fileops_rc(rv); /* gone meanwhile */
	if (!rc && rv == 0) {
		rc = w->fn(w->arg, w->rel, name, depth, &st);
		if (!rc && S_ISDIR(st.st_mode) && depth + 1 < DISKWALK_DEPTH)
			rc = walk_folder(w, folder, name, depth + 1);
		else if (rc == RC_NOTDIR && S_ISDIR(st.st_mode))
			rc = RC_OK;
	}
	w->rel[len] = '\0';
	return rc;
}

static enum rc walk_folder(
    struct diskwalk *w, int dir, const char *path, unsigned depth)
{
	int fd = w->ops->open(
	    w->ops->ctx, dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	struct dirent *e;
	enum rc rc = RC_OK;
	DIR *d;

	if (fd < 0)
		return fileops_rc(fd);
	d = fdopendir(fd);
	if (!d) {
		w->ops->close(w->ops->ctx, fd);
		return RC_NOMEM;
	}
	for (errno = 0; !rc && (e = readdir(d)) != NULL; errno = 0)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = on_name(w, dirfd(d), e->d_name, depth);
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc;
}

enum rc diskwalk(const struct fileops *ops, int dir, const char *path,
    diskwalk_fn fn, void *arg)
{
	struct diskwalk w = { .ops = ops, .fn = fn, .arg = arg };

	return walk_folder(&w, dir, path, 0);
}

bool diskwalk_is_foreign(const char *name, const struct stat *st)
{
	return name[0] == '.' || strcmp(name, "Thumbs.db") == 0 ||
	       strcmp(name, "desktop.ini") == 0 ||
	       (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode));
}
