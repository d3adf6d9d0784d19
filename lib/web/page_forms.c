/*
 * What can be pressed: plain forms, so that all of it works without
 * JavaScript.
 */
#include "page.h"

void page_form_begin(struct markup *m, const char *path, const char *csrf)
{
	markup_fmt(m,
	    "<form method=\"post\" action=\"%s\">"
	    "<input type=\"hidden\" name=\"csrf\" value=\"%s\">",
	    path, csrf);
}

static void put_action(struct markup *m, const struct status_phone *p,
    const char *csrf, const char *action, const char *class, const char *label)
{
	page_form_begin(m, "/do", csrf);
	markup_raw(m, "<input type=\"hidden\" name=\"udid\" value=\"");
	markup_text(m, p->udid);
	markup_fmt(m,
	    "\"><button name=\"action\" value=\"%s\" class=\"%s\">%s"
	    "</button></form>",
	    action, class, label);
}

void page_put_actions(
    struct markup *m, const struct status_phone *p, const char *csrf)
{
	markup_raw(m, "<div class=\"do\">");
	if (status_is_busy(p->state))
		put_action(m, p, csrf, "stop", "", "Stop this backup");
	else if (p->attached)
		put_action(m, p, csrf, "backup", "main", "Back up now");
	if (p->loss_pct)
		put_action(m, p, csrf, "dismiss", "", "I deleted them myself");
	markup_raw(m, "</div>");
}

static void put_disk_action(
    struct markup *m, const char *csrf, const char *action, const char *label)
{
	markup_raw(m, "<div class=\"do\">");
	page_form_begin(m, "/do", csrf);
	markup_fmt(m,
	    "<button name=\"action\" value=\"%s\">%s</button></form></div>",
	    action, label);
}

/* Everything on it goes: that takes the PIN, not only a session. */
static void put_prepare(
    struct markup *m, const struct status *st, const char *csrf)
{
	markup_raw(m, "<details><summary>Prepare this disk: ");
	markup_text(m, st->disk.offer);
	markup_raw(m, "</summary><p class=\"said\">Everything that is on it "
		      "will be gone.</p>");
	page_form_begin(m, "/do", csrf);
	markup_raw(m, "<input type=\"hidden\" name=\"disk\" value=\"");
	markup_text(m, st->disk.offer);
	markup_raw(m,
	    "\"><label for=\"wipe\">The PIN, to be sure</label>"
	    "<input id=\"wipe\" name=\"pin\" type=\"password\" "
	    "inputmode=\"numeric\" autocomplete=\"off\" required>"
	    "<p class=\"do\"><button name=\"action\" value=\"prepare\">"
	    "Delete all and prepare it</button></p></form></details>");
}

static void put_unlock(struct markup *m, const char *csrf)
{
	page_form_begin(m, "/do", csrf);
	markup_raw(m,
	    "<label for=\"word\">The disk's password</label>"
	    "<input id=\"word\" name=\"word\" type=\"password\" "
	    "maxlength=\"127\" autocomplete=\"off\" required>"
	    "<label><input name=\"keep\" type=\"checkbox\" value=\"yes\"> "
	    "Keep it on the box's card. Whoever has both then can open the "
	    "disk.</label>"
	    "<p class=\"do\"><button class=\"main\" name=\"action\" "
	    "value=\"unlock\">Unlock the disk</button></p></form>");
}

/* What the box does not use it has nothing to write on. */
static bool is_used(const struct status *st)
{
	return st->disk.present && st->box_state != STATE_DISK_READONLY &&
	       st->box_state != STATE_DISK_UNFIT &&
	       st->box_state != STATE_DISK_LOCKED &&
	       st->box_state != STATE_DISK_FAILING;
}

void page_put_disk_actions(
    struct markup *m, const struct status *st, const char *csrf)
{
	if (st->box_state == STATE_DISK_EJECTING)
		return;
	if (st->box_state == STATE_DISK_LOCKED)
		put_unlock(m, csrf);
	if (st->box_state == STATE_DISK_HELD ||
	    (is_used(st) && !st->disk.let_go))
		put_disk_action(m, csrf, "eject", "Eject the disk");
	/* One that is not mounted any more has to be plugged in again. */
	if (st->disk.let_go)
		put_disk_action(m, csrf, "use_disk", "Use the disk again");
	else if (st->disk.offer[0])
		put_prepare(m, st, csrf);
}

