/*
 * The frame of the page: page.html with the LED table put in, and the policy
 * that lets a browser run just this style and this script.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#define LOG_MODULE "page"
#include "led_pattern.h"
#include "log.h"
#include "page.h"
#include "page_html.h"

#define MARK_LEDS   "/*LEDS*/"
#define MARK_LIVE   "<!--LIVE-->"
#define MARK_LEGEND "<!--LEGEND-->"

/* Room for what is put in. */
#define EXTRA 32768

/* A level that holds or ramps over a step becomes two points of a keyframe
 * rule; a jump takes a hundredth of a percent. */
static void put_keyframes(struct markup *m, const struct led_grammar *g)
{
	unsigned total = 0, at = 0;

	for (unsigned i = 0; i < g->n_steps; i++)
		total += g->steps[i].ms;
	markup_fmt(m, ".led-%s>i{animation:led-%s %ums linear infinite}\n",
	    g->id, g->id, total);
	markup_fmt(m, "@keyframes led-%s{", g->id);
	for (unsigned i = 0; i < g->n_steps; i++) {
		const struct led_step *s = &g->steps[i];
		double from = at * 100.0 / total;
		double to = (at + s->ms) * 100.0 / total;

		markup_fmt(m, "%.2f%%{opacity:%.3g}%.2f%%{opacity:%.3g}",
		    i ? from + 0.01 : 0.0, s->from / 255.0, to, s->to / 255.0);
		at += s->ms;
	}
	markup_raw(m, "}\n");
}

static void put_led_style(struct markup *m)
{
	for (unsigned p = 0; p < LED_PATTERN_COUNT_; p++) {
		const struct led_grammar *g = led_grammar(p);

		markup_fmt(m, ".led-%s{--led:%u %u %u}\n", g->id, g->rgb[0],
		    g->rgb[1], g->rgb[2]);
		if (g->n_steps > 1)
			put_keyframes(m, g);
	}
}

static void put_legend(struct markup *m)
{
	for (unsigned p = 0; p < LED_PATTERN_COUNT_; p++) {
		const struct led_grammar *g = led_grammar(p);

		markup_fmt(m,
		    "<li><span class=\"lens\"><span class=\"led led-%s\"><i></i></span></span>"
		    "<div><b>",
		    g->id);
		markup_text(m, g->says);
		markup_raw(m, "</b><span class=\"dim\">");
		markup_text(m, g->rhythm);
		markup_raw(m, " · ");
		markup_text(m, g->colour);
		markup_raw(m, "</span></div></li>\n");
	}
}

/* Copies the template up to `mark` and steps over it. */
static bool put_until(
    struct markup *m, const char **at, const char *end, const char *mark)
{
	const char *found =
	    memmem(*at, (size_t)(end - *at), mark, strlen(mark));

	if (!found)
		return false;
	markup_bytes(m, *at, (size_t)(found - *at));
	*at = found + strlen(mark);
	return true;
}

/* 'sha256-…' of what stands between two tags. */
static bool put_hash(
    const char *html, const char *open, const char *close, char out[64])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	const char *from = strstr(html, open);
	const char *to = from ? strstr(from, close) : NULL;

	if (!to)
		return false;
	from += strlen(open);
	SHA256((const unsigned char *)from, (size_t)(to - from), hash);
	EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash));
	return true;
}

static bool make_policy(struct page *p)
{
	char style[64], script[64];
	int n;

	if (!put_hash(p->buf, "<style>", "</style>", style) ||
	    !put_hash(p->buf, "<script>", "</script>", script))
		return false;
	n = snprintf(p->headers, sizeof(p->headers),
	    "Content-Security-Policy: default-src 'none'; "
	    "style-src 'sha256-%s'; script-src 'sha256-%s'; "
	    "connect-src 'self'; img-src 'self'; base-uri 'none'; "
	    "form-action 'self'; frame-ancestors 'none'\r\n"
	    "Cache-Control: no-store\r\n",
	    style, script);
	return n > 0 && (size_t)n < sizeof(p->headers);
}

enum rc page_init(struct page *p)
{
	const char *at = (const char *)page_html;
	const char *end = at + sizeof(page_html);
	size_t cap = sizeof(page_html) + EXTRA;
	struct markup m;

	memset(p, 0, sizeof(*p));
	p->buf = malloc(cap);
	if (!p->buf)
		return RC_NOMEM;
	markup_init(&m, p->buf, cap);
	if (!put_until(&m, &at, end, MARK_LEDS))
		goto bad;
	put_led_style(&m);
	if (!put_until(&m, &at, end, MARK_LIVE))
		goto bad;
	p->before = p->buf;
	p->before_len = m.len;
	if (!put_until(&m, &at, end, MARK_LEGEND))
		goto bad;
	put_legend(&m);
	markup_bytes(&m, at, (size_t)(end - at));
	p->after = p->buf + p->before_len;
	p->after_len = m.len - p->before_len;
	if (m.cut || !make_policy(p))
		goto bad;
	return RC_OK;
bad:
	log_error("page.html lacks a mark or has grown too long");
	page_fini(p);
	return RC_BUG;
}

void page_fini(struct page *p)
{
	free(p->buf);
	memset(p, 0, sizeof(*p));
}
