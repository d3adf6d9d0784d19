/*
 * What lockdownd says when it is asked (protocols.md 4.7; evidence of which
 * keys exist, and which of them need a session): computed from model, iOS and
 * seed, with what hosts have set laid over.
 */
#ifndef VALUES_H
#define VALUES_H

#include <plist/plist.h>
#include <stdbool.h>
#include <stdint.h>

struct phone;

struct values_model {
	const char *product_type, *hardware, *platform, *marketing, *number;
	unsigned chip_id, board_id;
	const char *arch, *device_class;
};

/* Never NULL: an unknown model looks like one of its kind. */
const struct values_model *values_model(const char *product_type);
const char *values_build(const char *ios); /* "18.1" → "22B83" */
unsigned values_chip_id(struct phone *ph);
uint64_t values_ecid(struct phone *ph);

/* Both return NULL or lockdownd's error string; *out is the caller's. An
 * absent domain is ""; key NULL asks for the whole domain. */
const char *values_get(struct phone *ph, const char *domain, const char *key,
    bool in_session, plist_t *out);
/* Takes a copy. value NULL removes. */
const char *values_set(struct phone *ph, const char *domain, const char *key,
    plist_t value, bool in_session);

/* values_domains.c: the computed dict of a domain; NULL: no such domain. */
plist_t values_domain(struct phone *ph, const char *domain);

#endif
