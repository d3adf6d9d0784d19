#include "mounter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "tool.h"

#define LOG_MODULE "disk"
#define CHECK_S    (6 * 3600) /* a large disk that was never checked */
#define MAKE_S     (30 * 60)
#define SAFE       (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define MKE2FS     "/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-m", "0"

/* e2fsck(8) and fsck.exfat(8): a sum of these */
#define FSCK_MENDED 1
#define FSCK_REBOOT 2

/* clang-format off */
static const struct format {
	const char *type, *fsck, *options;
} formats[] = {
	{ "ext4", "/usr/sbin/e2fsck", "errors=remount-ro" },
	{ "exfat", "/usr/sbin/fsck.exfat", "errors=remount-ro" },
};
/* clang-format on */

static const struct format *find(const char *type)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i].type, type))
			return &formats[i];
	return NULL;
}

bool mounter_knows(const char *type)
{
	return find(type) != NULL;
}

static enum rc fsck(const char *const *argv)
{
	int status;
	enum rc rc = tool_run(argv, CHECK_S, &status);

	if (rc)
		return rc;
	return status & ~(FSCK_MENDED | FSCK_REBOOT) ? RC_CORRUPT : RC_OK;
}

enum rc mounter_check(const char *path, const char *type)
{
	const struct format *f = find(type);
	const char *const argv[] = { f ? f->fsck : "", "-p", path, NULL };

	return f ? fsck(argv) : RC_UNSUPPORTED;
}

enum rc mounter_mend(const char *path)
{
	const char *const argv[] = { "/usr/sbin/e2fsck", "-f", "-y", path,
		NULL };

	return fsck(argv);
}

static enum rc make(const char *const *argv)
{
	int status;
	enum rc rc = tool_run(argv, MAKE_S, &status);

	if (rc)
		return rc;
	return status ? RC_IO : RC_OK;
}

enum rc mounter_make(const char *path, const char *label)
{
	const char *const argv[] = { MKE2FS, "-L", label, path, NULL };

	return make(argv);
}

enum rc mounter_make_part(
    const char *path, const char *label, const char *uuid, uint64_t kib)
{
	char size[24];
	const char *const argv[] = { MKE2FS, "-L", label, "-U", uuid, path,
		size, NULL };

	snprintf(size, sizeof(size), "%lluk", (unsigned long long)kib);
	return make(argv);
}

static enum rc mount_at(const char *path, const char *dir, const char *type,
    unsigned long flags, const char *options)
{
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return rc_from_errno(errno);
	if (mount(path, dir, type, flags, options) == 0)
		return RC_OK;
	log_warn(
	    "not mounted path=%s type=%s: %s", path, type, strerror(errno));
	return rc_from_errno(errno);
}

enum rc mounter_mount(const char *path, const char *dir, const char *type)
{
	const struct format *f = find(type);

	if (!f)
		return RC_UNSUPPORTED;
	return mount_at(path, dir, type, SAFE | MS_NOATIME, f->options);
}

enum rc mounter_mount_fat(const char *path, const char *dir, bool writable)
{
	return mount_at(path, dir, "vfat",
	    SAFE | (writable ? MS_SYNCHRONOUS : MS_RDONLY), NULL);
}

enum rc mounter_mount_fat_lazy(
    const char *path, const char *dir, unsigned owner)
{
	char options[32];

	snprintf(options, sizeof(options), "uid=%u,gid=%u", owner, owner);
	return mount_at(path, dir, "vfat", SAFE, options);
}

void mounter_leave(const char *dir)
{
	if (umount2(dir, 0) != 0 && errno == EBUSY &&
	    umount2(dir, MNT_DETACH) != 0)
		log_warn("still mounted path=%s: %s", dir, strerror(errno));
	if (rmdir(dir) != 0 && errno != ENOENT)
		log_info("the folder stays path=%s: %s", dir, strerror(errno));
}
