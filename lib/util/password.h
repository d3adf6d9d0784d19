/*
 * The backup password of a phone on its way through the box: what fits, and
 * what became of it. It is never stored, logged or shown; whoever holds one
 * wipes it with password_wipe() after use.
 */
#ifndef PASSWORD_H
#define PASSWORD_H

#include <stdbool.h>

/* Bytes of UTF-8 with the NUL. iOS names no bound of its own. */
#define PASSWORD_CAP 128

/* By value, so that all its copies can be found and wiped. */
struct password_change {
	char old_word[PASSWORD_CAP]; /* "": backups are not encrypted yet */
	char new_word[PASSWORD_CAP]; /* "": encryption is switched off */
};

/* What a phone has taken. */
enum password_did {
	PASSWORD_NOTHING, /* it was as wanted already */
	PASSWORD_ON, /* backups are encrypted from now on */
	PASSWORD_CHANGED,
	PASSWORD_OFF,
	PASSWORD_DID_COUNT_
};

/* One word, terminated within PASSWORD_CAP: "" or UTF-8 without control
 * characters, which nobody can type on a phone. */
bool password_is_fit(const char word[PASSWORD_CAP]);

/* Both are fit, and one of them at least is there. */
bool password_change_is_fit(const struct password_change *c);

void password_wipe(struct password_change *c);

/* A line of the ledger: "encrypted backups were switched on"; "" for
 * PASSWORD_NOTHING. */
const char *password_did_words(enum password_did did);

#endif
