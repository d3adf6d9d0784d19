#include "http_request.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static int bad(struct http_request *r, int status)
{
	if (!r->status)
		r->status = status;
	return HPE_USER;
}

static struct http_request *of(llhttp_t *parser)
{
	return parser->data;
}

/* --- llhttp's callbacks --------------------------------------------------- */

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct http_request *r = of(parser);

	for (size_t i = 0; i < len && !r->path_ended; i++) {
		if (at[i] == '?' || at[i] == '#') {
			r->path_ended = true;
			break;
		}
		if (r->path_len == HTTP_REQUEST_PATH_MAX)
			return bad(r, 414);
		if (at[i] == '\t' || at[i] == '\f')
			return bad(r, 400); /* llhttp takes them */
		r->path[r->path_len++] = at[i];
	}
	return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
	struct http_request *r = of(parser);

	for (size_t i = 0; i < len && r->name_len < sizeof(r->name); i++)
		r->name[r->name_len++] = at[i];
	return 0;
}

static const struct {
	const char *name;
	size_t offset, max;
} kept[] = {
	[HTTP_REQUEST_HOST] = { "host", offsetof(struct http_request, host),
	    HTTP_REQUEST_HOST_MAX },
	[HTTP_REQUEST_ORIGIN] = { "origin",
	    offsetof(struct http_request, origin), HTTP_REQUEST_HOST_MAX },
	[HTTP_REQUEST_COOKIE] = { "cookie",
	    offsetof(struct http_request, cookie), HTTP_REQUEST_COOKIE_MAX },
	[HTTP_REQUEST_TYPE] = { "content-type",
	    offsetof(struct http_request, type), HTTP_REQUEST_TYPE_MAX },
	[HTTP_REQUEST_CSRF] = { "x-csrf", offsetof(struct http_request, csrf),
	    HTTP_REQUEST_CSRF_MAX },
	[HTTP_REQUEST_EXPECT] = { "expect",
	    offsetof(struct http_request, expect),
	    sizeof(((struct http_request *)0)->expect) - 1 },
};

/* A second one of a header that is kept: whom would one believe? */
static int on_field_end(llhttp_t *parser)
{
	struct http_request *r = of(parser);
	size_t len = r->name_len;

	r->header = HTTP_REQUEST_OTHER;
	r->name_len = 0;
	for (unsigned i = HTTP_REQUEST_HOST; i <= HTTP_REQUEST_EXPECT; i++) {
		if (strlen(kept[i].name) != len ||
		    strncasecmp(r->name, kept[i].name, len) != 0)
			continue;
		if (r->seen & 1u << i)
			return bad(r, 400);
		r->seen |= 1u << i;
		r->header = (enum http_request_header)i;
	}
	r->n_hosts += r->header == HTTP_REQUEST_HOST;
	r->value_len = 0;
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct http_request *r = of(parser);

	if (r->header == HTTP_REQUEST_OTHER)
		return 0;
	if (len > kept[r->header].max - r->value_len)
		return bad(r, r->header == HTTP_REQUEST_COOKIE ? 431 : 400);
	memcpy((char *)r + kept[r->header].offset + r->value_len, at, len);
	r->value_len += len;
	return 0;
}

static int check_body(struct http_request *r, const llhttp_t *parser)
{
	if (!r->post && (parser->content_length ||
			    (parser->flags & (F_CHUNKED | F_CONTENT_LENGTH))))
		return parser->content_length || (parser->flags & F_CHUNKED)
			   ? bad(r, 413)
			   : 0;
	if (!r->post)
		return 0;
	if (parser->flags & F_CHUNKED || !(parser->flags & F_CONTENT_LENGTH))
		return bad(r, 411);
	r->length = parser->content_length;
	if (r->upload)
		return 0;
	return r->length > HTTP_REQUEST_BODY_MAX ? bad(r, 413) : 0;
}

