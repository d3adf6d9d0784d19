#include "api.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "utf8.h"
#include "words.h"

/* Bounds what a full status (8 phones, 30 nights) may take; cJSON frees. */
static void put_text(cJSON *o, const char *key, const char *text)
{
	char clean[1024];

	utf8_clean(clean, sizeof(clean), text);
	cJSON_AddStringToObject(o, key, clean);
}

static void put_number(cJSON *o, const char *key, double n)
{
	cJSON_AddNumberToObject(o, key, n);
}

static void put_bool(cJSON *o, const char *key, bool b)
{
	cJSON_AddBoolToObject(o, key, b);
}

const char *api_severity(unsigned severity)
{
	static const char *const names[] = {
		[WORDS_GOOD] = "good",
		[WORDS_BUSY] = "busy",
		[WORDS_ACT] = "act",
		[WORDS_BAD] = "bad",
	};

	return severity < sizeof(names) / sizeof(names[0]) ? names[severity]
							   : "bad";
}

static void put_words(cJSON *o, const struct words *w)
{
	put_text(o, "state", w->id);
	put_text(o, "headline", w->headline);
	put_text(o, "sentence", w->sentence);
	put_text(o, "small", w->small);
	put_text(o, "severity", api_severity(w->severity));
}

static void put_led(cJSON *o, enum led_pattern p)
{
	const struct led_grammar *g = led_grammar(p);
	cJSON *led = cJSON_AddObjectToObject(o, "led");
	cJSON *rgb, *steps;

	put_text(led, "id", g->id);
	put_text(led, "says", g->says);
	put_text(led, "rhythm", g->rhythm);
	put_text(led, "colour", g->colour);
	rgb = cJSON_AddArrayToObject(led, "rgb");
	for (unsigned i = 0; i < 3; i++)
		cJSON_AddItemToArray(rgb, cJSON_CreateNumber(g->rgb[i]));
	steps = cJSON_AddArrayToObject(led, "steps");
	for (unsigned i = 0; i < g->n_steps; i++) {
		cJSON *step = cJSON_CreateObject();

		put_number(step, "ms", g->steps[i].ms);
		put_number(step, "from", g->steps[i].from);
		put_number(step, "to", g->steps[i].to);
		cJSON_AddItemToArray(steps, step);
	}
}

static void put_progress(cJSON *o, const struct status_phone *p)
{
	cJSON *run = cJSON_AddObjectToObject(o, "progress");

	put_number(run, "pct", p->pct_x100 / 100.0);
	put_number(run, "bytes_done", (double)p->bytes_done);
	put_number(run, "bytes_per_s", (double)p->bytes_rate);
	put_number(run, "files_done", (double)p->files_done);
	if (p->eta_s >= 0)
		put_number(run, "seconds_left", (double)p->eta_s);
	else
		cJSON_AddNullToObject(run, "seconds_left");
}

static void put_last_good(
    cJSON *o, const struct status *st, unsigned i, const struct status_phone *p)
{
	char text[128];
	cJSON *good;

	words_last_good(st, i, text, sizeof(text));
	put_text(o, "last_good_text", text);
	if (!p->last_good_at) {
		cJSON_AddNullToObject(o, "last_good");
		return;
	}
	good = cJSON_AddObjectToObject(o, "last_good");
	put_number(good, "at", (double)p->last_good_at);
	put_number(good, "files", (double)p->last_files);
	put_number(good, "bytes", (double)p->last_bytes);
	put_number(good, "new_files", (double)p->last_new_files);
	put_number(good, "new_bytes", (double)p->last_new_bytes);
}

/* 0: null */
static void put_time(cJSON *o, const char *key, int64_t at)
{
	if (at)
		put_number(o, key, (double)at);
	else
		cJSON_AddNullToObject(o, key);
}

static void put_sizes(cJSON *o, const struct status_phone *p)
{
	cJSON *list = cJSON_AddArrayToObject(o, "sizes"), *next;

	for (uint32_t i = 0; i < p->n_sizes && i < LIMIT_SIZES; i++) {
		cJSON *size = cJSON_CreateObject();

		cJSON_AddItemToArray(list, size);
		put_number(size, "at", (double)p->sizes[i].at);
		put_number(size, "bytes", (double)p->sizes[i].bytes);
		put_number(size, "new_bytes", (double)p->sizes[i].new_bytes);
	}
	if (!p->next_gone_at) {
		cJSON_AddNullToObject(o, "goes_next");
		return;
	}
	next = cJSON_AddObjectToObject(o, "goes_next");
	put_number(next, "at", (double)p->next_gone_at);
	put_number(next, "frees", (double)p->next_gone_bytes);
}

static void put_damage(cJSON *o, const struct status_phone *p)
{
	cJSON *damage = cJSON_AddObjectToObject(o, "damage");
	cJSON *names = cJSON_AddArrayToObject(damage, "some");

	put_number(damage, "newest", (double)p->damaged_files);
	put_number(damage, "older", (double)p->damaged_older);
	put_bool(damage, "wants_full", p->wants_full);
	for (unsigned i = 0; i < LIMIT_DAMAGED_NAMES && p->damaged[i][0]; i++)
		cJSON_AddItemToArray(names, cJSON_CreateString(p->damaged[i]));
}

