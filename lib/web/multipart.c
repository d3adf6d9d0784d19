#include "multipart.h"

#include <string.h>
#include <strings.h>

/* --- "form-data; name=\"a\"; filename=\"b\"" ----------------------------------- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* One value behind '=': a word, or a quoted text in which '\' takes the next
 * byte as it is. Copies what fits; *fits says whether all of it does. NULL: it
 * does not end. */
static const char *read_value(const char *at, char *out, size_t cap, bool *fits)
{
	bool quoted = *at == '"';
	size_t n = 0;

	at += quoted;
	for (*fits = true; *at && (quoted ? *at != '"' : *at != ';'); at++) {
		if (quoted && *at == '\\' && at[1])
			at++;
		if (n + 1 < cap)
			out[n++] = *at;
		else
			*fits = false;
	}
	while (!quoted && n && (out[n - 1] == ' ' || out[n - 1] == '\t'))
		n--;
	out[n] = '\0';
	if (!quoted)
		return at;
	return *at ? at + 1 : NULL;
}

/* A header's value: its first word is `word`, and it has this parameter once.
 * out: "" when it has not. False: neither, or more than fits. */
static bool read_param(const char *text, const char *word, const char *param,
    char *out, size_t cap, bool *has)
{
	size_t len = strlen(word);
	const char *at = skip_blanks(text);
	char dropped[2], *to;
	bool fits;

	*has = false;
	out[0] = '\0';
	if (strncasecmp(at, word, len) != 0)
		return false;
	at = skip_blanks(at + len);
	while (*at == ';') {
		size_t n;
		bool is_it;

		at = skip_blanks(at + 1);
		n = strcspn(at, "=; \t");
		if (!n || at[n] != '=')
			return false;
		is_it = n == strlen(param) && !strncasecmp(at, param, n);
		if (is_it && *has)
			return false;
		*has |= is_it;
		to = is_it ? out : dropped;
		at = read_value(
		    at + n + 1, to, is_it ? cap : sizeof(dropped), &fits);
		if (!at || (is_it && !fits))
			return false;
		at = skip_blanks(at);
	}
	return *at == '\0';
}

static bool is_boundary(const char *s)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789'()+_,-./:=? ";
	size_t len = strlen(s);

	return len && strspn(s, fine) == len && s[len - 1] != ' ';
}

enum rc multipart_begin(struct multipart *m, const char *content_type,
    const struct multipart_sink *sink)
{
	bool has;

	memset(m, 0, sizeof(*m));
	m->sink = sink;
	memcpy(m->mark, "\r\n--", 4);
	if (!read_param(content_type, "multipart/form-data", "boundary",
		m->mark + 4, sizeof(m->mark) - 4, &has) ||
	    !has || !is_boundary(m->mark + 4)) {
		m->rc = RC_PROTO;
		return m->rc;
	}
	m->mark_len = strlen(m->mark);
	m->matched = 2; /* the first one has no line before it */
	m->state = MULTIPART_MARK;
	return RC_OK;
}

/* --- a part ------------------------------------------------------------------ */

/* The value of the one header that counts; NULL: there is none, or two. */
static char *find_disposition(char *head)
{
	static const char name[] = "content-disposition:";
	char *found = NULL, *line = head, *end;

	for (; *line; line = end + 2) {
		end = strstr(line, "\r\n");
		if (!end)
			return NULL;
		if (line[0] == ' ' || line[0] == '\t')
			return NULL; /* folded */
		if (strncasecmp(line, name, sizeof(name) - 1) != 0)
			continue;
		if (found)
			return NULL;
		found = line + sizeof(name) - 1;
	}
	if (found)
		*strstr(found, "\r\n") = '\0';
	return found;
}

static enum rc head_came(struct multipart *m)
{
	char dropped[MULTIPART_HEAD_MAX + 1];
	const char *text = find_disposition(m->head);
	bool has, is_file;

