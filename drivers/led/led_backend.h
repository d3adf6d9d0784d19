/* What a back end of led.c offers; not for use outside of this folder. */
#ifndef LED_BACKEND_H
#define LED_BACKEND_H

#include "led.h"

struct led_ops {
	enum rc (*open)(const struct led_opts *opts, void **out);
	/* The level changed, or the pattern or the text did. */
	void (*set)(
	    void *ctx, enum led_pattern p, uint8_t level, const char *text);
	void (*close)(void *ctx);
};

extern const struct led_ops led_sysfs_ops;
extern const struct led_ops led_terminal_ops;

#endif
