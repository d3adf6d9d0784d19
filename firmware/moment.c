#include "moment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "clock"
#define AT_MAX    (1LL << 33) /* the year 2242 */

static enum rc parse(const char *line, struct moment *out)
{
	char source[16] = "", boot[MOMENT_BOOT] = "";
	long long at;
	unsigned s = 0;

	if (sscanf(line, "%lld %15s %39s", &at, source, boot) < 2 || at <= 0 ||
	    at > AT_MAX)
		return RC_CORRUPT;
	while (s < STATUS_CLOCK_COUNT_ &&
	       strcmp(status_clock_id((enum status_clock)s), source) != 0)
		s++;
	if (s == STATUS_CLOCK_COUNT_)
		return RC_CORRUPT;
	memset(out, 0, sizeof(*out));
	out->at = at;
	out->source = (enum status_clock)s;
	memcpy(out->boot, boot, sizeof(boot));
	return RC_OK;
}

enum rc moment_load(const char *state_dir, struct moment *out)
{
	char path[512], line[128];
	enum rc rc = RC_CORRUPT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, state_dir);
	f = fopen(path, "re");
	if (!f)
		return rc_from_errno(errno);
	if (fgets(line, sizeof(line), f))
		rc = parse(line, out);
	fclose(f);
	return rc;
}

static enum rc write_file(int dir, const struct moment *m)
{
	int fd = openat(dir, FILE_NAME ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok;

	if (fd < 0)
		return rc_from_errno(errno);
	ok = dprintf(fd, "%lld %s %s\n", (long long)m->at,
		 status_clock_id(m->source), m->boot) > 0 &&
	     fsync(fd) == 0;
	if (close(fd) != 0 || !ok)
		return RC_IO;
	if (renameat(dir, FILE_NAME ".new", dir, FILE_NAME) != 0)
		return rc_from_errno(errno);
	return fsync(dir) == 0 ? RC_OK : rc_from_errno(errno);
}

enum rc moment_store(const char *state_dir, const struct moment *moment)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc;

	if (dir < 0)
		return rc_from_errno(errno);
	rc = write_file(dir, moment);
	close(dir);
	return rc;
}

void moment_boot(char out[MOMENT_BOOT])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	out[0] = '\0';
	if (!f)
		return;
	if (!fgets(out, MOMENT_BOOT, f))
		out[0] = '\0';
	fclose(f);
	out[strcspn(out, "\r\n ")] = '\0';
}
