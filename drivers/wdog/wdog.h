/* The machine's watchdog: who does not kick in time is restarted by it. */
#ifndef WDOG_H
#define WDOG_H

#include "rc.h"

struct wdog;

/* From here on wdog_kick() must come at least every timeout_s seconds.
 * RC_NOTFOUND: the machine has none at `path`. */
MUST_CHECK enum rc wdog_open(
    const char *path, int timeout_s, struct wdog **out);
void wdog_kick(struct wdog *w); /* NULL is fine */
void wdog_close(struct wdog *w); /* disarms it; NULL is fine */

/* Lets go of it without disarming: whoever opens it next must be in time. */
void wdog_leave_armed(struct wdog *w);

#endif
