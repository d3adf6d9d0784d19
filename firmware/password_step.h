/*
 * A session's change of the backup password, before its backup or without one.
 * It runs in a process of its own, which ends with it: what the libraries
 * below have copied of the words goes with that process's memory, and no
 * backup's long life keeps it.
 */
#ifndef PASSWORD_STEP_H
#define PASSWORD_STEP_H

#include "session.h"

/*
 * @fd  to the parent role: MSG_PASSWORD and MSG_CANCEL are read from it by
 *      the new process; events are called there, too, ev->cancelled is not
 *
 * Blocks until it is over; `out` is always filled.
 */
void password_step(int fd, const struct session_opts *opts,
    const struct session_events *ev, struct session_result *out);

#endif
