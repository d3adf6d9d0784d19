/* Fills the one struct status, and hands it to LED and page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "wall.h"
#include "words.h"

#define LOG_MODULE "box"

#define DAY_S   86400
#define WEAK_MS (60 * 60 * 1000)

/* It dipped, and not long ago. */
static bool is_weak(const struct box *b)
{
	return b->weak_power_ms && mono_ms() - b->weak_power_ms < WEAK_MS;
}

static enum status_state box_state(const struct box *b)
{
	if (b->fault[0])
		return STATE_BOX_FAULT;
	if (!b->has_census)
		return STATE_STARTING;
	if (box_update_runs(b))
		return STATE_UPDATING;
	if (box_eject_runs(b))
		return STATE_DISK_EJECTING;
	switch (b->disk.state) {
	case DISK_FIT:
		if (b->smart.failing)
			return STATE_DISK_WORN;
		if (is_weak(b))
			return STATE_WEAK_POWER;
		if (box_upload_comes(b))
			return STATE_UPDATE_COMES;
		return b->notice[0] ? STATE_NOTICE : STATE_READY;
	case DISK_MISSING:
		return STATE_NO_DISK;
	case DISK_READONLY:
		return STATE_DISK_READONLY;
	case DISK_EJECTED:
		return STATE_DISK_EJECTED;
	case DISK_LOCKED:
		return STATE_DISK_LOCKED;
	case DISK_HELD:
		return STATE_DISK_HELD;
	case DISK_UNFIT:
		return STATE_DISK_UNFIT;
	case DISK_FAILING:
		return STATE_DISK_FAILING;
	case DISK_STATE_COUNT_:
		break;
	}
	return STATE_BOX_FAULT;
}

static uint32_t days_overdue(
    const struct box *b, const struct status_phone *p, int64_t now_at)
{
	int64_t days;

	if (p->last_good_at <= 0 || !timekeeper_is_known(&b->time))
		return 0;
	days = (now_at - p->last_good_at) / DAY_S;
	return days >= b->config->overdue_days ? (uint32_t)days : 0;
}

static void fill_phone(
    const struct box *b, const struct box_phone *p, struct status_phone *out)
{
	*out = p->shown;
	out->overdue_days = days_overdue(b, out, b->status.now_at);
	/* A phone that lies elsewhere: what counts is its backup's age. */
	if (out->overdue_days && !out->attached &&
	    (out->state == STATE_SAFE || out->state == STATE_READY))
		out->state = STATE_READY_OVERDUE;
	if (out->damaged_files &&
	    (out->state == STATE_SAFE || out->state == STATE_READY ||
		out->state == STATE_READY_OVERDUE))
		out->state = STATE_DAMAGED;
	status_tell_loss(out);
	box_bus_fill(b, p, out);
	/* A plain one that has no room for its own state yet. */
	if (out->state == STATE_STARTING)
		out->state = STATE_READY;
}

static void fill_health(const struct box *b, struct status_health *out)
{
	unsigned begins = b->usbmux.begins + b->web.begins;
	unsigned wanted =
	    (b->usbmux.begins ? 1U : 0U) + (b->web.begins ? 1 : 0);

	out->has_temperature = b->health.has_temperature;
	out->temperature_c = b->health.temperature_c;
	out->weak_power_at = b->weak_power_at;
	out->weak_power_times = b->weak_power_times;
	out->supply_ma = b->health.supply_ma;
	out->usb_limit_ma = b->health.usb_limit_ma;
	out->restarts = begins - wanted;
	out->last_reset = b->last_reset;
}

/* Since when every backup that is kept was read again; 0: one was not. */
static int64_t all_read_at(const struct box *b)
{
	int64_t at = 0;

	for (unsigned i = 0; i < b->n_phones; i++) {
		const struct box_phone *p = &b->phones[i];
		int64_t read_at;

		if (!p->shown.last_good_at)
			continue;
		read_at = ledger_read_again_at(b->ledger, p->udid);
		if (!read_at)
			return 0;
		if (!at || read_at < at)
			at = read_at;
	}
	return at;
}

static void fill_disk(const struct box *b, struct status_disk *out)
{
	out->present = b->disk.state != DISK_MISSING && !b->eject_gone;
	snprintf(out->path, sizeof(out->path), "%s", b->config->vault);
	snprintf(out->fs, sizeof(out->fs), "%s", b->disk.fs);
	out->total_bytes = b->disk.total_bytes;
	out->free_bytes = b->disk.free_bytes;
	if (b->config->disks && b->found.name[0] &&
	    (b->disk.state == DISK_UNFIT || b->disk.state == DISK_LOCKED))
		snprintf(out->offer, sizeof(out->offer), "%s",
		    b->found.model[0] ? b->found.model : b->found.name);
	out->read_at = all_read_at(b);
	if (b->disk.state == DISK_FIT)
		out->smart = b->smart;
	else
		status_smart_unknown(&out->smart);
	out->let_go = out->present && box_eject_is_let_go(b);
}

