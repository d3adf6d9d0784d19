/* What may be set, as a form: from the one table. It stands on a page of its own
 * that nothing changes while somebody types. */
#include <string.h>

#include "page.h"

static void put_choice(
    struct markup *m, const char *value, const char *label, const char *now)
{
	markup_fmt(m, "<option value=\"%s\"%s>", value,
	    strcmp(value, now) ? "" : " selected");
	markup_text(m, label);
	markup_raw(m, "</option>");
}

/* By what is wrong with it, if anything is, and the hint. */
static void put_described(
    struct markup *m, const struct setting *s, unsigned i, bool is_bad)
{
	if (is_bad)
		markup_fmt(m,
		    " aria-invalid=\"true\" autofocus "
		    "aria-describedby=\"w%u%s",
		    i, s->hint[0] ? "" : "\"");
	else if (s->hint[0])
		markup_raw(m, " aria-describedby=\"");
	if (s->hint[0])
		markup_fmt(m, "%sh%u\"", is_bad ? " " : "", i);
}

static void put_choices(struct markup *m, const struct setting *s, unsigned i,
    const char *now, bool is_bad)
{
	markup_fmt(m, "<select id=\"s%u\" name=\"%s\"", i, s->key);
	put_described(m, s, i, is_bad);
	markup_raw(m, ">");
	if (s->type == SETTING_FLAG) {
		put_choice(m, "yes", "yes", now);
		put_choice(m, "no", "no", now);
	} else {
		for (const struct setting_choice *c = s->choices; c->value; c++)
			put_choice(m, c->value, c->label, now);
	}
	markup_raw(m, "</select>");
}

static void put_input(struct markup *m, const struct setting *s, unsigned i,
    const char *now, bool is_bad)
{
	bool may_be_empty = s->type == SETTING_SECRET ||
			    s->type == SETTING_COUNTRY ||
			    (s->type == SETTING_TEXT && !s->min);

	markup_fmt(m, "<input id=\"s%u\" name=\"%s\"%s", i, s->key,
	    may_be_empty ? "" : " required");
	if (s->type == SETTING_INT)
		markup_fmt(m,
		    " type=\"number\" inputmode=\"numeric\" min=\"%lld\" "
		    "max=\"%lld\"",
		    (long long)s->min, (long long)s->max);
	else if (s->type == SETTING_TIME)
		markup_raw(m, " type=\"time\"");
	else if (s->type == SETTING_SECRET)
		markup_fmt(m,
		    " type=\"password\" autocomplete=\"new-password\" "
		    "maxlength=\"%d\"",
		    SETTINGS_VALUE - 1);
	else
		markup_fmt(m, " maxlength=\"%d\" autocomplete=\"off\"",
		    SETTINGS_VALUE - 1);
	put_described(m, s, i, is_bad);
	markup_raw(m, " value=\"");
	markup_text(m, s->type == SETTING_SECRET ? "" : now);
	markup_raw(m, "\">");
}

static void put_setting(struct markup *m, const struct setting *s, unsigned i,
    const char *now, const char *why)
{
	static const char *const shapes[] = {
		[SETTING_TEXT] = " wide",
		[SETTING_COUNTRY] = "",
		[SETTING_SECRET] = " wide",
		[SETTING_FLAG] = "",
		[SETTING_INT] = "",
		[SETTING_TIME] = " time",
		[SETTING_CHOICE] = " wide",
	};

	markup_fmt(
	    m, "<div class=\"set%s\"><label for=\"s%u\">", shapes[s->type], i);
	markup_text(m, s->label);
	markup_raw(m, "</label>");
	if (s->type == SETTING_FLAG || s->type == SETTING_CHOICE)
		put_choices(m, s, i, now, why != NULL);
	else
		put_input(m, s, i, now, why != NULL);
	if (why) {
		markup_fmt(m, "<p id=\"w%u\" class=\"said\">This ", i);
		markup_text(m, why);
		markup_raw(m, ".</p>");
	}
	if (s->hint[0]) {
		markup_fmt(m, "<p id=\"h%u\" class=\"dim\">", i);
		markup_text(m, s->hint);
		markup_raw(m, "</p>");
	}
	markup_raw(m, "</div>");
}

void page_settings(const struct settings_values *v, const struct setting *bad,
    const char *why, bool updates, const char *csrf, struct markup *m)
{
	bool open = false;

	markup_raw(m, "<div id=\"live\" data-still class=\"\">"
		      "<div class=\"settings\"><p><a href=\"/\">Back to the "
		      "page</a></p><h1>Settings</h1>");
	if (bad)
		markup_raw(m, "<p class=\"said\" role=\"alert\">Nothing was "
			      "changed yet: see below.</p>");
	else if (why[0])
		markup_fmt(
		    m, "<p class=\"said kept\" role=\"status\">%s</p>", why);
	page_form_begin(m, "/settings", csrf);
	for (unsigned i = 0; i < n_settings; i++) {
		const struct setting *s = &settings[i];

		if (s->group) {
			markup_raw(m, open ? "</fieldset>" : "");
			markup_raw(m, "<fieldset class=\"card\"><legend>");
			markup_text(m, s->group);
			markup_raw(m, "</legend>");
			open = true;
		}
		put_setting(m, s, i, v->value[i], s == bad ? why : NULL);
	}
	markup_raw(m, open ? "</fieldset>" : "");
	markup_raw(m, "<p class=\"do\"><button class=\"main\">Keep these"
		      "</button></p></form>");
	page_put_pin_form(m, csrf);
	if (updates)
		page_put_upload(m, csrf);
	markup_raw(m, "</div></div>");
}
