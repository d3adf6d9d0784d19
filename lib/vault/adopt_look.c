/* Which backups lie in a folder, and what their property lists say. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fileops.h"
#include "plistread.h"
#include "relpath.h"
#include "vault_adopt.h"

#define LOG_MODULE "adopt"
#include "log.h"

bool vault_adopt_same_udid(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += *a == '-';
		b += *b == '-';
		if (strncasecmp(a, b, 1) != 0)
			return false;
		if (*a == '\0')
			return true;
	}
}

__attribute__((format(printf, 3, 4))) static void refuse(
    struct vault_adopt_found *f, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	f->rc = rc;
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, ap);
	va_end(ap);
}

/* A whole small file; free() it. RC_NOTFOUND, RC_LIMIT. */
static enum rc slurp(
    int dir, const char *name, size_t max, char **out, size_t *size)
{
	const struct fileops *ops = fileops_posix();
	struct stat st;
	ssize_t got = 0;
	int fd = ops->open(ops->ctx, dir, name, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return fileops_rc(fd);
	*out = NULL;
	*size = 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size > max) {
		close(fd);
		return RC_LIMIT;
	}
	*out = malloc((size_t)st.st_size + 1);
	while (*out && *size < (size_t)st.st_size) {
		got = ops->read(
		    ops->ctx, fd, *out + *size, (size_t)st.st_size - *size);
		if (got <= 0)
			break;
		*size += (size_t)got;
	}
	close(fd);
	if (!*out)
		return RC_NOMEM;
	if (got >= 0)
		return RC_OK;
	free(*out);
	return fileops_rc(got);
}

static bool has(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What it says is wrong, or the machine could not tell. */
static void cannot_read(
    struct vault_adopt_found *f, const char *name, enum rc rc)
{
	if (rc == RC_CORRUPT || rc == RC_LIMIT)
		refuse(f, RC_CORRUPT, "%s cannot be read.", name);
	else
		refuse(f, rc, "%s cannot be read: %s.", name, rc_words(rc));
}

static void read_status(int dir, struct vault_adopt_found *f)
{
	struct plistread_status st;
	char *data;
	size_t size;
	enum rc rc =
	    slurp(dir, "Status.plist", PLISTREAD_STATUS_MAX, &data, &size);

	if (rc == RC_NOTFOUND) {
		refuse(f, RC_CORRUPT, "Status.plist is missing.");
		return;
	}
	if (!rc) {
		rc = plistread_status(data, size, &st);
		free(data);
	}
	if (rc) {
		cannot_read(f, "Status.plist", rc);
		return;
	}
	f->made_at = st.made_at;
	if (strcmp(st.snapshot_state, "finished") != 0)
		refuse(f, RC_CORRUPT,
		    "The backup was not finished: its status says \"%.20s\".",
		    st.snapshot_state);
}

/* 40 digits in lower case; 24 in upper case, with a dash after the eighth. */
static bool as_phones_give_it(const char *in, char out[LIMIT_UDID + 4])
{
	bool is_long = strlen(in) == 40;
	size_t n = 0;

	for (; *in && n + 2 < LIMIT_UDID; in++) {
		if (*in == '-')
			continue;
		if (n == 8 && !is_long)
			out[n++] = '-';
		out[n++] = (char)(is_long ? tolower((unsigned char)*in)
					  : toupper((unsigned char)*in));
	}
	out[n] = '\0';
	if (*in || relpath_check_udid(out))
		out[0] = '\0';
	return out[0] != '\0';
}

static void read_manifest(int dir, struct vault_adopt_found *f)
{
	struct plistread_manifest m;
	char *data;
	size_t size;
	enum rc rc =
	    slurp(dir, "Manifest.plist", PLISTREAD_MANIFEST_MAX, &data, &size);

	if (rc == RC_NOTFOUND) {
		refuse(f, RC_CORRUPT, "Manifest.plist is missing.");
		return;
	}
	if (!rc) {
		rc = plistread_manifest(data, size, &m);
		free(data);
	}
	if (rc) {
		cannot_read(f, "Manifest.plist", rc);
		return;
	}
	if (!as_phones_give_it(m.udid, f->udid))
		refuse(f, RC_CORRUPT, "Manifest.plist names no phone.");
	snprintf(f->device_name, sizeof(f->device_name), "%s", m.device_name);
	snprintf(f->model, sizeof(f->model), "%s", m.model);
	snprintf(f->ios, sizeof(f->ios), "%s", m.ios);
	f->encrypted = m.encrypted;
}

/* RC_NOTFOUND: no backup at all. */
static enum rc look_at(const char *folder, struct vault_adopt_found *f)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool old, any;

	if (dir < 0)
		return rc_from_errno(errno);
	memset(f, 0, sizeof(*f));
	f->folder = folder;
	old = !has(dir, "Manifest.db") &&
	      (has(dir, "Manifest.mbdb") || has(dir, "Manifest.mbdx"));
	any = has(dir, "Manifest.db") || has(dir, "Manifest.plist") ||
	      has(dir, "Status.plist");
	if (any || old) {
		read_status(dir, f);
		read_manifest(dir, f);
	}
	if (old)
		refuse(f, RC_UNSUPPORTED,
		    "It was made by iOS 9 or older (Manifest.mbdb), whose form "
		    "a newer phone can't go on with. Keep the folder as it is: "
		    "Finder and iTunes can still restore from it.");
	close(dir);
	return any || old ? RC_OK : RC_NOTFOUND;
}

static enum rc look_inside(const char *folder,
    enum rc (*fn)(void *arg, const struct vault_adopt_found *found), void *arg)
{
	struct vault_adopt_found f;
	DIR *d = opendir(folder);
	struct dirent *e;
	bool any = false;
	enum rc rc = RC_OK;
	char *path;

	if (!d)
		return rc_from_errno(errno);
	for (errno = 0; !rc && (e = readdir(d)) != NULL; errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&path, "%s/%s", folder, e->d_name) < 0) {
			rc = RC_NOMEM;
			break;
		}
		if (!look_at(path, &f)) {
			any = true;
			rc = fn(arg, &f);
		}
		free(path);
	}
	if (!rc && errno != 0)
		rc = rc_from_errno(errno);
	closedir(d);
	return rc || any ? rc : RC_NOTFOUND;
}

enum rc vault_adopt_look(const char *folder,
    enum rc (*fn)(void *arg, const struct vault_adopt_found *found), void *arg)
{
	struct vault_adopt_found f;
	char *full = realpath(folder, NULL);
	enum rc rc;

	if (!full)
		return rc_from_errno(errno);
	rc = look_at(full, &f);
	if (!rc)
		rc = fn(arg, &f);
	else if (rc == RC_NOTFOUND)
		rc = look_inside(full, fn, arg);
	free(full);
	return rc;
}
