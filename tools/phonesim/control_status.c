/* `status`: the phones' state as one line of JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "content.h"
#include "control.h"
#include "phone_private.h"
#include "phone_set.h"

struct json {
	char *out;
	size_t cap, n;
	bool more; /* a comma is due */
};

static void json_put(struct json *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void json_put(struct json *j, const char *fmt, ...)
{
	va_list ap;
	int k;

	if (j->n >= j->cap)
		return;
	va_start(ap, fmt);
	k = vsnprintf(j->out + j->n, j->cap - j->n, fmt, ap);
	va_end(ap);
	j->n += k > 0 ? (size_t)k : 0;
}

static void json_key(struct json *j, const char *key)
{
	json_put(j, "%s\"%s\":", j->more ? "," : "", key);
	j->more = true;
}

static void json_str(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	json_put(j, "\"");
	for (; *value; value++) {
		unsigned char ch = (unsigned char)*value;

		if (ch == '"' || ch == '\\')
			json_put(j, "\\%c", ch);
		else if (ch < 0x20)
			json_put(j, "\\u%04x", ch);
		else
			json_put(j, "%c", ch);
	}
	json_put(j, "\"");
}

static void json_int(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_put(j, "%llu", (unsigned long long)value);
}

static void json_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	json_put(j, value ? "true" : "false");
}

/* (L) */
static void status_state(struct json *j, struct phone *ph)
{
	static const char *const trust[] = { "none", "open", "accepted",
		"denied" };
	int links = 0, faults = 0;

	for (int i = 0; i < PHONE_LINKS_MAX; i++)
		links += ph->p->links[i] != NULL;
	for (struct phone_fault *f = ph->p->faults; f; f = f->next)
		faults++;
	json_bool(j, "plugged", ph->plugged);
	json_int(j, "device_id", (uint64_t)ph->p->device_id);
	json_bool(j, "locked", ph->locked);
	json_bool(j, "passcode_set", ph->passcode_set);
	json_bool(j, "passcode_dialog", ph->p->dialog_open);
	json_str(j, "trust_dialog", trust[ph->p->trust]);
	json_int(j, "battery", (uint64_t)ph->battery_pct);
	json_int(j, "free_bytes", ph->free_bytes);
	json_bool(j, "find_my", ph->find_my);
	json_bool(j, "setup_done", ph->setup_done);
	json_int(j, "links", (uint64_t)links);
	json_int(j, "armed", (uint64_t)faults);
}

static void status_counters(struct json *j, struct phone *ph)
{
	size_t max = sizeof(ph->p->counters) / sizeof(*ph->p->counters);

	pthread_mutex_lock(&ph->p->stats);
	json_str(j, "last", ph->p->outcome);
	json_str(j, "last_point", ph->p->last_point);
	json_key(j, "counters");
	json_put(j, "{");
	j->more = false;
	for (size_t i = 0; i < max && ph->p->counters[i].name[0]; i++)
		json_int(j, ph->p->counters[i].name, ph->p->counters[i].value);
	json_put(j, "}");
	j->more = true;
	pthread_mutex_unlock(&ph->p->stats);
}

static void status_phone(struct json *j, struct phone *ph)
{
	uint64_t files = 0, bytes = 0, rows = 0;

	content_totals(ph->content, &files, &bytes, &rows);
	json_put(j, "%s{", j->more ? "," : "");
	j->more = false;
	json_str(j, "udid", ph->id.udid);
	json_str(j, "model", ph->id.product_type);
	json_str(j, "ios", ph->id.ios);
	pthread_mutex_lock(&ph->lock);
	json_str(j, "name", ph->id.name);
	status_state(j, ph);
	pthread_mutex_unlock(&ph->lock);
	json_int(j, "hosts", (uint64_t)phone_hosts_count(ph));
	json_bool(j, "encrypted", content_is_encrypted(ph->content));
	json_int(j, "files", files);
	json_int(j, "bytes", bytes);
	json_int(j, "rows", rows);
	status_counters(j, ph);
	json_put(j, "}");
}

int control_status(
    struct phone_set *set, struct phone *only, char *out, size_t cap)
{
	struct json j = { .out = out, .cap = cap };
	struct phone *ph;

	json_put(&j, "ok ");
	if (only) {
		status_phone(&j, only);
		return 0;
	}
	json_put(&j, "{\"phones\":[");
	for (size_t i = 0; (ph = phone_set_at(set, i)); i++)
		status_phone(&j, ph);
	json_put(&j, "]}");
	return 0;
}
