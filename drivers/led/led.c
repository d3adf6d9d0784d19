#include "led.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "led_backend.h"

struct led {
	const struct led_ops *ops;
	void *ctx;
	enum led_pattern pattern;
	int64_t since_ms; /* the pattern began; -1: nothing shown yet */
	int level; /* as written last, -1 none */
	char text[512];
};

enum rc led_open(const struct led_opts *opts, struct led **out)
{
	struct led *l = calloc(1, sizeof(*l));
	enum rc rc = RC_OK;

	if (!l)
		return RC_NOMEM;
	l->since_ms = -1;
	l->level = -1;
	switch (opts->backend) {
	case LED_BACKEND_NONE:
		break;
	case LED_BACKEND_SYSFS:
		l->ops = &led_sysfs_ops;
		break;
	case LED_BACKEND_TERMINAL:
		l->ops = &led_terminal_ops;
		break;
	}
	if (l->ops)
		rc = l->ops->open(opts, &l->ctx);
	if (rc) {
		free(l);
		return rc;
	}
	*out = l;
	return RC_OK;
}

void led_close(struct led *l)
{
	if (!l)
		return;
	if (l->ops)
		l->ops->close(l->ctx);
	free(l);
}

static void set_level(struct led *l, int64_t now_ms, bool always)
{
	int level = led_pattern_level(l->pattern, now_ms - l->since_ms);

	if (level == l->level && !always)
		return;
	l->level = level;
	if (l->ops)
		l->ops->set(l->ctx, l->pattern, (uint8_t)level, l->text);
}

void led_show(
    struct led *l, enum led_pattern p, const char *text, int64_t now_ms)
{
	bool is_new = l->since_ms < 0 || p != l->pattern;

	if (!is_new && !strncmp(text, l->text, sizeof(l->text) - 1))
		return;
	if (is_new) {
		l->pattern = p;
		l->since_ms = now_ms;
	}
	snprintf(l->text, sizeof(l->text), "%s", text);
	set_level(l, now_ms, true);
}

int led_turn(struct led *l, int64_t now_ms)
{
	if (!l->ops || l->since_ms < 0)
		return -1;
	set_level(l, now_ms, false);
	return (int)led_pattern_next_ms(l->pattern, now_ms - l->since_ms);
}
