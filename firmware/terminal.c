#include "terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "utf8.h"
#include "words.h"

#define BAR 20

void terminal_init(struct terminal *t, FILE *out)
{
	t->out = out;
	t->is_tty = isatty(fileno(out)) == 1;
	t->is_drawn = false;
	t->last_state = -1;
	t->last_ten = 0;
}

void terminal_clear(struct terminal *t)
{
	if (t->is_drawn)
		fputs("\r\x1b[K", t->out);
	t->is_drawn = false;
}

static size_t columns_of(const struct terminal *t)
{
	struct winsize w;

	if (ioctl(fileno(t->out), TIOCGWINSZ, &w) != 0 || w.ws_col < 40)
		return 80;
	return w.ws_col;
}

static void put_bar(uint32_t pct_x100, char *out)
{
	size_t full = pct_x100 >= 10000 ? BAR : pct_x100 * BAR / 10000;

	memset(out, '#', full);
	memset(out + full, '.', BAR - full);
	out[BAR] = '\0';
}

static void append(char *out, size_t cap, const char *a, const char *b)
{
	size_t n = strlen(out);

	snprintf(out + n, cap - n, "%s%s", a, b);
}

void terminal_line(
    const struct status *st, size_t columns, char *out, size_t cap)
{
	const struct status_phone *p = &st->phones[0];
	bool checks = p->state == STATE_CHECKING;
	char bar[BAR + 1];
	char text[64];

	put_bar(p->pct_x100, bar);
	snprintf(out, cap, "%s [%s] %3u %%",
	    checks ? "Checking  " : "Backing up", bar,
	    p->pct_x100 >= 10000 ? 100 : p->pct_x100 / 100);
	words_bytes(p->bytes_done, text, sizeof(text));
	append(out, cap, "  ", text);
	if (p->bytes_rate) {
		words_bytes(p->bytes_rate, text, sizeof(text));
		append(out, cap, "  ", text);
		append(out, cap, "/s", "");
	}
	if (p->eta_s >= 0) {
		words_duration(p->eta_s, text, sizeof(text));
		append(out, cap, "  ", text);
		append(out, cap, " left", "");
	}
	while (utf8_columns(out) >= columns)
		out[utf8_cut(out, strlen(out) - 1)] = '\0';
}

static bool has_bar(enum status_state s)
{
	return s == STATE_RECEIVING || s == STATE_CHECKING;
}

static void show_words(struct terminal *t, const struct status *st)
{
	struct words w;

	words_phone(st, 0, &w);
	terminal_clear(t);
	fprintf(t->out, "%s. %s\n", w.headline, w.sentence);
}

/* A line at the state's begin, and at each ten percent. */
static void show_plain(struct terminal *t, const struct status *st)
{
	const struct status_phone *p = &st->phones[0];
	unsigned ten = p->pct_x100 / 1000;
	char line[200];

	if ((int)p->state != t->last_state) {
		show_words(t, st);
		t->last_ten = ten;
	} else if (has_bar(p->state) && ten > t->last_ten) {
		terminal_line(st, sizeof(line), line, sizeof(line));
		fprintf(t->out, "%s\n", line);
		t->last_ten = ten;
	}
}

void terminal_show(struct terminal *t, const struct status *st)
{
	const struct status_phone *p = &st->phones[0];
	char line[200];

	if (!t->is_tty) {
		show_plain(t, st);
	} else if (has_bar(p->state)) {
		terminal_line(st, columns_of(t), line, sizeof(line));
		fprintf(t->out, "\r%s\x1b[K", line);
		t->is_drawn = true;
	} else if ((int)p->state != t->last_state) {
		show_words(t, st);
	}
	t->last_state = (int)p->state;
	fflush(t->out);
}

void terminal_summary(struct terminal *t, const struct status *st,
    const char *where, int64_t seconds)
{
	const struct status_phone *p = &st->phones[0];
	struct words w;
	char count[40];
	char size[40];
	char all[40];
	char all_size[40];
	char took[64];

	words_phone(st, 0, &w);
	terminal_clear(t);
	words_count(p->last_new_files, count, sizeof(count));
	words_bytes(p->last_new_bytes, size, sizeof(size));
	words_count(p->last_files, all, sizeof(all));
	words_bytes(p->last_bytes, all_size, sizeof(all_size));
	words_duration(seconds, took, sizeof(took));
	fprintf(t->out, "%s: %s files, %s, each read back and checked.\n",
	    w.headline, all, all_size);
	fprintf(t->out,
	    "New this time: %s file%s, %s, in %s. Versions kept: "
	    "%u.\n",
	    count, p->last_new_files == 1 ? "" : "s", size, took, p->versions);
	fprintf(t->out, "It is in %s\n", where);
	fflush(t->out);
}
