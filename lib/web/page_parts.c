/* Small parts that several sections of the page are made of. */
#include <time.h>

#include "page.h"
#include "words.h"

void page_put_bytes(struct markup *m, uint64_t bytes)
{
	char text[40];

	words_bytes(bytes, text, sizeof(text));
	markup_text(m, text);
}

void page_put_count(struct markup *m, uint64_t n)
{
	char text[40];

	words_count(n, text, sizeof(text));
	markup_text(m, text);
}

void page_put_when(struct markup *m, int64_t now_at, int64_t at)
{
	char text[64], iso[40] = "";
	time_t t = (time_t)at;
	struct tm tm;

	words_when(now_at, at, text, sizeof(text));
	if (gmtime_r(&t, &tm))
		strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &tm);
	markup_fmt(m, "<time datetime=\"%s\">", iso);
	markup_text(m, text);
	markup_raw(m, "</time>");
}

void page_row_begin(struct markup *m, const char *label)
{
	markup_raw(m, "<div><dt>");
	markup_raw(m, label);
	markup_raw(m, "</dt><dd>");
}

void page_row_end(struct markup *m)
{
	markup_raw(m, "</dd></div>");
}
