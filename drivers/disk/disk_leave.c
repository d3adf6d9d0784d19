/* Letting go of a disk that somebody wants to unplug. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

bool disk_is_mount_point(const char *dir)
{
	char above[512];
	struct stat here, there;

	snprintf(above, sizeof(above), "%s/..", dir);
	return stat(dir, &here) == 0 && stat(above, &there) == 0 &&
	       here.st_dev != there.st_dev;
}

/* A file that is open, or the folder that a process stands in. */
static bool is_there(const char *link, dev_t dev)
{
	struct stat st;

	return stat(link, &st) == 0 && st.st_dev == dev;
}

static bool uses(const char *pid, dev_t dev)
{
	char dir[300], path[600];
	const struct dirent *e;
	bool found;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/cwd", pid);
	found = is_there(path, dev);
	snprintf(dir, sizeof(dir), "/proc/%s/fd", pid);
	d = opendir(dir);
	while (d && !found && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		found = is_there(path, dev);
	}
	if (d)
		closedir(d);
	return found;
}

/* As far as we may look; a name of one that is in the way is enough. */
static void find_user(dev_t dev, char *who, size_t cap)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	char path[320];
	FILE *f;

	while (d && !who[0] && (e = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !uses(e->d_name, dev))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(who, (int)cap, f))
			who[strcspn(who, "\n")] = '\0';
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
}

enum rc disk_leave(const char *dir, char *who, size_t cap)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	bool written;

	who[0] = '\0';
	if (fd < 0) /* pulled just now: nobody knows what it has */
		return RC_IO;
	written = syncfs(fd) == 0 && fstat(fd, &st) == 0;
	close(fd);
	if (!written)
		return RC_IO;
	if (!disk_is_mount_point(dir))
		return RC_NOTFOUND;
	if (umount2(dir, 0) == 0)
		return RC_OK;
	if (errno != EBUSY)
		return RC_READONLY;
	find_user(st.st_dev, who, cap);
	return RC_BUSY;
}
