#include "hook_reply.h"

#include <string.h>

static int on_head(llhttp_t *parser)
{
	struct hook_reply *r = parser->data;

	if (parser->http_major != 1 || parser->status_code == 101)
		return HPE_USER;
	if (parser->status_code < 200)
		return 0; /* another one follows */
	if (parser->status_code > 599)
		return HPE_USER;
	r->status = parser->status_code;
	r->over = true;
	return HPE_USER; /* the body is of no interest */
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t s;

	if (!s.on_headers_complete) {
		llhttp_settings_init(&s);
		s.on_headers_complete = on_head;
	}
	return &s;
}

void hook_reply_init(struct hook_reply *r)
{
	memset(r, 0, sizeof(*r));
	llhttp_init(&r->parser, HTTP_RESPONSE, settings());
	r->parser.data = r;
}

enum hook_reply_step hook_reply_feed(
    struct hook_reply *r, const char *data, size_t len)
{
	size_t room = HOOK_REPLY_MAX - r->n_bytes;
	size_t n = len < room ? len : room;
	llhttp_errno_t err = llhttp_execute(&r->parser, data, n);

	r->n_bytes += n;
	if (r->over)
		return HOOK_REPLY_DONE;
	if (err != HPE_OK || n < len)
		return HOOK_REPLY_BAD;
	return HOOK_REPLY_MORE;
}
