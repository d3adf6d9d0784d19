/*
 * Text into a fixed buffer, and the one place where HTML is escaped. What
 * does not fit is dropped and remembered. Writes no line feed unless told, so
 * that markup can travel as one line of an event stream.
 */
#ifndef MARKUP_H
#define MARKUP_H

#include <stdbool.h>
#include <stddef.h>

struct markup {
	char *buf;
	size_t cap, len; /* always terminated: len < cap */
	bool cut; /* something did not fit; the rest is not written */
};

void markup_init(struct markup *m, char *buf, size_t cap);

/* Our own markup, as it stands. */
void markup_raw(struct markup *m, const char *html);
void markup_bytes(struct markup *m, const char *data, size_t len);
void markup_fmt(struct markup *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Text from anywhere, fit for an element or a quoted attribute: escaped,
 * made UTF-8, without control or direction characters; at most 1,023 bytes of
 * it. */
void markup_text(struct markup *m, const char *text);

#endif
