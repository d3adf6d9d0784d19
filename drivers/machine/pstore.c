#include "pstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "pstore"

#define RECORDS 32 /* more than the memory has room for */
#define RECORD  (64 * 1024) /* bytes that are read of one */
#define DMESG   "dmesg-"

enum pstore_kind pstore_kind_of(const char *text, unsigned *count)
{
	static const char panic[] = "Panic#";
	unsigned n = 0;
	const char *at;

	*count = 0;
	if (strncmp(text, panic, strlen(panic)) != 0)
		return text[0] ? PSTORE_OTHER : PSTORE_NONE;
	for (at = text + strlen(panic); *at >= '0' && *at <= '9'; at++)
		if (n < 1000000)
			n = n * 10 + (unsigned)(*at - '0');
	if (!n || strncmp(at, " Part", 5) != 0)
		return PSTORE_OTHER;
	*count = n;
	return PSTORE_PANIC;
}

/* 0: nothing is in it, or it can't be read. */
static size_t read_record(int dir, const char *name, char *out, size_t cap)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return 0;
	while (len < cap - 1 && n > 0) {
		n = read(fd, out + len, cap - 1 - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	close(fd);
	out[len] = '\0';
	return len;
}

static void keep_end(const char *text, size_t len, char *out, size_t cap)
{
	if (len > cap - 1) {
		const char *cut = text + len - (cap - 1);
		const char *line = memchr(cut, '\n', cap - 1);

		/* The first line is one that lost its beginning. */
		len = cap - 1;
		if (line && line + 1 < cut + len) {
			len -= (size_t)(line + 1 - cut);
			cut = line + 1;
		}
		text = cut;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

enum pstore_kind pstore_read(const char *path, char *out, size_t cap)
{
	enum pstore_kind best = PSTORE_NONE;
	unsigned best_count = 0, records = 0;
	char *text = malloc(RECORD);
	struct dirent *e;
	DIR *dir = opendir(path);

	out[0] = '\0';
	while (dir && text && records < RECORDS && (e = readdir(dir))) {
		enum pstore_kind kind;
		unsigned count;
		size_t len;

		if (strncmp(e->d_name, DMESG, strlen(DMESG)) != 0)
			continue;
		records++;
		len = read_record(dirfd(dir), e->d_name, text, RECORD);
		kind = pstore_kind_of(text, &count);
		if (!len || kind < best || (kind == best && count < best_count))
			continue;
		best = kind;
		best_count = count;
		keep_end(text, len, out, cap);
	}
	if (dir)
		closedir(dir);
	free(text);
	return best;
}

void pstore_drop(const char *path)
{
	char names[RECORDS][64];
	unsigned n = 0;
	struct dirent *e;
	DIR *dir = opendir(path);

	if (!dir)
		return;
	while (n < RECORDS && (e = readdir(dir)))
		if (e->d_name[0] != '.' && strlen(e->d_name) < sizeof(names[0]))
			strcpy(names[n++], e->d_name);
	for (unsigned i = 0; i < n; i++)
		if (unlinkat(dirfd(dir), names[i], 0) != 0)
			log_warn("a record stays: %s", strerror(errno));
	closedir(dir);
}
