/*
 * LEDs of the kernel's class: DIR/NAME/brightness, 0 to max_brightness. With
 * two of them, what needs a person or has failed shines on `alert`, all else
 * on `ok`; with one, the rhythm alone tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "led_backend.h"
#include "log.h"

#define LOG_MODULE "led"

struct lamp {
	char path[400];
	unsigned max;
	int written; /* -1: nothing yet */
};

struct led_sysfs {
	struct lamp lamps[2]; /* ok, alert */
	unsigned n_lamps;
};

static bool write_text(const char *path, const char *text)
{
	size_t len = strlen(text);
	bool ok;
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return false;
	ok = write(fd, text, len) == (ssize_t)len;
	close(fd);
	return ok;
}

/* 255 when the file is missing, as in a test's folder. */
static unsigned read_max(const char *dir, const char *name)
{
	char path[400];
	unsigned max = 255;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/max_brightness", dir, name);
	f = fopen(path, "re");
	if (!f)
		return 255;
	if (fscanf(f, "%9u", &max) != 1 || max == 0)
		max = 255;
	fclose(f);
	return max;
}

static void lamp_set(struct lamp *lamp, unsigned level)
{
	/* A lamp with on and off only is on from the middle upwards. */
	unsigned value = (level * lamp->max + 127) / 255;
	char text[16];

	if (lamp->written == (int)value)
		return;
	snprintf(text, sizeof(text), "%u\n", value);
	if (!write_text(lamp->path, text))
		log_warn("the LED can't be set path=%s: %s", lamp->path,
		    strerror(errno));
	lamp->written = (int)value;
}

static enum rc lamp_init(struct lamp *lamp, const char *dir, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s/trigger", dir, name);
	/* The kernel's own blinking must not go on; not every LED has one. */
	write_text(path, "none\n");
	snprintf(lamp->path, sizeof(lamp->path), "%s/%s/brightness", dir, name);
	lamp->max = read_max(dir, name);
	lamp->written = -1;
	if (access(lamp->path, W_OK) != 0) {
		log_error(
		    "no such LED path=%s: %s", lamp->path, strerror(errno));
		return RC_NOTFOUND;
	}
	return RC_OK;
}

static enum rc sysfs_open(const struct led_opts *opts, void **out)
{
	struct led_sysfs *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (!s)
		return RC_NOMEM;
	s->n_lamps = 1;
	rc = lamp_init(&s->lamps[0], opts->dir, opts->ok);
	if (!rc && opts->alert && opts->alert[0]) {
		s->n_lamps = 2;
		rc = lamp_init(&s->lamps[1], opts->dir, opts->alert);
	}
	if (rc) {
		free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

static bool is_alert(enum led_pattern p)
{
	const char *colour = led_grammar(p)->colour;

	return !strcmp(colour, "red") || !strcmp(colour, "amber");
}

static void sysfs_set(
    void *ctx, enum led_pattern p, uint8_t level, const char *text)
{
	struct led_sysfs *s = ctx;
	unsigned on = s->n_lamps == 2 && is_alert(p);

	(void)text;
	for (unsigned i = 0; i < s->n_lamps; i++)
		lamp_set(&s->lamps[i], i == on ? level : 0);
}

static void sysfs_close(void *ctx)
{
	struct led_sysfs *s = ctx;

	for (unsigned i = 0; i < s->n_lamps; i++)
		lamp_set(&s->lamps[i], 0);
	free(s);
}

const struct led_ops led_sysfs_ops = { sysfs_open, sysfs_set, sysfs_close };
