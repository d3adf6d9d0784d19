/*
 * Where things lie below a phone's folder (drawn in README.md). Every name
 * here is made of parts that were checked: a UDID, a path that passed
 * relpath_check(), a number, a hash. Pure functions.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "digest.h"

#define LAYOUT_PATH (LIMIT_DL_PATH + 96)

#define LAYOUT_LATEST   "latest"
#define LAYOUT_OBJECTS  "objects"
#define LAYOUT_INCOMING "incoming"
#define LAYOUT_CATALOG  "catalog.db"

/* Staged files per subfolder of incoming/: exFAT searches a folder from its
 * start for each new name. */
#define LAYOUT_STAGED_PER_DIR 1024u
/* More than any phone holds; keeps numbers in 32 bits. */
#define LAYOUT_STAGED_MAX 0xfffffff0u

/* `rel` is below the UDID; "" is latest/UDID itself. */
void layout_latest(char out[LAYOUT_PATH], const char *udid, const char *rel);
/* objects/ab/abcd… and its folder objects/ab */
void layout_object(char out[LAYOUT_PATH], const uint8_t digest[DIGEST_LEN]);
void layout_object_dir(char out[LAYOUT_PATH], const uint8_t digest[DIGEST_LEN]);

/* A phone names its files by 20 bytes: ab/abcd…, 40 hex digits. */
#define LAYOUT_ID_LEN 20

/*
 * Where a staged file lies. One that will be called ab/abcd… lies under that
 * name already, incoming/ab/abcd…, so that a commit may move a whole folder;
 * every other one, or a second one of the same name, lies under its number,
 * incoming/00000a/00002801.
 */
struct layout_place {
	uint32_t num;
	bool named;
	uint8_t id[LAYOUT_ID_LEN]; /* valid if named */
};
void layout_staged(char out[LAYOUT_PATH], const struct layout_place *place);
void layout_staged_dir(char out[LAYOUT_PATH], const struct layout_place *place);
/* incoming/ab */
void layout_named_dir(char out[LAYOUT_PATH], unsigned first_byte);

/* The inverse, for what is found in incoming/: lower-case hex of exactly
 * `digits`; false for every name that we did not give. */
bool layout_parse_hex(const char *name, unsigned digits, uint32_t *out);
/* Likewise for a name of 40 digits. */
bool layout_parse_id(const char *name, uint8_t out[LAYOUT_ID_LEN]);

/* Likewise for an object's name. */
bool layout_parse_digest(const char *name, uint8_t out[DIGEST_LEN]);

#define LAYOUT_STAGED_DIR_DIGITS 6
#define LAYOUT_STAGED_DIGITS     8
#define LAYOUT_NAMED_DIR_DIGITS  2

#endif
