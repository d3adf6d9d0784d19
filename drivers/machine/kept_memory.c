#include "kept_memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODES    "firmware/devicetree/base/reserved-memory"
#define WANTED   "nightstand,log"
#define PAGE     4096 /* of the image's kernel, and a part of any larger one */
#define PATH_CAP 512

/* The bytes of a property; returns their number, 0 when there is none. */
static size_t property(
    const char *sys, const char *node, const char *name, void *out, size_t cap)
{
	char path[PATH_CAP];
	size_t n;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/" NODES "/%s%s%s", sys, node,
		node[0] ? "/" : "", name) >= (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(out, 1, cap, f);
	fclose(f);
	return n;
}

static bool has(const char *sys, const char *node, const char *name)
{
	char path[PATH_CAP];

	return snprintf(path, sizeof(path), "%s/" NODES "/%s/%s", sys, node,
		   name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* `cells` numbers of 32 bits, the highest first, are one number. */
static uint64_t number(const uint8_t *at, size_t cells)
{
	uint64_t n = 0;

	for (size_t i = 0; i < cells * 4; i++)
		n = n << 8 | at[i];
	return n;
}

/* 1 or 2; 0: it makes no sense. */
static size_t cells_of(const char *sys, const char *name)
{
	uint8_t raw[4];
	uint64_t n;

	if (property(sys, "", name, raw, sizeof(raw)) != sizeof(raw))
		return 0;
	n = number(raw, 1);
	return n == 1 || n == 2 ? n : 0;
}

static enum rc take(const char *sys, const char *node, struct kept_memory *out)
{
	size_t n_start = cells_of(sys, "#address-cells");
	size_t n_len = cells_of(sys, "#size-cells");
	uint8_t reg[17];
	uint64_t start, len;

	if (!n_start || !n_len || !has(sys, node, "no-map") ||
	    property(sys, node, "reg", reg, sizeof(reg)) !=
		(n_start + n_len) * 4)
		return RC_CORRUPT;
	start = number(reg, n_start);
	len = number(reg + n_start * 4, n_len);
	if (start % PAGE || len % PAGE || !start || !len ||
	    len > KEPT_MEMORY_MAX || start > INT64_MAX - len)
		return RC_CORRUPT;
	out->start = start;
	out->len = len;
	return RC_OK;
}

enum rc kept_memory_find(const char *sys, struct kept_memory *out)
{
	char path[PATH_CAP], kind[32];
	enum rc rc = RC_NOTFOUND;
	struct dirent *e;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/" NODES, sys) >= (int)sizeof(path))
		return RC_NOTFOUND;
	dir = opendir(path);
	if (!dir)
		return RC_NOTFOUND;
	while (rc == RC_NOTFOUND && (e = readdir(dir))) {
		if (e->d_name[0] == '.' ||
		    property(sys, e->d_name, "compatible", kind,
			sizeof(kind)) != sizeof(WANTED) ||
		    memcmp(kind, WANTED, sizeof(WANTED)) != 0)
			continue;
		rc = take(sys, e->d_name, out);
	}
	closedir(dir);
	return rc;
}

enum rc kept_memory_map(const struct kept_memory *m, volatile uint64_t **out)
{
	/* O_SYNC: uncached, or the last lines would go with the cache. */
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return errno == ENOENT ? RC_NOTFOUND : RC_REFUSED;
	p = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    (off_t)m->start);
	close(fd);
	if (p == MAP_FAILED)
		return RC_REFUSED;
	*out = p;
	return RC_OK;
}
