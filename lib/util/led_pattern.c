#include "led_pattern.h"

#include <stddef.h>

#define ON(ms)                                                                 \
	{                                                                      \
		(ms), 255, 255                                                 \
	}
#define OFF(ms)                                                                \
	{                                                                      \
		(ms), 0, 0                                                     \
	}
#define BLINK ON(200), OFF(250)

/* clang-format off */
static const struct led_grammar grammar[LED_PATTERN_COUNT_] = {
	[LED_STARTING] = { "starting", "starting", "fast flicker", "white",
		{ 255, 255, 255 }, 2, { ON(100), OFF(100) } },
	[LED_READY] = { "ready", "ready, last backup fresh",
		"off, one short blink every 10 s", "green",
		{ 48, 209, 88 }, 2, { ON(120), OFF(9880) } },
	[LED_LOOK] = { "look", "look at your phone (trust, unlock, passcode)",
		"double blink", "white",
		{ 255, 255, 255 }, 4,
		{ ON(150), OFF(150), ON(150), OFF(1050) } },
	[LED_BACKING_UP] = { "backing_up", "backing up: leave it plugged in",
		"slow breathing", "blue",
		{ 10, 132, 255 }, 2, { { 2000, 8, 255 }, { 2000, 255, 8 } } },
	[LED_SAFE] = { "safe",
		"safe: everything on the phone is on the disk", "steady",
		"green", { 48, 209, 88 }, 1, { ON(1000) } },
	[LED_OVERDUE] = { "overdue", "no backup for some days",
		"one long blink every 4 s", "amber",
		{ 255, 179, 0 }, 2, { ON(1000), OFF(3000) } },
	[LED_NO_DISK] = { "no_disk", "no disk, or the disk needs you",
		"3 blinks, pause", "red",
		{ 255, 69, 58 }, 6, { BLINK, BLINK, ON(200), OFF(1500) } },
	[LED_DISK_FULL] = { "disk_full", "disk full", "4 blinks, pause", "red",
		{ 255, 69, 58 }, 8,
		{ BLINK, BLINK, BLINK, ON(200), OFF(1500) } },
	[LED_FAILED] = { "failed", "backup failed", "5 blinks, pause", "red",
		{ 255, 69, 58 }, 10,
		{ BLINK, BLINK, BLINK, BLINK, ON(200), OFF(1500) } },
	[LED_FAULT] = { "fault", "fault of the box", "6 blinks, pause", "red",
		{ 255, 69, 58 }, 12,
		{ BLINK, BLINK, BLINK, BLINK, BLINK, ON(200), OFF(1500) } },
};
/* clang-format on */

const struct led_grammar *led_grammar(enum led_pattern p)
{
	if ((unsigned)p >= LED_PATTERN_COUNT_)
		p = LED_FAULT;
	return &grammar[p];
}

int64_t led_pattern_period_ms(enum led_pattern p)
{
	const struct led_grammar *g = led_grammar(p);
	int64_t sum = 0;

	for (size_t i = 0; i < g->n_steps; i++)
		sum += g->steps[i].ms;
	return sum;
}

/* The step that is on at `ms`, and how far into it that is. */
static const struct led_step *step_at(
    enum led_pattern p, int64_t ms, int64_t *into)
{
	const struct led_grammar *g = led_grammar(p);
	size_t i = 0;

	ms = ms < 0 ? 0 : ms % led_pattern_period_ms(p);
	while (i + 1u < g->n_steps && ms >= g->steps[i].ms)
		ms -= g->steps[i++].ms;
	*into = ms;
	return &g->steps[i];
}

uint8_t led_pattern_level(enum led_pattern p, int64_t ms)
{
	int64_t into;
	const struct led_step *s = step_at(p, ms, &into);

	return (uint8_t)(s->from + (s->to - s->from) * into / s->ms);
}

int64_t led_pattern_next_ms(enum led_pattern p, int64_t ms)
{
	int64_t into;
	const struct led_step *s = step_at(p, ms, &into);

	if (led_grammar(p)->n_steps == 1)
		return -1;
	if (s->from != s->to && s->ms - into > LED_PATTERN_RAMP_MS)
		return LED_PATTERN_RAMP_MS;
	return s->ms - into;
}
