/* What may be set: the page for it, the same for machines, and what comes back
 * in a form. */
#include "site_int.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "form.h"

void site_set_settings(struct site *s, const struct settings_values *v)
{
	s->settings = *v;
	s->has_settings = true;
}

bool site_take_settings(struct site *s, struct settings_values *out)
{
	if (!s->has_set)
		return false;
	*out = s->set;
	settings_hide(&s->set);
	s->has_set = false;
	return true;
}

/* --- telling --------------------------------------------------------------- */

static const char *const types[] = {
	[SETTING_TEXT] = "text",
	[SETTING_COUNTRY] = "country",
	[SETTING_SECRET] = "secret",
	[SETTING_FLAG] = "flag",
	[SETTING_INT] = "int",
	[SETTING_TIME] = "time",
	[SETTING_CHOICE] = "choice",
};

static cJSON *one(const struct setting *s, const char *value)
{
	cJSON *o = cJSON_CreateObject(), *list;

	cJSON_AddStringToObject(o, "key", s->key);
	cJSON_AddStringToObject(o, "value", value);
	cJSON_AddStringToObject(o, "type", types[s->type]);
	cJSON_AddStringToObject(o, "label", s->label);
	cJSON_AddStringToObject(o, "hint", s->hint);
	if (s->type == SETTING_INT) {
		cJSON_AddNumberToObject(o, "min", (double)s->min);
		cJSON_AddNumberToObject(o, "max", (double)s->max);
	}
	if (s->type == SETTING_CHOICE) {
		list = cJSON_AddArrayToObject(o, "choices");
		for (const struct setting_choice *c = s->choices; c->value; c++)
			cJSON_AddItemToArray(
			    list, cJSON_CreateString(c->value));
	}
	return o;
}

static void tell_machine(struct site *s, struct http_answer *a)
{
	cJSON *o = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(o, "settings");
	char *text;
	struct markup m;

	for (unsigned i = 0; i < n_settings; i++)
		cJSON_AddItemToArray(
		    list, one(&settings[i], s->settings.value[i]));
	text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	if (site_body_begin(s, a, &m)) {
		markup_raw(&m, text ? text : "{}");
		site_body_end(a, 200, TEXT_JSON, &m);
	}
	cJSON_free(text);
}

/* Where a browser is led once they are kept: to load it again sends no form. */
#define KEPT "/settings/kept"

void site_get_settings(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	const char *said = strcmp(req->path, KEPT) ? "" : "These are kept.";
	struct markup m;

	(void)view; /* a session */
	if (!s->has_settings)
		site_plain(a, 503, "The box is just beginning. Try again.\n");
	else if (!strncmp(req->path, "/api/", 5))
		tell_machine(s, a);
	else if (site_still_begin(s, a, &m)) {
		page_settings(&s->settings, NULL, said, s->st.update.can,
		    auth_csrf(&s->auth), &m);
		site_still_end(s, a, 200, &m);
	}
}

/* --- taking ------------------------------------------------------------------ */

/* Fields that are left out stay as they are; but for a browser, which sends
 * nothing of a box that is not ticked, so the page has choices instead. NULL, or
 * why not; *bad: which one. */
static const char *read_form(const struct site *s,
    const struct http_request *req, struct settings_values *v, unsigned *bad)
{
	const char *first = NULL;

	*v = s->settings;
	for (unsigned i = 0; i < n_settings; i++) {
		const char *why = "is too long";

		if (!form_has(req->body, settings[i].key))
			continue;
		if (form_get(req->body, settings[i].key, v->value[i],
			SETTINGS_VALUE))
			why = setting_refuses(&settings[i], v->value[i]);
		if (why && !first) {
			first = why;
			*bad = i;
		}
	}
	return first;
}

static void refuse(struct site *s, const struct http_request *req,
    const struct settings_values *v, unsigned bad, const char *why,
    struct http_answer *a)
{
	struct markup m;
	char text[200];

	if (!strncmp(req->path, "/api/", 5)) {
		snprintf(text, sizeof(text), "%s %s.", settings[bad].key, why);
		site_refused(s, req, a, 400, text);
	} else if (site_still_begin(s, a, &m)) {
		/* All that was typed is still there. */
		page_settings(v, &settings[bad], why, s->st.update.can,
		    auth_csrf(&s->auth), &m);
		site_still_end(s, a, 400, &m);
	}
}

void site_post_settings(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct settings_values v;
	const char *why;
	unsigned bad = 0;

	(void)view;
	if (!site_has_token(s, req)) {
		site_no_token(s, req, a);
		return;
	}
	if (!s->has_settings) {
		site_refused(s, req, a, 503, "Busy. Try again in a moment.");
		return;
	}
	why = read_form(s, req, &v, &bad);
	if (why) {
		settings_hide(&v);
		refuse(s, req, &v, bad, why, a);
		return;
	}
	s->set = s->settings = v;
	settings_hide(&s->settings);
	settings_hide(&v);
	s->has_set = true;
	site_done(s, req, a);
	if (a->status == 303)
		a->headers = NO_STORE "Location: " KEPT "\r\n";
}
