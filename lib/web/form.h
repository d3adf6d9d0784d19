/*
 * A form's fields as a browser sends them (application/x-www-form-urlencoded).
 */
#ifndef FORM_H
#define FORM_H

#include <stdbool.h>
#include <stddef.h>

/* The first field of that name, decoded and terminated. False: there is none,
 * it does not fit, or it is badly encoded or holds a NUL; `out` is "". */
bool form_get(const char *body, const char *name, char *out, size_t cap);

/* There is a field of that name. */
bool form_has(const char *body, const char *name);

/* The value of a cookie in a Cookie header; as above. */
bool form_cookie(const char *cookies, const char *name, char *out, size_t cap);

#endif
