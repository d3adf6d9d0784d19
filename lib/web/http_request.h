/*
 * One HTTP/1.x request, fed in bytes as they come; no I/O. A body is taken
 * with POST only, and only a short one whose length was said; a long one, of
 * an upload, is left to who feeds it. llhttp reads it, this file adds the
 * bounds that llhttp lacks and refuses what it lets through (RFC 9112 5.1: no
 * space before the colon; 5.2: no folded lines).
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llhttp.h"

#define HTTP_REQUEST_HEAD_MAX   8192 /* browsers send about 1 KB */
#define HTTP_REQUEST_PATH_MAX   255
#define HTTP_REQUEST_HOST_MAX   255
#define HTTP_REQUEST_COOKIE_MAX 1023 /* of all cookies together */
/* A form of a few fields; three passwords of 127 bytes, each byte as %XX. */
#define HTTP_REQUEST_BODY_MAX 2048
#define HTTP_REQUEST_TYPE_MAX 127
#define HTTP_REQUEST_CSRF_MAX 127

enum http_request_step {
	HTTP_REQUEST_MORE, /* feed more */
	HTTP_REQUEST_DONE, /* the fields below say what is asked for */
	HTTP_REQUEST_UPLOAD, /* likewise; the `length` bytes of its body come
				next, and are not for here */
	HTTP_REQUEST_BAD /* answer with `status`, then close */
};

struct http_request {
	/* the result */
	int status; /* when bad: 400, 405, 411, 413, 414, 431, 505 */
	bool head; /* HEAD, not GET */
	bool post;
	bool keep_alive;
	char path[HTTP_REQUEST_PATH_MAX + 1]; /* without query, not decoded */
	char host[HTTP_REQUEST_HOST_MAX + 1]; /* as sent, with its port */
	unsigned n_hosts; /* Host lines */
	char origin[HTTP_REQUEST_HOST_MAX + 1]; /* "" when none was said */
	char cookie[HTTP_REQUEST_COOKIE_MAX + 1]; /* "a=1; b=2" */
	char body[HTTP_REQUEST_BODY_MAX + 1]; /* of a POST, terminated */
	size_t body_len;
	uint64_t length; /* of a POST's body, as it was said */
	char type[HTTP_REQUEST_TYPE_MAX + 1]; /* its Content-Type; "" */
	char csrf[HTTP_REQUEST_CSRF_MAX + 1]; /* X-CSRF, for a body that is no
						 form; "" */
	bool expects; /* it waits for "100 Continue" before the body */
	const char *peer; /* who asks: an address; set by the connection */
	bool secure; /* over TLS; likewise */

	/* how far we are */
	size_t n_bytes; /* of the head so far; 0: nothing has come */
	size_t path_len, value_len;
	bool path_ended, has_head, upload, complete;
	enum http_request_header {
		HTTP_REQUEST_OTHER,
		HTTP_REQUEST_HOST,
		HTTP_REQUEST_ORIGIN,
		HTTP_REQUEST_COOKIE,
		HTTP_REQUEST_TYPE,
		HTTP_REQUEST_CSRF,
		HTTP_REQUEST_EXPECT
	} header; /* whose value comes now */
	unsigned seen; /* set of them */
	enum http_request_line {
		HTTP_REQUEST_FIRST, /* the request line or empty lines before */
		HTTP_REQUEST_START, /* first byte of a header line */
		HTTP_REQUEST_NAME,
		HTTP_REQUEST_VALUE
	} line;
	char name[16]; /* of the header at hand, cut */
	size_t name_len;
	char expect[32];
	const char *const *uploads; /* paths; NULL none. Set by who feeds it */
	llhttp_t parser;
};

/* Also makes it ready for the next request of a connection. The struct must
 * stay where it is until then. */
void http_request_init(struct http_request *r);

/*
 * Takes up to `len` bytes, at least one; *used says how many. After DONE the
 * rest belongs to the next request; after BAD nothing more may be fed, nor
 * after UPLOAD.
 */
enum http_request_step http_request_feed(
    struct http_request *r, const char *data, size_t len, size_t *used);

#endif
