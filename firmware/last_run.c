#include "last_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "utf8.h"

#define LOG_MODULE "run"

#define MARK   "last-run"
#define TAIL   "log.tail"
#define BEFORE "log.before"
#define UP     "up"
#define WORD   32 /* bytes of a mark */

static enum rc write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rc_from_errno(errno);
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? RC_OK : rc_from_errno(errno);
}

/* Whole or not at all, also in a power cut. */
static enum rc put_file(
    const char *folder, const char *name, const char *data, size_t len)
{
	char fresh[64];
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;
	enum rc rc;

	if (dir < 0)
		return rc_from_errno(errno);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	fd = openat(dir, fresh,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = fd < 0 ? rc_from_errno(errno) : write_all(fd, data, len);
	if (fd >= 0 && close(fd) != 0 && !rc)
		rc = rc_from_errno(errno);
	if (!rc && (renameat(dir, fresh, dir, name) != 0 || fsync(dir) != 0))
		rc = rc_from_errno(errno);
	close(dir);
	return rc;
}

/* As much as fits, terminated; 0: there is none. */
static size_t get_file(
    const char *folder, const char *name, char *out, size_t cap)
{
	char path[512];
	size_t n = 0;
	FILE *f;

	out[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
	    (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	fclose(f);
	return n;
}

/* --- how it ended ------------------------------------------------------------------ */

static enum status_reset reset_from_id(const char *id)
{
	unsigned i = 0;

	while (i < STATUS_RESET_COUNT_ &&
	       strcmp(status_reset_id((enum status_reset)i), id) != 0)
		i++;
	return i < STATUS_RESET_COUNT_ ? (enum status_reset)i
				       : STATUS_RESET_UNKNOWN;
}

static enum status_reset reason(
    const char *mark, const struct last_run_signs *signs)
{
	enum status_reset r = reset_from_id(mark);

	/* Also in an end that was in good order until then. */
	if (signs->panicked)
		return STATUS_RESET_PANIC;
	if (!strcmp(mark, UP) && signs->was_bitten)
		return STATUS_RESET_WATCHDOG;
	if (!strcmp(mark, UP))
		return signs->had_power ? STATUS_RESET_STOPPED
					: STATUS_RESET_POWER;
	/* Nothing else is ever written there. */
	return r == STATUS_RESET_ASKED || r == STATUS_RESET_OFF
		   ? r
		   : STATUS_RESET_UNKNOWN;
}

enum status_reset last_run_begin(
    const char *state_dir, const struct last_run_signs *signs)
{
	char mark[WORD], tail[512], before[512];
	enum status_reset r;
	enum rc rc;

	get_file(state_dir, MARK, mark, sizeof(mark));
	r = reason(mark, signs);
	rc = put_file(state_dir, MARK, UP, strlen(UP));
	if (rc)
		log_warn("not marked as running: %s", rc_words(rc));
	/* The log of a run that left none is not that of an older one. */
	snprintf(tail, sizeof(tail), "%s/" TAIL, state_dir);
	snprintf(before, sizeof(before), "%s/" BEFORE, state_dir);
	if (rename(tail, before) != 0 && errno == ENOENT &&
	    unlink(before) != 0 && errno != ENOENT)
		log_warn("an older log stays: %s", strerror(errno));
	return r;
}

enum rc last_run_end(const char *state_dir, bool is_off)
{
	const char *mark =
	    status_reset_id(is_off ? STATUS_RESET_OFF : STATUS_RESET_ASKED);

	return put_file(state_dir, MARK, mark, strlen(mark));
}

enum rc last_run_tell(const char *path, enum status_reset r)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return rc_from_errno(errno);
	ok = fputs(status_reset_id(r), f) >= 0;
	return fclose(f) == 0 && ok ? RC_OK : RC_IO;
}

enum status_reset last_run_told(const char *path)
{
	char word[WORD] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return STATUS_RESET_UNKNOWN;
	if (!fgets(word, sizeof(word), f))
		word[0] = '\0';
	fclose(f);
	return reset_from_id(word);
}

/* --- its log ------------------------------------------------------------------------ */

size_t last_run_tail(const struct log_ring *const *rings, char *out, size_t cap)
{
	size_t n = 0, len = 0;

	while (rings[n])
		n++;
	for (size_t i = 0; i < n; i++)
		len +=
		    log_ring_read(rings[i], out + len, (cap - len) / (n - i));
	return len;
}

enum rc last_run_keep_log(
    const char *state_dir, const struct log_ring *const *rings)
{
	static char text[LAST_RUN_LOG];
	size_t len = last_run_tail(rings, text, sizeof(text));

	return len ? put_file(state_dir, TAIL, text, len) : RC_OK;
}

/* The end of a text, from a line's beginning where it is cut. */
static const char *end_of(const char *text, size_t room)
{
	size_t len = strlen(text);
	const char *line;

	if (len <= room)
		return text;
	text += len - room;
	line = strchr(text, '\n');
	return line ? line + 1 : text;
}

enum rc last_run_found(
    const char *state_dir, const char *log, const char *kernel)
{
	static const char title[] = "\n-- its kernel's last words --\n";
	static char text[LAST_RUN_LOG], kept[LAST_RUN_LOG];
	size_t room = sizeof(text) - sizeof(title);
	int n;

	if (!log[0] && !kernel[0])
		return RC_OK;
	if (!log[0]) {
		get_file(state_dir, BEFORE, kept, sizeof(kept));
		log = kept;
	}
	kernel = end_of(kernel, LAST_RUN_KERNEL);
	n = snprintf(text, sizeof(text), "%s%s%s",
	    end_of(log, room - strlen(kernel)), kernel[0] ? title : "", kernel);
	return put_file(state_dir, BEFORE, text, (size_t)n);
}

size_t last_run_log(const char *state_dir, char *out, size_t cap)
{
	size_t n;

	if (cap == 0)
		return 0;
	out[0] = '\0';
	n = state_dir[0] ? get_file(state_dir, BEFORE, out, cap) : 0;
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)out[i] < 0x20 && out[i] != '\n') ||
		    out[i] == 0x7f)
			out[i] = '?';
	if (!utf8_is_valid(out, n))
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)out[i] >= 0x80)
				out[i] = '?';
	return n;
}