/* The box will run what it is given: that takes the PIN. */
void page_put_update(
    struct markup *m, const struct status_update *u, const char *csrf)
{
	if (u->runs || u->trial || u->comes || !u->version[0])
		return;
	markup_raw(
	    m, u->sent ? "<details open><summary>" : "<details><summary>");
	markup_raw(m, "Install version ");
	markup_text(m, u->version);
	markup_raw(m,
	    "</summary><p class=\"said\">The box restarts and tries it. "
	    "Backups, phones and settings stay. If it is not well, this "
	    "version comes back by itself.</p>");
	page_form_begin(m, "/do", csrf);
	markup_raw(m, "<input type=\"hidden\" name=\"version\" value=\"");
	markup_text(m, u->version);
	markup_raw(m, "\">");
	if (u->older)
		markup_raw(m,
		    "<label><input type=\"checkbox\" name=\"older\" "
		    "value=\"yes\" required> Although it is older than what "
		    "runs</label>");
	markup_raw(m,
	    "<label for=\"upd\">The PIN, to be sure</label>"
	    "<input id=\"upd\" name=\"pin\" type=\"password\" "
	    "inputmode=\"numeric\" autocomplete=\"off\" required>"
	    "<p class=\"do\"><button name=\"action\" value=\"update\">"
	    "Install it</button></p></form></details>");
}

void page_put_reset(struct markup *m, const char *csrf)
{
	markup_raw(m,
	    "<details><summary>Reset all settings</summary>"
	    "<p class=\"said\">What was set on this page is forgotten, and "
	    "what SETTINGS.txt on the card says counts again. The box "
	    "restarts. Backups, the phones' trust and the PIN stay.</p>");
	page_form_begin(m, "/do", csrf);
	markup_raw(m, "<label for=\"rst\">The PIN, to be sure</label>"
		      "<input id=\"rst\" name=\"pin\" type=\"password\" "
		      "inputmode=\"numeric\" autocomplete=\"off\" required>"
		      "<p class=\"do\"><button name=\"action\" value=\"reset\">"
		      "Reset them</button></p></form></details>");
}

void page_put_pin_form(struct markup *m, const char *csrf)
{
	markup_raw(
	    m, "<fieldset class=\"card\"><legend>Change the PIN</legend>");
	page_form_begin(m, "/do", csrf);
	markup_raw(m,
	    "<label for=\"old\">The PIN now</label>"
	    "<input id=\"old\" name=\"pin\" type=\"password\" "
	    "inputmode=\"numeric\" autocomplete=\"current-password\" "
	    "required>"
	    "<label for=\"new\">The new one: six digits or more</label>"
	    "<input id=\"new\" name=\"new\" type=\"password\" "
	    "inputmode=\"numeric\" pattern=\"[0-9]{6,31}\" "
	    "autocomplete=\"new-password\" required>"
	    "<p class=\"do\"><button name=\"action\" value=\"pin\">"
	    "Change it</button></p></form></fieldset>");
}

void page_put_account(struct markup *m, enum page_view view, const char *csrf)
{
	markup_raw(m, "<div class=\"sign\">");
	if (view == PAGE_OWNER) {
		page_form_begin(m, "/logout", csrf);
		markup_raw(m, "<button>Sign out</button></form> ");
		page_form_begin(m, "/do", csrf);
		markup_raw(m,
		    "<button name=\"action\" value=\"report\">Save a "
		    "report</button></form> <a href=\"/settings\">Settings and PIN</a>");
	} else {
		markup_raw(m, "<a href=\"/login\">Sign in with the box's PIN"
			      "</a> <span class=\"dim\">to ");
		markup_raw(m, view == PAGE_GLANCE
				  ? "see whose phones these are, and to act"
				  : "back up now, stop, or dismiss a warning");
		markup_raw(m, "</span>");
	}
	markup_raw(m, "</div>");
}

void page_login(const char *said, struct markup *m)
{
	markup_raw(m,
	    "<div id=\"live\" data-still class=\"\">"
	    "<section class=\"card login\" aria-label=\"Sign in\">"
	    "<h1>The box's PIN</h1>"
	    "<p class=\"sentence\">It stands in the file PIN.txt, which only "
	    "somebody at the box or its card can read; "
	    "<b>nightstand pin</b> shows it, too.</p>");
	if (said[0]) {
		markup_raw(m, "<p class=\"said\" role=\"alert\">");
		markup_text(m, said);
		markup_raw(m, "</p>");
	}
	markup_raw(m,
	    "<form method=\"post\" action=\"/login\">"
	    "<label for=\"pin\">PIN</label>"
	    "<input id=\"pin\" name=\"pin\" type=\"password\" "
	    "inputmode=\"numeric\" autocomplete=\"current-password\" "
	    "required autofocus>"
	    "<p class=\"do\"><button class=\"main\">Sign in</button></p>"
	    "</form></section></div>");
}
