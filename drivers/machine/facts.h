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

/* A watchdog says that it was the one that restarted the machine. */
bool facts_was_bitten(const char *sys);

/*
 * The loader says that the chip was reset with its power on: bit 5 (HADWRF) of
 * the register PM_RSTS, as the loader of a Raspberry Pi 4 or 5 found it and
 * wrote it into the device tree (chosen/bootloader/rsts, 4 bytes, the highest
 * first). An orderly restart and a panic's set it as well as the watchdog.
 */
bool facts_was_reset(const char *sys);

/* There is a LED of that name. */
bool facts_led(const char *sys, const char *name);

#endif
