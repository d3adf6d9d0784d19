/*
 * The LED grammar, once. Rhythm carries the meaning, colour only repeats it.
 * From this table come the LEDs, the terminal's line, the page's legend and
 * the README's.
 */
#ifndef LED_PATTERN_H
#define LED_PATTERN_H

#include <stdint.h>

enum led_pattern {
	LED_STARTING,
	LED_READY,
	LED_LOOK,
	LED_BACKING_UP,
	LED_SAFE,
	LED_OVERDUE,
	LED_NO_DISK,
	LED_DISK_FULL,
	LED_FAILED,
	LED_FAULT,
	LED_PATTERN_COUNT_
};

struct led_step {
	uint16_t ms;
	uint8_t from, to; /* brightness 0..255 at its start and end */
};

struct led_grammar {
	const char *id; /* "look"; steady, for the API */
	const char *says; /* "look at your phone (trust, unlock, passcode)" */
	const char *rhythm; /* "double blink" */
	const char *colour; /* "white", "green", "blue", "amber", "red" */
	uint8_t rgb[3];
	uint8_t n_steps;
	struct led_step steps[16];
};

const struct led_grammar *led_grammar(enum led_pattern p);

/* Brightness 0..255 at `ms` after the pattern began; pure. */
uint8_t led_pattern_level(enum led_pattern p, int64_t ms);

/* The length of one round of the rhythm. */
int64_t led_pattern_period_ms(enum led_pattern p);

/* How long the level at `ms` may stand before it must be set again: to the
 * end of its step, at most LED_PATTERN_RAMP_MS while it rises or falls; -1
 * when it never changes. Lets a box sleep between two blinks. */
#define LED_PATTERN_RAMP_MS 50
int64_t led_pattern_next_ms(enum led_pattern p, int64_t ms);

#endif
