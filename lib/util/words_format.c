/* Numbers, sizes, times and dates, as the owner reads them (words.h). */
#include "words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void words_bytes(uint64_t bytes, char *out, size_t cap)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB" };
	uint64_t unit = 1000;
	size_t i = 0;

	if (bytes < 1000) {
		snprintf(out, cap, "%u bytes", (unsigned)bytes);
		return;
	}
	/* 999,950 kB would round to 1000.0. */
	while (i + 1 < sizeof(units) / sizeof(units[0]) &&
	       bytes >= unit * 1000 - unit / 20) {
		unit *= 1000;
		i++;
	}
	/* One digit below ten: 2.1 GB, but 38 GB and 640 MB. */
	if (bytes < 10 * unit - unit / 20 && i > 0) {
		uint64_t tenths = (bytes + unit / 20) / (unit / 10);

		snprintf(out, cap, "%u.%u %s", (unsigned)(tenths / 10),
		    (unsigned)(tenths % 10), units[i]);
		return;
	}
	snprintf(out, cap, "%llu %s",
	    (unsigned long long)(bytes / unit + (bytes % unit >= unit / 2)),
	    units[i]);
}

void words_count(uint64_t n, char *out, size_t cap)
{
	char digits[24];
	char text[40];
	int len =
	    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	size_t k = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[k++] = ',';
		text[k++] = digits[i];
	}
	text[k] = '\0';
	snprintf(out, cap, "%s", text);
}

static void plural(char *out, size_t cap, int64_t n, const char *unit)
{
	snprintf(out, cap, "%lld %s%s", (long long)n, unit, n == 1 ? "" : "s");
}

void words_duration(int64_t seconds, char *out, size_t cap)
{
	char a[40];
	char b[40];

	if (seconds < 0)
		seconds = 0;
	if (seconds < 60) {
		plural(out, cap, seconds, "second");
		return;
	}
	if (seconds < 3600 - 30) {
		plural(out, cap, (seconds + 30) / 60, "minute");
		return;
	}
	if (seconds >= 48 * 3600) {
		plural(out, cap, seconds / 86400, "day");
		return;
	}
	seconds += 30;
	plural(a, sizeof(a), seconds / 3600, "hour");
	plural(b, sizeof(b), seconds % 3600 / 60, "minute");
	if (seconds % 3600 / 60 == 0)
		snprintf(out, cap, "%s", a);
	else
		snprintf(out, cap, "%s %s", a, b);
}

/* Days since some fixed day, of a local date: so that "yesterday" is right on
 * the days when the clocks change. */
static long day_number(const struct tm *tm)
{
	long y = tm->tm_year + 1900L - (tm->tm_mon < 2);
	long m = (tm->tm_mon + 10) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 +
	       tm->tm_mday;
}

void words_when_joined(
    int64_t now_at, int64_t at, const char *joint, char *out, size_t cap)
{
	static const char *const days[] = { "Sunday", "Monday", "Tuesday",
		"Wednesday", "Thursday", "Friday", "Saturday" };
	static const char *const months[] = { "January", "February", "March",
		"April", "May", "June", "July", "August", "September",
		"October", "November", "December" };
	time_t n = (time_t)now_at;
	time_t t = (time_t)at;
	struct tm now;
	struct tm tm;
	const char *day;
	long ago;

	if (at <= 0 || !localtime_r(&n, &now) || !localtime_r(&t, &tm)) {
		snprintf(out, cap, "never");
		return;
	}
	ago = day_number(&now) - day_number(&tm);
	if (ago < 0 || ago > 6) {
		snprintf(out, cap, "%d %s %d", tm.tm_mday,
		    months[tm.tm_mon % 12], tm.tm_year + 1900);
		return;
	}
	day = ago == 0   ? "today"
	      : ago == 1 ? "yesterday"
			 : days[tm.tm_wday % 7];
	snprintf(out, cap, "%s%s%02d:%02d", day, joint, tm.tm_hour, tm.tm_min);
}

void words_when(int64_t now_at, int64_t at, char *out, size_t cap)
{
	words_when_joined(now_at, at, " ", out, cap);
}

const char *words_wifi(enum status_wifi_state state)
{
	switch (state) {
	case STATUS_WIFI_NO_DEVICE:
		return "this box has no Wi-Fi that works";
	case STATUS_WIFI_SEARCHING:
		return "looking for it";
	case STATUS_WIFI_NOT_FOUND:
		return "no network of that name is in reach";
	case STATUS_WIFI_PASSWORD:
		return "the password is not the right one";
	case STATUS_WIFI_WEAK:
		return "connected, but the signal is weak";
	case STATUS_WIFI_CONNECTED:
		return "connected";
	case STATUS_WIFI_NONE:
	case STATUS_WIFI_COUNT_:
		break;
	}
	return "none";
}

const char *words_reset(enum status_reset reset)
{
	switch (reset) {
	case STATUS_RESET_ASKED:
		return "restarted in good order";
	case STATUS_RESET_OFF:
		return "switched off in good order";
	case STATUS_RESET_WATCHDOG:
		return "it hung, and its watchdog restarted it";
	case STATUS_RESET_PANIC:
		return "its system stopped with an error and restarted itself";
	case STATUS_RESET_STOPPED:
		return "its system stopped or hung while the power was on";
	case STATUS_RESET_POWER:
		return "the power went, or its system stopped";
	case STATUS_RESET_UNKNOWN:
	case STATUS_RESET_COUNT_:
		break;
	}
	return "";
}

const char *words_clock(enum status_clock clock)
{
	switch (clock) {
	case STATUS_CLOCK_SNTP:
		return "from a time server";
	case STATUS_CLOCK_PHONE:
		return "from a phone";
	case STATUS_CLOCK_SYSTEM:
		return "by its own clock";
	case STATUS_CLOCK_KEPT:
	case STATUS_CLOCK_UNKNOWN:
	case STATUS_CLOCK_COUNT_:
		break;
	}
	return "not known yet";
}

static void add(char *out, size_t cap, const char *text)
{
	size_t n = strlen(out);

	snprintf(out + n, cap - n, "%s", text);
}

bool words_port(const struct status_phone *p, char *out, size_t cap)
{
	const struct status_port *port = &p->port;
	char text[96];

	if (cap == 0 || !port->mbit)
		return false;
	snprintf(out, cap, "%u Mbit/s", (unsigned)port->mbit);
	if (port->asks_ma) {
		snprintf(text, sizeof(text), ", it asks for up to %u mA",
		    (unsigned)port->asks_ma);
		add(out, cap, text);
	}
	if (port->gives_ma) {
		snprintf(text, sizeof(text), ", the port gives %u mA%s",
		    (unsigned)port->gives_ma,
		    port->weak_hub ? ": its hub has no supply of its own" : "");
		add(out, cap, text);
	}
	return true;
}