static void fill(struct box *b)
{
	struct status *st = &b->status;

	st->now_at = wall_now();
	box_time_status(b, st);
	snprintf(st->box, sizeof(st->box), "%s", b->config->box_name);
	snprintf(st->version, sizeof(st->version), "%s", NIGHTSTAND_VERSION);
	st->box_state = box_state(b);
	snprintf(st->detail, sizeof(st->detail), "%s",
	    b->fault[0]                     ? b->fault
	    : st->box_state == STATE_NOTICE ? b->notice
					    : b->disk.why);
	fill_disk(b, &st->disk);
	fill_health(b, &st->health);
	box_wifi_status(b, &st->wifi);
	box_update_status(b, &st->update);
	if (b->cert.cert_len)
		memcpy(st->certificate, b->cert.fingerprint,
		    sizeof(st->certificate));
	st->n_phones = b->n_phones;
	for (unsigned i = 0; i < b->n_phones; i++)
		fill_phone(b, &b->phones[i], &st->phones[i]);
	box_bus_strangers(b, st);
	st->n_nights = ledger_newest(b->ledger, st->nights, LIMIT_NIGHTS);
	status_settle(st);
}

/* Free bytes change with every file; a reader cares for a tenth of a GB. Nor
 * is a degree more or less any news. */
static bool is_news(const struct status *a, struct status *b)
{
	uint64_t free_bytes = b->disk.free_bytes;
	int temperature = b->health.temperature_c;
	int warmth = b->disk.smart.temperature_c;
	int64_t now_at = b->now_at;
	uint64_t serial = b->serial;
	bool news;

	b->now_at = a->now_at;
	b->serial = a->serial;
	if (free_bytes / 100000000 == a->disk.free_bytes / 100000000)
		b->disk.free_bytes = a->disk.free_bytes;
	if (abs(temperature - a->health.temperature_c) < 2)
		b->health.temperature_c = a->health.temperature_c;
	if (abs(warmth - a->disk.smart.temperature_c) < 2)
		b->disk.smart.temperature_c = a->disk.smart.temperature_c;
	news = memcmp(a, b, sizeof(*a)) != 0;
	b->disk.free_bytes = free_bytes;
	b->health.temperature_c = temperature;
	b->disk.smart.temperature_c = warmth;
	b->now_at = now_at;
	b->serial = serial;
	/* Ages in words grow by the minute. */
	return news || now_at / 60 != a->now_at / 60;
}

static void show_led(struct box *b)
{
	struct words w;
	char text[800];

	words_box(&b->status, &w);
	snprintf(text, sizeof(text), "%s \u00b7 %s", w.headline, w.sentence);
	led_show(b->led, b->button_heard_ms ? LED_STARTING : b->status.led,
	    text, mono_ms());
}

void box_status_send(struct box *b)
{
	static struct msg m;
	enum rc rc;

	if (!b->web_behind || b->web.child.fd < 0)
		return;
	m.type = MSG_STATUS;
	m.u.status = b->sent;
	rc = msg_send(b->web.child.fd, &m);
	/* A page that does not read gets the newest one once it does. */
	if (rc != RC_BUSY)
		b->web_behind = false;
}

void box_status_update(struct box *b)
{
	fill(b);
	if (!is_news(&b->sent, &b->status))
		return;
	b->status.serial++;
	if (b->status.state != b->sent.state)
		log_info("the box says %s led=%s",
		    status_state_id(b->status.state),
		    led_grammar(b->status.led)->id);
	b->sent = b->status;
	b->web_behind = true;
	show_led(b);
}

/* True when the phone's newest line is of the night that has just ended. */
static bool has_line(const struct box *b, const char *udid, int64_t night)
{
	const struct status_night *n = ledger_last_of(b->ledger, udid);

	return n && wall_night_number(n->at) >= night;
}

void box_status_night(struct box *b)
{
	int64_t now_at = wall_now();
	int64_t night = wall_night_number(now_at);

	if (!timekeeper_is_known(&b->time) || night == b->night)
		return;
	/* The first look only learns which night it is. */
	for (unsigned i = 0; b->night && i < b->n_phones; i++) {
		const struct box_phone *p = &b->phones[i];
		struct status_night n = {
			.at = now_at,
			.state = STATE_READY_OVERDUE,
		};

		if (p->attached || has_line(b, p->udid, b->night))
			continue;
		/* It was brought, and did not talk. */
		if (box_bus_state(b, p->udid) != STATE_SEEN)
			n.state = box_bus_state(b, p->udid);
		snprintf(n.udid, sizeof(n.udid), "%s", p->udid);
		snprintf(n.phone, sizeof(n.phone), "%s", p->shown.name);
		box_add_night(b, &n);
	}
	b->night = night;
}