	if (!text || m->has_file ||
	    !read_param(
		text, "form-data", "name", m->name, sizeof(m->name), &has) ||
	    !has ||
	    !read_param(text, "form-data", "filename", dropped, sizeof(dropped),
		&is_file))
		return RC_PROTO;
	m->value_len = 0;
	m->has_file = is_file;
	m->state = is_file ? MULTIPART_FILE : MULTIPART_VALUE;
	if (is_file)
		return m->sink->file(m->sink->ctx);
	return m->n_fields++ < MULTIPART_FIELDS_MAX ? RC_OK : RC_LIMIT;
}

static enum rc take_head(struct multipart *m, char c)
{
	if (!c)
		return RC_PROTO;
	if (m->head_len == MULTIPART_HEAD_MAX)
		return RC_LIMIT;
	m->head[m->head_len++] = c;
	m->head[m->head_len] = '\0';
	if (m->head_len == 2 && !memcmp(m->head, "\r\n", 2))
		return RC_PROTO; /* no header at all, so no name */
	/* The empty line behind it. */
	if (m->head_len < 4 ||
	    memcmp(m->head + m->head_len - 4, "\r\n\r\n", 4) != 0)
		return RC_OK;
	m->head[m->head_len - 2] = '\0';
	return head_came(m);
}

static enum rc take_after(struct multipart *m, char c)
{
	if (!m->after) {
		m->after = c;
		return c == '\r' || c == '-' ? RC_OK : RC_PROTO;
	}
	if (m->after == '\r' && c == '\n') {
		m->head_len = 0;
		m->state = MULTIPART_HEAD;
		return RC_OK;
	}
	if (m->after == '-' && c == '-') {
		m->state = MULTIPART_OVER;
		return RC_OK;
	}
	return RC_PROTO;
}

/* --- what lies between two marks --------------------------------------------- */

static enum rc give(struct multipart *m, const char *data, size_t len)
{
	if (!len)
		return RC_OK;
	if (m->state == MULTIPART_FILE)
		return m->sink->data(m->sink->ctx, data, len);
	if (m->state == MULTIPART_MARK)
		return RC_PROTO; /* something stands before the first one */
	if (len > MULTIPART_VALUE_MAX - m->value_len || memchr(data, 0, len))
		return RC_LIMIT;
	memcpy(m->value + m->value_len, data, len);
	m->value_len += len;
	return RC_OK;
}

static enum rc mark_came(struct multipart *m)
{
	enum multipart_state before = m->state;

	m->matched = 0;
	m->after = '\0';
	m->state = MULTIPART_AFTER;
	m->value[m->value_len] = '\0';
	return before == MULTIPART_VALUE
		   ? m->sink->field(m->sink->ctx, m->name, m->value)
		   : RC_OK;
}

/* Takes bytes up to the end of a mark, or all. A mark begins with '\r' and has
 * no other, so what turns out to be none is looked at only from its end on. */
static enum rc take_between(
    struct multipart *m, const char *data, size_t len, size_t *used)
{
	enum rc rc = RC_OK;
	size_t at = 0, from = 0; /* data[from…at) is not given yet */

	while (!rc && at < len) {
		if (data[at] == m->mark[m->matched]) {
			if (!m->matched)
				rc = give(m, data + from, at - from);
			from = ++at;
			if (!rc && ++m->matched == m->mark_len) {
				*used = at;
				return mark_came(m);
			}
		} else if (m->matched) {
			rc = give(m, m->mark, m->matched);
			m->matched = 0;
			from = at;
		} else {
			at++;
		}
	}
	if (!rc)
		rc = give(m, data + from, at - from);
	*used = len;
	return rc;
}

enum rc multipart_feed(struct multipart *m, const char *data, size_t len)
{
	while (!m->rc && len) {
		size_t used = 1;

		switch (m->state) {
		case MULTIPART_MARK:
		case MULTIPART_VALUE:
		case MULTIPART_FILE:
			m->rc = take_between(m, data, len, &used);
			break;
		case MULTIPART_AFTER:
			m->rc = take_after(m, *data);
			break;
		case MULTIPART_HEAD:
			m->rc = take_head(m, *data);
			break;
		case MULTIPART_OVER:
			used = len;
			break;
		}
		data += used;
		len -= used;
	}
	return m->rc;
}

bool multipart_is_whole(const struct multipart *m)
{
	return !m->rc && m->state == MULTIPART_OVER && m->has_file;
}
