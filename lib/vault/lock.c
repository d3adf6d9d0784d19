/* The lock of a phone's folder, and who holds it: see vault_lock.h. */
#include "vault_lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "mono.h"
#include "relpath.h"
#include "vault_int.h"
#include "words.h"

#define LOG_MODULE "lock"
#include "log.h"

#define TRY_MS 20

enum rc vault_lock_fd(int fd, int ms)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000L };
	int64_t until = mono_ms() + ms;

	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return RC_OK;
		if (errno == EINTR)
			continue;
		if (errno == ENOTSUP || errno == ENOSYS || errno == ENOLCK) {
			log_info("this file system knows no locks");
			return RC_OK;
		}
		if (errno != EWOULDBLOCK)
			return rc_from_errno(errno);
		if (mono_ms() >= until)
			return RC_BUSY;
		nanosleep(&pause, NULL);
	}
}

/* --- /proc, whose texts are short and the kernel's own ---------------------- */

/* A whole small file with a NUL behind it; its length, 0 when it can't be
 * read (gone meanwhile, or somebody else's). */
static size_t read_proc(long pid, const char *name, char *buf, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, cap - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Does the process have that very folder open? Btrfs and overlays show
 * another device number in /proc/locks than stat() does. Who may not look into
 * another process takes the inode's number for it: this is for words only. */
static bool has_open(long pid, const struct stat *want)
{
	char path[64];
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
	d = opendir(path);
	if (!d)
		return errno == EACCES;
	while (!found && (e = readdir(d)) != NULL)
		found = fstatat(dirfd(d), e->d_name, &st, 0) == 0 &&
			st.st_dev == want->st_dev && st.st_ino == want->st_ino;
	closedir(d);
	return found;
}

/* "3: FLOCK  ADVISORY  WRITE 4711 fe:00:247066 0 EOF"; a waiting one has an
 * arrow behind its number. */
static long holder_in_line(const char *line, const struct stat *want)
{
	unsigned major_no, minor_no;
	unsigned long long inode;
	long pid;

	if (sscanf(line, "%*u: FLOCK %*s %*s %ld %x:%x:%llu", &pid, &major_no,
		&minor_no, &inode) != 4)
		return 0;
	if (pid <= 0 || inode != (unsigned long long)want->st_ino)
		return 0;
	if (major(want->st_dev) == major_no && minor(want->st_dev) == minor_no)
		return pid;
	return has_open(pid, want) ? pid : 0;
}

static long find_holder(const struct stat *want)
{
	FILE *f = fopen("/proc/locks", "re");
	char line[256];
	long pid = 0;

	if (!f)
		return 0;
	while (!pid && fgets(line, sizeof(line), f))
		pid = holder_in_line(line, want);
	fclose(f);
	return pid;
}

/* Fields 4 (parent) and 22 (start, in clock ticks after boot) of stat; the
 * name before them may hold anything, also a parenthesis. */
static bool read_stat(long pid, long *parent, unsigned long long *start)
{
	char text[1024];
	const char *p;

	if (!read_proc(pid, "stat", text, sizeof(text)))
		return false;
	p = strrchr(text, ')');
	return p && sscanf(p + 1,
			" %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u"
			" %*d %*d %*d %*d %*d %*d %llu",
			parent, start) == 2;
}

static int64_t started_at(unsigned long long ticks)
{
	struct timespec up;
	long hz = sysconf(_SC_CLK_TCK);

	if (hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0)
		return 0;
	return (int64_t)time(NULL) -
	       ((int64_t)up.tv_sec - (int64_t)(ticks / (unsigned long)hz));
}

static bool is_word(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 20 && strspn(s, "abcdefghijklmnopqrstuvwxyz") == n;
}

/* "nightstand backup": the program's name, and its first word when it is a
 * command's. *is_role: a part that somebody else started. */
static bool name_of(long pid, char *out, size_t cap, bool *is_role)
{
	char args[512];
	size_t n = read_proc(pid, "cmdline", args, sizeof(args));
	const char *slash, *word;
	size_t first = strlen(args) + 1;

	if (n == 0)
		return false;
	slash = strrchr(args, '/');
	word = first < n ? args + first : "";
	*is_role = strcmp(word, "--role") == 0;
	snprintf(out, cap, "%.30s%s%s", slash ? slash + 1 : args,
	    is_word(word) ? " " : "", is_word(word) ? word : "");
	for (char *p = out; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	return out[0] != '\0';
}

static enum rc describe(long pid, struct vault_holder *out)
{
	unsigned long long ticks = 0;
	long parent = 0;
	bool is_role = false, other = false;
	char name[64];

	memset(out, 0, sizeof(*out));
	if (!read_stat(pid, &parent, &ticks) ||
	    !name_of(pid, out->program, sizeof(out->program), &is_role))
		return RC_NOTFOUND;
	out->pid = pid;
	out->since_at = started_at(ticks);
	/* What a person started, and can end. */
	if (is_role && parent > 1 &&
	    name_of(parent, name, sizeof(name), &other) && !other) {
		out->pid = parent;
		memcpy(out->program, name, sizeof(name));
	}
	return RC_OK;
}

enum rc vault_phone_holder(
    struct vault *v, const char *udid, struct vault_holder *out)
{
	struct stat st;
	long pid;
	int rv;
	enum rc rc = relpath_check_udid(udid);

	if (rc)
		return rc;
	rv = v->ops->stat(v->ops->ctx, v->root, udid, &st);
	if (rv < 0)
		return fileops_rc(rv);
	pid = find_holder(&st);
	return pid ? describe(pid, out) : RC_NOTFOUND;
}

void vault_busy_words(struct vault *v, const char *udid, char *out, size_t cap)
{
	struct vault_holder h;
	char when[48] = "";

	if (vault_phone_holder(v, udid, &h)) {
		snprintf(out, cap, "in use by another program");
		return;
	}
	if (h.since_at > 0)
		words_when((int64_t)time(NULL), h.since_at, when, sizeof(when));
	snprintf(out, cap, "in use by %s (process %ld)%s%s", h.program, h.pid,
	    when[0] ? " since " : "", when);
}
