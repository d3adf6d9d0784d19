/*
 * The one button of the box: a key of a device of the kernel's input layer
 * (Documentation/input/event-codes.rst, linux/input.h). It may come later, and
 * go; nothing here waits.
 */
#ifndef BUTTON_H
#define BUTTON_H

#include <stdbool.h>
#include <stdint.h>

#include "button_press.h"
#include "rc.h"

struct button_opts {
	const char *dir; /* "/dev/input" */
	/* The device's name; "auto": the first that is built in (a pin, not a
	 * keyboard that somebody plugs in) and has the key. */
	const char *device;
	int key; /* its code: 116 is KEY_POWER */
};

struct button;

/* RC_NOMEM, RC_CONFIG: no such code. The strings are copied. */
MUST_CHECK enum rc button_open(
    const struct button_opts *opts, struct button **out);
void button_close(struct button *b); /* NULL is fine */

/* For poll(); -1: there is none. */
int button_fd(const struct button *b);

/* It is held; without the bouncing. False for NULL. */
bool button_is_down(const struct button *b);

/* The next press that is due, until BUTTON_NONE; looks for the device when
 * there is none. NULL: none. */
enum button_press button_take(struct button *b, int64_t now_ms);

/* When to call it again, if button_fd() does not say so before; 0: never. */
int64_t button_next(const struct button *b);

#endif