static void put_number_or_null(cJSON *o, const char *key, unsigned n)
{
	if (n)
		put_number(o, key, n);
	else
		cJSON_AddNullToObject(o, key);
}

static void put_port(cJSON *o, const struct status_phone *p)
{
	cJSON *port;
	char text[200];

	if (!words_port(p, text, sizeof(text))) {
		cJSON_AddNullToObject(o, "port");
		return;
	}
	port = cJSON_AddObjectToObject(o, "port");
	put_text(port, "name", p->port.name);
	put_number(port, "mbit_per_s", p->port.mbit);
	put_number_or_null(port, "asks_ma", p->port.asks_ma);
	put_number_or_null(port, "gives_ma", p->port.gives_ma);
	put_bool(port, "weak_hub", p->port.weak_hub);
	put_text(port, "text", text);
}

static void put_hint(cJSON *o, const struct status *st, unsigned i)
{
	struct words w;
	cJSON *hint;

	if (!words_hint(st, i, &w)) {
		cJSON_AddNullToObject(o, "hint");
		return;
	}
	hint = cJSON_AddObjectToObject(o, "hint");
	put_text(hint, "id", w.id);
	put_text(hint, "headline", w.headline);
	put_text(hint, "sentence", w.sentence);
}

static void put_phone(cJSON *list, const struct status *st, unsigned i)
{
	const struct status_phone *p = &st->phones[i];
	cJSON *o = cJSON_CreateObject();
	struct words w;

	cJSON_AddItemToArray(list, o);
	if (p->nameless)
		cJSON_AddNullToObject(o, "udid");
	else
		put_text(o, "udid", p->udid);
	put_text(o, "name", p->name);
	put_text(o, "model", p->model);
	put_text(o, "product_type", p->product_type);
	put_text(o, "ios", p->ios);
	words_phone(st, i, &w);
	put_words(o, &w);
	put_led(o, w.led);
	put_number(o, "state_at", (double)p->state_at);
	put_bool(o, "attached", p->attached);
	put_bool(o, "encrypted", p->encrypted);
	if (p->will_encrypt >= 0)
		put_bool(o, "will_encrypt", p->will_encrypt);
	else
		cJSON_AddNullToObject(o, "will_encrypt");
	put_hint(o, st, i);
	if (p->battery_pct >= 0)
		put_number(o, "battery_pct", p->battery_pct);
	else
		cJSON_AddNullToObject(o, "battery_pct");
	put_port(o, p);
	put_progress(o, p);
	put_number(o, "missing_bytes", (double)p->missing_bytes);
	put_number(o, "mb_code", p->mb_code);
	put_text(o, "detail", p->detail);
	put_last_good(o, st, i, p);
	put_number(o, "versions", p->versions);
	put_sizes(o, p);
	put_number(o, "overdue_days", p->overdue_days);
	put_damage(o, p);
}

static void put_night(cJSON *list, const struct status *st, unsigned i)
{
	const struct status_night *n = &st->nights[i];
	cJSON *o = cJSON_CreateObject();
	char text[512];

	cJSON_AddItemToArray(list, o);
	put_number(o, "at", (double)n->at);
	words_when(st->now_at, n->at, text, sizeof(text));
	put_text(o, "when", text);
	put_text(o, "udid", n->udid);
	put_text(o, "phone", n->phone);
	put_text(o, "state", status_state_id(n->state));
	words_night(st, i, text, sizeof(text));
	put_text(o, "text", text);
	put_number(o, "pct", n->pct_x100 / 100.0);
	put_number(o, "new_files", (double)n->new_files);
	put_number(o, "new_bytes", (double)n->new_bytes);
	put_number(o, "seconds", (double)n->seconds);
	put_number(o, "missing_bytes", (double)n->missing_bytes);
	put_number(o, "mb_code", n->mb_code);
	put_text(o, "detail", n->detail);
}

static void put_known(cJSON *o, const char *key, int32_t value)
{
	if (value == STATUS_SMART_UNKNOWN)
		cJSON_AddNullToObject(o, key);
	else
		put_number(o, key, value);
}

static void put_smart(cJSON *disk, const struct status_smart *s)
{
	cJSON *smart;

	if (!s->told) {
		cJSON_AddNullToObject(disk, "smart");
		return;
	}
	smart = cJSON_AddObjectToObject(disk, "smart");
	put_bool(smart, "failing", s->failing);
	put_known(smart, "temperature_c", s->temperature_c);
	put_known(smart, "hours", s->hours);
	put_known(smart, "reallocated", s->reallocated);
	put_known(smart, "pending", s->pending);
}

