/*
 * What the owner set on the page (lib/web/settings.h): put over the config, and
 * kept in settings.ini of the state folder. It holds only what was changed
 * there; the rest stays the config file's to say. It is read after that file
 * and before the command line; the box writes it whole or not at all.
 */
#ifndef SETTINGS_FILE_H
#define SETTINGS_FILE_H

#include "config.h"
#include "settings.h"

#define SETTINGS_FILE "settings.ini"

/* As they are, secrets too: see settings_hide(). */
void settings_of(const struct config *c, struct settings_values *out);

/* All of them or none: RC_CONFIG, and `why` says which and what is wrong. */
MUST_CHECK enum rc settings_apply(
    struct config *c, const struct settings_values *v, char *why, size_t cap);

/* Without a file nothing changes. What makes no sense in it is logged and
 * left out: the box must begin. */
void settings_load(const char *state_dir, struct config *c);
MUST_CHECK enum rc settings_store(
    const char *state_dir, const struct config *c);

/* What was set on the page is as if it never had been, from the next start
 * on. RC_OK also when nothing was set; RC_IO. */
MUST_CHECK enum rc settings_forget(const char *state_dir);

#endif
