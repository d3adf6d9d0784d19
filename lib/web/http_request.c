#include "http_request.h"

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

static int on_field_end(llhttp_t *parser)
{
	struct http_request *r = of(parser);

	r->is_host = r->name_len == 4 && !strncasecmp(r->name, "host", 4);
	r->name_len = 0;
	if (r->is_host && r->n_hosts++)
		return bad(r, 400); /* two of them: whom would one believe? */
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct http_request *r = of(parser);

	if (!r->is_host)
		return 0;
	if (len > HTTP_REQUEST_HOST_MAX - r->host_len)
		return bad(r, 400);
	memcpy(r->host + r->host_len, at, len);
	r->host_len += len;
	return 0;
}

static int on_head(llhttp_t *parser)
{
	struct http_request *r = of(parser);

	if (parser->method != HTTP_GET && parser->method != HTTP_HEAD)
		return bad(r, 405);
	if (parser->content_length || (parser->flags & F_CHUNKED))
		return bad(r, 413); /* nothing here takes a body */
	if (parser->http_major != 1)
		return bad(r, 505);
	if (parser->http_minor && !r->n_hosts)
		return bad(r, 400); /* RFC 9112 3.2 */
	r->head = parser->method == HTTP_HEAD;
	r->keep_alive = llhttp_should_keep_alive(parser);
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

	while (i < len && !r->complete) {
		const char *at = data + i++;
		llhttp_errno_t err;

		if (++r->n_bytes > HTTP_REQUEST_HEAD_MAX)
			bad(r, 431);
		else if (!line_is_sound(r, *at))
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
	return r->complete ? HTTP_REQUEST_DONE : HTTP_REQUEST_MORE;
}