static void put_disk(cJSON *o, const struct status_disk *d)
{
	cJSON *disk = cJSON_AddObjectToObject(o, "disk");

	put_bool(disk, "present", d->present);
	put_text(disk, "path", d->path);
	put_text(disk, "fs", d->fs);
	put_number(disk, "total_bytes", (double)d->total_bytes);
	put_number(disk, "free_bytes", (double)d->free_bytes);
	if (d->offer[0])
		put_text(disk, "offer", d->offer);
	else
		cJSON_AddNullToObject(disk, "offer");
	put_time(disk, "read_at", d->read_at);
	put_smart(disk, &d->smart);
}

static void put_health(cJSON *box, const struct status_health *h)
{
	if (h->has_temperature)
		put_number(box, "temperature_c", h->temperature_c);
	else
		cJSON_AddNullToObject(box, "temperature_c");
	put_time(box, "weak_power_at", h->weak_power_at);
	put_number(box, "weak_power_times", h->weak_power_times);
	put_number_or_null(box, "supply_ma", (unsigned)h->supply_ma);
	put_number_or_null(box, "usb_limit_ma", (unsigned)h->usb_limit_ma);
	put_number(box, "restarts", h->restarts);
	put_text(box, "last_reset", status_reset_id(h->last_reset));
}

static void put_wifi(cJSON *box, const struct status_wifi *w)
{
	cJSON *wifi;

	if (w->state == STATUS_WIFI_NONE) {
		cJSON_AddNullToObject(box, "wifi");
		return;
	}
	wifi = cJSON_AddObjectToObject(box, "wifi");
	put_text(wifi, "state", status_wifi_id(w->state));
	put_text(wifi, "name", w->name);
	if (w->signal_dbm)
		put_number(wifi, "signal_dbm", w->signal_dbm);
	else
		cJSON_AddNullToObject(wifi, "signal_dbm");
}

static void put_update(cJSON *box, const struct status_update *u)
{
	cJSON *o;

	if (!u->can) {
		cJSON_AddNullToObject(box, "update");
		return;
	}
	o = cJSON_AddObjectToObject(box, "update");
	if (u->version[0])
		put_text(o, "version", u->version);
	else
		cJSON_AddNullToObject(o, "version");
	put_number(o, "build", (double)u->build);
	put_bool(o, "older", u->older);
	put_bool(o, "sent", u->sent);
	put_bool(o, "comes", u->comes);
	put_bool(o, "runs", u->runs);
	put_number(o, "pct", u->pct);
	put_bool(o, "trial", u->trial);
	put_text(o, "why", u->why);
}

static void put_box(cJSON *o, const struct status *st)
{
	cJSON *box = cJSON_AddObjectToObject(o, "box");
	struct words w;

	put_text(box, "name", st->box);
	put_text(box, "version", st->version);
	put_number(box, "started_at", (double)st->started_at);
	put_text(box, "state", status_state_id(st->box_state));
	put_text(box, "detail", st->detail);
	put_health(box, &st->health);
	put_wifi(box, &st->wifi);
	if (st->certificate[0])
		put_text(box, "certificate_sha256", st->certificate);
	else
		cJSON_AddNullToObject(box, "certificate_sha256");
	put_update(box, &st->update);
	words_box(st, &w);
	put_words(o, &w);
	put_led(o, st->led);
	if (st->phone >= 0 && st->phone < LIMIT_PHONES &&
	    !st->phones[st->phone].nameless)
		put_text(o, "phone", st->phones[st->phone].udid);
	else
		cJSON_AddNullToObject(o, "phone");
}

static void put_clock(cJSON *o, const struct status *st)
{
	cJSON *clock = cJSON_AddObjectToObject(o, "clock");

	put_text(clock, "source", status_clock_id(st->clock));
	cJSON_AddBoolToObject(clock, "known", status_clock_is_known(st->clock));
	if (st->clock_at)
		put_number(clock, "since", (double)st->clock_at);
	else
		cJSON_AddNullToObject(clock, "since");
}

enum rc api_status(
    const struct status *st, char *buf, size_t cap, size_t *out_len)
{
	cJSON *o = cJSON_CreateObject(), *list;
	enum rc rc = RC_LIMIT;

	if (!o)
		return RC_NOMEM;
	put_number(o, "serial", (double)st->serial);
	put_number(o, "now", (double)st->now_at);
	put_clock(o, st);
	put_box(o, st);
	put_disk(o, &st->disk);
	list = cJSON_AddArrayToObject(o, "phones");
	for (unsigned i = 0; i < st->n_phones && i < LIMIT_PHONES; i++)
		put_phone(list, st, i);
	list = cJSON_AddArrayToObject(o, "nights");
	for (unsigned i = 0; i < st->n_nights && i < LIMIT_NIGHTS; i++)
		put_night(list, st, i);
	/* cJSON wants five bytes more than it writes */
	if (cap > 8 && cap <= 0x7fffffff &&
	    cJSON_PrintPreallocated(o, buf, (int)cap, 0)) {
		*out_len = strlen(buf);
		rc = RC_OK;
	}
	cJSON_Delete(o);
	return rc;
}
