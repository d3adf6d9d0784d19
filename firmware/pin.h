/*
 * The PIN of the page. It stands in PIN.txt of the state folder (0600), where
 * only somebody at the box or its card can read it; the page's role gets a
 * salted hash of it. Never logged.
 */
#ifndef PIN_H
#define PIN_H

#include <stdbool.h>

#include "rc.h"

#define PIN_MAX  32 /* with its end */
#define PIN_FILE "PIN.txt"

/* Six digits or more. */
bool pin_is_one(const char *pin);

/*
 * What the file says, or a new PIN that is written there. Without a state
 * folder ("") a new one each time, that nobody can look up.
 * RC_IO: no randomness; a file that can't be written is logged only.
 */
MUST_CHECK enum rc pin_load(const char *state_dir, char pin[PIN_MAX]);

/* Read only. RC_NOTFOUND, RC_CORRUPT: no PIN in it. */
MUST_CHECK enum rc pin_read(const char *state_dir, char pin[PIN_MAX]);

/* The next pin_load() makes a new one. */
void pin_forget(const char *state_dir);

/* Whole or not at all, also when the power goes. */
MUST_CHECK enum rc pin_store(const char *state_dir, const char *pin);

#endif
