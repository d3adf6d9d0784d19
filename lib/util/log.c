#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_NOTE;
static char tag[32];
static void (*second)(const char *line, size_t len);

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_get_level(void)
{
	return max_level;
}

void log_set_tag(const char *text)
{
	snprintf(tag, sizeof(tag), "%s", text);
}

void log_set_second(void (*fn)(const char *line, size_t len))
{
	second = fn;
}

void log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	static const char names[] = "EWNID";
	char line[1024];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int saved = errno;
	int n;
	int m;

	if (level > max_level)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = snprintf(line, sizeof(line),
	    "%02d:%02d:%02d.%03ld %c %s%s%s: ", tm.tm_hour, tm.tm_min,
	    tm.tm_sec, now.tv_nsec / 1000000, names[level], tag,
	    tag[0] ? "/" : "", module);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		m = 0;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	/* What a phone or a file named may hold control bytes: one line stays
	 * one line. */
	for (char *p = line; p < line + n; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	line[n++] = '\n';
	if (second)
		second(line, (size_t)n);
	/* One write, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0) {
		/* Nowhere left to complain. */
	}
	errno = saved;
}
