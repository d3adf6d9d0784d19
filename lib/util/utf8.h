/*
 * UTF-8 from outside (a phone's name, a file, a message), made fit to be
 * shown. Pure.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies `in` (NUL-terminated) to `out`: bytes that are no UTF-8 become
 * U+FFFD; control characters, line separators and those that turn the
 * direction of writing (a name must not be able to rewrite the sentence
 * around it) are dropped. Always terminated, cut at a character's border.
 * Returns the length of `out`.
 */
size_t utf8_clean(char *out, size_t cap, const char *in);

/* All of it is well-formed; a NUL is not. */
bool utf8_is_valid(const char *s, size_t len);

/* The largest n <= max at which `s` may be cut without splitting a
 * character. */
size_t utf8_cut(const char *s, size_t max);

/* Columns on a terminal, as good as one gets without tables: one a
 * character, two for CJK and emoji, none for combining marks. */
size_t utf8_columns(const char *s);

#endif
