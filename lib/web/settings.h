/*
 * What an owner may change on the page: one table of keys of the config, with
 * the words for them. The page, the API and what is checked before it goes to
 * the box are made from it; the box checks again (config.c has the truth).
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_MAX   20
#define SETTINGS_VALUE 64 /* bytes of a value, with its end */

enum setting_type {
	SETTING_TEXT, /* a name, as the config takes it; min 0: or empty */
	SETTING_COUNTRY, /* two capitals, or empty */
	/* Of a Wi-Fi. It is never told to the page: there empty is "as it is",
	 * and SETTING_NO_SECRET that there is none. */
	SETTING_SECRET,
	SETTING_FLAG, /* "yes", "no" */
	SETTING_INT,
	SETTING_TIME, /* "HH:MM" */
	SETTING_CHOICE
};

struct setting_choice {
	const char *value, *label;
};

struct setting {
	const char *key; /* "section.name" of the config */
	const char *group; /* a heading; NULL: that of the one before */
	const char *label, *hint; /* hint: "" none */
	enum setting_type type;
	int64_t min, max; /* of SETTING_INT; min of SETTING_TEXT, in bytes */
	const struct setting_choice *choices; /* ends with a NULL value */
};

extern const struct setting settings[];
extern const unsigned n_settings;

#define SETTING_NO_SECRET "none"

/* A value of each, in the table's order; "" where none is known. */
struct settings_values {
	char value[SETTINGS_MAX][SETTINGS_VALUE];
};

/* Wipes what is not to be told. */
void settings_hide(struct settings_values *v);

/* NULL, or why a value is none for this setting, in words. Pure. */
const char *setting_refuses(const struct setting *s, const char *value);

#endif
