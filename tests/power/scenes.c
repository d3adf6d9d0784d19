#include "scenes.h"

#include "night.h"
#include "plistread.h"

struct rig_world worlds[WORLDS];

void scenes_begin(void)
{
	rig_first_world(&worlds[0], 7);
	for (unsigned i = 1; i < WORLDS; i++)
		rig_next_world(&worlds[i], &worlds[i - 1], i);
}

void scenes_end(void)
{
	for (unsigned i = 0; i < WORLDS; i++)
		rig_free_world(&worlds[i]);
}

void scene_promise(struct stage *st, int64_t id, const struct rig_world *w)
{
	st->promises[st->n_promises].id = id;
	st->promises[st->n_promises].w = w;
	st->n_promises++;
	if (st->rec)
		record_mark(st->rec);
}

/* --- nights ---------------------------------------------------------------------- */

enum rc scene_night(
    struct stage *st, const struct rig_world *old, const struct rig_world *w)
{
	struct vault_snapshot snap;

	st->coming = w;
	TRY(rig_open(&st->r));
	TRY(rig_night(&st->r, old, w, &snap));
	scene_promise(st, snap.id, w);
	rig_close(&st->r);
	return RC_OK;
}

static enum rc first(struct stage *st)
{
	return scene_night(st, NULL, &worlds[0]);
}

static enum rc next(struct stage *st)
{
	return scene_night(st, &worlds[0], &worlds[1]);
}

/* Everything is sent once more, and nothing has changed. */
static enum rc again(struct stage *st)
{
	return scene_night(st, NULL, &worlds[0]);
}

static enum rc two_nights(struct stage *st)
{
	TRY(first(st));
	return next(st);
}

static enum rc third(struct stage *st)
{
	return scene_night(st, &worlds[1], &worlds[2]);
}

/* The phone goes in the middle: what it sent is kept. */
static enum rc half_a_night(struct stage *st)
{
	TRY(rig_open(&st->r));
	TRY(rig_begin(&st->r, true));
	TRY(rig_send(&st->r, &worlds[0], &worlds[1]));
	vault_night_end(st->r.n, true);
	st->r.n = NULL;
	rig_close(&st->r);
	return RC_OK;
}

static enum rc resumed(struct stage *st)
{
	struct vault_snapshot snap;

	st->coming = &worlds[1];
	TRY(half_a_night(st));
	TRY(rig_open(&st->r));
	TRY(rig_begin(&st->r, false));
	/* The rest, and one file again: the staged one is thrown away. When
	 * nothing was kept, a phone sends all of it. */
	if (!st->r.resumed)
		TRY(rig_send(&st->r, &worlds[0], &worlds[1]));
	TRY(rig_manifest(&st->r, &worlds[1]));
	TRY(rig_settle(&st->r, &worlds[0], &worlds[1]));
	TRY(rig_commit(&st->r, &snap));
	scene_promise(st, snap.id, &worlds[1]);
	rig_close(&st->r);
	return RC_OK;
}

static enum rc dropped(struct stage *st)
{
	TRY(half_a_night(st));
	TRY(rig_open(&st->r));
	TRY(rig_begin(&st->r, false));
	TRY(rig_status(&st->r, "uploading"));
	vault_night_end(st->r.n, false);
	st->r.n = NULL;
	rig_close(&st->r);
	return RC_OK;
}

/* --- what the phone was told ---------------------------------------------------------- */

#define TOLD_SENT  1
#define TOLD_MOVED 2
#define TOLD_ENDED 3

static enum rc two_halves(struct stage *st)
{
	TRY(first(st));
	return half_a_night(st);
}

/* The phone goes on with files that have changed since: it sends them again,
 * where older ones lie from the night that was kept. */
static enum rc sent_again(struct stage *st)
{
	int64_t before = st->promises[0].id;
	struct vault_snapshot snap;

	st->coming = &worlds[2];
	TRY(rig_open(&st->r));
	TRY(rig_begin(&st->r, false));
	if (!st->r.resumed)
		return RC_BUG;
	TRY(rig_send(&st->r, &worlds[0], &worlds[2]));
	scene_promise(st, before, &worlds[0]); /* TOLD_SENT */
	TRY(rig_move_all(&st->r, &worlds[0], &worlds[2]));
	scene_promise(st, before, &worlds[0]); /* TOLD_MOVED */
	TRY(rig_end_all(&st->r));
	scene_promise(st, before, &worlds[0]); /* TOLD_ENDED */
	TRY(rig_commit(&st->r, &snap));
	scene_promise(st, snap.id, &worlds[2]);
	rig_close(&st->r);
	return RC_OK;
}

/* -1: nothing is there; else whether it is `f`. */
static int shows(struct rig *r, const char *rel, const struct rig_file *f)
{
	const struct store_ops *ops = r->s->ops;
	char path[128], want[4096], got[4096 + 1];
	struct store_file *file;
	uint64_t size;
	size_t len = 0;
	enum rc rc;

	snprintf(path, sizeof(path), RIG_UDID "/%s", rel);
	if (ops->open(r->s->ctx, path, &file, &size))
		return -1;
	rc = ops->read(file, got, sizeof(got), &len);
	ops->close(file);
	rig_fill(f, want);
	return !rc && len == f->size && memcmp(got, want, len) == 0;
}

