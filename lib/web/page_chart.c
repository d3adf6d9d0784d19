/*
 * Size over time: one line over the days, drawn by the box, so that it is
 * there without JavaScript. In words for who can't see it.
 */
#include "page.h"
#include "words.h"

#define WIDTH  320
#define HEIGHT 64
#define TOP    4 /* of the largest backup: room for the line's width */

static uint64_t largest(const struct status_phone *p)
{
	uint64_t max = 1;

	for (uint32_t i = 0; i < p->n_sizes; i++)
		if (p->sizes[i].bytes > max)
			max = p->sizes[i].bytes;
	return max;
}

/* Oldest first; clocks that were set back make no lines that go back. */
static void put_points(struct markup *m, const struct status_phone *p)
{
	int64_t begin = p->sizes[p->n_sizes - 1].at;
	int64_t end = p->sizes[0].at;
	double max = (double)largest(p), x = 0;

	for (uint32_t i = p->n_sizes; i-- > 0;) {
		const struct status_size *z = &p->sizes[i];
		double at = WIDTH;

		if (end > begin)
			at = (double)(z->at - begin) * WIDTH /
			     (double)(end - begin);
		if (at > x)
			x = at > WIDTH ? WIDTH : at;
		markup_fmt(m, " %.1f,%.1f", x,
		    HEIGHT - (double)z->bytes / max * (HEIGHT - TOP));
	}
}

static void put_words(
    struct markup *m, const struct status *st, const struct status_phone *p)
{
	const struct status_size *last = &p->sizes[0];
	const struct status_size *first = &p->sizes[p->n_sizes - 1];
	char text[64];

	markup_raw(m, "Size of the backups: ");
	page_put_bytes(m, first->bytes);
	markup_raw(m, " ");
	words_when(st->now_at, first->at, text, sizeof(text));
	markup_text(m, text);
	markup_raw(m, ", ");
	page_put_bytes(m, last->bytes);
	markup_raw(m, " ");
	words_when(st->now_at, last->at, text, sizeof(text));
	markup_text(m, text);
}

void page_put_chart(
    struct markup *m, const struct status *st, const struct status_phone *p)
{
	if (p->n_sizes < 2 || p->n_sizes > LIMIT_SIZES)
		return;
	markup_fmt(m,
	    "<figure class=\"chart\"><figcaption><span>Size over time</span>"
	    "<span class=\"dim\">%u backups, up to ",
	    p->n_sizes);
	page_put_bytes(m, largest(p));
	markup_fmt(m,
	    "</span></figcaption><svg viewBox=\"0 0 %d %d\" "
	    "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
	    WIDTH, HEIGHT);
	put_words(m, st, p);
	markup_fmt(m, "\"><polygon points=\"0,%d", HEIGHT);
	put_points(m, p);
	markup_fmt(m, " %d,%d\"/><polyline points=\"", WIDTH, HEIGHT);
	put_points(m, p);
	markup_raw(m, "\"/></svg><div class=\"ends dim\">");
	page_put_when(m, st->now_at, p->sizes[p->n_sizes - 1].at);
	page_put_when(m, st->now_at, p->sizes[0].at);
	markup_raw(m, "</div></figure>");
}
