/*
 * The part of the page that changes. Three questions, in this order: is
 * everything safe, how old is that, does someone have to do something? Then
 * phones, disk, nights.
 */
#include "page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "words.h"

#define NIGHTS_SHOWN 5 /* the rest is folded */
#define NIGHTS_STRIP 14

static const char svg_check[] =
    "<svg viewBox=\"0 0 12 12\"><path d=\"M2.5 6.5 5 9l4.5-6\"/></svg>";
static const char svg_dash[] =
    "<svg viewBox=\"0 0 12 12\"><path d=\"M3 6h6\"/></svg>";
static const char svg_bang[] = "<svg viewBox=\"0 0 12 12\">"
			       "<path d=\"M6 2v4.5M6 9.9v.1\"/></svg>";

/* --- small parts ---------------------------------------------------------- */

/* "9 hours ago"; coarse, as an age is read. */
static void put_age(struct markup *m, int64_t seconds)
{
	static const struct {
		int64_t below, unit;
		const char *one, *many;
	} ages[] = {
		{ 3600, 60, "1 minute ago", "minutes ago" },
		{ 2 * 86400, 3600, "1 hour ago", "hours ago" },
		{ INT64_MAX, 86400, "1 day ago", "days ago" },
	};
	unsigned i = 0;

	if (seconds < 60) {
		markup_raw(m, "just now");
		return;
	}
	while (seconds >= ages[i].below)
		i++;
	if (seconds / ages[i].unit == 1)
		markup_raw(m, ages[i].one);
	else
		markup_fmt(m, "%lld %s", (long long)(seconds / ages[i].unit),
		    ages[i].many);
}

static void put_led(struct markup *m, enum led_pattern p)
{
	markup_fmt(m,
	    "<span class=\"led led-%s\" aria-hidden=\"true\"><i></i></span>",
	    led_grammar(p)->id);
}

/* A bar that is filled from..to percent. */
static void put_bar(struct markup *m, const char *class, double pct)
{
	if (pct < 0)
		pct = 0;
	if (pct > 100)
		pct = 100;
	markup_fmt(m,
	    "<svg class=\"bar %s\" aria-hidden=\"true\">"
	    "<rect width=\"%.2f%%\"/></svg>",
	    class, pct);
}

/* --- the glance ----------------------------------------------------------- */

static const char *does_someone_have_to(enum words_severity severity)
{
	switch (severity) {
	case WORDS_GOOD:
		return "Nothing to do";
	case WORDS_BUSY:
		return "Working";
	case WORDS_ACT:
		return "Waiting for you";
	case WORDS_BAD:
		break;
	}
	return "Needs attention";
}

static void put_progress(struct markup *m, const struct status_phone *p)
{
	double pct = p->pct_x100 / 100.0;
	bool known = p->state == STATE_RECEIVING;

	markup_raw(m, "<div class=\"progress\"><div role=\"progressbar\" "
		      "aria-label=\"Backup\" aria-valuemin=\"0\" "
		      "aria-valuemax=\"100\"");
	if (known)
		markup_fmt(m, " aria-valuenow=\"%.0f\"", pct);
	markup_raw(m, ">");
	put_bar(m, known ? "" : "waits", known ? pct : 30);
	markup_raw(m, "</div>");
	if (p->bytes_done) {
		markup_raw(m, "<p class=\"facts\"><span><b>");
		page_put_bytes(m, p->bytes_done);
		markup_raw(m, "</b> received</span><span><b>");
		page_put_count(m, p->files_done);
		markup_fmt(
		    m, "</b> file%s</span>", p->files_done == 1 ? "" : "s");
		if (known && p->bytes_rate) {
			markup_raw(m, "<span><b>");
			page_put_bytes(m, p->bytes_rate);
			markup_raw(m, "</b> a second</span>");
		}
		markup_raw(m, "</p>");
	}
	markup_raw(m, "</div>");
}

/* Something moves by itself; who waits for a person has no bar. */
static bool moves(enum status_state s)
{
	return s == STATE_PREPARING || s == STATE_RECEIVING ||
	       s == STATE_CHECKING;
}

