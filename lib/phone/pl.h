/*
 * Property lists: the one door to libplist (its own prefix is plist_).
 *
 * What comes from a phone passes pl_parse(), which looks at its bounds
 * (plist_bounds.h) before libplist sees it. Getters check the type; a NULL
 * node is "no such thing" everywhere, so that chains need no tests in between.
 *
 * libplist does not survive a failing malloc; builders therefore return no
 * error: the session's process would die, which is like an unplugged phone.
 */
#ifndef PL_H
#define PL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rc.h"

struct pl; /* a node; the same pointer as libplist's plist_t */

enum pl_kind {
	PL_NONE, /* NULL */
	PL_BOOL,
	PL_INT,
	PL_REAL,
	PL_STRING,
	PL_DATA,
	PL_DATE,
	PL_ARRAY,
	PL_DICT,
	PL_OTHER
};

/*
 * Binary or XML. Gives a tree for pl_free().
 *
 * RC_PROTO not a property list · RC_LIMIT too deep or too many nodes
 */
MUST_CHECK enum rc pl_parse(const void *data, size_t len, struct pl **out);
void pl_free(struct pl *node);

/* Gives bytes for pl_bytes_free(). RC_NOMEM. */
MUST_CHECK enum rc pl_to_bin(const struct pl *node, uint8_t **out, size_t *len);
MUST_CHECK enum rc pl_to_xml(const struct pl *node, uint8_t **out, size_t *len);
void pl_bytes_free(uint8_t *bytes);

enum pl_kind pl_kind(const struct pl *node);
uint32_t pl_count(const struct pl *array_or_dict);
/* NULL when there is none; lent. pl_at() is for short arrays. */
const struct pl *pl_at(const struct pl *array, uint32_t i);
const struct pl *pl_get(const struct pl *dict, const char *key);

/* Lends. RC_NOTFOUND: NULL node; RC_PROTO: another type. */
MUST_CHECK enum rc pl_str(const struct pl *node, const char **out);
MUST_CHECK enum rc pl_int(const struct pl *node, int64_t *out);
MUST_CHECK enum rc pl_real(const struct pl *node, double *out); /* or int */
MUST_CHECK enum rc pl_data(
    const struct pl *node, const uint8_t **out, size_t *len);
/* Bool, or an integer (phones say 0 and 1 in some places); else `def`. */
bool pl_truth(const struct pl *node, bool def);
/* Copies a string, cut at a UTF-8 border; "" when it is none. */
void pl_copy_str(const struct pl *node, char *buf, size_t cap);
bool pl_is_str(const struct pl *node, const char *text);

/* In the order of the list; non-zero from fn ends the walk and is returned.
 * RC_PROTO when `node` is no array / dict. */
typedef enum rc (*pl_item_fn)(void *arg, const struct pl *item);
typedef enum rc (*pl_pair_fn)(
    void *arg, const char *key, const struct pl *value);
MUST_CHECK enum rc pl_each_item(
    const struct pl *array, pl_item_fn fn, void *arg);
MUST_CHECK enum rc pl_each_pair(
    const struct pl *dict, pl_pair_fn fn, void *arg);

struct pl *pl_new_dict(void);
struct pl *pl_new_array(void);
struct pl *pl_new_str(const char *text);
/* Negative ones as signed 64-bit (0x13), which a phone reads right when it
 * takes the low 32 bits (protocols.md 5.5). */
struct pl *pl_new_int(int64_t v);
struct pl *pl_new_bool(bool v);
struct pl *pl_new_real(double v);
struct pl *pl_new_data(const void *data, size_t len);
struct pl *pl_new_date(int64_t unix_at);
struct pl *pl_copy(const struct pl *node);

/* Both take `node`. A key that is there is replaced. */
void pl_add(struct pl *array, struct pl *node);
void pl_set(struct pl *dict, const char *key, struct pl *node);
void pl_remove(struct pl *dict, const char *key);

#endif
