/* What one board is: data only. One folder below board/ gives `board`. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define BOARD_LEDS 4

struct board {
	const char *id; /* "host" */
	const char *name; /* what the box calls itself */
	const char *state_dir; /* the box's own storage; "" = none */
	const char *vault_dir; /* where the disk is mounted; "" = none */
	const char *led_backend; /* "none", "sysfs", "terminal" */
	const char *led_dir;
	const char *led_ok; /* names below led_dir */
	const char *led_alert; /* "" = the board has one LED */
	const char *button; /* "none", "auto"; see drivers/button */
	const char *nic; /* network port of the page */
	const char *interface; /* "" none */
	const char *listen;
	int port;
	const char *watchdog; /* "" = none */
	bool sets_clock; /* it has none that goes on without power */

	/* The rest is for the image, whose first process is ours. */
	struct {
		const char *ok, *alert; /* alert "": one LED */
	} leds[BOARD_LEDS]; /* the first pair that is there; ok NULL: end */
	const char *card_label; /* of the FAT partition; NULL: a PC */
	const char *data_label; /* of the box's own partition beside it */
};

extern const struct board board;

#endif
