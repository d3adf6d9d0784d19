/* A password from the terminal, without an echo, or a line of a pipe; never
 * from the command line, which all may read. */
#ifndef TYPED_H
#define TYPED_H

#include "password.h"

/*
 * Blocks for the person. `signals` becomes readable by Ctrl-C. 0, or an exit
 * status after a complaint; `out` is the caller's to wipe.
 */
int typed_word(int signals, const char *prompt, char out[PASSWORD_CAP]);

#endif
