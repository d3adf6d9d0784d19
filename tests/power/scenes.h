/*
 * Nights that are cut. A scene is prepared on a good disk, then played while
 * the disk is recorded; whatever is left of it by a cut must open, keep all
 * promises that were given until then, and take the next night.
 *
 * To add one: a row in scenes[] of scenes.c. prepare() may be NULL. Both get
 * a stage whose rig stands on an empty or a prepared folder, closed.
 */
#ifndef SCENES_H
#define SCENES_H

#include "record.h"
#include "vault_rig.h"

#define WORLDS   3
#define PROMISES 4

struct stage {
	struct rig r;
	struct record *rec; /* while it is played */
	/* Snapshots that must be whole; those from `played` on were promised
	 * while the scene was played: the i-th holds after i marks. */
	struct {
		int64_t id;
		const struct rig_world *w;
	} promises[PROMISES];
	unsigned n_promises, played;
	/* The world that the scene is about to commit, when it commits. */
	const struct rig_world *coming;
};

struct scene {
	const char *name, *what;
	enum rc (*prepare)(struct stage *st);
	enum rc (*play)(struct stage *st);
};

extern const struct scene scenes[];
extern const unsigned n_scenes;

extern struct rig_world worlds[WORLDS]; /* each follows from the one before */
void scenes_begin(void);
void scenes_end(void);

/* Plays a scene's second part on st->r.dir with st->rec's table. */
enum rc scene_play(const struct scene *s, struct stage *st);

/*
 * The disk at `dir` as the next boot finds it, after `marks` of the scene's
 * marks. NULL: all is as it must be; else what is not.
 * resume: the next night goes on with what was kept; else it begins anew.
 */
const char *scene_check(const struct stage *st, const char *dir, unsigned marks,
    bool resume, bool *is_in);

#endif
