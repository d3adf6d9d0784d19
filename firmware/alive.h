/*
 * A part of the box says now and then that its loop goes round. The box ends
 * one that has stopped saying so, and starts it again.
 */
#ifndef ALIVE_H
#define ALIVE_H

#include <stdint.h>

#include "rc.h"

#define ALIVE_EVERY_MS 10000

/*
 * Says so when it is due; *due_ms is 0 at first, then when it is due again. A
 * box that does not read just now is no error. Does not block.
 */
MUST_CHECK enum rc alive_turn(int fd, int64_t *due_ms);

#endif
