#include "scenes.h"

#include "vault_adopt.h"
#include "vault_keep.h"
#include "vault_repair.h"

/* --- letting go -------------------------------------------------------------- */

/* Four nights; the rule keeps the last one, and one is kept beside it. */
enum rc prune_prepare(struct stage *st)
{
	for (unsigned i = 0; i < WORLDS; i++)
		TRY(scene_night(st, i > 0 ? &worlds[i - 1] : NULL, &worlds[i]));
	/* The two older ones may be there or not from here on. */
	st->promises[0] = st->promises[WORLDS - 2];
	st->promises[1] = st->promises[WORLDS - 1];
	st->n_promises = 2;
	st->coming = NULL;
	return RC_OK;
}

enum rc prune_play(struct stage *st)
{
	const struct vault_keep keep = { .rules = { .last = 1 } };
	struct vault_prune job = { .dry_run = false };

	TRY(rig_open(&st->r));
	vault_phone_set_keep(st->r.p, &keep);
	TRY(vault_prune(st->r.p, &job, NULL, NULL));
	rig_close(&st->r);
	return job.dropped == 2 ? RC_OK : RC_BUG;
}

/* --- adopting ------------------------------------------------------------------ */

static void in_rig(const struct rig *r, const char *rel, char *out, size_t cap)
{
	snprintf(out, cap, "%.63s/%s", r->dir, rel);
}

static enum rc put_text(const struct rig *r, const char *rel, const char *text)
{
	char path[256];
	FILE *f;
	bool ok;

	in_rig(r, rel, path, sizeof(path));
	f = fopen(path, "wb");
	ok = f && fputs(text, f) >= 0;
	return f && fclose(f) == 0 && ok ? RC_OK : RC_IO;
}

#define FOLDER "Backup/" RIG_UDID

/* A night's latest/, moved out of the vault, is what other programs make. */
enum rc adopt_prepare(struct stage *st)
{
	char from[256], to[256];

	TRY(scene_night(st, NULL, &worlds[0]));
	st->n_promises = 0;
	in_rig(&st->r, "Backup", to, sizeof(to));
	if (mkdir(to, 0755) < 0)
		return RC_IO;
	in_rig(&st->r, "Nightstand/" RIG_UDID "/latest/" RIG_UDID, from,
	    sizeof(from));
	in_rig(&st->r, FOLDER, to, sizeof(to));
	if (rename(from, to) < 0)
		return RC_IO;
	in_rig(&st->r, "Nightstand", from, sizeof(from));
	rig_remove(from);
	return put_text(&st->r, FOLDER "/Info.plist", "<plist/>");
}

enum rc adopt_play(struct stage *st)
{
	const struct vault_adopt_opts opts = { .reserve = 1 };
	struct vault_adopt_report report;
	char folder[256];

	st->coming = &worlds[0];
	in_rig(&st->r, FOLDER, folder, sizeof(folder));
	TRY(vault_open(st->r.ops, st->r.dir, true, &st->r.v));
	TRY(vault_adopt(st->r.v, folder, &opts, &report));
	scene_promise(st, report.snapshot.id, &worlds[0]);
	rig_close(&st->r);
	return RC_OK;
}

/* The folder is whole, or the snapshot is; the folder is a person's only
 * backup until then. */
const char *adopt_look(struct rig *r, unsigned marks, bool is_in)
{
	const struct rig_world *w = &worlds[0];
	char path[256], rel[128];
	size_t len = 0;
	char *db;
	bool same;

	(void)marks;
	if (is_in)
		return NULL;
	for (int i = 0; i < RIG_FILES; i++) {
		const struct rig_file *f = &w->f[i];

		snprintf(rel, sizeof(rel), FOLDER "/%.2s/%.40s", f->id, f->id);
		in_rig(r, rel, path, sizeof(path));
		if (f->version && !rig_bytes_are(path, f))
			return "the folder has lost a file";
	}
	in_rig(r, FOLDER "/Manifest.db", path, sizeof(path));
	db = rig_slurp(path, &len);
	same = db && len == w->db_len && memcmp(db, w->db, len) == 0;
	free(db);
	in_rig(r, FOLDER "/Manifest.plist", path, sizeof(path));
	same = same && access(path, R_OK) == 0;
	in_rig(r, FOLDER "/Status.plist", path, sizeof(path));
	return same && access(path, R_OK) == 0 ? NULL
					       : "the folder has lost a list";
}

/* --- repairing ------------------------------------------------------------------ */

#define CATALOG "Nightstand/" RIG_UDID "/catalog.db"
#define COPY    "copy.db" /* of the box; here it lies on the same disk */

static enum rc repair(struct rig *r, bool copy, int64_t *new_snapshot)
{
	char path[256];
	struct vault_repair_opts o = { .udid = RIG_UDID };
	struct vault_repair_report report;
	enum rc rc;

	in_rig(r, COPY, path, sizeof(path));
	o.copy = copy ? path : NULL;
	rc = vault_open(r->ops, r->dir, false, &r->v);
	if (!rc)
		rc = vault_repair_phone(r->v, &o, &report);
	vault_close(r->v);
	r->v = NULL;
	if (!rc)
		*new_snapshot = report.new_snapshot;
	return rc;
}

enum rc repair_prepare_copy(struct stage *st)
{
	char path[256];

	TRY(scene_night(st, NULL, &worlds[0]));
	TRY(scene_night(st, &worlds[0], &worlds[1]));
	TRY(rig_open(&st->r));
	in_rig(&st->r, COPY, path, sizeof(path));
	TRY(vault_phone_backup_catalog(st->r.p, path));
	rig_close(&st->r);
	in_rig(&st->r, CATALOG, path, sizeof(path));
	st->coming = NULL;
	return truncate(path, 5000) < 0 ? RC_IO : RC_OK;
}

enum rc repair_play_copy(struct stage *st)
{
	int64_t id;

	return repair(&st->r, true, &id);
}

enum rc repair_mend_copy(struct rig *r)
{
	int64_t id;

	return repair(r, true, &id);
}

/* Only what lies in latest/ can be known again. */
enum rc repair_prepare_lost(struct stage *st)
{
	char path[256];

	TRY(scene_night(st, NULL, &worlds[0]));
	TRY(scene_night(st, &worlds[0], &worlds[1]));
	st->n_promises = 0;
	in_rig(&st->r, CATALOG, path, sizeof(path));
	return unlink(path) < 0 ? RC_IO : RC_OK;
}

enum rc repair_play_lost(struct stage *st)
{
	int64_t id = 0;

	st->coming = &worlds[1];
	TRY(repair(&st->r, false, &id));
	scene_promise(st, id, &worlds[1]);
	return RC_OK;
}

enum rc repair_mend_lost(struct rig *r)
{
	int64_t id;

	return repair(r, false, &id);
}
