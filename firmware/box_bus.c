/* What is on USB, whether it can be talked to or not. */
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "on_bus.h"
#include "wall.h"

#define LOG_MODULE "box"

static struct box_on_bus *at_place(struct box *b, uint32_t place)
{
	for (unsigned i = 0; i < BOX_ON_BUS; i++)
		if (b->on_bus[i].in_use && b->on_bus[i].m.place == place)
			return &b->on_bus[i];
	return NULL;
}

static struct box_on_bus *free_place(struct box *b)
{
	for (unsigned i = 0; i < BOX_ON_BUS; i++)
		if (!b->on_bus[i].in_use)
			return &b->on_bus[i];
	return NULL;
}

static enum status_state state_of(const struct box_on_bus *e)
{
	return on_bus_state((enum usb_why)e->m.why, mono_ms() - e->since_ms);
}

void box_bus_told(struct box *b, const struct msg_on_bus *m)
{
	struct box_on_bus *e = at_place(b, m->place);

	if (m->why == USB_WHY_GONE) {
		if (e)
			e->in_use = false;
		return;
	}
	if (!e)
		e = free_place(b);
	if (!e) {
		log_warn("more on USB than there is room for");
		return;
	}
	*e = (struct box_on_bus){ .in_use = true,
		.m = *m,
		.since_ms = mono_ms(),
		.since_at = wall_now() };
	if (m->why != USB_WHY_TALKS)
		log_note("a phone on USB does not talk state=%s udid=%s",
		    status_state_id(state_of(e)), m->udid);
}

void box_bus_lost(struct box *b)
{
	memset(b->on_bus, 0, sizeof(b->on_bus));
}

static const struct box_on_bus *of_udid(const struct box *b, const char *udid)
{
	for (unsigned i = 0; i < BOX_ON_BUS; i++)
		if (b->on_bus[i].in_use && udid[0] &&
		    !strcmp(b->on_bus[i].m.udid, udid))
			return &b->on_bus[i];
	return NULL;
}

enum status_state box_bus_state(const struct box *b, const char *udid)
{
	const struct box_on_bus *e = of_udid(b, udid);

	return e ? state_of(e) : STATE_SEEN;
}

/* The board may hold all its ports to less than one of them could give. */
static void limit_port(const struct box *b, struct status_port *port)
{
	int limit = b->health.usb_limit_ma;

	if (limit && port->gives_ma > limit)
		port->gives_ma = (uint16_t)limit;
}

void box_bus_fill(
    const struct box *b, const struct box_phone *p, struct status_phone *out)
{
	const struct box_on_bus *e = of_udid(b, p->udid);

	if (!e)
		return;
	on_bus_port(&e->m, &out->port);
	limit_port(b, &out->port);
	/* While its session ends, that is what there is to tell. */
	if (e->m.why == USB_WHY_TALKS || p->attached ||
	    phone_fsm_has_session(p->state))
		return;
	out->state = state_of(e);
	out->state_at = e->since_at;
}

static bool is_known(const struct box *b, const char *udid)
{
	for (unsigned i = 0; i < b->n_phones; i++)
		if (!strcmp(b->phones[i].udid, udid))
			return true;
	return false;
}

void box_bus_strangers(const struct box *b, struct status *st)
{
	for (unsigned i = 0; i < BOX_ON_BUS; i++) {
		const struct box_on_bus *e = &b->on_bus[i];
		struct status_phone *p = &st->phones[st->n_phones];

		if (!e->in_use || e->m.why == USB_WHY_TALKS ||
		    is_known(b, e->m.udid))
			continue;
		if (st->n_phones == LIMIT_PHONES)
			return; /* it was logged as it came */
		on_bus_phone(&e->m, p);
		limit_port(b, &p->port);
		p->state = state_of(e);
		p->state_at = e->since_at;
		st->n_phones++;
	}
}
