/*
 * The two slots on the card's FAT partition, folders "a" and "b", and the one
 * sector that says how things stand: SLOT.TXT. A Pi's loader reads it as a
 * part of config.txt (its first line), the box reads the rest:
 *
 *     os_prefix=a/
 *     #board=rpi-arm64
 *     #try=ready page 1764230400 0.9
 *
 * It is written in place, as one sector, so that it is the old text or the
 * new one after a power cut. The slot that is named there is never written.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

#define SLOTS_FILE "slot.txt"
#define SLOTS_SIZE 512 /* one sector, blanks behind the text */

enum slots_try {
	SLOTS_NONE,
	SLOTS_READY, /* the other slot holds an update, whole: to be tried */
	SLOTS_BEGAN, /* its kernel was started */
	SLOTS_RAN, /* its first process ran */
	SLOTS_TRY_COUNT_
};

struct slots {
	char boot; /* 'a', 'b': what the loader starts */
	char board[16]; /* which images fit this card */
	enum slots_try try;
	bool page; /* the page was served before: it must be again */
	uint64_t build; /* of the update; 0 with NONE */
	char version[32];
};

char slots_other(char slot);

/* RC_CORRUPT: not such a text; *out is then what the loader falls back to,
 * slot a and nothing to try. */
MUST_CHECK enum rc slots_read(const char *text, size_t len, struct slots *out);

void slots_print(const struct slots *s, char out[SLOTS_SIZE]);

/* What a start is to be, from the sector and the kernel's command line. */
enum slots_start {
	SLOTS_PLAIN, /* the slot that the loader names */
	SLOTS_TRY_NOW, /* … and the other one is to be started from it */
	SLOTS_TRIAL, /* this is the other one, being tried */
	SLOTS_CAME_BACK /* it was tried, and this is the former one again */
};

/* trial: the command line says that this is one. */
enum slots_start slots_start(const struct slots *s, bool trial);

#endif
