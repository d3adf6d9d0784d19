/*
 * Role `box`: the parent, the event loop, the only one who decides. It parses
 * nothing from outside but its children's messages; its turns are short.
 */
#ifndef BOX_H
#define BOX_H

#include "config.h"
#include "status.h"

/* Runs until SIGTERM or SIGINT; returns an exit status. */
int box_run(const struct config *config);

/* Asks the box that runs on this state folder for its status. RC_NOTFOUND:
 * none does. */
MUST_CHECK enum rc box_ask(const char *state_dir, struct status *out);

/* Somebody changed the vault: the box that runs on this state folder, if one
 * does, reads it again. */
void box_look_again(const char *state_dir);

#endif
