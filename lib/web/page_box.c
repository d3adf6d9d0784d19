/* The disk, and the box as a machine. */
#include "page.h"
#include "words.h"

#define HOT_C      80 /* a Raspberry Pi slows down from here on */
#define DISK_HOT_C 60 /* most makers allow no more for a hard disk */

/* The phone whose backup goes first when room runs out; NULL: none may. */
static const struct status_phone *next_gone(const struct status *st)
{
	const struct status_phone *first = NULL;

	for (uint32_t i = 0; i < st->n_phones; i++) {
		const struct status_phone *p = &st->phones[i];

		if (p->next_gone_at &&
		    (!first || p->next_gone_at < first->next_gone_at))
			first = p;
	}
	return first;
}

static void put_next_gone(struct markup *m, const struct status *st)
{
	const struct status_phone *p = next_gone(st);
	char name[128];

	page_row_begin(m, "When room runs out");
	if (!p) {
		markup_raw(m, "nothing may go");
	} else {
		markup_raw(m, "the backup of ");
		page_put_when(m, st->now_at, p->next_gone_at);
		if (st->n_phones > 1) {
			words_phone_name(p, name, sizeof(name));
			markup_raw(m, " of ");
			markup_text(m, name);
		}
		markup_raw(m, " goes first, ");
		page_put_bytes(m, p->next_gone_bytes);
	}
	page_row_end(m);
}

static bool has_backups(const struct status *st)
{
	for (uint32_t i = 0; i < st->n_phones; i++)
		if (st->phones[i].versions)
			return true;
	return false;
}

static uint64_t damaged(const struct status *st)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < st->n_phones; i++)
		n += st->phones[i].damaged_files + st->phones[i].damaged_older;
	return n;
}

static void put_read_again(struct markup *m, const struct status *st)
{
	uint64_t bad = damaged(st);

	page_row_begin(m, "All of it read again");
	if (bad) {
		page_put_count(m, bad);
		markup_fmt(m, " file%s damaged", bad == 1 ? " is" : "s are");
	} else if (st->disk.read_at) {
		page_put_when(m, st->now_at, st->disk.read_at);
		markup_raw(m, ", all whole");
	} else {
		markup_raw(m, "not yet; a part each night");
	}
	page_row_end(m);
}

static void put_sectors(struct markup *m, const struct status_smart *s)
{
	if (s->reallocated > 0) {
		markup_raw(m, "; ");
		page_put_count(m, (uint64_t)s->reallocated);
		markup_fmt(m, " bad sector%s replaced",
		    s->reallocated == 1 ? "" : "s");
	}
	if (s->pending > 0) {
		markup_raw(m, "; ");
		page_put_count(m, (uint64_t)s->pending);
		markup_fmt(
		    m, " sector%s unreadable", s->pending == 1 ? "" : "s");
	}
}

static void put_smart(struct markup *m, const struct status_smart *s)
{
	char text[64];

	if (!s->told)
		return;
	page_row_begin(m, "It says of itself");
	markup_raw(m, s->failing ? "will fail soon" : "well");
	put_sectors(m, s);
	page_row_end(m);
	if (s->hours >= 0) {
		page_row_begin(m, "Has worked for");
		words_duration((int64_t)s->hours * 3600, text, sizeof(text));
		markup_text(m, text);
		page_row_end(m);
	}
	if (s->temperature_c >= 0) {
		page_row_begin(m, "Temperature");
		markup_fmt(m, "%d °C%s", s->temperature_c,
		    s->temperature_c >= DISK_HOT_C ? ": too hot, give it air"
						   : "");
		page_row_end(m);
	}
}

void page_put_disk(struct markup *m, const struct status *st,
    enum page_view view, const char *csrf)
{
	const struct status_disk *d = &st->disk;

	if (!d->present && !d->offer[0] && st->box_state != STATE_DISK_EJECTED)
		return;
	markup_raw(m, "<section class=\"card\" aria-label=\"Disk\">"
		      "<h2>Disk</h2><dl class=\"rows\">");
	if (d->path[0]) {
		page_row_begin(m, "At");
		markup_text(m, d->path);
		page_row_end(m);
	}
	page_row_begin(m, "Format");
	markup_text(m, d->fs[0] ? d->fs : "not known");
	page_row_end(m);
	if (d->total_bytes) {
		page_row_begin(m, "Free");
		page_put_bytes(m, d->free_bytes);
		markup_raw(m, " of ");
		page_put_bytes(m, d->total_bytes);
		page_row_end(m);
	}
	put_smart(m, &d->smart);
	if (has_backups(st)) {
		put_read_again(m, st);
		put_next_gone(m, st);
	}
	markup_raw(m, "</dl>");
	if (view == PAGE_OWNER)
		page_put_disk_actions(m, st, csrf);
	markup_raw(m, "</section>");
}

