/*
 * Shows a pattern of the LED grammar. A back end writes only when something
 * changes; the loop sleeps until the next change.
 */
#ifndef LED_H
#define LED_H

#include <stdint.h>

#include "led_pattern.h"
#include "rc.h"

enum led_backend {
	LED_BACKEND_NONE,
	LED_BACKEND_SYSFS,
	LED_BACKEND_TERMINAL
};

struct led_opts {
	enum led_backend backend;
	const char *dir; /* sysfs: "/sys/class/leds", or a folder in a test */
	const char *ok; /* sysfs: name of the LED below dir */
	const char *alert; /* sysfs: the second LED; "" = the board has one */
	int fd; /* terminal: where to draw */
};

struct led;

/* RC_NOTFOUND: no such LED. All strings are copied. */
MUST_CHECK enum rc led_open(const struct led_opts *opts, struct led **out);
void led_close(struct led *l); /* puts the light out; NULL is fine */

/* `text` is what the terminal writes beside its dot (UTF-8, one line). */
void led_show(
    struct led *l, enum led_pattern p, const char *text, int64_t now_ms);

/* Sets what is due at now_ms; returns the ms until it wants to be called
 * again, -1: not before the next led_show(). */
int led_turn(struct led *l, int64_t now_ms);

#endif
