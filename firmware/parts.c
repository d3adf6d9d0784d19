#include "parts.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "role.h"

#define PARTS_MAX 64
#define DEPTH_MAX 6

struct tree {
	pid_t pid[PARTS_MAX];
	size_t n;
};

/* --- /proc, whose texts are the kernel's own --------------------------------- */

/* Its length, with a NUL behind it; 0: gone meanwhile. */
static size_t read_proc(pid_t pid, const char *name, char *buf, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, cap - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The name before it may hold anything, also a parenthesis. */
static pid_t parent_of(pid_t pid)
{
	char text[512];
	const char *p;
	int parent;

	if (!read_proc(pid, "stat", text, sizeof(text)))
		return 0;
	p = strrchr(text, ')');
	return p && sscanf(p + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

/* --- which ones ----------------------------------------------------------------- */

static bool has(const struct tree *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->pid[i] == pid)
			return true;
	return false;
}

/* Those whose parents are there already; false: none was new. */
static bool add_children(struct tree *t, DIR *proc)
{
	const struct dirent *e;
	size_t before = t->n;

	rewinddir(proc);
	while (t->n < PARTS_MAX && (e = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && !has(t, pid) && has(t, parent_of(pid)))
			t->pid[t->n++] = pid;
	}
	return t->n > before;
}

/* The image: the first process is of this very program. */
static bool is_ours(pid_t pid)
{
	char path[64], its[256], own[256];
	ssize_t n, m;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, its, sizeof(its));
	m = readlink("/proc/self/exe", own, sizeof(own));
	return n > 0 && n == m && memcmp(its, own, (size_t)n) == 0;
}

static void find_all(struct tree *t)
{
	DIR *proc = opendir("/proc");

	t->pid[0] = is_ours(1) ? 1 : getpid();
	t->n = 1;
	for (int i = 0; proc && i < DEPTH_MAX && add_children(t, proc); i++) {
		/* one generation at a time */
	}
	if (proc)
		closedir(proc);
}

/* --- what each may do ------------------------------------------------------------ */

/* "session" of `nightstand --role session`, "box" of `nightstand run`. */
static void name_of(pid_t pid, char *out, size_t cap)
{
	char args[512];
	size_t n = read_proc(pid, "cmdline", args, sizeof(args));
	const char *slash = strrchr(args, '/');
	const char *name = slash ? slash + 1 : args;
	const char *first = args + strlen(args) + 1;

	if (first < args + n && !strcmp(first, ROLE_ARG))
		name = first + strlen(first) + 1;
	else if (pid == 1)
		name = "init";
	else if (first < args + n && !strcmp(first, "run"))
		name = "box";
	if (name > args + n)
		name = "?";
	snprintf(out, cap, "%.30s", name);
	for (char *p = out; *p; p++)
		if (!isprint((unsigned char)*p) || *p == ' ')
			*p = '?';
}

/* The rest of the line that begins with `key`. */
static const char *fact(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at ? at + strlen(key) : "";
}

static int put_part(pid_t pid, char *out, size_t cap)
{
	unsigned uid[4] = { 0 }, seccomp = 0;
	unsigned long long caps = 0;
	const struct passwd *pw;
	char status[4096], name[40];

	if (!read_proc(pid, "status", status, sizeof(status)) ||
	    sscanf(fact(status, "\nUid:"), "%u %u %u %u", &uid[0], &uid[1],
		&uid[2], &uid[3]) != 4)
		return 0;
	(void)sscanf(fact(status, "\nCapPrm:"), "%llx", &caps);
	(void)sscanf(fact(status, "\nSeccomp:"), "%u", &seccomp);
	name_of(pid, name, sizeof(name));
	pw = getpwuid(uid[1]);
	return snprintf(out, cap,
	    "%s pid=%d user=%.32s uid=%u,%u,%u,%u caps=%llx seccomp=%u\n", name,
	    (int)pid, pw ? pw->pw_name : "?", uid[0], uid[1], uid[2], uid[3],
	    caps, seccomp);
}

size_t parts_list(char *out, size_t cap)
{
	struct tree t;
	size_t len = 0;

	out[0] = '\0';
	find_all(&t);
	for (size_t i = 0; i < t.n; i++) {
		int n = put_part(t.pid[i], out + len, cap - len);

		if (n < 0 || (size_t)n >= cap - len)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return len;
}
