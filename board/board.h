/* What one board is: data only. One folder below board/ gives `board`. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

struct board {
	const char *id; /* "host" */
	const char *name; /* what the box calls itself */
	const char *state_dir; /* the box's own storage; "" = none */
	const char *vault_dir; /* where the disk is mounted; "" = none */
	const char *led_backend; /* "none", "sysfs", "terminal" */
	const char *led_dir;
	const char *led_ok; /* names below led_dir */
	const char *led_alert; /* "" = the board has one LED */
	const char *nic; /* network port of the page */
	const char *interface; /* "" none */
	const char *listen;
	int port;
	const char *watchdog; /* "" = none */
	bool sets_clock; /* it has none that goes on without power */
};

extern const struct board board;

#endif
