#include "ha.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "utf8.h"
#include "words.h"

#define KEY 13 /* of a phone, with its end: twelve digits */

/* The same for a phone for ever, and fit for topics and templates. */
static void phone_key(const struct status_phone *p, char out[KEY])
{
	size_t n = 0;

	for (const char *c = p->udid + strlen(p->udid);
	     c > p->udid && n < KEY - 1; c--) {
		if (c[-1] == '-')
			continue;
		out[n++] =
		    (char)(c[-1] >= 'A' && c[-1] <= 'Z' ? c[-1] + 32 : c[-1]);
	}
	out[n] = '\0';
}

static void put_text(cJSON *o, const char *key, const char *text)
{
	char clean[600];

	utf8_clean(clean, sizeof(clean), text);
	cJSON_AddStringToObject(o, key, clean);
}

static void put_onoff(cJSON *o, const char *key, bool on)
{
	cJSON_AddStringToObject(o, key, on ? "ON" : "OFF");
}

/* Takes it. */
static void put_json(struct markup *m, cJSON *o)
{
	char *text = cJSON_PrintUnformatted(o);

	if (text)
		markup_raw(m, text);
	else
		m->cut = true;
	cJSON_free(text);
	cJSON_Delete(o);
}

void ha_put_state_topic(const struct ha_names *n, struct markup *m)
{
	markup_fmt(m, "%s/%s/state", n->topic, n->id);
}

void ha_put_available_topic(const struct ha_names *n, struct markup *m)
{
	markup_fmt(m, "%s/%s/available", n->topic, n->id);
}

/* --- values ------------------------------------------------------------------------ */

