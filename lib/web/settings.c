#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"
#include "wifi_rules.h"

static const struct setting_choice opens[] = {
	{ "auto", "what fits the network" },
	{ "all", "everything, with names" },
	{ "glance", "whether all is safe, without names" },
	{ "nothing", "nothing" },
	{ NULL, NULL },
};

/* clang-format off */
const struct setting settings[] = {
{ "box.name", "The box", "Name",
	"The page is at NAME.local. Another name signs everybody out.",
	SETTING_TEXT, 1, 63, NULL },
{ "web.open", NULL, "Without the PIN one may see",
	"Another choice signs everybody out.",
	SETTING_CHOICE, 0, 0, opens },
{ "wifi.name", "Wi-Fi", "Name of the network",
	"Used where the box has Wi-Fi and no cable is in. Empty: none.",
	SETTING_TEXT, 0, 32, NULL },
{ "wifi.password", NULL, "Password",
	"Not shown again. Empty: as it is; none: the network is open.",
	SETTING_SECRET, 0, 0, NULL },
{ "wifi.country", NULL, "Country",
	"Two capitals, as DE or US: which channels may be used.",
	SETTING_COUNTRY, 0, 0, NULL },
{ "policy.overdue_days", "Backups",
	"Days without a backup until the box says so", "",
	SETTING_INT, 1, 365, NULL },
{ "policy.again_hours", NULL,
	"Hours until a phone that stays plugged in is backed up again",
	"0: never.", SETTING_INT, 0, 720, NULL },
{ "policy.quiet_from", "Quiet hours", "From",
	"Then only a phone that was just plugged in is asked for its passcode.",
	SETTING_TIME, 0, 0, NULL },
{ "policy.quiet_to", NULL, "To", "The same time twice: none.",
	SETTING_TIME, 0, 0, NULL },
{ "keep.last", "Which backups are kept", "The last so many",
	"The two newest good ones are kept in any case.",
	SETTING_INT, 0, 9999, NULL },
{ "keep.daily", NULL, "One a day, of so many days", "",
	SETTING_INT, 0, 9999, NULL },
{ "keep.weekly", NULL, "One a week, of so many weeks", "",
	SETTING_INT, 0, 9999, NULL },
{ "keep.monthly", NULL, "One a month, of so many months", "",
	SETTING_INT, 0, 9999, NULL },
{ "keep.yearly", NULL, "One a year, of so many years",
	"All five 0: every backup is kept.", SETTING_INT, 0, 9999, NULL },
{ "keep.loss_percent", NULL,
	"Percent of files that may be gone until the box warns", "0: never.",
	SETTING_INT, 0, 100, NULL },
{ "scrub.on", "Reading backups again", "A part of them each night", "",
	SETTING_FLAG, 0, 0, NULL },
{ "scrub.minutes", NULL, "Minutes a night, at most", "0: no limit.",
	SETTING_INT, 0, 1440, NULL },
};
/* clang-format on */

const unsigned n_settings = sizeof(settings) / sizeof(settings[0]);

_Static_assert(sizeof(settings) / sizeof(settings[0]) <= SETTINGS_MAX,
    "settings_values has a place for each");

/* As the config takes text: a name that stands in its file is no mistake on the
 * page. */
static const char *refuses_text(const struct setting *s, const char *v)
{
	size_t len = strlen(v);

	if (!len)
		return s->min ? "must not be empty" : NULL;
	if (len > (size_t)s->max)
		return "is too long";
	if (v[0] == ' ' || v[len - 1] == ' ')
		return "must not begin or end with a blank";
	if (!utf8_is_valid(v, len))
		return "is no text";
	if (v[0] == ';' || strstr(v, " ;"))
		return "must not hold a blank before a semicolon";
	for (; *v; v++)
		if ((unsigned char)*v < ' ' || *v == 0x7f)
			return "must not hold control characters";
	return NULL;
}

static const char *refuses_secret(const char *v)
{
	size_t len = strlen(v);

	if (!len || !strcmp(v, SETTING_NO_SECRET))
		return NULL;
	if (v[0] == ' ' || v[len - 1] == ' ')
		return "must not begin or end with a blank";
	if (v[0] == ';' || strstr(v, " ;"))
		return "must not hold a blank before a semicolon";
	return wifi_refuses_password(v);
}

void settings_hide(struct settings_values *v)
{
	for (unsigned i = 0; i < n_settings; i++)
		if (settings[i].type == SETTING_SECRET)
			explicit_bzero(v->value[i], SETTINGS_VALUE);
}

static const char *refuses_int(const struct setting *s, const char *v)
{
	size_t len = strlen(v);
	long n = strtol(v, NULL, 10);

	if (!len || strspn(v, "0123456789") != len)
		return "must be a whole number";
	if (len > 9 || n < s->min || n > s->max)
		return "is out of its range";
	return NULL;
}

static const char *refuses_time(const char *v)
{
	unsigned h, m;
	char rest;

	if (strlen(v) == 5 && v[2] == ':' &&
	    sscanf(v, "%2u:%2u%c", &h, &m, &rest) == 2 && h < 24 && m < 60)
		return NULL;
	return "must be a time as 01:00";
}

static const char *refuses_choice(const struct setting *s, const char *v)
{
	for (const struct setting_choice *c = s->choices; c->value; c++)
		if (!strcmp(c->value, v))
			return NULL;
	return "is none of its choices";
}

const char *setting_refuses(const struct setting *s, const char *value)
{
	switch (s->type) {
	case SETTING_TEXT:
		return refuses_text(s, value);
	case SETTING_SECRET:
		return refuses_secret(value);
	case SETTING_COUNTRY:
		return wifi_refuses_country(value);
	case SETTING_FLAG:
		return !strcmp(value, "yes") || !strcmp(value, "no")
			   ? NULL
			   : "must be yes or no";
	case SETTING_INT:
		return refuses_int(s, value);
	case SETTING_TIME:
		return refuses_time(value);
	case SETTING_CHOICE:
		return refuses_choice(s, value);
	}
	return "is of no type";
}
