/*
 * The first process of the image (PID 1): mounts what a system needs, loads
 * the kernel's modules, finds the card, and keeps `nightstand run` alive. A PC
 * never comes here.
 */
#ifndef INIT_H
#define INIT_H

#include <stdbool.h>
#include <stdio.h>

#include "slots.h"

#define INIT_CONFIG  "/run/nightstand.conf" /* what the box is run with */
#define INIT_NOTICES "/run/notices" /* what it is to tell; a line each */
#define INIT_RESET   "/run/last-reset" /* how the run before ended; a word */

#define INIT_SLOTS "/run/slots" /* card, board, plain|trial|back, version */
#define INIT_GOOD  "/run/update-good" /* the box says that it is well */

/* On the kernel's command line: an update is being tried. */
#define INIT_TRIAL "nightstand.trial"

/* Never returns: the kernel stops when its first process ends. */
int init_main(void);

struct config;

/* Held for long enough: what was set on the page goes. Waits while it is held,
 * not for long. The data partition is mounted. */
void init_button(const struct config *config);

/* --- init_card.c: what lies on the card ------------------------------------------ */

struct init_card {
	char disk[32]; /* "mmcblk0"; "" not found */
	char fat[64]; /* "/dev/mmcblk0p1" */
};

/* Looks once. */
bool init_card_find(struct init_card *out);

/* SETTINGS.txt into memory, open for reading; NULL: none. Complains on
 * `notices`. */
FILE *init_card_settings(const struct init_card *card, FILE *notices);

/*
 * PIN.txt on the card says the page's PIN to whoever holds the card. Deleted
 * there, or not there yet: a new one is made in `dir`. Writes only what is not
 * there yet.
 */
void init_card_pin(
    const struct init_card *card, const char *dir, FILE *notices);

/* Checks and mounts the box's own partition at `dir`, and makes it first
 * where the image has left its mark. What goes wrong is told on `notices`;
 * `dir` then lies in memory. */
void init_card_data(
    const struct init_card *card, const char *dir, FILE *notices);

/* --- init_past.c: the run before ---------------------------------------------------- */

/* How it ended, into INIT_RESET for the box to tell; what is left of its log
 * and its kernel's last words into `state_dir`. */
void init_look_back(const char *state_dir);

/* --- init_update.c: the two slots of the card --------------------------------------- */

struct init_update {
	bool known; /* the card has slots */
	enum slots_start start;
	struct slots slots;
	bool leap; /* the other slot's kernel is loaded: RB_KEXEC */
};

/*
 * Reads how things stand and does what this start is for: notes that a trial
 * runs, or that it came to nothing (told on `notices`), or loads the update
 * that is to be tried.
 */
void init_update_look(const struct init_card *card, bool trial, FILE *notices,
    struct init_update *out);

/* Leaves INIT_SLOTS for the box. */
void init_update_tell(
    const struct init_card *card, const struct init_update *u);

#endif