static const struct status_phone *phone_in_view(const struct status *st)
{
	if (st->phone < 0 || (uint32_t)st->phone >= st->n_phones)
		return NULL;
	return &st->phones[st->phone];
}

static void put_light(struct markup *m, const struct status *st)
{
	const struct led_grammar *g = led_grammar(st->led);

	markup_raw(m, "<div class=\"light\"><div class=\"box\" "
		      "aria-hidden=\"true\"><div class=\"body\"></div>");
	put_led(m, st->led);
	markup_raw(m, "</div><p>The light: ");
	markup_text(m, g->rhythm);
	markup_raw(m, ", ");
	markup_text(m, g->colour);
	markup_raw(m, "</p></div>");
}

static void put_glance(
    struct markup *m, const struct status *st, const struct words *w)
{
	const struct status_phone *p = phone_in_view(st);

	markup_raw(m, "<section class=\"card hero\" aria-label=\"Now\">");
	put_light(m, st);
	markup_raw(m, "<div class=\"glance\"><span class=\"pill\">");
	markup_raw(m, does_someone_have_to(w->severity));
	markup_raw(m, "</span><h1>");
	markup_text(m, w->headline);
	markup_raw(m, "</h1><p class=\"sentence\">");
	markup_text(m, w->sentence);
	markup_raw(m, "</p>");
	if (p && moves(p->state))
		put_progress(m, p);
	if (w->small[0]) {
		markup_raw(m, "<p class=\"small\">");
		markup_text(m, w->small);
		markup_raw(m, "</p>");
	}
	markup_raw(m, "</div></section>");
}

/* --- how old, how many, how much room ------------------------------------- */

/* The phone whose backup is the oldest; NULL when one has none at all. */
static const struct status_phone *oldest_backup(const struct status *st)
{
	const struct status_phone *oldest = NULL;

	for (unsigned i = 0; i < status_named_phones(st); i++) {
		const struct status_phone *p = &st->phones[i];

		if (!p->last_good_at)
			return NULL;
		if (!oldest || p->last_good_at < oldest->last_good_at)
			oldest = p;
	}
	return oldest;
}

static void put_age_card(struct markup *m, const struct status *st)
{
	const struct status_phone *p = oldest_backup(st);

	markup_fmt(m, "<div class=\"card\"><h2>%s</h2><b>",
	    status_named_phones(st) > 1 ? "Oldest safe backup"
					: "Last safe backup");
	if (p)
		put_age(m, st->now_at - p->last_good_at);
	else
		markup_raw(m, "None yet");
	markup_raw(m, "</b><span class=\"dim\">");
	if (p)
		page_put_when(m, st->now_at, p->last_good_at);
	else
		markup_raw(m, "The first one takes the longest.");
	if (p && status_named_phones(st) > 1) {
		char name[128];

		words_phone_name(p, name, sizeof(name));
		markup_raw(m, " · ");
		markup_text(m, name);
	}
	markup_raw(m, "</span></div>");
}

static bool is_bad_night(enum status_state s)
{
	static const bool bad[STATE_COUNT_] = {
		[STATE_TRUST_REFUSED] = true,
		[STATE_PHONE_FAILED] = true,
		[STATE_POWER_DROP] = true,
		[STATE_NO_ANSWER] = true,
		[STATE_RECOVERY_MODE] = true,
		[STATE_DFU_MODE] = true,
		[STATE_USB_HELD] = true,
		[STATE_USB_REFUSED] = true,
		[STATE_USB_ERRORS] = true,
		[STATE_USB_NO_RIGHTS] = true,
		[STATE_PHONE_FULL] = true,
		[STATE_DISK_FULL] = true,
		[STATE_NO_DISK] = true,
		[STATE_DISK_UNFIT] = true,
		[STATE_DISK_LOCKED] = true,
		[STATE_DISK_READONLY] = true,
		[STATE_DISK_FAILING] = true,
		[STATE_CATALOG_BROKEN] = true,
		[STATE_CHECK_FAILED] = true,
		[STATE_UPDATE_FAILED] = true,
		[STATE_BOX_FAULT] = true,
	};

	return (unsigned)s < STATE_COUNT_ && bad[s];
}

