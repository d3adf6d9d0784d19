/*
 * Kernel modules. modules.txt of their folder says what there is
 * (tools/image/modules.py writes it):
 *
 *   always NAME NEEDED…    to be loaded at every start
 *   module NAME NEEDED…    when a device wants it; NEEDED in loading order
 *   alias PATTERN NAME     a device whose modalias fits wants it
 *
 * Not for use by several threads.
 */
#ifndef MODULES_H
#define MODULES_H

#include "rc.h"

#define MODULES_MAX   192
#define MODULES_ALIAS 4096
#define MODULES_TEXT  (512 * 1024) /* bytes of modules.txt */

struct modules;

/* RC_NOTFOUND, RC_IO: the list can't be read; RC_CORRUPT: it makes no sense. */
MUST_CHECK enum rc modules_open(const char *dir, struct modules **out);
void modules_close(struct modules *m); /* NULL is fine */

/* How many were loaded. One that can't be is told in the log, once. Loading
 * blocks until the module has met the devices that are there. */
unsigned modules_load_always(struct modules *m);
unsigned modules_load_for(struct modules *m, const char *modalias);

/* … for every device that `sys` (as /sys) lists at a bus or in a class. */
unsigned modules_load_for_all(struct modules *m, const char *sys);

#endif
