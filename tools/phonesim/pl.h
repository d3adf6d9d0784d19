/*
 * Property lists as a phone writes them: XML in CoreFoundation's form (sorted
 * keys, one tab a level, a newline at the end), so that lengths are equal to
 * the recorded ones (CHECKS 17, 22); binary by libplist. And the framing that
 * most services share: u32 big endian length, then the plist
 * (protocols.md 4.1).
 */
#ifndef PL_H
#define PL_H

#include <plist/plist.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

/* Setters; they replace what was there. */
void pl_set_str(plist_t dict, const char *key, const char *value);
void pl_set_int(plist_t dict, const char *key, uint64_t value);
void pl_set_bool(plist_t dict, const char *key, bool value);
void pl_set_real(plist_t dict, const char *key, double value);
void pl_set_data(plist_t dict, const char *key, const void *p, size_t n);
void pl_set(plist_t dict, const char *key, plist_t value); /* takes value */

/* Getters; NULL or `def` when missing or of another type. Lent. */
const char *pl_str(plist_t dict, const char *key);
int64_t pl_int(plist_t dict, const char *key, int64_t def);
bool pl_bool(plist_t dict, const char *key, bool def);
const char *pl_data(plist_t dict, const char *key, size_t *n);
plist_t pl_sub(plist_t dict, const char *key); /* a dict */

/* malloc'd, NUL-terminated; *n without the NUL. NULL: no memory. */
char *pl_xml(plist_t node, size_t *n);
/* XML or binary; NULL when it is neither, or not a dict. */
plist_t pl_parse(const char *p, size_t n);

/* A whole file. pl_load: NULL when absent or broken; pl_save: 0 or -1, the
 * old file stays whole until the new one is (rename). */
plist_t pl_load(const char *path);
int pl_save(const char *path, plist_t node);

/* One framed dict. 0, or -1: the link is of no use any more. */
int pl_recv(struct link *l, plist_t *out);
/* The prefix alone first, as phones do (CHECKS 23). Both free `node`. */
int pl_send_xml(struct link *l, plist_t node);
int pl_send_bin(struct link *l, plist_t node);

#endif
