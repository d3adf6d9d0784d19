#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * Reads one character at `s`. Returns its length in bytes, 0 when the bytes
 * are no UTF-8 (overlong forms, surrogates and values above U+10FFFF are
 * none). `s` is terminated, so a short sequence ends at the NUL.
 */
static size_t decode(const char *s, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = p[0];
	size_t len;

	if (c < 0x80) {
		*out = c;
		return 1;
	}
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return len;
}

bool utf8_is_valid(const char *s, size_t len)
{
	char tail[8] = ""; /* the last bytes, with an end behind them */
	size_t last = len < 4 ? 0 : len - 4;

	memcpy(tail, s + last, len - last);
	for (size_t i = 0; i < len;) {
		const char *at = i < last ? s + i : tail + (i - last);
		uint32_t c;
		size_t n = decode(at, &c);

		if (n == 0 || c == 0)
			return false;
		i += n;
	}
	return true;
}

static bool is_unfit(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

size_t utf8_clean(char *out, size_t cap, const char *in)
{
	static const char unknown[] = "\xef\xbf\xbd";
	size_t n = 0;

	if (cap == 0)
		return 0;
	while (*in) {
		const char *from = in;
		uint32_t c = 0;
		size_t len = decode(in, &c);

		in += len ? len : 1;
		if (!len) {
			from = unknown;
			len = 3;
		} else if (is_unfit(c)) {
			continue;
		}
		if (n + len >= cap)
			break;
		memcpy(out + n, from, len);
		n += len;
	}
	out[n] = '\0';
	return n;
}

size_t utf8_cut(const char *s, size_t max)
{
	size_t len = strnlen(s, max);

	if (len < max || !s[len])
		return len;
	while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static size_t columns_of(uint32_t c)
{
	if ((c >= 0x300 && c <= 0x36f) || c == 0x200d ||
	    (c >= 0xfe00 && c <= 0xfe0f) || is_unfit(c))
		return 0;
	if ((c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
	    (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
	    (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
	    (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd))
		return 2;
	return 1;
}

size_t utf8_columns(const char *s)
{
	size_t n = 0;

	while (*s) {
		uint32_t c = 0;
		size_t len = decode(s, &c);

		n += len ? columns_of(c) : 1;
		s += len ? len : 1;
	}
	return n;
}