static bool is_good_night(enum status_state s)
{
	return s == STATE_SAFE || s == STATE_SCRUBBED;
}

/* A night goes from noon to noon and is called by the day of its evening. */
static void night_of(int64_t at, struct tm *out)
{
	time_t t = (time_t)(at - 12 * 3600);

	memset(out, 0, sizeof(*out));
	localtime_r(&t, out);
}

/* How the night that was `back` nights ago ended: "good" when there was a
 * backup, else what kept it from being made, "" when nothing is known. */
static const char *night_ended(const struct status *st, unsigned back)
{
	const char *ended = "";
	struct tm want, tm;

	night_of(st->now_at - (int64_t)back * 86400, &want);
	for (unsigned i = 0; i < st->n_nights; i++) {
		const struct status_night *n = &st->nights[i];

		night_of(n->at, &tm);
		if (tm.tm_year != want.tm_year || tm.tm_yday != want.tm_yday)
			continue;
		if (status_is_about_disk(n->state))
			continue;
		if (n->state == STATE_SAFE)
			return "good";
		if (is_bad_night(n->state))
			ended = "bad";
		else if (!ended[0])
			ended = "act";
	}
	return ended;
}

static void put_nights_card(struct markup *m, const struct status *st)
{
	unsigned good = 0, told = 0;

	for (unsigned i = 0; i < NIGHTS_STRIP; i++) {
		const char *ended = night_ended(st, i);

		good += !strcmp(ended, "good");
		told += ended[0] != '\0';
	}
	markup_fmt(
	    m, "<div class=\"card\"><h2>Last %d nights</h2><b>", NIGHTS_STRIP);
	if (told)
		markup_fmt(m, "%u backed up", good);
	else
		markup_raw(m, "Nothing yet");
	markup_raw(m, "</b><span class=\"strip\" aria-hidden=\"true\">");
	for (unsigned i = NIGHTS_STRIP; i-- > 0;)
		markup_fmt(m, "<i class=\"%s\"></i>", night_ended(st, i));
	markup_raw(m, "</span></div>");
}

static void put_room_bar(struct markup *m, const struct status *st)
{
	const struct status_disk *d = &st->disk;
	uint64_t used = 0;

	if (d->free_bytes < d->total_bytes)
		used = d->total_bytes - d->free_bytes;
	put_bar(m, st->state == STATE_DISK_FULL ? "full" : "",
	    (double)used * 100.0 / (double)d->total_bytes);
	markup_raw(m, "<span class=\"dim\">");
	page_put_bytes(m, used);
	markup_raw(m, " of ");
	page_put_bytes(m, d->total_bytes);
	markup_raw(m, " used");
}

static void put_room_card(struct markup *m, const struct status *st)
{
	markup_raw(m, "<div class=\"card\"><h2>Free on the disk</h2><b>");
	if (st->disk.present && st->disk.total_bytes) {
		page_put_bytes(m, st->disk.free_bytes);
		markup_raw(m, "</b>");
		put_room_bar(m, st);
	} else {
		markup_raw(m, "No disk</b><span class=\"dim\">not plugged in");
	}
	markup_raw(m, "</span></div>");
}

/* --- phones --------------------------------------------------------------- */

static void row_files(
    struct markup *m, const char *label, uint64_t files, uint64_t bytes)
{
	page_row_begin(m, label);
	page_put_count(m, files);
	markup_fmt(m, " file%s, ", files == 1 ? "" : "s");
	page_put_bytes(m, bytes);
	page_row_end(m);
}

