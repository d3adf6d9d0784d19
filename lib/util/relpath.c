#include "relpath.h"

#include <ctype.h>
#include <string.h>

#include "bounds.h"
#include "utf8.h"

static enum rc check_component(const char *p, size_t len)
{
	if (len == 0)
		return RC_REFUSED;
	if (len > 255)
		return RC_LIMIT;
	if (p[0] == '.' && (len == 1 || (len == 2 && p[1] == '.')))
		return RC_REFUSED;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\')
			return RC_REFUSED;
	return RC_OK;
}

enum rc relpath_check(const char *path, size_t len)
{
	size_t start = 0;

	if (len > LIMIT_DL_PATH)
		return RC_LIMIT;
	if (!utf8_is_valid(path, len))
		return RC_REFUSED; /* no property list could name it */
	for (size_t i = 0; i <= len; i++) {
		enum rc rc;

		if (i < len && path[i] != '/')
			continue;
		rc = check_component(path + start, i - start);
		if (rc)
			return rc;
		start = i + 1;
	}
	return RC_OK;
}

enum rc relpath_check_below(const char *path, size_t len, const char *top)
{
	size_t n = strlen(top);
	enum rc rc = relpath_check(path, len);

	if (rc)
		return rc;
	if (len < n || memcmp(path, top, n) != 0)
		return RC_REFUSED;
	if (len > n && path[n] != '/')
		return RC_REFUSED;
	return RC_OK;
}

static size_t hex_run(const char *p)
{
	size_t n = 0;

	while (isxdigit((unsigned char)p[n]))
		n++;
	return n;
}

enum rc relpath_check_udid(const char *udid)
{
	size_t n = hex_run(udid);

	if (n == 40 && udid[40] == '\0')
		return RC_OK;
	if (n == 8 && udid[8] == '-' && hex_run(udid + 9) == 16 &&
	    udid[25] == '\0')
		return RC_OK;
	return RC_REFUSED;
}
