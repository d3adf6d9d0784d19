/*
 * The LED drawn: on a terminal one live line, a dot in the pattern's colour
 * and rhythm with the words beside it; elsewhere a plain line whenever the
 * pattern or the words change.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "led_backend.h"
#include "utf8.h"

struct led_terminal {
	int fd;
	bool is_tty;
	bool drawn;
	char last[640]; /* what stands there */
};

static enum rc terminal_open(const struct led_opts *opts, void **out)
{
	struct led_terminal *t = calloc(1, sizeof(*t));

	if (!t)
		return RC_NOMEM;
	t->fd = opts->fd;
	t->is_tty = isatty(opts->fd) == 1;
	*out = t;
	return RC_OK;
}

static size_t terminal_columns(int fd)
{
	struct winsize w;

	if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col < 20)
		return 80;
	return w.ws_col;
}

static void put(const struct led_terminal *t, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = write(t->fd, text, len);

		if (n < 0 && errno != EINTR)
			return; /* a closed terminal is no reason to stop */
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
}

static void draw(
    struct led_terminal *t, enum led_pattern p, uint8_t level, const char *text)
{
	const struct led_grammar *g = led_grammar(p);
	size_t room = terminal_columns(t->fd) - 3;
	/* In sixteen steps: a breath costs no more lines than it needs. */
	unsigned l = level / 16u * 17u;
	char cut[512];
	char line[640];

	utf8_clean(cut, sizeof(cut), text);
	while (utf8_columns(cut) > room)
		cut[utf8_cut(cut, strlen(cut) - 1)] = '\0';
	snprintf(line, sizeof(line), "\r\x1b[38;2;%u;%u;%um%s\x1b[0m %s\x1b[K",
	    40 + g->rgb[0] * l * 215 / 65025, 40 + g->rgb[1] * l * 215 / 65025,
	    40 + g->rgb[2] * l * 215 / 65025, "\u25cf", cut);
	if (!strcmp(line, t->last))
		return;
	snprintf(t->last, sizeof(t->last), "%s", line);
	t->drawn = true;
	put(t, line);
}

/* The headline without its numbers: a plain log needs no line a percent. */
static void gist(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text && n + 1 < cap && strncmp(text, "\u00b7", 2) != 0; text++)
		if (*text < '0' || *text > '9')
			out[n++] = *text;
	out[n] = '\0';
}

static void terminal_set(
    void *ctx, enum led_pattern p, uint8_t level, const char *text)
{
	struct led_terminal *t = ctx;
	char line[640];
	char cut[512];

	if (t->is_tty) {
		draw(t, p, level, text);
		return;
	}
	gist(text, cut, sizeof(cut));
	snprintf(line, sizeof(line), "%d %s", (int)p, cut);
	if (!strcmp(line, t->last))
		return;
	snprintf(t->last, sizeof(t->last), "%s", line);
	utf8_clean(cut, sizeof(cut), text);
	snprintf(line, sizeof(line), "[%s] %s\n", led_grammar(p)->id, cut);
	put(t, line);
}

static void terminal_close(void *ctx)
{
	struct led_terminal *t = ctx;

	if (t->drawn)
		put(t, "\r\n");
	free(t);
}

const struct led_ops led_terminal_ops = {
	terminal_open,
	terminal_set,
	terminal_close,
};
