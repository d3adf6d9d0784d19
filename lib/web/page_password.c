/*
 * The page's part about the backup password. Its forms stand on a page of
 * their own that nothing changes while somebody types.
 */
#include "page.h"

#include <string.h>

#include "words.h"

/* As far as is known: a phone that was not here since the box began may have
 * one or not. */
static bool may_have_one(const struct status_phone *p)
{
	return p->will_encrypt < 0 || p->will_encrypt || p->encrypted;
}

static bool has_one(const struct status_phone *p)
{
	return p->will_encrypt > 0 || (p->will_encrypt < 0 && p->encrypted);
}

void page_put_password(struct markup *m, const struct status *st, unsigned i)
{
	const struct status_phone *p = &st->phones[i];
	struct words w;

	markup_raw(m, "<p class=\"hint\">");
	if (words_hint(st, i, &w)) {
		markup_text(m, w.headline);
		markup_raw(m, ": ");
		markup_text(m, w.sentence);
		markup_raw(m, " ");
	}
	markup_raw(m, "<a href=\"/password#");
	markup_text(m, p->udid);
	markup_raw(m, "\">");
	markup_raw(m,
	    has_one(p) ? "Change the backup password" : "Switch on encryption");
	markup_raw(m, "</a></p>");
}

/* One input; ids differ from phone to phone and form to form. */
static void put_input(struct markup *m, const char *form, unsigned i,
    const char *name, const char *label, bool is_old, bool is_needed)
{
	markup_fmt(
	    m, "<label for=\"%s-%s-%u\">%s</label>", form, name, i, label);
	markup_fmt(m,
	    "<input id=\"%s-%s-%u\" name=\"%s\" type=\"password\" "
	    "maxlength=\"%d\" autocomplete=\"%s-password\"%s>",
	    form, name, i, name, PASSWORD_CAP - 1, is_old ? "current" : "new",
	    is_needed ? " required" : "");
}

static void begin(
    struct markup *m, const struct status_phone *p, const char *csrf)
{
	markup_fmt(m,
	    "<form method=\"post\" action=\"/do\">"
	    "<input type=\"hidden\" name=\"csrf\" value=\"%s\">"
	    "<input type=\"hidden\" name=\"udid\" value=\"",
	    csrf);
	markup_text(m, p->udid);
	markup_raw(m, "\">");
}

static void end(struct markup *m, const char *class, const char *label)
{
	markup_fmt(m,
	    "<p class=\"do\"><button name=\"action\" value=\"password\" "
	    "class=\"%s\">%s</button></p></form>",
	    class, label);
}

static void put_new(struct markup *m, const char *form, unsigned i)
{
	put_input(m, form, i, "new", "The new backup password", false, true);
	put_input(m, form, i, "again", "Once more", false, true);
}

static void put_forms(struct markup *m, const struct status_phone *p,
    unsigned i, const char *csrf)
{
	if (!has_one(p)) {
		begin(m, p, csrf);
		if (may_have_one(p))
			put_input(m, "on", i, "old",
			    "The one that it has already, if it has one", true,
			    false);
		put_new(m, "on", i);
		end(m, "main", "Switch on encryption");
		return;
	}
	markup_raw(m, "<details><summary>Change the backup password</summary>");
	begin(m, p, csrf);
	put_input(m, "change", i, "old", "The backup password now", true, true);
	put_new(m, "change", i);
	end(m, "main", "Change it");
	markup_raw(m, "</details><details><summary>Switch it off</summary>"
		      "<p class=\"dim\">Health, saved passwords, Wi-Fi "
		      "networks and the call history are then in no new "
		      "backup.</p>");
	begin(m, p, csrf);
	markup_raw(m, "<input type=\"hidden\" name=\"off\" value=\"yes\">");
	put_input(m, "off", i, "old", "The backup password now", true, true);
	end(m, "", "Switch encryption off");
	markup_raw(m, "</details>");
}

static void put_phone(
    struct markup *m, const struct status *st, unsigned i, const char *csrf)
{
	const struct status_phone *p = &st->phones[i];
	char name[128];

	words_phone_name(p, name, sizeof(name));
	markup_raw(m, "<section class=\"card password\" id=\"");
	markup_text(m, p->udid);
	markup_raw(m, "\"><h2>");
	markup_text(m, strncmp(name, "the ", 4) ? name : name + 4);
	markup_raw(m, "</h2>");
	if (!p->attached)
		markup_raw(m, "<p>Plug it in, then open this page again.</p>");
	else if (status_is_busy(p->state))
		markup_raw(m, "<p>It is busy. Wait for the end of its backup, "
			      "or stop it, then open this page again.</p>");
	else
		put_forms(m, p, i, csrf);
	markup_raw(m, "</section>");
}

void page_password(const struct status *st, const char *csrf, struct markup *m)
{
	markup_raw(m,
	    "<div id=\"live\" data-still class=\"\">"
	    "<section class=\"card password\" aria-label=\"About it\">"
	    "<h1>The backup password</h1>"
	    "<p class=\"sentence\">With one, the phone encrypts its backups "
	    "itself, and puts Health, saved passwords, Wi-Fi networks and the "
	    "call history into them, too.</p>"
	    "<p><b>Without it nobody can open these backups, you neither. "
	    "Write it down.</b> The box hands it to the phone and keeps no "
	    "copy.</p>"
	    "<p class=\"dim\">The phone may ask for its passcode. Then a full "
	    "backup begins, which takes as long as the first one did and needs "
	    "as much room. Older backups stay as they are, with the password "
	    "that they were made with.</p>"
	    "<p><a href=\"/\">Back</a></p></section>");
	for (unsigned i = 0; i < status_named_phones(st); i++)
		put_phone(m, st, i, csrf);
	if (!status_named_phones(st))
		markup_raw(m, "<section class=\"card password\"><p>No phone "
			      "has been here yet.</p></section>");
	markup_raw(m, "</div>");
}