static bool is_upload(const struct http_request *r)
{
	for (size_t i = 0; r->post && r->uploads && r->uploads[i]; i++)
		if (!strcmp(r->path, r->uploads[i]))
			return true;
	return false;
}

static int on_head(llhttp_t *parser)
{
	struct http_request *r = of(parser);

	if (parser->method != HTTP_GET && parser->method != HTTP_HEAD &&
	    parser->method != HTTP_POST)
		return bad(r, 405);
	if (parser->http_major != 1)
		return bad(r, 505);
	if (parser->http_minor && !r->n_hosts)
		return bad(r, 400); /* RFC 9112 3.2 */
	r->head = parser->method == HTTP_HEAD;
	r->post = parser->method == HTTP_POST;
	r->keep_alive = llhttp_should_keep_alive(parser);
	r->upload = is_upload(r);
	r->expects = !strcasecmp(r->expect, "100-continue");
	r->has_head = true;
	return check_body(r, parser);
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct http_request *r = of(parser);

	if (len > HTTP_REQUEST_BODY_MAX - r->body_len)
		return bad(r, 413);
	memcpy(r->body + r->body_len, at, len);
	r->body_len += len;
	return 0;
}

static int on_complete(llhttp_t *parser)
{
	of(parser)->complete = true;
	return HPE_PAUSED; /* what follows is the next request */
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t s;

	if (!s.on_url) {
		llhttp_settings_init(&s);
		s.on_url = on_url;
		s.on_header_field = on_field;
		s.on_header_field_complete = on_field_end;
		s.on_header_value = on_value;
		s.on_headers_complete = on_head;
		s.on_body = on_body;
		s.on_message_complete = on_complete;
	}
	return &s;
}

/* --- what llhttp lets through --------------------------------------------- */

/* True when `c` may stand where it does; follows the lines of the head. */
static bool line_is_sound(struct http_request *r, char c)
{
	switch (r->line) {
	case HTTP_REQUEST_FIRST:
		if (c == '\n' && r->path_len)
			r->line = HTTP_REQUEST_START;
		return true;
	case HTTP_REQUEST_START:
		if (c == ' ' || c == '\t')
			return false; /* folded */
		r->line = HTTP_REQUEST_NAME;
		return true;
	case HTTP_REQUEST_NAME:
		if (c == ' ' || c == '\t')
			return false; /* "Host : a" */
		if (c == ':')
			r->line = HTTP_REQUEST_VALUE;
		return true;
	case HTTP_REQUEST_VALUE:
		if (c == '\n')
			r->line = HTTP_REQUEST_START;
		return true;
	}
	return false;
}

void http_request_init(struct http_request *r)
{
	memset(r, 0, sizeof(*r));
	llhttp_init(&r->parser, HTTP_REQUEST, settings());
	r->parser.data = r;
}

/* llhttp is fed byte by byte: our look at a byte comes before its own, and a
 * head is 1 KB. */
enum http_request_step http_request_feed(
    struct http_request *r, const char *data, size_t len, size_t *used)
{
	size_t i = 0;

	while (i < len && !r->complete && !(r->upload && r->has_head)) {
		const char *at = data + i++;
		llhttp_errno_t err;

		if (!r->has_head && ++r->n_bytes > HTTP_REQUEST_HEAD_MAX)
			bad(r, 431);
		else if (!r->has_head && !line_is_sound(r, *at))
			bad(r, 400);
		if (r->status)
			break;
		err = llhttp_execute(&r->parser, at, 1);
		if (err != HPE_OK && err != HPE_PAUSED)
			bad(r, 400);
		if (r->status)
			break;
	}
	*used = i;
	if (r->status)
		return HTTP_REQUEST_BAD;
	if (r->upload && r->has_head)
		return HTTP_REQUEST_UPLOAD;
	return r->complete ? HTTP_REQUEST_DONE : HTTP_REQUEST_MORE;
}
