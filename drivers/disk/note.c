#include "note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "disk"
#define NAME_CAP   40

static int open_state(const char *state)
{
	return open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum rc fill(int dir, const char *name, const char *text)
{
	int fd =
	    openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = strlen(text);
	enum rc rc = RC_OK;

	if (fd < 0)
		return rc_from_errno(errno);
	if (write(fd, text, len) != (ssize_t)len || fdatasync(fd) != 0)
		rc = RC_IO;
	if (close(fd) != 0 && !rc)
		rc = RC_IO;
	return rc;
}

enum rc note_write(const char *state, const char *name, const char *text)
{
	char fresh[NAME_CAP];
	int dir = open_state(state);
	enum rc rc;

	if (dir < 0)
		return rc_from_errno(errno);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	rc = fill(dir, fresh, text);
	if (!rc && renameat(dir, fresh, dir, name) != 0)
		rc = rc_from_errno(errno);
	if (!rc && fsync(dir) != 0)
		rc = RC_IO;
	close(dir);
	return rc;
}

bool note_read(const char *state, const char *name, char *text, size_t cap)
{
	int dir = open_state(state), fd = -1;
	ssize_t n = -1;

	memset(text, 0, cap);
	if (dir >= 0)
		fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		n = read(fd, text, cap);
		close(fd);
	}
	if (dir >= 0)
		close(dir);
	if (n > 0 && (size_t)n < cap)
		return true;
	memset(text, 0, cap);
	return false;
}

void note_remove(const char *state, const char *name)
{
	int dir = open_state(state);

	if (dir >= 0 && unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		log_warn("a note stays name=%s: %s", name, strerror(errno));
	if (dir >= 0)
		close(dir);
}
