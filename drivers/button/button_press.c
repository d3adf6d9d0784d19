#include "button_press.h"

static const struct button_grammar grammar[BUTTON_PRESS_COUNT_] = {
	[BUTTON_NONE] = { "none", "nothing", 0, 0 },
	[BUTTON_SHORT] = { "short press", "back up now", BUTTON_BOUNCE_MS,
	    1500 },
	[BUTTON_LONG] = { "held for 3 s", "eject the disk", 3000, 0 },
	[BUTTON_AT_START] = { "held for 10 s while the box starts",
	    "reset what was set on the page; backups stay", 10000, 0 },
};

const struct button_grammar *button_grammar(enum button_press p)
{
	if ((unsigned)p >= BUTTON_PRESS_COUNT_)
		p = BUTTON_NONE;
	return &grammar[p];
}

void button_contact_begin(struct button_contact *c, bool level, int64_t now_ms)
{
	*c = (struct button_contact){ .level = level,
		.level_ms = now_ms,
		.down = level,
		.down_ms = now_ms,
		.done = true };
}

static bool is_steady(const struct button_contact *c, int64_t now_ms)
{
	return now_ms - c->level_ms >= BUTTON_BOUNCE_MS;
}

/* It was held until level_ms. */
static enum button_press let_go(struct button_contact *c)
{
	int64_t held_ms = c->level_ms - c->down_ms;

	c->down = false;
	if (c->done || held_ms >= grammar[BUTTON_SHORT].below_ms)
		return BUTTON_NONE;
	return BUTTON_SHORT;
}

enum button_press button_contact_due(struct button_contact *c, int64_t now_ms)
{
	if (c->level != c->down && is_steady(c, now_ms)) {
		if (!c->level)
			return let_go(c);
		c->down = true;
		c->down_ms = c->level_ms;
		c->done = false;
	}
	/* One that is let go just now counts by how long it was held. */
	if (!c->down || !c->level || c->done ||
	    now_ms - c->down_ms < grammar[BUTTON_LONG].from_ms)
		return BUTTON_NONE;
	c->done = true;
	return BUTTON_LONG;
}

enum button_press button_contact_edge(
    struct button_contact *c, bool level, int64_t at_ms)
{
	enum button_press p = button_contact_due(c, at_ms);

	if (level != c->level) {
		c->level = level;
		c->level_ms = at_ms;
	}
	return p;
}

int64_t button_contact_next(const struct button_contact *c)
{
	if (c->level != c->down)
		return c->level_ms + BUTTON_BOUNCE_MS;
	if (c->down && !c->done)
		return c->down_ms + grammar[BUTTON_LONG].from_ms;
	return 0;
}
