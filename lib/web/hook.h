/*
 * A webhook: whom to tell, and the request that does. Pure; the answer is
 * hook_reply.h.
 */
#ifndef HOOK_H
#define HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "markup.h"

#define HOOK_BODY_MAX 2048
#define HOOK_HEAD_MAX 768

struct hook_target {
	char host[64]; /* a name, or an address; IPv6 without its brackets */
	int port;
	char path[128]; /* begins with a slash; with its query */
};

/* "http://host[:port][/path]". NULL; or why not, for people. */
const char *hook_parse(const char *url, struct hook_target *out);

/* One event, as the box made and signed it. */
struct hook_event {
	uint64_t number;
	char id[32]; /* the same when it is sent again */
	char signature[65]; /* hex of HMAC-SHA256 over the body; "" none */
	size_t len;
	char body[HOOK_BODY_MAX];
};

/* The request, head and body. */
void hook_put_request(const struct hook_target *target,
    const struct hook_event *ev, struct markup *m);

#endif
