#include "page.h"
#include "words.h"
void page_live(const struct status *st, struct markup *m)
{
	struct words w;

	words_box(st, &w);
	markup_raw(m, "<h1>");
	markup_text(m, w.headline);
	markup_raw(m, "</h1>");
}
