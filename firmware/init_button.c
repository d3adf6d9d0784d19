/* The button that is held while the box starts: what was set on the page goes. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "button.h"
#include "init.h"
#include "led.h"
#include "log.h"
#include "mono.h"
#include "settings_file.h"

#define LOG_MODULE "init"
#define STEP_MS    50

/* True: it was held for that long. The light shows `p` meanwhile. */
static bool is_held(
    struct button *b, struct led *led, enum led_pattern p, int64_t ms)
{
	int64_t end_ms = mono_ms() + ms;

	while (mono_ms() < end_ms) {
		struct pollfd fd = { .fd = button_fd(b), .events = POLLIN };

		if (led) {
			led_show(led, p, "", mono_ms());
			led_turn(led, mono_ms());
		}
		(void)poll(&fd, 1, STEP_MS);
		(void)button_take(b, mono_ms());
		if (!button_is_down(b))
			return false;
	}
	return true;
}

static void drop_settings(const char *dir)
{
	char path[CONFIG_TEXT + sizeof("/" SETTINGS_FILE)];

	snprintf(path, sizeof(path), "%s/" SETTINGS_FILE, dir);
	if (unlink(path) != 0 && errno != ENOENT)
		log_error("the settings stay: %s", strerror(errno));
	else
		log_note("the button was held: what was set on the page is "
			 "reset");
}

static void ask_button(
    const struct config *c, struct button *b, struct led *led)
{
	int64_t ms = button_grammar(BUTTON_AT_START)->from_ms;

	log_note("the button is held: in %d s what was set on the page is "
		 "reset",
	    (int)(ms / 1000));
	if (!is_held(b, led, LED_STARTING, ms)) {
		log_note("it was let go: nothing is reset");
		return;
	}
	drop_settings(c->state);
	(void)is_held(b, led, LED_SAFE, ms);
}

void init_button(const struct config *c)
{
	struct button_opts opts = { "/dev/input", c->button, c->button_key };
	struct led_opts light = { .backend = c->led,
		.dir = c->led_dir,
		.ok = c->led_ok,
		.alert = c->led_alert,
		.fd = STDOUT_FILENO };
	struct led *led = NULL;
	struct button *b;

	if (!strcmp(c->button, "none") || button_open(&opts, &b))
		return;
	(void)button_take(b, mono_ms());
	if (button_is_down(b)) {
		if (led_open(&light, &led))
			led = NULL;
		ask_button(c, b, led);
		led_close(led);
	}
	button_close(b);
}
