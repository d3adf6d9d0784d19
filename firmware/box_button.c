/* The one button: what its presses do. Who is at the box may do that. */
#include <string.h>

#include "box_int.h"
#include "button.h"
#include "log.h"

#define LOG_MODULE "box"
#define HEARD_MS   800 /* the light says so */

void box_button_open(struct box *b)
{
	struct button_opts opts = { "/dev/input", b->config->button,
		b->config->button_key };

	if (!strcmp(opts.device, "none"))
		return;
	if (button_open(&opts, &b->button))
		log_error("there is no button");
}

static void back_up_now(struct box *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n_phones; i++) {
		if (!b->phones[i].attached)
			continue;
		n++;
		box_phone_post(b, &b->phones[i], PHONE_EV_ASKED);
	}
	if (!n)
		log_note("no phone is plugged in");
}

void box_button_turn(struct box *b, int64_t now_ms)
{
	enum button_press p;

	while ((p = button_take(b->button, now_ms)) != BUTTON_NONE) {
		log_note("the button: %s", button_grammar(p)->says);
		b->button_heard_ms = now_ms;
		if (p == BUTTON_SHORT)
			back_up_now(b);
		else
			box_eject(b);
	}
	/* As long as it is held; then for a moment. */
	if (b->button_heard_ms && button_is_down(b->button))
		b->button_heard_ms = now_ms;
	if (b->button_heard_ms && now_ms - b->button_heard_ms >= HEARD_MS)
		b->button_heard_ms = 0;
}

int64_t box_button_next(const struct box *b)
{
	int64_t at = button_next(b->button);
	int64_t dark = b->button_heard_ms ? b->button_heard_ms + HEARD_MS : 0;

	return !at || (dark && dark < at) ? dark : at;
}
