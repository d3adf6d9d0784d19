/* Manifest.db as the phone sent it, read as the check before a commit does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "log.h"
#include "manifest.h"

#define ROWS_MAX 20000 /* a small file can claim very many */

static enum rc look(void *arg, const struct manifest_row *row)
{
	unsigned *n = arg;

	if (strlen(row->file_id) != 40 || !row->domain || !row->path)
		abort();
	return ++*n > ROWS_MAX ? RC_LIMIT : RC_OK;
}

/* One file in memory, used again and again. */
static int folder(void)
{
	static char name[] = "/dev/shm/nightstand-fuzz-XXXXXX";
	static int fd = -1;

	if (fd < 0 && mkdtemp(name))
		fd = open(name, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		perror(name);
		exit(2);
	}
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int dir = folder();
	int fd = openat(dir, "Manifest.db", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	unsigned rows = 0;

	log_set_level(LOG_LEVEL_ERROR);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		exit(2);
	close(fd);
	(void)!manifest_each(fileops_posix(), dir, "Manifest.db", look, &rows);
	unlinkat(dir, "Manifest.db", 0);
	return 0;
}
