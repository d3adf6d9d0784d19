#include "settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "settings"

void settings_of(const struct config *c, struct settings_values *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < n_settings; i++)
		config_get(c, settings[i].key, out->value[i], SETTINGS_VALUE);
}

/* What config_set() says on a stream, as one line. */
static enum rc set(
    struct config *c, const char *key, const char *value, char *why, size_t cap)
{
	char *said = NULL;
	size_t len = 0;
	FILE *err = open_memstream(&said, &len);
	enum rc rc;

	if (!err)
		return RC_NOMEM;
	rc = config_set(c, key, value, err);
	fclose(err);
	if (rc && said)
		snprintf(why, cap, "%.*s", (int)strcspn(said, "\n"), said);
	free(said);
	return rc;
}

enum rc settings_apply(
    struct config *c, const struct settings_values *v, char *why, size_t cap)
{
	struct config next = *c;
	struct settings_values before, after;

	why[0] = '\0';
	for (unsigned i = 0; i < n_settings; i++) {
		const char *value = v->value[i];
		enum rc rc;

		if (settings[i].type == SETTING_SECRET) {
			if (!value[0])
				continue;
			if (!strcmp(value, SETTING_NO_SECRET))
				value = "";
		}
		rc = set(&next, settings[i].key, value, why, cap);
		if (rc)
			return rc;
	}
	settings_of(c, &before);
	settings_of(&next, &after);
	for (unsigned i = 0; i < n_settings; i++)
		next.on_page[i] |= strcmp(before.value[i], after.value[i]) != 0;
	*c = next;
	return RC_OK;
}

static void log_lines(char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		log_warn("%s", line);
}

void settings_load(const char *state_dir, struct config *c)
{
	char path[CONFIG_TEXT + sizeof("/" SETTINGS_FILE)];
	const char *only[SETTINGS_MAX];
	char *said = NULL;
	size_t len = 0;
	FILE *err;

	if (!state_dir[0])
		return;
	snprintf(path, sizeof(path), "%s/" SETTINGS_FILE, state_dir);
	if (access(path, F_OK) != 0)
		return;
	err = open_memstream(&said, &len);
	if (!err)
		return;
	for (unsigned i = 0; i < n_settings; i++)
		only[i] = settings[i].key;
	if (config_read_only(c, path, only, n_settings, c->on_page, err))
		log_warn("some of what was set on the page can't be read");
	fclose(err);
	if (said)
		log_lines(said);
	free(said);
}

/* What nobody changed on the page stays the config's to say. Each key with a
 * section's line of its own: inih takes one as often as it comes. */
static enum rc write_all(FILE *f, const struct config *c)
{
	struct settings_values v;

	settings_of(c, &v);
	fputs("# What was set on the box's page.\n", f);
	for (unsigned i = 0; i < n_settings; i++) {
		const char *key = settings[i].key, *dot = strchr(key, '.');

		if (!c->on_page[i])
			continue;
		fprintf(f, "[%.*s]\n%s = %s\n", (int)(dot - key), key, dot + 1,
		    v.value[i]);
	}
	return fflush(f) == 0 && fsync(fileno(f)) == 0 ? RC_OK : RC_IO;
}

enum rc settings_store(const char *state_dir, const struct config *c)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1
			 : openat(dir, SETTINGS_FILE ".new",
			       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	enum rc rc = f ? write_all(f, c) : rc_from_errno(errno);

	if (f && fclose(f) != 0)
		rc = RC_IO;
	else if (!f && fd >= 0)
		close(fd);
	if (!rc &&
	    (renameat(dir, SETTINGS_FILE ".new", dir, SETTINGS_FILE) != 0 ||
		fsync(dir) != 0))
		rc = rc_from_errno(errno);
	if (dir >= 0)
		close(dir);
	return rc;
}

enum rc settings_forget(const char *state_dir)
{
	int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum rc rc = RC_OK;

	if (dir < 0)
		return rc_from_errno(errno);
	if (unlinkat(dir, SETTINGS_FILE, 0) != 0 && errno != ENOENT)
		rc = rc_from_errno(errno);
	if (!rc && fsync(dir) != 0)
		rc = rc_from_errno(errno);
	close(dir);
	return rc;
}
