/*
 * The page. Its frame (head, style, script, legend) is made once from
 * page.html and the LED table; what changes is one element, rendered here from
 * the status, whether it goes out with the whole page or as an event to a page
 * that is open. So a browser without JavaScript sees the same.
 */
#ifndef PAGE_H
#define PAGE_H

#include <stddef.h>

#include "markup.h"
#include "password.h"
#include "rc.h"
#include "settings.h"
#include "status.h"

struct page {
	char *buf;
	const char *before, *after; /* of the part that changes */
	size_t before_len, after_len;
	char headers
	    [512]; /* Content-Security-Policy: hashes of style and script */
};

/* RC_BUG: page.html lacks one of its marks. */
MUST_CHECK enum rc page_init(struct page *p);
void page_fini(struct page *p);

/* For whom a page is made. */
enum page_view {
	PAGE_GLANCE, /* anybody: the status is a redacted one */
	PAGE_ALL, /* anybody, on a box that hides nothing */
	PAGE_OWNER, /* a session: with buttons */
	PAGE_VIEW_COUNT_
};

/* The part that changes, on one line. csrf: what its forms carry. */
void page_live(const struct status *st, enum page_view view, const char *csrf,
    struct markup *m);

/* In its place: the PIN is asked for. `said`: about the last try, or "". */
void page_login(const char *said, struct markup *m);

/* What may be set; `bad`: the one that was refused, and why; NULL: none was, and
 * `why` is said above them, or "". updates: with the form for one. */
void page_settings(const struct settings_values *v, const struct setting *bad,
    const char *why, bool updates, const char *csrf, struct markup *m);

/* In its place: an update is sent by a form; `said` of the last try, or "". */
void page_update(const struct status_update *u, const char *said,
    const char *csrf, struct markup *m);

/* --- page_update.c, for the page's files ---------------------------------------- */

/* The form that an update is sent by. */
void page_put_upload(struct markup *m, const char *csrf);

/* --- page_parts.c, for the page's files ----------------------------------------- */

void page_put_bytes(struct markup *m, uint64_t bytes);
void page_put_count(struct markup *m, uint64_t n);
/* <time>: "today 23:41". */
void page_put_when(struct markup *m, int64_t now_at, int64_t at);
/* A row of a <dl class="rows">. */
void page_row_begin(struct markup *m, const char *label);
void page_row_end(struct markup *m);

/* --- page_chart.c, page_box.c ---------------------------------------------------- */

/* How large this phone's backups were; nothing for less than two. */
void page_put_chart(
    struct markup *m, const struct status *st, const struct status_phone *p);
/* The disk, and the box as a machine. */
void page_put_disk(struct markup *m, const struct status *st,
    enum page_view view, const char *csrf);
void page_put_machine(struct markup *m, const struct status *st,
    enum page_view view, const char *csrf);

/* In its place: forms to switch on, change or switch off the backup password
 * of each phone. */
void page_password(const struct status *st, const char *csrf, struct markup *m);

/* --- page_password.c, for page.c ------------------------------------------------ */

/* What the phone's backups lack without encryption, and the way to it. */
void page_put_password(struct markup *m, const struct status *st, unsigned i);

/* --- page_forms.c, for the page's files ------------------------------------------------- */

/* With the token that it has to carry; ended by </form>. */
void page_form_begin(struct markup *m, const char *path, const char *csrf);
void page_put_pin_form(struct markup *m, const char *csrf);
void page_put_actions(
    struct markup *m, const struct status_phone *p, const char *csrf);
/* Eject it, use it again, prepare it. */
void page_put_disk_actions(
    struct markup *m, const struct status *st, const char *csrf);
/* Install the firmware that is offered. */
void page_put_update(
    struct markup *m, const struct status_update *u, const char *csrf);
/* Forget what was set on the page. */
void page_put_reset(struct markup *m, const char *csrf);
void page_put_account(struct markup *m, enum page_view view, const char *csrf);

#endif
