#include "fsprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mono.h"

#define LOG_MODULE "fsprobe"
#include "log.h"

#define FOLDER  ".nightstand-probe"
#define NEEDED  (1ull << 32) /* a video of 4 GiB is nothing special */
#define ALIGNED 4096
#define TRIES   50

/* All names that a probe makes, files before the folders that hold them. */
static const char *const files[] = { "one", "two", "Case", "in/file",
	"over/file", NULL };
static const char *const folders[] = { "in", "over", NULL };

struct probe {
	int dir; /* FOLDER */
	struct fsprobe *out;
	char long_name[201], fair_name[81];
};

static void refuse(struct fsprobe *out, const char *why)
{
	if (out->why[0] == '\0')
		snprintf(out->why, sizeof(out->why), "%s", why);
}

static enum rc refuse_errno(struct fsprobe *out, int err)
{
	enum rc rc = rc_from_errno(err);

	if (rc == RC_READONLY)
		refuse(
		    out, err == EROFS
			     ? "It is write-protected, or was found damaged. "
			       "Look for a switch on it, or check it on a "
			       "computer."
			     : "There is no right to write to its folder.");
	else if (rc == RC_NOSPC)
		refuse(out, "It is full.");
	else
		refuse(out, "It answers with errors.");
	return rc;
}

/* --- what is there -------------------------------------------------------------
 */

