#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* clang-format off */
static const struct { unsigned long magic; const char *name; } kinds[] = {
	{ 0xef53,     "ext4" },
	{ 0x2011bab0, "exfat" },
	{ 0x4d44,     "vfat" },
	{ 0x9123683e, "btrfs" },
	{ 0x58465342, "xfs" },
	{ 0xf2f52010, "f2fs" },
	{ 0x7366746e, "ntfs3" },
	{ 0x65735546, "fuse" },
	{ 0x01021994, "tmpfs" },
	{ 0x794c7630, "overlay" },
	{ 0x6969,     "nfs" },
	{ 0xff534d42, "cifs" },
	{ 0x2fc12fc1, "zfs" },
	{ 0x73717368, "squashfs" },
	{ 0x9660,     "iso9660" },
};
/* clang-format on */

static const char *kind_name(unsigned long magic)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].magic == magic)
			return kinds[i].name;
	return "";
}

static void set_state(struct disk *d, enum disk_state state, const char *why)
{
	d->state = state;
	snprintf(d->why, sizeof(d->why), "%s", why);
}

static void set_errno(struct disk *d, int err)
{
	if (err == EIO)
		set_state(d, DISK_FAILING, "It answers with errors.");
	else if (err == EACCES || err == EPERM)
		set_state(d, DISK_READONLY, "The folder may not be opened.");
	else
		set_state(d, DISK_MISSING, "");
}

/* An ext4 that has given up after an error says so among its options since
 * Linux 6.15, and is not called read-only any more. */
static bool has_given_up(dev_t dev)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned long want_major = major(dev), want_minor = minor(dev);
	unsigned long ma, mi;
	char line[1024];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *rest = strstr(line, " - ");

		found = sscanf(line, "%*u %*u %lu:%lu ", &ma, &mi) == 2 &&
			ma == want_major && mi == want_minor && rest &&
			(strstr(rest, ",emergency_ro") ||
			    strstr(rest, ",shutdown"));
	}
	if (f)
		fclose(f);
	return found;
}

void disk_probe(const char *dir, struct disk *out)
{
	struct statfs fs;
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (!dir[0]) {
		set_state(out, DISK_MISSING, "");
		return;
	}
	if (stat(dir, &st) != 0 || statfs(dir, &fs) != 0) {
		set_errno(out, errno);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		set_state(out, DISK_MISSING, "");
		return;
	}
	out->dev = st.st_dev;
	snprintf(out->fs, sizeof(out->fs), "%s",
	    kind_name((unsigned long)fs.f_type & 0xffffffffUL));
	out->total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	out->free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (!strcmp(out->fs, "vfat"))
		set_state(out, DISK_UNFIT,
		    "it is formatted as FAT32, which can't hold a file above "
		    "4 GB");
	else if (has_given_up(st.st_dev))
		set_state(out, DISK_FAILING,
		    "It has answered with errors while it was written to.");
	else if (((unsigned long)fs.f_flags & ST_RDONLY) != 0)
		set_state(out, DISK_READONLY,
		    "It is write-protected, or was found damaged. Look for a "
		    "switch on it, or check it on a computer.");
	else if (access(dir, W_OK | X_OK) != 0)
		set_state(out, DISK_READONLY,
		    "The box has no right to write to its folder.");
}
