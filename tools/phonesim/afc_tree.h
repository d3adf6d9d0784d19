/*
 * The media folder that AFC shows: a tree in memory, one per phone, shared by
 * its AFC connections. Callers hold the tree's lock over every other call and
 * over their use of nodes.
 */
#ifndef AFC_TREE_H
#define AFC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Status codes on the wire (protocols.md 7.4). */
enum afc_status {
	AFC_OK = 0,
	AFC_UNKNOWN = 1,
	AFC_HEADER = 2,
	AFC_RESOURCES = 3,
	AFC_INVALID = 7,
	AFC_NOT_FOUND = 8,
	AFC_IS_DIR = 9,
	AFC_DENIED = 10,
	AFC_TOO_MUCH = 13,
	AFC_NOT_SUPPORTED = 15,
	AFC_EXISTS = 16,
	AFC_NO_SPACE = 18,
	AFC_WOULD_BLOCK = 19,
	AFC_NOT_EMPTY = 33
};

struct afc_node {
	char *name;
	struct afc_node *parent, *child, *next;
	bool is_dir;
	char *target; /* a symbolic link's */
	uint8_t *data;
	size_t size, room;
	int64_t mtime_ns, birth_ns;
	int refs; /* open handles */
	const void *exclusive; /* who holds the file's lock alone */
	int shared; /* how many hold it together */
};

struct afc_tree;

struct afc_tree *afc_tree_new(void);
void afc_tree_free(struct afc_tree *t);
void afc_tree_lock(struct afc_tree *t);
void afc_tree_unlock(struct afc_tree *t);

/* NULL: not found. Paths never leave the root. */
struct afc_node *afc_tree_find(struct afc_tree *t, const char *path);
/* Makes what is missing at the path's end; AFC_EXISTS when something else
 * stands there. *out may be an existing node of the same kind. */
enum afc_status afc_tree_make(
    struct afc_tree *t, const char *path, bool is_dir, struct afc_node **out);
enum afc_status afc_tree_remove(
    struct afc_tree *t, const char *path, bool with_contents);
enum afc_status afc_tree_rename(
    struct afc_tree *t, const char *from, const char *to);
/* Cuts, or fills with zeros. */
enum afc_status afc_tree_resize(
    struct afc_tree *t, struct afc_node *n, uint64_t size);
enum afc_status afc_tree_write(struct afc_tree *t, struct afc_node *n,
    uint64_t at, const void *p, size_t len);
void afc_tree_ref(struct afc_node *n);
void afc_tree_unref(struct afc_tree *t, struct afc_node *n);
uint64_t afc_tree_bytes(struct afc_tree *t);

#endif
