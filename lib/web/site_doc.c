#include "site_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "web"
#include "api.h"
#include "log.h"

static struct http_doc *newest(struct site *s, unsigned kind)
{
	struct http_doc *best = &s->docs[kind][0];

	for (unsigned i = 1; i < DOC_SLOTS; i++) {
		if (s->docs[kind][i].version > best->version)
			best = &s->docs[kind][i];
	}
	return best;
}

static struct http_doc *unread(struct site *s, unsigned kind)
{
	for (unsigned i = 0; i < DOC_SLOTS; i++) {
		if (!s->docs[kind][i].readers)
			return &s->docs[kind][i];
	}
	return NULL;
}

static enum rc render_body(struct site *s, struct http_doc *d)
{
	char *at = d->buf + d->head_len;
	size_t cap = DOC_CAP - d->head_len - 8;
	bool is_json = d->kind >= DOC_JSON;
	enum page_view view = d->kind - (is_json ? DOC_JSON : DOC_LIVE);
	const struct status *st = view == PAGE_GLANCE ? &s->glance : &s->st;
	struct markup m;

	if (is_json)
		return api_status(st, at, cap, &d->body_len);
	markup_init(&m, at, cap);
	page_live(st, view, auth_csrf(&s->auth), &m);
	d->body_len = m.len;
	return m.cut ? RC_LIMIT : RC_OK;
}

static bool render(struct site *s, struct http_doc *d)
{
	int n = snprintf(d->buf, DOC_CAP,
	    "id: %llu\ndata: ", (unsigned long long)s->version);

	d->version = 0;
	d->head_len = (size_t)n;
	if (render_body(s, d) != RC_OK) {
		log_error("the status does not fit a document");
		return false;
	}
	memcpy(d->buf + d->head_len + d->body_len, "\n\n", 2);
	d->event_len = d->head_len + d->body_len + 2;
	d->version = s->version;
	return true;
}

/* The document of now, held for one more reader; NULL when there is none. */
struct http_doc *site_doc_take(struct site *s, unsigned kind)
{
	struct http_doc *d = newest(s, kind);

	if (d->version != s->version) {
		d = unread(s, kind);
		if (!d || !render(s, d))
			return NULL;
	}
	d->readers++;
	return d;
}

struct http_doc *site_doc_loose(struct site *s)
{
	struct http_doc *d = unread(s, DOC_LOOSE);

	if (!d)
		return NULL;
	d->version = ++s->loose;
	d->readers = 1;
	return d;
}

void site_doc_release(void *ctx, struct http_doc *d)
{
	(void)ctx;
	if (d->readers)
		d->readers--;
}

const struct http_doc *site_doc_crowded(void *ctx)
{
	struct site *s = ctx;

	for (unsigned k = 0; k < DOC_COUNT; k++) {
		const struct http_doc *oldest = &s->docs[k][0];

		if (unread(s, k) ||
		    (k != DOC_LOOSE && newest(s, k)->version == s->version))
			continue;
		for (unsigned i = 1; i < DOC_SLOTS; i++) {
			if (s->docs[k][i].version < oldest->version)
				oldest = &s->docs[k][i];
		}
		return oldest;
	}
	return NULL;
}
