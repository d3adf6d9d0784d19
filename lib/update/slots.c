#include "slots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const words[SLOTS_TRY_COUNT_] = {
	[SLOTS_NONE] = "none",
	[SLOTS_READY] = "ready",
	[SLOTS_BEGAN] = "began",
	[SLOTS_RAN] = "ran",
};

static const char fine[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

char slots_other(char slot)
{
	return slot == 'a' ? 'b' : 'a';
}

static bool read_try(const char *line, struct slots *s)
{
	char word[8], page[8];
	int end = -1;
	int n = sscanf(line, "%7s %7s %" SCNu64 " %31s%n", word, page,
	    &s->build, s->version, &end);

	for (unsigned i = 0; i < SLOTS_TRY_COUNT_; i++) {
		if (n < 1 || strcmp(word, words[i]) != 0)
			continue;
		s->try = (enum slots_try)i;
		if (s->try == SLOTS_NONE)
			return !line[strlen(word)];
		s->page = n == 4 && !strcmp(page, "page");
		return n == 4 && !line[end] &&
		       (s->page || !strcmp(page, "-")) &&
		       strspn(s->version, fine) == strlen(s->version);
	}
	return false;
}

/* The next line of `text`, cut at its newline; NULL: none. */
static char *next_line(char **text)
{
	char *line = *text;
	char *end = line ? strchr(line, '\n') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

enum rc slots_read(const char *text, size_t len, struct slots *out)
{
	static const char prefix[] = "os_prefix=", board[] = "#board=";
	char copy[SLOTS_SIZE + 1];
	char *at = copy;
	char *boot, *of, *try;
	size_t n;

	memset(out, 0, sizeof(*out));
	out->boot = 'a';
	if (len != SLOTS_SIZE || memchr(text, '\0', len))
		return RC_CORRUPT;
	memcpy(copy, text, len);
	copy[len] = '\0';
	boot = next_line(&at);
	of = next_line(&at);
	try = next_line(&at);
	if (!boot || !of || !try || strncmp(boot, prefix, 10) != 0 ||
	    (strcmp(boot + 10, "a/") != 0 && strcmp(boot + 10, "b/") != 0) ||
	    strncmp(of, board, 7) != 0 || strncmp(try, "#try=", 5) != 0)
		return RC_CORRUPT;
	n = strlen(of + 7);
	if (!n || n >= sizeof(out->board) || strspn(of + 7, fine) != n ||
	    !read_try(try + 5, out)) {
		memset(out, 0, sizeof(*out));
		out->boot = 'a';
		return RC_CORRUPT;
	}
	memcpy(out->board, of + 7, n + 1);
	out->boot = boot[10];
	return RC_OK;
}

void slots_print(const struct slots *s, char out[SLOTS_SIZE])
{
	char text[SLOTS_SIZE];
	int n;

	if (s->try == SLOTS_NONE)
		n = snprintf(text, sizeof(text),
		    "os_prefix=%c/\n#board=%s\n#try=none\n", s->boot, s->board);
	else
		n = snprintf(text, sizeof(text),
		    "os_prefix=%c/\n#board=%s\n#try=%s %s %" PRIu64 " %s\n",
		    s->boot, s->board, words[s->try], s->page ? "page" : "-",
		    s->build, s->version);
	memset(out, ' ', SLOTS_SIZE);
	memcpy(out, text, (size_t)n);
	out[SLOTS_SIZE - 1] = '\n';
}

enum slots_start slots_start(const struct slots *s, bool trial)
{
	if (trial)
		return SLOTS_TRIAL;
	switch (s->try) {
	case SLOTS_READY:
		return SLOTS_TRY_NOW;
	case SLOTS_BEGAN:
	case SLOTS_RAN:
		return SLOTS_CAME_BACK;
	case SLOTS_NONE:
	case SLOTS_TRY_COUNT_:
		break;
	}
	return SLOTS_PLAIN;
}
