/* What this machine has, as the kernel shows it below `sys` ("/sys"). */
#ifndef FACTS_H
#define FACTS_H

#include <stdbool.h>
#include <stddef.h>

/* The first Ethernet port, by name: a device, no bridge, no Wi-Fi. */
bool facts_ethernet(const char *sys, char *out, size_t cap);

/* The first Wi-Fi, likewise. */
bool facts_wifi(const char *sys, char *out, size_t cap);

/* The device of the hardware's watchdog, "/dev/watchdog0"; one of the kernel's
 * own ("Software…") does not count. */
bool facts_watchdog(const char *sys, char *out, size_t cap);

/* There is a LED of that name. */
bool facts_led(const char *sys, const char *name);

#endif