/* The name that /proc tells for the mount: only to be shown. */
static void name_of(int dir, char *out, size_t cap)
{
	struct statx sx;
	unsigned long long id;
	char line[1024], type[64];
	const char *dash;
	FILE *f;

	if (statx(dir, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0 ||
	    !(sx.stx_mask & STATX_MNT_ID))
		return;
	f = fopen("/proc/self/mountinfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		dash = strstr(line, " - ");
		if (dash && sscanf(line, "%llu", &id) == 1 &&
		    id == sx.stx_mnt_id && sscanf(dash, " - %63s", type) == 1)
			snprintf(out, cap, "%.*s", (int)cap - 1, type);
	}
	if (f)
		fclose(f);
}

static enum rc look(int dir, struct fsprobe *out)
{
	struct statvfs sv;

	if (fstatvfs(dir, &sv) < 0)
		return refuse_errno(out, errno);
	out->read_only = (sv.f_flag & ST_RDONLY) != 0;
	out->total_bytes = (uint64_t)sv.f_blocks * sv.f_frsize;
	out->free_bytes = (uint64_t)sv.f_bavail * sv.f_frsize;
	out->total_files = sv.f_files;
	out->free_files = sv.f_favail;
	out->piece_bytes = (uint32_t)sv.f_frsize; /* until it is tried */
	name_of(dir, out->fs, sizeof(out->fs));
	return out->read_only ? refuse_errno(out, EROFS) : RC_OK;
}

/* --- what it does --------------------------------------------------------------
 */

static int make(const struct probe *p, const char *name)
{
	return openat(p->dir, name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* One byte, so that the file takes a piece; false: errno tells. */
static bool make_file(const struct probe *p, const char *name)
{
	int fd = make(p, name);
	bool ok = fd >= 0 && write(fd, "1", 1) == 1;
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return ok;
}

/* The kernel refuses to seek beyond what a file of this kind can hold; that
 * costs nothing, and a disk without holes would be filled by trying. */
static uint64_t largest_file(int fd)
{
	uint64_t most = 0;

	for (int bits = 31; bits < 63; bits++)
		if (lseek(fd, (off_t)1 << bits, SEEK_SET) >= 0)
			most = 1ull << bits;
	return most;
}

/* A time that no coarse clock can show, and what is left of it. */
static uint32_t time_step(int fd)
{
	const struct timespec odd = { 1700000001, 123456789 };
	const struct timespec both[2] = { odd, odd };
	struct stat st;

	if (futimens(fd, both) < 0 || fstat(fd, &st) < 0)
		return 0;
	if (st.st_mtim.tv_sec != odd.tv_sec)
		return 2000000000;
	for (uint32_t step = 1; step < 1000000000; step *= 10)
		if (st.st_mtim.tv_nsec % (10L * step) != 0)
			return step;
	return 1000000000;
}

/* A file of one byte may be kept in the folder's own record (NTFS, btrfs); a
 * larger one takes whole blocks. */
static uint32_t piece_of(const struct stat *st, uint32_t block)
{
	uint32_t tried = (uint32_t)(st->st_blocks * 512);

	if (tried == 0 || (tried < block && block <= 4096))
		return block;
	return tried;
}

static enum rc try_file(struct probe *p)
{
	struct fsprobe *out = p->out;
	struct stat st;
	int fd = make(p, "one");
	enum rc rc = RC_OK;

	if (fd < 0)
		return refuse_errno(out, errno);
	if (write(fd, "1", 1) != 1 || fstat(fd, &st) < 0)
		rc = refuse_errno(out, errno);
	else
		out->piece_bytes = piece_of(&st, out->piece_bytes);
	out->largest_file = largest_file(fd);
	out->time_step_ns = time_step(fd);
	close(fd);
	return rc;
}

static enum rc try_renames(struct probe *p)
{
	struct fsprobe *out = p->out;
	struct stat st;

	if (!make_file(p, "two") || mkdirat(p->dir, "in", 0700) < 0 ||
	    mkdirat(p->dir, "over", 0700) < 0 || !make_file(p, "in/file"))
		return refuse_errno(out, errno);
	out->rename_over = renameat(p->dir, "one", p->dir, "two") == 0 &&
			   fstatat(p->dir, "one", &st, 0) < 0;
	out->rename_folder_over = renameat(p->dir, "in", p->dir, "over") == 0 &&
				  fstatat(p->dir, "over/file", &st, 0) == 0;
	return RC_OK;
}

static enum rc try_names(struct probe *p)
{
	struct fsprobe *out = p->out;
	struct stat st;
	enum rc rc = RC_OK;

	if (!make_file(p, "Case"))
		return refuse_errno(out, errno);
	out->case_sensitive = fstatat(p->dir, "cASE", &st, 0) < 0;
	out->long_names = make_file(p, p->long_name);
	if (!out->long_names && !make_file(p, p->fair_name)) {
		refuse(out, "It can't hold names of 80 letters.");
		rc = RC_UNSUPPORTED;
	}
	return rc;
}

static void try_direct(struct probe *p)
{
	int fd =
	    openat(p->dir, "two", O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOFOLLOW);
	void *buf = NULL;

	if (fd < 0 || posix_memalign(&buf, ALIGNED, ALIGNED) != 0)
		buf = NULL;
	p->out->direct = buf && read(fd, buf, ALIGNED) == 1;
	free(buf);
	if (fd >= 0)
		close(fd);
}

static void try_sync(struct probe *p)
{
	int64_t began = mono_ms();

	p->out->syncs = syncfs(p->dir) == 0;
	p->out->sync_ms = (uint32_t)(mono_ms() - began);
}

static enum rc judge(struct fsprobe *out)
{
	if (out->largest_file < NEEDED) {
		refuse(out,
		    "It can't hold files of 4 GiB and more, and a phone has "
		    "such. Format it on a computer as exFAT or ext4 (that "
		    "erases it), or take another disk.");
		return RC_UNSUPPORTED;
	}
	if (!out->rename_over) {
		refuse(out, "It can't replace a file by renaming another one, "
			    "so a backup could not be kept safe on it. Take a "
			    "disk that is formatted as ext4 or exFAT.");
		return RC_UNSUPPORTED;
	}
	return RC_OK;
}

/* --- the folder ----------------------------------------------------------------
 */

/* Only names that a probe makes: whatever else lies there is not ours (V7). */
static void sweep(struct probe *p)
{
	for (size_t i = 0; files[i]; i++)
		unlinkat(p->dir, files[i], 0);
	unlinkat(p->dir, p->long_name, 0);
	unlinkat(p->dir, p->fair_name, 0);
	for (size_t i = 0; folders[i]; i++)
		unlinkat(p->dir, folders[i], AT_REMOVEDIR);
}

/*
 * The folder, locked: another process may be about the same. Whoever waited
 * holds a folder that is gone, and makes a new one.
 */
static int take_folder(int at)
{
	struct stat st, held;
	int fd;

	for (int i = 0; i < TRIES; i++) {
		if (mkdirat(at, FOLDER, 0700) < 0 && errno != EEXIST)
			return -1;
		fd = openat(at, FOLDER,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno != ENOENT)
			return -1;
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX) < 0 && errno != ENOTSUP)
			log_info("no lock on the probe's folder");
		if (fstat(fd, &held) == 0 &&
		    fstatat(at, FOLDER, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == held.st_ino)
			return fd;
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

static enum rc try_all(struct probe *p, unsigned flags)
{
	enum rc rc = try_file(p);

	if (!rc)
		rc = try_renames(p);
	if (!rc)
		rc = try_names(p);
	if (!rc)
		try_direct(p);
	if (!rc && flags & FSPROBE_SYNC)
		try_sync(p);
	return rc ? rc : judge(p->out);
}

static enum rc probe_in(int at, unsigned flags, struct fsprobe *out)
{
	struct probe p = { .out = out };
	enum rc rc = look(at, out);

	if (rc)
		return rc;
	memset(p.long_name, 'n', sizeof(p.long_name) - 1);
	memset(p.fair_name, 'n', sizeof(p.fair_name) - 1);
	p.dir = take_folder(at);
	if (p.dir < 0)
		return refuse_errno(out, errno);
	sweep(&p); /* a rest of one that the power ended */
	rc = try_all(&p, flags);
	sweep(&p);
	if (unlinkat(at, FOLDER, AT_REMOVEDIR) < 0)
		log_info("the probe's folder stays: it is not empty");
	close(p.dir);
	return rc;
}

enum rc fsprobe(const char *dir, unsigned flags, struct fsprobe *out)
{
	int64_t began = mono_ms();
	int disk = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int at;
	enum rc rc;

	memset(out, 0, sizeof(*out));
	if (disk < 0)
		return errno == ENOENT || errno == ENOTDIR
			   ? RC_NOTFOUND
			   : refuse_errno(out, errno);
	/* The disk's folder may be another's, and the vault's ours. */
	at = openat(disk, "Nightstand", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = probe_in(at < 0 ? disk : at, flags, out);
	if (at >= 0)
		close(at);
	close(disk);
	out->took_ms = (uint32_t)(mono_ms() - began);
	if (rc)
		log_warn(
		    "the disk does not fit: %s %s", rc_words(rc), out->why);
	else
		log_info("disk probed ms=%u piece=%u direct=%d", out->took_ms,
		    out->piece_bytes, (int)out->direct);
	return rc;
}

uint64_t fsprobe_waste(const struct fsprobe *p, uint64_t n)
{
	return n * p->piece_bytes / 2 + 256ull * p->piece_bytes;
}
