#include "luks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "tool.h"

#define LOG_MODULE "disk"
#define CRYPTSETUP "/usr/sbin/cryptsetup"
#define NAME       "nightstand"
#define OPEN_S     120
#define BUSY_S     10

/* cryptsetup(8), RETURN CODES */
#define NO_KEY    2
#define NO_MEMORY 3
#define IS_BUSY   5

static enum rc try_word(const char *path, const char *word)
{
	const char *const argv[] = { CRYPTSETUP, "open", "--type", "luks",
		"--batch-mode", "--disable-external-tokens", "--key-file", "-",
		path, NAME, NULL };
	int status;
	enum rc rc = tool_feed(argv, OPEN_S, word, strlen(word), &status);

	if (rc == RC_BUG) /* the kernel killed it to have its memory */
		return RC_NOMEM;
	if (rc)
		return rc;
	switch (status) {
	case 0:
		return RC_OK;
	case NO_KEY:
		return RC_REFUSED;
	case NO_MEMORY:
		return RC_NOMEM;
	case IS_BUSY:
		return RC_BUSY;
	default:
		return RC_IO;
	}
}

enum rc luks_open(const char *path, const char *word)
{
	enum rc rc = try_word(path, word);

	/* One that was pulled goes when the last file on it is closed. */
	for (int i = 0; rc == RC_BUSY && i < BUSY_S; i++) {
		sleep(1);
		rc = try_word(path, word);
	}
	return rc;
}

/* Asked of the kernel itself: cryptsetup was seen to crash when the disk
 * below has gone. */
void luks_close(void)
{
	struct dm_ioctl io = {
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(io),
		.flags = DM_DEFERRED_REMOVE,
		.name = NAME,
	};
	int fd;

	if (unlink(LUKS_OPEN) != 0) /* made by cryptsetup */
		return;
	fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, DM_DEV_REMOVE, &io) != 0)
		log_warn("the encrypted disk stays open: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

bool luks_is_open(char *on, size_t cap)
{
	char path[64];
	const struct dirent *e;
	struct stat st;
	DIR *d = NULL;

	on[0] = '\0';
	if (stat(LUKS_OPEN, &st) != 0)
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves",
	    major(st.st_rdev), minor(st.st_rdev));
	d = opendir(path);
	while (d && !on[0] && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			snprintf(on, cap, "%s", e->d_name);
	if (d)
		closedir(d);
	return true;
}
