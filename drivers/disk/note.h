/* What the box remembers of its disks and the like: a line a file in its own
 * folder, written whole or not at all. */
#ifndef NOTE_H
#define NOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "rc.h"

/* On the medium when it returns. The name is one of ours. */
MUST_CHECK enum rc note_write(
    const char *state, const char *name, const char *text);

/* False: there is none, or it does not fit in `cap` with its end. */
bool note_read(const char *state, const char *name, char *text, size_t cap);

/* A file that can't be removed is told in the log, and stays. */
void note_remove(const char *state, const char *name);

#endif
