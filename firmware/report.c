#include "report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api.h"
#include "board.h"
#include "parts.h"

#define UDID_MIN   24 /* the shorter form, without its dash */
#define UDID_END   4 /* enough to tell two phones apart */
#define PARTS_TEXT 8192
#define LOG_ROOM   3 /* a ring gets a third of what is left */

static bool is_udid_char(char c)
{
	return isxdigit((unsigned char)c) || c == '-';
}

void report_mask(char *text)
{
	char *to = text;

	while (*text) {
		size_t n = 0, keep;

		while (is_udid_char(text[n]))
			n++;
		keep = n >= UDID_MIN ? UDID_END : n;
		if (keep < n) {
			memcpy(to, "...", 3);
			to += 3;
		}
		memmove(to, text + n - keep, keep);
		to += keep;
		text += n;
		if (*text)
			*to++ = *text++;
	}
	*to = '\0';
}

/* Each `name` becomes as many stars: the text must not grow. */
static void mask_name(char *text, const char *name)
{
	size_t n = strlen(name);

	for (char *at = n > 1 ? strstr(text, name) : NULL; at;
	     at = strstr(at + n, name))
		memset(at, '*', n);
}

struct text {
	char *at;
	size_t left; /* with the end */
};

static void moved(struct text *t, size_t n)
{
	t->at += n;
	t->left -= n;
}

static void put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (n > t->left - 1)
		n = t->left - 1;
	memcpy(t->at, s, n);
	t->at[n] = '\0';
	moved(t, n);
}

static void put_machine(struct text *t)
{
	long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	char line[600];
	struct utsname u;

	if (uname(&u) != 0)
		memset(&u, 0, sizeof(u));
	snprintf(line, sizeof(line),
	    "Nightstand %s on board %s\nkernel %s %s, free memory %ld MB\n",
	    NIGHTSTAND_VERSION, board.id, u.release, u.machine,
	    pages > 0 && page > 0 ? pages / 1000 * page / 1000 : -1);
	put(t, line);
}

static void put_status(struct text *t, const struct status *st)
{
	struct status *s = malloc(sizeof(*s));
	size_t len;

	put(t, "\n== status ==\n");
	if (!s)
		return;
	*s = *st;
	status_redact(s);
	if (t->left > 1 && !api_status(s, t->at, t->left, &len))
		moved(t, len);
	put(t, "\n");
	free(s);
}

static void put_parts(struct text *t)
{
	char *list = malloc(PARTS_TEXT);

	put(t, "\n== parts ==\n");
	if (list && parts_list(list, PARTS_TEXT))
		put(t, list);
	free(list);
}

static bool is_secret(const char *section, const char *line)
{
	return (!strcmp(section, "[wifi]") && !strncmp(line, "name =", 6)) ||
	       !strncmp(line, "password =", 10) ||
	       !strncmp(line, "secret =", 8) || !strncmp(line, "url =", 5) ||
	       !strncmp(line, "user =", 6);
}

static void put_config(struct text *t, const struct config *c)
{
	const char *section = "";
	char *all = NULL, *save = NULL;
	size_t len;
	FILE *f = open_memstream(&all, &len);

	put(t, "\n== config ==\n");
	if (!f)
		return;
	config_print(c, f);
	if (fclose(f) == 0)
		for (char *l = strtok_r(all, "\n", &save); l;
		     l = strtok_r(NULL, "\n", &save)) {
			char *value = strchr(l, '=');

			if (l[0] == '[')
				section = l;

			if (is_secret(section, l) && value && value[1] &&
			    value[2])
				strcpy(value, "= ?");
			put(t, l);
			put(t, "\n");
		}
	free(all);
}

size_t report_make(const struct status *st, const struct config *c,
    const struct log_ring *const *rings, const char *before, char *out,
    size_t cap)
{
	struct text t = { out, cap };

	out[0] = '\0';
	put_machine(&t);
	put_status(&t, st);
	put_parts(&t);
	put_config(&t, c);
	if (before[0]) {
		put(&t, "\n== log of the run before ==\n");
		put(&t, before);
	}
	for (size_t i = 0; rings[i]; i++) {
		size_t room = rings[i + 1] ? t.left / LOG_ROOM : t.left;

		put(&t, rings[i + 1] ? "\n== log of the page ==\n"
				     : "\n== log ==\n");
		if (room > t.left)
			room = t.left;
		moved(&t, log_ring_read(rings[i], t.at, room));
	}
	report_mask(out);
	for (uint32_t i = 0; i < st->n_phones; i++)
		mask_name(out, st->phones[i].name);
	return strlen(out);
}
