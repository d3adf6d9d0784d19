/*
 * The view of a running night = current entries of the catalogue, overlaid by
 * the pending table. Both stay in SQLite: a phone with a million files costs
 * the cache's 24 MB. Paths are below the UDID; "" is the top.
 *
 * Nothing here touches a file, and nothing touches the entry table: until the
 * commit the newest good snapshot's rows are only read (V1).
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "catalog.h"
#include "db.h"
#include "digest.h"
#include "rc.h"
#include "store.h"

struct view_node {
	enum store_kind kind;
	uint64_t size;
	int64_t mtime;
	bool staged; /* a file of this night, at `place` */
	struct layout_place place;
	uint8_t digest[DIGEST_LEN]; /* files */
};

struct view;

MUST_CHECK enum rc view_new(struct db *db, struct view **out);
void view_free(struct view *v); /* NULL is fine */

/*
 * From here on questions are answered under one lock on the catalogue, taken
 * once, not under one each: what a phone asks of 256 folders is four questions
 * a folder, a dozen system calls each. Others may read, and the next
 * transaction of the same database is not in its way; no other process can
 * write until view_let_go() or view_free(). A lock that can't be had costs
 * time only.
 */
void view_hold(struct view *v);
void view_let_go(struct view *v); /* NULL is fine */

MUST_CHECK enum rc view_get(
    struct view *v, const char *rel, struct view_node *out);

/* Adds a staged file's facts; no path shows it yet. */
MUST_CHECK enum rc view_add_staged(struct view *v,
    const struct layout_place *place, uint64_t size, int64_t mtime,
    const uint8_t digest[DIGEST_LEN]);

/* Shows staged file `num` at `rel`. A staged file that was shown there keeps
 * its facts: view_drop_staged() is the caller's, who has just looked. */
MUST_CHECK enum rc view_put_file(struct view *v, const char *rel, uint32_t num);
/* A first backup's short way: *moved when a staged file was shown at `from`,
 * nothing at `to`, and there is no base that could know either. */
MUST_CHECK enum rc view_move_staged(
    struct view *v, const char *from, const char *to, bool *moved);
MUST_CHECK enum rc view_put_dir(struct view *v, const char *rel, int64_t mtime);
/* Shows nothing at `rel`; the staged facts stay (for a move). */
MUST_CHECK enum rc view_hide(struct view *v, const char *rel);
MUST_CHECK enum rc view_drop_staged(struct view *v, uint32_t num);

/* Shows nothing at `rel` and below; `doomed` for each staged file there. */
MUST_CHECK enum rc view_hide_tree(struct view *v, const char *rel,
    enum rc (*doomed)(void *arg, const struct layout_place *place), void *arg);

/*
 * fn for each node below `rel` (or for its direct children only), after the
 * path `after` ("" = from the start), in byte order. `path` is below the
 * UDID. At most `max` (0 = all). fn must not change the view when max is 0,
 * and begins no other walk (RC_BUG).
 */
struct view_walk {
	const char *rel;
	const char *after;
	bool children;
	unsigned max;
};
typedef enum rc (*view_fn)(
    void *arg, const char *path, const struct view_node *node);
MUST_CHECK enum rc view_each(
    struct view *v, const struct view_walk *walk, view_fn fn, void *arg);

/* The overlay is empty / forget all of it. */
MUST_CHECK enum rc view_is_clean(struct view *v, bool *clean);
MUST_CHECK enum rc view_clear(struct db *db);

#endif