static void put_power(struct markup *m, const struct status *st)
{
	const struct status_health *h = &st->health;

	if (!h->weak_power_times && !h->supply_ma)
		return;
	page_row_begin(m, "Power supply");
	if (h->supply_ma)
		markup_fmt(m, "%.1f A", h->supply_ma / 1000.0);
	if (h->supply_ma && h->weak_power_times)
		markup_raw(m, ", ");
	if (h->weak_power_times) {
		markup_fmt(m, "too weak %u time%s, last ", h->weak_power_times,
		    h->weak_power_times == 1 ? "" : "s");
		page_put_when(m, st->now_at, h->weak_power_at);
	}
	page_row_end(m);
	if (!h->usb_limit_ma)
		return;
	page_row_begin(m, "USB ports");
	markup_fmt(
	    m, "share %d mA: with a supply of 5 A it is more", h->usb_limit_ma);
	page_row_end(m);
}

static void put_wifi(struct markup *m, const struct status_wifi *w)
{
	if (w->state == STATUS_WIFI_NONE)
		return;
	page_row_begin(m, "Wi-Fi");
	if (w->name[0]) {
		markup_text(m, w->name);
		markup_raw(m, ": ");
	}
	markup_text(m, words_wifi(w->state));
	page_row_end(m);
}

static void put_update(struct markup *m, const struct status_update *u)
{
	if (!u->runs && !u->comes && !u->trial && !u->version[0] && !u->why[0])
		return;
	page_row_begin(m, "Update");
	if (u->runs)
		markup_fmt(m, "being installed: %u %%", u->pct);
	else if (u->comes)
		markup_fmt(m, "being sent: %u %%", u->pct);
	else if (u->trial)
		markup_raw(m, "this version is being tried");
	else if (u->version[0]) {
		markup_raw(m, "version ");
		markup_text(m, u->version);
		markup_raw(m, u->sent ? " was sent" : " on the disk");
		markup_raw(m, u->older ? ", older than this one" : "");
	} else if (u->sent) {
		markup_raw(m, "a file was sent");
	} else {
		markup_raw(m, "a file on the disk");
	}
	if (u->why[0] && !u->runs && !u->comes) {
		markup_raw(m, ", not taken: ");
		markup_text(m, u->why);
	}
	page_row_end(m);
}

void page_put_machine(struct markup *m, const struct status *st,
    enum page_view view, const char *csrf)
{
	const struct status_health *h = &st->health;
	char text[64];

	markup_raw(m, "<section class=\"card\" aria-label=\"Box\">"
		      "<h2>Box</h2><dl class=\"rows\">");
	page_row_begin(m, "Name");
	markup_text(m, st->box);
	page_row_end(m);
	page_row_begin(m, "Version");
	markup_text(m, st->version);
	page_row_end(m);
	if (st->started_at && st->now_at > st->started_at) {
		page_row_begin(m, "On for");
		words_duration(st->now_at - st->started_at, text, sizeof(text));
		markup_text(m, text);
		page_row_end(m);
	}
	page_row_begin(m, "Time");
	markup_text(m, words_clock(st->clock));
	page_row_end(m);
	if (h->has_temperature) {
		page_row_begin(m, "Temperature");
		markup_fmt(m, "%d °C%s", h->temperature_c,
		    h->temperature_c >= HOT_C ? ": too hot, give it air" : "");
		page_row_end(m);
	}
	put_wifi(m, &st->wifi);
	put_power(m, st);
	if (st->certificate[0]) {
		page_row_begin(m, "Certificate, SHA-256");
		markup_text(m, st->certificate);
		page_row_end(m);
	}
	if (h->restarts) {
		page_row_begin(m, "Parts restarted");
		page_put_count(m, h->restarts);
		page_row_end(m);
	}
	if (words_reset(h->last_reset)[0]) {
		page_row_begin(m, "How it ended before");
		markup_text(m, words_reset(h->last_reset));
		page_row_end(m);
	}
	put_update(m, &st->update);
	markup_raw(m, "</dl>");
	if (view == PAGE_OWNER)
		page_put_update(m, &st->update, csrf);
	if (view == PAGE_OWNER && st->update.can && !st->update.runs)
		markup_raw(m, "<p><a href=\"/update\">Update with a file</a>"
			      "</p>");
	if (view == PAGE_OWNER && st->update.can)
		page_put_reset(m, csrf);
	markup_raw(m, "</section>");
}
