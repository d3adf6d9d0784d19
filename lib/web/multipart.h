/*
 * A form with one file (multipart/form-data, RFC 7578), fed in bytes as they
 * come; no I/O, nothing of the file is kept. Strict: the fields stand before
 * the file, which ends the form, as a browser sends a form of ours and
 * `curl -F` too; no preamble, no folded lines, no other encodings.
 */
#ifndef MULTIPART_H
#define MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "rc.h"

#define MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */
#define MULTIPART_MARK_MAX     (MULTIPART_BOUNDARY_MAX + 4)
#define MULTIPART_HEAD_MAX     1023 /* of one part, with the file's name */
#define MULTIPART_NAME_MAX     31
#define MULTIPART_VALUE_MAX    127
#define MULTIPART_FIELDS_MAX   8

/* What one returns but RC_OK ends it. */
struct multipart_sink {
	void *ctx;
	enum rc (*field)(void *ctx, const char *name, const char *value);
	/* The file begins, whatever its name. */
	enum rc (*file)(void *ctx);
	enum rc (*data)(void *ctx, const char *data, size_t len);
};

struct multipart {
	const struct multipart_sink *sink; /* lent */
	char mark[MULTIPART_MARK_MAX + 1]; /* "\r\n--boundary" */
	size_t mark_len;
	size_t matched; /* so much of the mark has just come */
	enum multipart_state {
		MULTIPART_MARK, /* the first mark, which has no line before */
		MULTIPART_AFTER, /* two bytes behind one: "\r\n" or "--" */
		MULTIPART_HEAD,
		MULTIPART_VALUE, /* of a field */
		MULTIPART_FILE,
		MULTIPART_OVER /* the last mark: what follows is nothing */
	} state;
	char head[MULTIPART_HEAD_MAX + 1]; /* of the part at hand */
	size_t head_len;
	char name[MULTIPART_NAME_MAX + 1];
	char value[MULTIPART_VALUE_MAX + 1];
	size_t value_len;
	char after; /* the first of those two bytes; 0: none yet */
	bool has_file;
	unsigned n_fields;
	enum rc rc; /* the first that was not RC_OK stays */
};

/* RC_PROTO: this Content-Type is no such form, or names no boundary. */
MUST_CHECK enum rc multipart_begin(struct multipart *m,
    const char *content_type, const struct multipart_sink *sink);

/*
 * RC_PROTO, RC_LIMIT: not such a form; or what the sink returned. A call gives
 * the sink at most MULTIPART_MARK_MAX bytes of the file more than it was fed.
 */
MUST_CHECK enum rc multipart_feed(
    struct multipart *m, const char *data, size_t len);

/* All of it came, with a file. */
bool multipart_is_whole(const struct multipart *m);

#endif
