#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define LOG_MODULE "modules"
#define PATH_CAP   400

struct module {
	char *name, *needs; /* "a b c" */
	bool always, tried;
};

struct alias {
	const char *pattern;
	size_t plain; /* bytes before the first sign of a pattern */
	struct module *module;
};

struct modules {
	char dir[256];
	char *text; /* the strings below point into it */
	unsigned n_modules, n_aliases;
	struct module modules[MODULES_MAX];
	struct alias aliases[MODULES_ALIAS];
};

/* --- the list ------------------------------------------------------------------ */

static struct module *find(struct modules *m, const char *name)
{
	for (unsigned i = 0; i < m->n_modules; i++)
		if (!strcmp(m->modules[i].name, name))
			return &m->modules[i];
	return NULL;
}

/* A name becomes a path: letters, digits and '_' only. */
static bool is_name(const char *s)
{
	return s[0] && strlen(s) < 64 &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool add_module(struct modules *m, bool always, char *rest)
{
	struct module *mod = &m->modules[m->n_modules];
	char *blank = strchr(rest, ' ');

	if (m->n_modules == MODULES_MAX)
		return false;
	if (blank)
		*blank = '\0';
	*mod = (struct module){ .name = rest,
		.needs = blank ? blank + 1 : rest + strlen(rest),
		.always = always };
	m->n_modules++;
	return is_name(mod->name);
}

static bool add_alias(struct modules *m, char *rest)
{
	struct alias *a = &m->aliases[m->n_aliases];
	char *blank = strrchr(rest, ' ');

	if (m->n_aliases == MODULES_ALIAS || !blank)
		return false;
	*blank = '\0';
	a->pattern = rest;
	a->plain = strcspn(rest, "*?[\\");
	a->module = find(m, blank + 1);
	m->n_aliases++;
	return a->module != NULL;
}

static bool add_line(struct modules *m, char *line)
{
	char *blank = strchr(line, ' ');

	if (!blank)
		return false;
	*blank = '\0';
	if (!strcmp(line, "always"))
		return add_module(m, true, blank + 1);
	if (!strcmp(line, "module"))
		return add_module(m, false, blank + 1);
	return !strcmp(line, "alias") && add_alias(m, blank + 1);
}

static enum rc parse(struct modules *m)
{
	char *save = NULL;
	char *line = strtok_r(m->text, "\n", &save);

	for (unsigned n = 1; line; n++, line = strtok_r(NULL, "\n", &save))
		if (!add_line(m, line)) {
			log_error("modules.txt makes no sense line=%u", n);
			return RC_CORRUPT;
		}
	return RC_OK;
}

static enum rc read_list(struct modules *m)
{
	char path[PATH_CAP];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/modules.txt", m->dir);
	f = fopen(path, "re");
	if (!f)
		return rc_from_errno(errno);
	m->text = malloc(MODULES_TEXT);
	if (!m->text) {
		fclose(f);
		return RC_NOMEM;
	}
	len = fread(m->text, 1, MODULES_TEXT, f);
	if (ferror(f) || len == MODULES_TEXT) {
		fclose(f);
		return RC_IO;
	}
	fclose(f);
	m->text[len] = '\0';
	return parse(m);
}

enum rc modules_open(const char *dir, struct modules **out)
{
	struct modules *m = calloc(1, sizeof(*m));
	enum rc rc;

	if (!m)
		return RC_NOMEM;
	snprintf(m->dir, sizeof(m->dir), "%s", dir);
	rc = read_list(m);
	if (rc) {
		modules_close(m);
		return rc;
	}
	*out = m;
	return RC_OK;
}

void modules_close(struct modules *m)
{
	if (!m)
		return;
	free(m->text);
	free(m);
}

/* --- loading -------------------------------------------------------------------- */

/* Known before the file is read, whose signature would be checked first. */
static bool kernel_has(const char *name)
{
	char path[PATH_CAP];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) == 0;
}

static bool load_file(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		log_warn("no kernel module name=%s: %s", name, strerror(errno));
		return false;
	}
	ok = syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST;
	if (!ok)
		log_warn("the kernel refuses a module name=%s: %s", name,
		    strerror(errno));
	close(fd);
	return ok;
}

/* What a module holds is in the kernel then; the file only takes up memory.
 * False: nothing was loaded. */
static bool insert(const struct modules *m, const char *name)
{
	bool is_new = !kernel_has(name);
	char path[PATH_CAP];

	snprintf(path, sizeof(path), "%s/%s.ko", m->dir, name);
	if (is_new && !load_file(path, name))
		return false;
	if (unlink(path) != 0)
		log_info(
		    "a module's file stays name=%s: %s", name, strerror(errno));
	return is_new;
}

static unsigned load_one(struct modules *m, struct module *mod)
{
	if (mod->tried)
		return 0;
	mod->tried = true;
	return insert(m, mod->name) ? 1 : 0;
}

static unsigned load(struct modules *m, struct module *mod)
{
	unsigned n = 0;
	char name[64];
	size_t len;

	if (mod->tried)
		return 0;
	for (const char *at = mod->needs; *at; at += len + (at[len] == ' ')) {
		struct module *need;

		len = strcspn(at, " ");
		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		need = find(m, name);
		if (need)
			n += load_one(m, need);
	}
	return n + load_one(m, mod);
}

unsigned modules_load_always(struct modules *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_modules; i++)
		if (m->modules[i].always)
			n += load(m, &m->modules[i]);
	return n;
}

unsigned modules_load_for(struct modules *m, const char *modalias)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_aliases; i++) {
		struct alias *a = &m->aliases[i];

		if (!a->module->tried &&
		    !strncmp(a->pattern, modalias, a->plain) &&
		    fnmatch(a->pattern, modalias, 0) == 0)
			n += load(m, a->module);
	}
	return n;
}

static unsigned load_for_file(struct modules *m, const char *path)
{
	char text[512];
	unsigned n = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0; /* it went away meanwhile */
	if (fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = '\0';
		n = modules_load_for(m, text);
	}
	fclose(f);
	return n;
}

/* All of sysfs would be walked in half a second on a slow machine: thousands of
 * files, of which fifty count. */
unsigned modules_load_for_all(struct modules *m, const char *sys)
{
	static const char *const places[] = { "bus/*/devices/*/modalias",
		"class/*/*/modalias" };
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char pattern[PATH_CAP];
		glob_t found;
		int err;

		snprintf(pattern, sizeof(pattern), "%s/%s", sys, places[i]);
		err = glob(pattern, GLOB_NOSORT, NULL, &found);
		if (err && err != GLOB_NOMATCH)
			log_warn(
			    "the devices can't be listed path=%s", pattern);
		for (size_t k = 0; !err && k < found.gl_pathc; k++)
			n += load_for_file(m, found.gl_pathv[k]);
		globfree(&found);
	}
	return n;
}
