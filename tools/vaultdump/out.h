/*
 * What is printed, as text or as JSON, one thing at a time: a phone has a
 * million files. JSON is one object; out_open() and out_close() nest.
 */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>

#include <cjson/cJSON.h>

struct out {
	bool json;
	unsigned depth;
	bool comma[16]; /* something stands before the next one */
};

/* "{" or "["; `key` NULL inside a list. */
void out_open(struct out *o, const char *key, char bracket);
void out_close(struct out *o, char bracket);

/* One item of a list, or of an object under `key`. Takes `item`. */
void out_item(struct out *o, const char *key, cJSON *item);

/* A line of text; nothing when JSON is wanted. */
void out_text(struct out *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