static const char *look_at_told(
    struct rig *r, const struct rig_file *f, bool moved)
{
	char sent[80];
	int at_sent, at_moved;

	snprintf(sent, sizeof(sent), "Snapshot/%.2s/%s", f->id, f->id);
	at_sent = shows(r, sent, f);
	at_moved = shows(r, sent + strlen("Snapshot/"), f);
	if (at_sent == 0)
		return "a file that was sent again is the older one";
	if (at_sent < 0 && at_moved != 1)
		return "a file that was sent again is not there";
	if (moved && at_moved != 1)
		return "a file that was moved is not where it was moved to";
	return NULL;
}

/* The phone's own state, as it will read it. */
static bool is_state(struct rig *r, const char *state)
{
	struct plistread_status st;

	return night_overlay_status(r->n, &st) &&
	       strcmp(st.snapshot_state, state) == 0;
}

/* A phone does not look twice at what it was told is done. Once it reads that
 * files are moved, it counts on each move that it was told of. */
static const char *told_look(struct rig *r, unsigned marks, bool is_in)
{
	const char *bad = NULL;
	bool moved;

	if (is_in || marks < TOLD_SENT)
		return NULL;
	if (rig_begin(r, false))
		return "the next night does not begin";
	moved = marks >= TOLD_MOVED && !is_state(r, "uploading");
	if (marks >= TOLD_ENDED && !is_state(r, "finished"))
		bad = "the last state that was told is not there";
	for (int i = 0; i < RIG_FILES && !bad; i++) {
		const struct rig_file *f = &worlds[2].f[i];

		if (f->version && !rig_same(f, &worlds[0].f[i]))
			bad = look_at_told(r, f, moved);
	}
	vault_night_end(r->n, true);
	r->n = NULL;
	return bad;
}

/* --- a cut within the recovery from a cut ------------------------------------------ */

static enum rc cut_night(struct stage *st, unsigned rename)
{
	struct record rec;
	struct vault_snapshot snap;
	enum rc rc;

	TRY(first(st));
	record_begin(&rec, st->r.dir);
	record_stop_at_rename(&rec, rename);
	st->r.ops = &rec.table;
	rc = rig_open(&st->r);
	if (!rc)
		rc = rig_night(&st->r, &worlds[0], &worlds[1], &snap);
	rig_close(&st->r);
	st->r.ops = NULL;
	rc = rec.fault == FAULT_EVER && rc ? RC_OK : RC_BUG;
	record_free(&rec);
	return rc;
}

static enum rc cut_in_retire(struct stage *st)
{
	return cut_night(st, 3);
}

static enum rc cut_in_place(struct stage *st)
{
	return cut_night(st, 10);
}

static enum rc recover(struct stage *st)
{
	st->coming = &worlds[1];
	TRY(rig_open(&st->r));
	/* Nobody tells which number it has: it is the second one. */
	scene_promise(st, st->promises[0].id + 1, &worlds[1]);
	rig_close(&st->r);
	return RC_OK;
}

#define NIGHT(name, what, prepare, play)                                       \
	{                                                                      \
		name, what, prepare, play, NULL, NULL                          \
	}

const struct scene scenes[] = {
	NIGHT("first", "the first night on an empty disk", NULL, first),
	NIGHT("next", "the second night: some files change", first, next),
	NIGHT("third", "a third one: objects are there already", two_nights,
	    third),
	NIGHT("again", "all is sent again, nothing has changed", first, again),
	NIGHT("resumed", "interrupted, kept, and gone on with", first, resumed),
	{ "told", "sent again, where older ones lie", two_halves, sent_again,
	    NULL, told_look },
	NIGHT("dropped", "interrupted, kept, and thrown away", first, dropped),
	NIGHT(
	    "retire", "recovery after a cut in pass A", cut_in_retire, recover),
	NIGHT("place", "recovery after a cut in pass B", cut_in_place, recover),
	NIGHT("prune", "two nights are let go, two are kept", prune_prepare,
	    prune_play),
	{ "adopt", "another program's backup is taken over", adopt_prepare,
	    adopt_play, NULL, adopt_look },
	{ "repair", "a broken catalogue, and the box's copy",
	    repair_prepare_copy, repair_play_copy, repair_mend_copy, NULL },
	{ "rebuild", "a lost catalogue, and no copy", repair_prepare_lost,
	    repair_play_lost, repair_mend_lost, NULL },
};
const unsigned n_scenes = sizeof(scenes) / sizeof(scenes[0]);

enum rc scene_play(const struct scene *s, struct stage *st)
{
	enum rc rc;

	st->played = st->n_promises;
	st->r.ops = &st->rec->table;
	rc = s->play(st);
	if (st->r.n)
		vault_night_end(st->r.n, true);
	st->r.n = NULL;
	rig_close(&st->r);
	return rc;
}