static void put_plug(struct markup *m, const struct status_phone *p)
{
	int pct = p->battery_pct > 100 ? 100 : p->battery_pct;

	markup_raw(m, "<span class=\"plug\">");
	if (!p->attached && !p->port.mbit) {
		markup_raw(m, "not plugged in</span>");
		return;
	}
	if (pct < 0 || !p->attached) {
		markup_raw(m, "plugged in</span>");
		return;
	}
	markup_fmt(m,
	    "<svg viewBox=\"0 0 26 13\" aria-hidden=\"true\">"
	    "<rect x=\".5\" y=\".5\" width=\"22\" height=\"12\" rx=\"3.5\" "
	    "fill=\"none\" stroke=\"currentColor\" opacity=\".6\"/>"
	    "<rect x=\"24\" y=\"4\" width=\"1.5\" height=\"5\" rx=\".7\" "
	    "fill=\"currentColor\" opacity=\".6\"/>"
	    "<rect x=\"2\" y=\"2\" width=\"%.1f\" height=\"9\" rx=\"2\" "
	    "fill=\"currentColor\"/></svg>"
	    "<span class=\"vh\">Battery </span>%d %%</span>",
	    19.0 * pct / 100, pct);
}

static void put_phone_head(struct markup *m, const struct status_phone *p)
{
	char name[128];

	words_phone_name(p, name, sizeof(name));
	markup_raw(m, "<div class=\"phone-head\"><div><h3>");
	/* As a title, not within a sentence. */
	markup_text(m, strncmp(name, "the ", 4) ? name : name + 4);
	markup_raw(m, "</h3><p class=\"dim\">");
	markup_text(m, p->model[0] ? p->model : p->product_type);
	if (p->ios[0]) {
		markup_raw(m, " · iOS ");
		markup_text(m, p->ios);
	}
	markup_raw(m, "</p></div>");
	put_plug(m, p);
	markup_raw(m, "</div>");
}

static void put_phone_state(
    struct markup *m, const struct status *st, unsigned i)
{
	const struct status_phone *p = &st->phones[i];
	struct words w;

	words_phone(st, i, &w);
	markup_raw(m, "<div class=\"state\">");
	put_led(m, w.led);
	markup_raw(m, "<div><b>");
	markup_text(m, w.headline);
	markup_raw(m, "</b><span class=\"dim\">");
	markup_text(m, w.sentence);
	markup_raw(m, "</span>");
	if (moves(p->state))
		put_progress(m, p);
	markup_raw(m, "</div></div>");
}

static void put_phone_rows(
    struct markup *m, const struct status *st, const struct status_phone *p)
{
	char port[200];

	markup_raw(m, "<dl class=\"rows\">");
	if (words_port(p, port, sizeof(port))) {
		page_row_begin(m, "USB");
		markup_text(m, port);
		page_row_end(m);
	}
	if (p->nameless) {
		markup_raw(m, "</dl>");
		return;
	}
	if (!p->last_good_at || st->n_phones > 1) {
		page_row_begin(m, "Last safe backup");
		if (p->last_good_at)
			page_put_when(m, st->now_at, p->last_good_at);
		else
			markup_raw(m, "none yet");
		page_row_end(m);
	}
	if (p->last_good_at) {
		row_files(m, "In it", p->last_files, p->last_bytes);
		row_files(m, "New in it", p->last_new_files, p->last_new_bytes);
		page_row_begin(m, "Versions kept");
		page_put_count(m, p->versions);
		page_row_end(m);
		page_row_begin(m, "Encrypted");
		markup_raw(m, p->encrypted
				  ? "yes, with Health and passwords"
				  : "no: Health and passwords are not in it");
		page_row_end(m);
	}
	markup_raw(m, "</dl>");
}

