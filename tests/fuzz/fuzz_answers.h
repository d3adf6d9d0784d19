/*
 * The bytes of an HTTP connection, read as a browser would, and without a line
 * of the server's: a status line, headers, as many bytes as were promised, the
 * next answer; or an event stream, which ends the connection.
 */
#ifndef FUZZ_ANSWERS_H
#define FUZZ_ANSWERS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_conn.h"

struct fuzz_answers {
	enum {
		FUZZ_ANSWERS_HEAD,
		FUZZ_ANSWERS_BODY,
		FUZZ_ANSWERS_STREAM
	} at;
	char head[2048];
	size_t n_head;
	size_t body_left;
	unsigned begun, expected; /* answers */
	bool goes_on; /* "100 Continue" is to come first */
	int status; /* that the site gave to the one at hand */
	bool without_body, stream;
	bool last; /* it said "Connection: close" */
	char line_end[2]; /* the stream's last two bytes */
};

static inline void fuzz_answers_must(bool so)
{
	if (!so)
		abort();
}

static inline void fuzz_answers_start(struct fuzz_answers *f)
{
	memset(f, 0, sizeof(*f));
}

static inline void fuzz_answers_expect(
    struct fuzz_answers *f, const struct http_answer *a, bool head)
{
	/* Each is out before the next one is made. */
	fuzz_answers_must(f->begun == f->expected && !f->last && !f->goes_on &&
			  f->at == FUZZ_ANSWERS_HEAD && !f->n_head);
	f->expected++;
	f->status = a->status;
	f->without_body = head;
	f->stream = a->stream && !head;
}

/* A head has come whole. */
static inline void fuzz_answers_head(struct fuzz_answers *f)
{
	const char *length = strstr(f->head, "\r\nContent-Length: ");
	int status = 0, end = 0;

	if (f->goes_on) {
		fuzz_answers_must(
		    !strcmp(f->head, "HTTP/1.1 100 Continue\r\n\r\n"));
		f->goes_on = false;
		f->n_head = 0;
		return;
	}
	sscanf(f->head, "HTTP/1.1 %3d %n", &status, &end);
	fuzz_answers_must(
	    end == 13 && status == f->status && status >= 200 && status < 600);
	fuzz_answers_must(strlen(f->head) == f->n_head);
	fuzz_answers_must(!strstr(f->head, "\n\n"));
	f->begun++;
	f->last = strstr(f->head, "\r\nConnection: close\r\n") != NULL;
	f->n_head = 0;
	if (f->stream) {
		fuzz_answers_must(!length && f->last);
		f->at = FUZZ_ANSWERS_STREAM;
		return;
	}
	fuzz_answers_must(f->without_body || length);
	f->body_left = f->without_body ? 0 : strtoul(length + 18, NULL, 10);
	f->at = f->body_left ? FUZZ_ANSWERS_BODY : FUZZ_ANSWERS_HEAD;
}

static inline void fuzz_answers_byte(struct fuzz_answers *f, char c)
{
	switch (f->at) {
	case FUZZ_ANSWERS_HEAD:
		fuzz_answers_must(f->begun < f->expected || f->goes_on);
		fuzz_answers_must(f->n_head + 1 < sizeof(f->head));
		f->head[f->n_head++] = c;
		f->head[f->n_head] = '\0';
		if (f->n_head >= 4 &&
		    !memcmp(f->head + f->n_head - 4, "\r\n\r\n", 4))
			fuzz_answers_head(f);
		break;
	case FUZZ_ANSWERS_BODY:
		f->body_left--;
		if (!f->body_left)
			f->at = FUZZ_ANSWERS_HEAD;
		break;
	case FUZZ_ANSWERS_STREAM:
		/* A field, a comment, or the end of an event. */
		if (f->line_end[1] == '\n' || !f->line_end[1])
			fuzz_answers_must(strchr("rid:\n", c) != NULL);
		f->line_end[0] = f->line_end[1];
		f->line_end[1] = c;
		break;
	}
}

static inline void fuzz_answers_take(
    struct fuzz_answers *f, const void *data, size_t len)
{
	const char *p = data;

	for (size_t i = 0; i < len; i++)
		fuzz_answers_byte(f, p[i]);
}

/* All that was sent is whole, when the connection is between two answers. */
static inline void fuzz_answers_end(
    const struct fuzz_answers *f, const struct http_conn *c)
{
	if (c->state == HTTP_CONN_REPLY)
		return;
	fuzz_answers_must(f->begun == f->expected);
	fuzz_answers_must(!f->n_head && !f->body_left);
	if (c->state == HTTP_CONN_OVER)
		fuzz_answers_must(f->last);
	if (c->state == HTTP_CONN_STREAM && !c->total)
		fuzz_answers_must(
		    f->line_end[0] == '\n' && f->line_end[1] == '\n');
}

#endif
