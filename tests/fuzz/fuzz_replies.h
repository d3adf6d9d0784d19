/*
 * What the host answered, read as the phone reads it: one status for each
 * command and nothing else, or the phone would take the rest for another
 * command's.
 */
#ifndef FUZZ_REPLIES_H
#define FUZZ_REPLIES_H

#include "fake_phone.h"

enum reply {
	REPLY_NONE, /* a ping, a word of the protocol above */
	REPLY_STATUS,
	REPLY_FILES /* files, then a status */
};

struct replies {
	const uint8_t *p;
	size_t left;
};

static inline bool reply_skip(struct replies *r, size_t n)
{
	if (n > r->left)
		return false;
	r->p += n;
	r->left -= n;
	return true;
}

static inline bool reply_u32(struct replies *r, size_t *out)
{
	const uint8_t *p = r->p;

	if (!reply_skip(r, 4))
		return false;
	*out =
	    (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	return true;
}

/* The next frame's list; NULL: the talk ended before it. Gives. */
static inline struct pl *reply_list(struct replies *r)
{
	struct pl *msg = NULL;
	const uint8_t *body;
	size_t n;

	if (!reply_u32(r, &n))
		return NULL;
	body = r->p;
	if (!reply_skip(r, n) || pl_parse(body, n, &msg))
		abort(); /* a frame leaves whole or not at all */
	return msg;
}

/* False: the talk ended within it. */
static inline bool reply_files(struct replies *r)
{
	size_t n;

	while (reply_u32(r, &n)) {
		uint8_t code;

		if (n == 0)
			return true;
		if (!reply_skip(r, n))
			return false;
		do {
			if (!reply_u32(r, &n) || n == 0 || r->left < n)
				return false;
			code = r->p[0];
			reply_skip(r, n);
		} while (code == 0x0C);
	}
	return false;
}

/* False: the talk ended here; a good-bye is its last word. */
static inline bool reply_status(struct replies *r)
{
	struct pl *msg = reply_list(r);
	int64_t code;
	bool bye = pl_is_str(pl_at(msg, 0), "DLMessageDisconnect");
	bool more = msg && !bye;

	if (more && (!pl_is_str(pl_at(msg, 0), "DLMessageStatusResponse") ||
			pl_count(msg) != 4 || pl_int(pl_at(msg, 1), &code) ||
			pl_kind(pl_at(msg, 2)) != PL_STRING))
		abort();
	if (bye && r->left > 0)
		abort();
	pl_free(msg);
	return more;
}

/* `want`: of each command that was said. The talk may end early. */
static inline void check_replies(
    const struct fake_bytes *said, const uint8_t *want, size_t n)
{
	struct replies r = { said->data, said->len };

	for (int i = 0; i < 3; i++) /* version, hello, request */
		pl_free(reply_list(&r));
	for (size_t i = 0; i < n; i++) {
		if (want[i] == REPLY_FILES && !reply_files(&r))
			return;
		if (want[i] != REPLY_NONE && !reply_status(&r))
			return;
	}
	if (reply_status(&r)) /* nobody asked */
		abort();
}

#endif
