#include "form.h"

#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool decode(const char *at, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)at[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < len ? hex(at[i + 1]) : -1;
			int low = high >= 0 ? hex(at[i + 2]) : -1;

			if (low < 0)
				return false;
			c = high << 4 | low;
			i += 2;
		}
		if (c == 0 || n + 1 >= cap)
			return false;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

bool form_get(const char *body, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);

	for (const char *at = body; *at;) {
		size_t end = strcspn(at, "&");

		if (end > len && !strncmp(at, name, len) && at[len] == '=') {
			if (decode(at + len + 1, end - len - 1, out, cap))
				return true;
			break;
		}
		at += end + (at[end] == '&');
	}
	out[0] = '\0';
	return false;
}

bool form_has(const char *body, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = body; at; at = strchr(at, '&')) {
		at += *at == '&';
		if (!strncmp(at, name, len) && at[len] == '=')
			return true;
	}
	return false;
}

bool form_cookie(const char *cookies, const char *name, char *out, size_t cap)
{
	size_t len = strlen(name);

	for (const char *at = cookies; *at;) {
		size_t end;

		at += strspn(at, " \t");
		end = strcspn(at, ";");
		if (end > len && !strncmp(at, name, len) && at[len] == '=' &&
		    end - len - 1 < cap) {
			memcpy(out, at + len + 1, end - len - 1);
			out[end - len - 1] = '\0';
			return true;
		}
		at += end + (at[end] == ';');
	}
	out[0] = '\0';
	return false;
}
