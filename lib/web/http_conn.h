/*
 * One HTTP/1.1 connection as a machine without I/O: bytes go in, bytes come
 * out, a clock is handed in. The server gives it a TCP connection; tests and
 * fuzzers give it arrays.
 *
 * What it answers comes from a `site`. It holds on to at most one document at
 * a time, until the peer has acknowledged its last byte: documents are sent
 * from where they lie.
 */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_request.h"

#define HTTP_CONN_PIECES 4

/* Deadlines. A live stream may last for ever: it is bounded by their number.
 */
#define HTTP_CONN_HEAD_MS  10000 /* for a whole request head */
#define HTTP_CONN_IDLE_MS  15000 /* between two requests */
#define HTTP_CONN_ACK_MS   20000 /* without a byte acknowledged */
#define HTTP_CONN_REPLY_MS 120000 /* for a whole answer */
#define HTTP_CONN_PULSE_MS 15000 /* a comment on a silent stream */
#define HTTP_CONN_EVENT_MS 250 /* between two events of a stream */
#define HTTP_CONN_BODY_MS  20000 /* of an upload: without a byte */
#define HTTP_CONN_WHOLE_MS (45 * 60 * 1000) /* … for all of it */
/* What a refused upload still sends is thrown away for so long: who hears of
 * the refusal only behind all of it hears of it at all. */
#define HTTP_CONN_REST_MS 20000

struct http_doc; /* the site's own; is held and released */

struct http_piece {
	const void *data;
	size_t len;
};

struct http_answer {
	int status;
	const char *type; /* Content-Type */
	const char *headers; /* whole lines, "" none */
	int stream; /* > 0: an event stream of that kind */
	struct http_doc *doc; /* held while the body is sent, or NULL */
	struct http_piece body[HTTP_CONN_PIECES - 1];
	unsigned n_body;
};

struct http_site {
	void *ctx;
	/* Answers a request; fills `out`, which comes zeroed. A request that
	 * was bad has its status set. */
	void (*answer)(
	    void *ctx, const struct http_request *req, struct http_answer *out);
	/* The next event of a stream when there is a newer one than
	 * *version, which it sets. */
	bool (*event)(
	    void *ctx, int stream, uint64_t *version, struct http_answer *out);
	void (*release)(void *ctx, struct http_doc *doc);
	/* NULL while there is room for a new document, else the one whose
	 * readers are the slowest. */
	const struct http_doc *(*crowded)(void *ctx);

	/* Uploads: POSTs to these paths (ends with NULL), or NULL. */
	const char *const *uploads;
	/* The head of one has come, and nothing of its body was taken. True:
	 * the body is for upload_take(); one at a time. False: `out` answers
	 * it. */
	bool (*upload_begin)(
	    void *ctx, const struct http_request *req, struct http_answer *out);
	/* The next bytes; how many of them it took. 0: not now, and TCP's
	 * window slows the peer down. */
	size_t (*upload_take)(void *ctx, const char *data, size_t len);
	/* `whole`: all of it was taken. True: it is over, `out` answers it. */
	bool (*upload_over)(void *ctx, const struct http_request *req,
	    bool whole, struct http_answer *out);
	/* Its peer is gone, or too slow. */
	void (*upload_drop)(void *ctx);
};

enum http_conn_state {
	HTTP_CONN_IDLE, /* nothing of a request has come */
	HTTP_CONN_HEAD, /* part of one has */
	HTTP_CONN_BODY, /* the long body of an upload comes */
	HTTP_CONN_REPLY, /* an answer is going out */
	HTTP_CONN_STREAM, /* event stream */
	HTTP_CONN_OVER /* all was sent: close */
};

enum http_conn_verdict {
	HTTP_CONN_KEEP,
	HTTP_CONN_CLOSE, /* orderly */
	HTTP_CONN_ABORT /* the peer does not take what it asked for */
};

struct http_conn {
	const struct http_site *site;
	enum http_conn_state state;
	int64_t state_ms; /* since when */
	int64_t moved_ms; /* last byte in, or last acknowledgement */
	int64_t event_ms; /* last event of the stream */
	bool close_after;
	int stream;
	uint64_t version; /* newest event that was sent */
	uint64_t body_left; /* of an upload */
	uint64_t rest; /* of one that was refused: thrown away */
	bool held; /* the site does not take it now */

	/* what goes out: head and body, or one event */
	struct http_doc *doc;
	struct http_piece out[HTTP_CONN_PIECES];
	unsigned n_out;
	size_t total, queued, acked;
	char head[1280];

	/* for who answers: */
	char peer[48]; /* its address */
	bool secure; /* nobody on the way can read it */

	struct http_request req;
};

void http_conn_init(
    struct http_conn *c, const struct http_site *site, int64_t now_ms);

/* Gives back the document it holds. */
void http_conn_fini(struct http_conn *c);

/* Takes what it can; stops after one request, until that one is answered.
 * Returns how many bytes it took. */
size_t http_conn_feed(
    struct http_conn *c, const char *data, size_t len, int64_t now_ms);

/* The next bytes to send; they stay where they are until acknowledged. False:
 * nothing to send. *lasting is false when the bytes lie in the connection
 * itself and have to be copied. */
bool http_conn_peek(
    const struct http_conn *c, struct http_piece *out, bool *lasting);
void http_conn_queued(struct http_conn *c, size_t len);
void http_conn_acked(struct http_conn *c, size_t len, int64_t now_ms);

/* Time has passed: deadlines, stream events. What is to become of it? */
enum http_conn_verdict http_conn_tick(struct http_conn *c, int64_t now_ms);

/* Milliseconds until tick() may have something to do for a stream, at most
 * `ms`. */
int http_conn_sleep(const struct http_conn *c, int64_t now_ms, int ms);

#endif
