/*
 * What a webhook answers, fed in bytes as they come; only the status of its
 * head counts (llhttp reads it, RFC 9112). Pure.
 */
#ifndef HOOK_REPLY_H
#define HOOK_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "http_request.h" /* llhttp */

/* Until the head ends, with all of 1xx before it. */
#define HOOK_REPLY_MAX 8192

struct hook_reply {
	int status; /* when DONE: 200..599 */
	size_t n_bytes;
	bool over;
	llhttp_t parser;
};

enum hook_reply_step {
	HOOK_REPLY_MORE,
	HOOK_REPLY_DONE, /* the rest is not read */
	HOOK_REPLY_BAD /* no HTTP, too long, or another protocol */
};

/* The struct must stay where it is until the end. */
void hook_reply_init(struct hook_reply *r);

/* Not after DONE or BAD. */
enum hook_reply_step hook_reply_feed(
    struct hook_reply *r, const char *data, size_t len);

#endif
