/* The copy of a phone's catalogue that the box keeps for itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vphone.h"

/* What was renamed is durable only with its folder. */
static enum rc sync_folder_of(const char *path)
{
	char *dir = strdup(path);
	char *slash;
	enum rc rc;

	if (!dir)
		return RC_NOMEM;
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	rc = fileops_sync_dir(fileops_posix(), AT_FDCWD, slash ? dir : ".");
	free(dir);
	return rc;
}

static enum rc sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum rc rc;

	if (fd < 0)
		return rc_from_errno(errno);
	rc = fsync(fd) < 0 ? rc_from_errno(errno) : RC_OK;
	close(fd);
	return rc;
}

/* Made beside its place and renamed over the older one: what a power cut
 * leaves is the one or the other, whole. */
enum rc vault_phone_backup_catalog(struct vault_phone *p, const char *dest)
{
	char *tmp, *journal;
	enum rc rc;

	if (asprintf(&tmp, "%s.tmp", dest) < 0)
		return RC_NOMEM;
	if (asprintf(&journal, "%s-journal", tmp) < 0) {
		free(tmp);
		return RC_NOMEM;
	}
	unlink(journal); /* rests of an interrupted one */
	unlink(tmp);
	rc = db_copy_to(p->cat.db, fileops_posix(), tmp);
	if (!rc)
		rc = sync_file(tmp);
	if (!rc && rename(tmp, dest) < 0)
		rc = rc_from_errno(errno);
	if (!rc)
		rc = sync_folder_of(dest);
	unlink(journal); /* SQLite leaves it, empty */
	if (rc)
		unlink(tmp);
	free(journal);
	free(tmp);
	return rc;
}
