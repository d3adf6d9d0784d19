/* The report: asked for by a form, made by the box, fetched from here. */
#include <string.h>

#include "mono.h"
#include "site_int.h"

#define FRESH_MS (10 * 60 * 1000)

void site_add_report(
    struct site *s, const char *text, size_t offset, size_t len, size_t total)
{
	if (offset == 0)
		s->report_len = 0;
	if (offset != s->report_len || total > sizeof(s->report) ||
	    len > total - offset)
		return; /* of one whose beginning is not here */
	memcpy(s->report + offset, text, len);
	s->report_len += len;
	if (s->report_len == total)
		s->report_ms = mono_ms();
}

/* Not on the disk, and gone after a while: it is made anew in no time. */
static bool is_there(const struct site *s)
{
	return s->report_ms && mono_ms() - s->report_ms < FRESH_MS;
}

void site_get_report(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct markup m;

	(void)req;
	(void)view;
	if (!is_there(s)) {
		site_plain(a, 503,
		    "The report is being made. If it does not come, ask for it "
		    "on the page again.\n");
		a->headers = NO_STORE "Refresh: 1\r\nRetry-After: 1\r\n";
		return;
	}
	/* A buffer of its own: another report may come while this is sent. */
	if (!site_body_begin(s, a, &m))
		return;
	markup_bytes(&m, s->report, s->report_len);
	site_body_end(a, 200, TEXT_PLAIN, &m);
	a->headers = NO_STORE "Content-Disposition: attachment; "
			      "filename=nightstand-report.txt\r\n";
}