/* As Home Assistant takes a time. */
static void put_time(cJSON *o, const char *key, int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;
	char text[40];

	if (!at || !gmtime_r(&t, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S+00:00", &tm))
		cJSON_AddNullToObject(o, key);
	else
		cJSON_AddStringToObject(o, key, text);
}

static cJSON *phone_state(const struct status *st, unsigned i)
{
	const struct status_phone *p = &st->phones[i];
	cJSON *o = cJSON_CreateObject();
	struct words w;

	words_phone(st, i, &w);
	put_text(o, "state", w.id);
	put_text(o, "says", w.headline);
	put_time(o, "last_good", p->last_good_at);
	put_onoff(o, "overdue", p->overdue_days > 0);
	put_onoff(o, "problem", w.severity == WORDS_BAD);
	if (p->battery_pct >= 0)
		cJSON_AddNumberToObject(o, "battery", p->battery_pct);
	else
		cJSON_AddNullToObject(o, "battery");
	return o;
}

void ha_put_state(const struct status *st, struct markup *m)
{
	cJSON *o = cJSON_CreateObject(), *phones;
	bool overdue = false;
	struct words w;

	words_box(st, &w);
	put_text(o, "state", w.id);
	put_text(o, "says", w.headline);
	put_text(o, "do", w.sentence);
	put_onoff(o, "problem", w.severity == WORDS_BAD);
	cJSON_AddNumberToObject(
	    o, "disk_free", (double)st->disk.free_bytes / 1e9);
	phones = cJSON_AddObjectToObject(o, "phones");
	for (unsigned i = 0; i < status_named_phones(st); i++) {
		char key[KEY];

		phone_key(&st->phones[i], key);
		overdue = overdue || st->phones[i].overdue_days > 0;
		cJSON_AddItemToObject(phones, key, phone_state(st, i));
	}
	put_onoff(o, "overdue", overdue);
	put_json(m, o);
}

/* --- entities ---------------------------------------------------------------------- */

struct entity {
	const char *component, *key, *name;
	const char *device_class, *unit; /* NULL: none */
	const char *field; /* of the state */
};

static const struct entity of_box[] = {
	{ "sensor", "says", "Says", NULL, NULL, "says" },
	{ "binary_sensor", "problem", "Problem", "problem", NULL, "problem" },
	{ "binary_sensor", "overdue", "A backup is overdue", "problem", NULL,
	    "overdue" },
	{ "sensor", "disk_free", "Free on the disk", "data_size", "GB",
	    "disk_free" },
};

static const struct entity of_phone[] = {
	{ "sensor", "says", "", NULL, NULL, "says" },
	{ "sensor", "last_good", "last safe backup", "timestamp", NULL,
	    "last_good" },
	{ "binary_sensor", "overdue", "backup overdue", "problem", NULL,
	    "overdue" },
	{ "binary_sensor", "problem", "backup problem", "problem", NULL,
	    "problem" },
	{ "sensor", "battery", "battery", "battery", "%", "battery" },
};

#define N_BOX   (sizeof(of_box) / sizeof(of_box[0]))
#define N_PHONE (sizeof(of_phone) / sizeof(of_phone[0]))

static void put_device(
    cJSON *o, const struct ha_names *n, const struct status *st)
{
	cJSON *dev = cJSON_AddObjectToObject(o, "device");
	cJSON *ids = cJSON_AddArrayToObject(dev, "identifiers");

	cJSON_AddItemToArray(ids, cJSON_CreateString(n->id));
	put_text(dev, "name", st->box);
	put_text(dev, "manufacturer", "Nightstand");
	put_text(dev, "model", "Backup box");
	put_text(dev, "sw_version", st->version);
	if (n->url[0])
		put_text(dev, "configuration_url", n->url);
}

static void put_topics(cJSON *o, const struct ha_names *n)
{
	char text[128];
	struct markup m;

	markup_init(&m, text, sizeof(text));
	ha_put_state_topic(n, &m);
	cJSON_AddStringToObject(o, "state_topic", text);
	markup_init(&m, text, sizeof(text));
	ha_put_available_topic(n, &m);
	cJSON_AddStringToObject(o, "availability_topic", text);
}

/* phone: NULL: of the box. */
static void put_entity(const struct ha_names *n, const struct status *st,
    const struct entity *e, const struct status_phone *phone,
    struct markup *topic, struct markup *payload)
{
	cJSON *o = cJSON_CreateObject();
	char key[KEY] = "", name[256], text[256], id[128];

	if (phone) {
		phone_key(phone, key);
		words_phone_name(phone, text, sizeof(text));
		snprintf(name, sizeof(name), "%.120s%s%s", text,
		    e->name[0] ? " " : "", e->name);
		snprintf(text, sizeof(text), "{{ value_json.phones['%s'].%s }}",
		    key, e->field);
	} else {
		snprintf(name, sizeof(name), "%s", e->name);
		snprintf(text, sizeof(text), "{{ value_json.%s }}", e->field);
	}
	snprintf(
	    id, sizeof(id), "%s%s%s_%s", n->id, phone ? "_" : "", key, e->key);
	markup_fmt(topic, "%s/%s/%s/config", n->discovery, e->component, id);
	put_text(o, "name", name);
	put_text(o, "unique_id", id);
	put_topics(o, n);
	put_text(o, "value_template", text);
	if (e->device_class)
		put_text(o, "device_class", e->device_class);
	if (e->unit)
		put_text(o, "unit_of_measurement", e->unit);
	put_device(o, n, st);
	put_json(payload, o);
}

bool ha_put_entity(const struct ha_names *n, const struct status *st,
    unsigned i, struct markup *topic, struct markup *payload)
{
	unsigned phone;

	if (!n->discovery[0])
		return false;
	if (i < N_BOX) {
		put_entity(n, st, &of_box[i], NULL, topic, payload);
		return true;
	}
	i -= N_BOX;
	phone = i / N_PHONE;
	/* A phone that nobody knows has no entity. */
	if (phone >= status_named_phones(st))
		return false;
	put_entity(
	    n, st, &of_phone[i % N_PHONE], &st->phones[phone], topic, payload);
	return true;
}