static void put_phones(struct markup *m, const struct status *st,
    enum page_view view, const char *csrf)
{
	if (!st->n_phones)
		markup_raw(m,
		    "<section class=\"card\" aria-label=\"Phones\">"
		    "<h2>Phones</h2><p class=\"empty\">No phone has been here "
		    "yet. Plug one in with its cable, unlock it and tap "
		    "Trust; the rest happens by itself.</p></section>");
	for (unsigned i = 0; i < st->n_phones; i++) {
		char name[128];

		words_phone_name(&st->phones[i], name, sizeof(name));
		markup_fmt(m,
		    "<section class=\"card\" aria-label=\"Phone %u: ", i + 1);
		markup_text(m, name);
		markup_raw(m, "\">");
		put_phone_head(m, &st->phones[i]);
		/* what the glance says already is not said twice */
		if ((int)i != st->phone || st->state != st->phones[i].state)
			put_phone_state(m, st, i);
		put_phone_rows(m, st, &st->phones[i]);
		page_put_chart(m, st, &st->phones[i]);
		if (view == PAGE_OWNER && !st->phones[i].nameless)
			page_put_actions(m, &st->phones[i], csrf);
		if (view == PAGE_OWNER && !st->phones[i].nameless)
			page_put_password(m, st, i);
		markup_raw(m, "</section>");
	}
}

/* --- nights --------------------------------------------------------------- */

static void put_night(struct markup *m, const struct status *st, unsigned i)
{
	const struct status_night *n = &st->nights[i];
	bool good = is_good_night(n->state), bad = is_bad_night(n->state);
	char line[512];

	words_night(st, i, line, sizeof(line));
	markup_fmt(m, "<li><span class=\"mark %s\" aria-hidden=\"true\">%s",
	    good  ? "good"
	    : bad ? "bad"
		  : "act",
	    good  ? svg_check
	    : bad ? svg_bang
		  : svg_dash);
	markup_raw(m, "</span><div><span class=\"what\">");
	markup_text(m, line);
	markup_raw(m, "</span>");
	page_put_when(m, st->now_at, n->at);
	if (st->n_phones > 1 && n->phone[0]) {
		markup_raw(m, "<span class=\"who\"> · ");
		markup_text(m, n->phone);
		markup_raw(m, "</span>");
	}
	markup_raw(m, "</div></li>");
}

static void put_nights(struct markup *m, const struct status *st)
{
	unsigned n = st->n_nights, i;

	markup_raw(m, "<section class=\"card\" aria-label=\"Nights\">"
		      "<h2>Nights</h2>");
	if (!n)
		markup_raw(m, "<p class=\"empty\">Nothing to tell yet. Each "
			      "night leaves one line here, also one on "
			      "which no backup was made, with the reason.</p>");
	markup_raw(m, "<ol class=\"nights\">");
	for (i = 0; i < n && i < NIGHTS_SHOWN; i++)
		put_night(m, st, i);
	markup_raw(m, "</ol>");
	if (i < n) {
		markup_fmt(m,
		    "<details class=\"more\"><summary>%u earlier"
		    "</summary><ol class=\"nights\">",
		    n - i);
		for (; i < n; i++)
			put_night(m, st, i);
		markup_raw(m, "</ol></details>");
	}
	markup_raw(m, "</section>");
}

/* --- all of it ------------------------------------------------------------ */

void page_live(const struct status *st, enum page_view view, const char *csrf,
    struct markup *m)
{
	struct words w;

	words_box(st, &w);
	markup_fmt(m, "<div id=\"live\" class=\"%s\" data-state=\"%s\"",
	    api_severity(w.severity), w.id);
	markup_raw(m, " data-title=\"");
	markup_text(m, w.headline);
	markup_raw(m, "\" data-say=\"");
	markup_text(m, w.sentence);
	markup_raw(m, "\">");
	put_glance(m, st, &w);
	markup_raw(m, "<div class=\"stats\">");
	put_age_card(m, st);
	put_nights_card(m, st);
	put_room_card(m, st);
	markup_raw(m, "</div><div class=\"cols\"><div class=\"stack\">");
	put_phones(m, st, view, csrf);
	page_put_disk(m, st, view, csrf);
	markup_raw(m, "</div><div class=\"stack\">");
	put_nights(m, st);
	page_put_machine(m, st, view, csrf);
	markup_raw(m, "</div></div>");
	page_put_account(m, view, csrf);
	markup_raw(m, "</div>");
}
