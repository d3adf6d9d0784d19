#include "markup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void markup_init(struct markup *m, char *buf, size_t cap)
{
	m->buf = buf;
	m->cap = cap;
	m->len = 0;
	m->cut = false;
	buf[0] = '\0';
}

void markup_bytes(struct markup *m, const char *data, size_t len)
{
	if (m->cut || len >= m->cap - m->len) {
		m->cut = true;
		return;
	}
	memcpy(m->buf + m->len, data, len);
	m->len += len;
	m->buf[m->len] = '\0';
}

void markup_raw(struct markup *m, const char *html)
{
	markup_bytes(m, html, strlen(html));
}

void markup_fmt(struct markup *m, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		m->cut = true;
	else
		markup_bytes(m, text, (size_t)n);
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void markup_text(struct markup *m, const char *text)
{
	char clean[1024];
	size_t len = utf8_clean(clean, sizeof(clean), text);
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		const char *e = entity(clean[i]);

		if (!e)
			continue;
		markup_bytes(m, clean + from, i - from);
		markup_raw(m, e);
		from = i + 1;
	}
	markup_bytes(m, clean + from, len - from);
}
