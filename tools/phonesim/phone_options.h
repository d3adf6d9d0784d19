/*
 * The options of a phone: "key=value,key=value", from --phone or `add`.
 * README.md lists them.
 */
#ifndef PHONE_OPTIONS_H
#define PHONE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"

struct phone;

struct phone_options {
	char udid[48], model[32], ios[16], build[16], name[128], serial[16];
	struct content_plan plan; /* its seed is the phone's */
	bool hex40, is_format_set;
	bool plugged, locked, passcode, trusted;
	uint64_t capacity, free; /* bytes */
	int battery;
};

/* 0, or -1 with a reason that names the key. */
int phone_options_parse(
    const char *text, struct phone_options *o, char *err, size_t cap);
/* Fills identity and state; `plugged` is a wish at this time. */
void phone_options_apply(struct phone *ph, const struct phone_options *o);

/* "12", "64K", "3M", "2G" (powers of 1024): 0, or -1. */
int phone_options_size(const char *text, uint64_t *out);
/* yes/no/1/0/true/false: 0, or -1. */
int phone_options_bool(const char *text, bool *out);

#endif
