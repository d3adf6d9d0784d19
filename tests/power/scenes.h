/*
 * Nights that are cut. A scene is prepared on a good disk, then played while
 * the disk is recorded; whatever is left of it by a cut must open, keep all
 * promises that were given until then, and take the next night.
 *
 * To add one: a row in scenes[] of scenes.c. prepare() may be NULL. Both get
 * a stage whose rig stands on an empty or a prepared folder, closed. Nights
 * stand in scenes.c, what happens once in a while in scenes_rare.c.
 */
#ifndef SCENES_H
#define SCENES_H

#include "record.h"
#include "vault_rig.h"

#define WORLDS   4
#define PROMISES 6

/* In functions that return one, too. */
#define TRY(call)                                                              \
	do {                                                                   \
		enum rc try_rc = (call);                                       \
		if (try_rc)                                                    \
			return try_rc;                                         \
	} while (0)

struct scene;

struct stage {
	const struct scene *scene;
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
	/* What the box does before it opens the vault; NULL: nothing. */
	enum rc (*mend)(struct rig *r);
	/* What else must be true, the vault being open; may be NULL. */
	const char *(*look)(struct rig *r, unsigned marks, bool is_in);
};

extern const struct scene scenes[];
extern const unsigned n_scenes;

extern struct rig_world worlds[WORLDS]; /* each follows from the one before */
void scenes_begin(void);
void scenes_end(void);

/* Snapshot `id` holds `w` from here on. */
void scene_promise(struct stage *st, int64_t id, const struct rig_world *w);
enum rc scene_night(
    struct stage *st, const struct rig_world *old, const struct rig_world *w);

/* scenes_rare.c */
enum rc prune_prepare(struct stage *st);
enum rc prune_play(struct stage *st);
enum rc adopt_prepare(struct stage *st);
enum rc adopt_play(struct stage *st);
const char *adopt_look(struct rig *r, unsigned marks, bool is_in);
enum rc repair_prepare_copy(struct stage *st);
enum rc repair_play_copy(struct stage *st);
enum rc repair_mend_copy(struct rig *r);
enum rc repair_prepare_lost(struct stage *st);
enum rc repair_play_lost(struct stage *st);
enum rc repair_mend_lost(struct rig *r);

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
