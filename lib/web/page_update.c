/* The page with the form that an update is sent by, which nothing changes while
 * somebody chooses a file; and what the box says of an update elsewhere. */
#include "page.h"
#include "upload.h"

void page_put_upload(struct markup *m, const char *csrf)
{
	markup_raw(m, "<fieldset class=\"card\"><legend>Update the box"
		      "</legend>");
	/* Fields before the file: see multipart.h. */
	markup_fmt(m,
	    "<form method=\"post\" action=\"/update\" "
	    "enctype=\"multipart/form-data\">"
	    "<input type=\"hidden\" name=\"csrf\" value=\"%s\">",
	    csrf);
	markup_raw(m,
	    "<div class=\"set wide\"><label for=\"file\">A signed update, "
	    "nightstand.update</label>"
	    "<input id=\"file\" name=\"file\" type=\"file\" "
	    "accept=\".update\" aria-describedby=\"sends\" required>"
	    "<p id=\"sends\" class=\"dim\">Sent to the card beside the version "
	    "that runs, and checked there. It is installed when you say so, "
	    "with the PIN.</p></div>"
	    "<p class=\"do\"><button>Send it</button></p></form></fieldset>");
}

/* How it stands with one that was sent. */
static void put_now(struct markup *m, const struct status_update *u)
{
	if (u->comes)
		markup_fmt(m,
		    "<p class=\"said kept\" role=\"status\">An update is being "
		    "sent: %u %%.</p>",
		    u->pct);
	else if (u->runs)
		markup_raw(m,
		    "<p class=\"said kept\" role=\"status\">An update "
		    "is being installed. The box restarts.</p>");
	else if (u->sent && u->version[0]) {
		markup_raw(
		    m, "<p class=\"said kept\" role=\"status\">Version ");
		markup_text(m, u->version);
		markup_raw(m, " has arrived whole and is genuine. It waits on "
			      "the card.</p>");
	}
}

void page_update(const struct status_update *u, const char *said,
    const char *csrf, struct markup *m)
{
	markup_raw(m, "<div id=\"live\" data-still class=\"\">"
		      "<div class=\"settings\"><p><a href=\"/\">Back to the "
		      "page</a></p><h1>Update</h1>");
	if (said[0]) {
		markup_raw(m, "<p class=\"said\" role=\"alert\">");
		markup_text(m, said);
		markup_raw(m, "</p>");
	} else {
		put_now(m, u);
	}
	if (u->version[0] && !u->runs && !u->trial && !u->comes) {
		markup_raw(m, "<fieldset class=\"card\"><legend>What waits"
			      "</legend>");
		page_put_update(m, u, csrf);
		markup_raw(m, "</fieldset>");
	}
	if (!u->can)
		markup_raw(m, "<p class=\"sentence\">Only a box that runs from "
			      "its own card can be updated here.</p>");
	else if (!u->runs && !u->trial && !u->comes)
		page_put_upload(m, csrf);
	markup_raw(m, "</div></div>");
}
