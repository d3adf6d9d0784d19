#include "blockdev.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "disk"
#define PATH_CAP   400
#define SECTOR     512 /* of the file "size", whatever the disk's is */
#define EDGE       ((off_t)16 * 1024 * 1024)
#define PLACES     1000
#define PIECE      65536

/* --- what the kernel knows ------------------------------------------------------- */

/* The first line of a file below the device's folder, printable. */
static bool read_fact(const char *dir, const char *file, char *out, size_t cap)
{
	char path[PATH_CAP];
	size_t len;
	FILE *f;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(out, (int)cap, f))
		out[0] = '\0';
	fclose(f);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = ' ';
	len = strlen(out);
	while (len && out[len - 1] == ' ')
		out[--len] = '\0';
	return out[0] != '\0';
}

static bool is_wanted(const char *name)
{
	static const char *const others[] = { "loop", "ram", "zram", "sr", "fd",
		"mtd", "dm-", "md", "nbd", ".", NULL };

	for (unsigned i = 0; others[i]; i++)
		if (!strncmp(name, others[i], strlen(others[i])))
			return false;
	/* The boot areas of an eMMC are no disks. */
	return !strstr(name, "boot") && !strstr(name, "rpmb") &&
	       strlen(name) < sizeof(((struct blockdev *)0)->name);
}

/* The kernel's folder of a device: …/usb1/…/block/sda/sda1 */
static bool real_dir(const char *sys, const char *name, char out[PATH_MAX])
{
	char path[PATH_CAP];

	snprintf(path, sizeof(path), "%s/class/block/%s", sys, name);
	return realpath(path, out) != NULL;
}

static bool describe(const char *sys, const char *name, struct blockdev *out)
{
	char dir[PATH_MAX];
	char text[64];
	char *slash;

	memset(out, 0, sizeof(*out));
	if (!real_dir(sys, name, dir))
		return false;
	snprintf(out->name, sizeof(out->name), "%s", name);
	out->is_usb = strstr(dir, "/usb") != NULL;
	if (read_fact(dir, "size", text, sizeof(text)))
		out->bytes = strtoull(text, NULL, 10) * SECTOR;
	out->is_readonly =
	    read_fact(dir, "ro", text, sizeof(text)) && text[0] == '1';
	out->is_part = read_fact(dir, "partition", text, sizeof(text));
	slash = strrchr(dir, '/');
	if (out->is_part && slash) {
		*slash = '\0';
		slash = strrchr(dir, '/');
	}
	if (!slash || strlen(slash + 1) >= sizeof(out->disk))
		return false;
	memcpy(out->disk, slash + 1, strlen(slash + 1) + 1);
	read_fact(dir, "device/model", out->model, sizeof(out->model));
	return out->bytes > 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct blockdev *)a)->name,
	    ((const struct blockdev *)b)->name);
}

enum rc blockdev_list(const char *sys, struct blockdev_list *out)
{
	char path[PATH_CAP];
	enum rc rc = RC_OK;
	struct dirent *e;
	DIR *d;

	out->n = 0;
	snprintf(path, sizeof(path), "%s/class/block", sys);
	d = opendir(path);
	if (!d)
		return rc_from_errno(errno);
	while (!rc && (e = readdir(d)) != NULL) {
		if (!is_wanted(e->d_name))
			continue;
		if (out->n == BLOCKDEV_MAX)
			rc = RC_LIMIT;
		else if (describe(sys, e->d_name, &out->devs[out->n]))
			out->n++;
	}
	closedir(d);
	qsort(out->devs, out->n, sizeof(out->devs[0]), by_name);
	for (unsigned i = 0; i < out->n; i++)
		for (unsigned k = 0; k < out->n; k++)
			if (out->devs[k].is_part &&
			    !strcmp(out->devs[k].disk, out->devs[i].name))
				out->devs[i].has_parts = true;
	return rc;
}

/* --- what lies on it ---------------------------------------------------------------- */

static void take(blkid_probe p, const char *key, char *out, size_t cap)
{
	const char *value;
	size_t len;

	out[0] = '\0';
	if (blkid_probe_lookup_value(p, key, &value, &len) || !value)
		return;
	snprintf(out, cap, "%s", value);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

enum rc blockdev_look(const char *path, struct blockdev_content *out)
{
	blkid_probe p = blkid_new_probe_from_filename(path);
	int found;

	memset(out, 0, sizeof(*out));
	if (!p)
		return rc_from_errno(errno);
	blkid_probe_enable_superblocks(p, 1);
	blkid_probe_set_superblocks_flags(
	    p, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	blkid_probe_enable_partitions(p, 1);
	found = blkid_do_safeprobe(p);
	out->is_ambiguous = found == -2;
	if (found == 0) {
		take(p, "TYPE", out->type, sizeof(out->type));
		take(p, "LABEL", out->label, sizeof(out->label));
		take(p, "UUID", out->uuid, sizeof(out->uuid));
		take(p, "PTTYPE", out->table, sizeof(out->table));
	}
	blkid_free_probe(p);
	return found == -1 ? RC_IO : RC_OK;
}

/* --- is anything on it at all? ------------------------------------------------------- */

static enum rc is_zero(int fd, off_t from, off_t to, bool *out)
{
	static unsigned char piece[PIECE];

	while (*out && from < to) {
		size_t want = to - from < PIECE ? (size_t)(to - from) : PIECE;
		ssize_t n = pread(fd, piece, want, from);

		if (n <= 0)
			return RC_IO;
		*out = piece[0] == 0 &&
		       memcmp(piece, piece + 1, (size_t)n - 1) == 0;
		from += n;
	}
	return RC_OK;
}

enum rc blockdev_is_blank(const char *path, bool *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end, edge, step;
	enum rc rc;

	*out = true;
	if (fd < 0)
		return rc_from_errno(errno);
	end = lseek(fd, 0, SEEK_END);
	edge = end < EDGE ? end : EDGE;
	step = end / PLACES;
	rc = end < 0 ? RC_IO : is_zero(fd, 0, edge, out);
	if (!rc)
		rc = is_zero(fd, end - edge, end, out);
	for (off_t at = edge; !rc && *out && step > 0 && at + 4096 < end - edge;
	     at += step)
		rc = is_zero(fd, at, at + 4096, out);
	close(fd);
	return rc;
}
