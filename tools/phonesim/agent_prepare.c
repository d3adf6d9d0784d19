/*
 * What the host holds decides what a run is: full, incremental, or the rest of
 * one that was cut.
 */
#include "agent_backup.h"

#include "phone.h"
#include "pl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void agent_local(
    const struct agent_backup *b, const char *name, char out[AGENT_PATH_MAX])
{
	snprintf(out, AGENT_PATH_MAX, "%s/%s", b->dir, name);
}

void agent_journal_dir(
    const struct agent *a, const char *uuid, char out[AGENT_PATH_MAX - 64])
{
	snprintf(out, AGENT_PATH_MAX - 64, "%s/%s", a->dir, uuid);
}

void agent_journals_forget(const struct agent *a)
{
	char path[AGENT_PATH_MAX];
	DIR *d = opendir(a->dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strlen(e->d_name) != 36)
			continue;
		snprintf(path, sizeof(path), "%s/%s", a->dir, e->d_name);
		agent_journal_remove(path);
	}
	closedir(d);
}

int agent_fail_local(struct agent *a)
{
	return agent_fail_code(a, AGENT_LOCAL_DB);
}

static int agent_journal_new(struct agent_backup *b)
{
	agent_journal_close(b->journal);
	agent_journal_dir(b->a, b->status.uuid, b->dir);
	b->journal = agent_journal_open(b->dir, true);
	if (!b->journal || agent_journal_set_keys(b->journal,
			       content_key_generation(b->a->content)) != 0)
		return agent_fail_local(b->a);
	return 0;
}

/* A full backup is a new set, with a UUID of its own; what was learned of the
 * host's folders stays. */
static int agent_become_full(struct agent_backup *b)
{
	char old[sizeof(b->dir)];

	manifest_close(b->base);
	b->base = NULL;
	agent_status_new_uuid(b->status.uuid);
	b->status.full = true;
	if (!b->journal)
		return agent_journal_new(b);
	memcpy(old, b->dir, sizeof(old));
	agent_journal_close(b->journal);
	b->journal = NULL;
	agent_journal_dir(b->a, b->status.uuid, b->dir);
	if (rename(old, b->dir) != 0)
		return agent_fail_local(b->a);
	b->journal = agent_journal_open(b->dir, false);
	return b->journal ? 0 : agent_fail_local(b->a);
}

/* ---- Status.plist ---- */

/* *found: there is one, in b->status. */
static int agent_read_status(struct agent_backup *b, bool *found)
{
	char remote[AGENT_NAME_MAX], local[AGENT_PATH_MAX], text[200];
	uint8_t bytes[8192];
	int dl_code = 0, r;
	size_t n;
	FILE *f;

	*found = false;
	snprintf(remote, sizeof(remote), "%s/Status.plist", b->u);
	snprintf(local, sizeof(local), "%s/Status.plist", b->a->dir);
	r = agent_fetch(b->a, remote, local, &dl_code);
	if (r != 0 || dl_code == DL_CODE_NOT_FOUND)
		return r;
	if (dl_code != DL_CODE_OK) {
		snprintf(
		    text, sizeof(text), "Multi status at path \"%s\"", remote);
		return agent_fail_under(b->a, AGENT_STATUS_UNREADABLE,
		    "Error reading status", AGENT_INTERNAL, text);
	}
	f = fopen(local, "rb");
	if (!f)
		return agent_fail_local(b->a);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	if (agent_status_read(bytes, n, &b->status) != 0)
		return agent_fail_under(b->a, AGENT_CORRUPT,
		    "Error reading backup status", AGENT_INVALID,
		    "Cannot parse a NULL or zero-length data");
	*found = true;
	return 0;
}

/* A backup of a format before 3.3 is put aside and removed at the end. */
static int agent_move_aside(struct agent_backup *b)
{
	struct dl_status st;
	plist_t items = plist_new_dict();
	time_t now = time(NULL);
	struct tm tm;
	char stamp[20];
	int r;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(b->aside, sizeof(b->aside), "%s-%s", b->u, stamp);
	pl_set_str(items, b->u, b->aside);
	r = agent_check_dl(b->a, dl_move(b->a->dl, items, 0.0, &st));
	if (r != 0)
		return r;
	if (st.code != DL_CODE_OK)
		r = agent_fail_host(
		    b->a, "Error moving old backup", b->u, st.code);
	dl_status_clear(&st);
	return r;
}

/* *usable: the state counts; else the run is full. */
static int agent_judge_version(struct agent_backup *b, bool *usable)
{
	*usable = false;
	if (b->force_full)
		return 0;
	if (b->status.version < 24 || b->status.version >= 40) {
		phone_event(b->a->ph, "backup of unsupported version (203)");
		return 0;
	}
	if (b->status.version < 33)
		return agent_move_aside(b);
	*usable = true;
	return 0;
}

/* ---- the host's folders ---- */

static int agent_see_folder(
    struct agent_backup *b, const char *path, enum agent_place place)
{
	struct agent_names names;
	const char *xx = path + strlen(path) - 2;
	int r = agent_list(b->a, path, &names);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const char *id = names.name[i];

		if (!agent_is_file_id(id) || strncmp(id, xx, 2) != 0)
			continue;
		if (agent_journal_seen_add(b->journal, id, place) != 0)
			r = agent_fail_local(b->a);
	}
	agent_names_free(&names);
	return r;
}

/* Lists the folders named by two hex digits among `top`, the contents of
 * `path`. */
static int agent_see(struct agent_backup *b, const char *path,
    const struct agent_names *top, enum agent_place place)
{
	char sub[AGENT_NAME_MAX];
	int r = 0;

	if (agent_journal_begin(b->journal) != 0)
		return agent_fail_local(b->a);
	for (size_t i = 0; r == 0 && i < top->n; i++) {
		const char *name = top->name[i];

		if (strlen(name) != 2 || strspn(name, "0123456789abcdef") != 2)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, name);
		r = agent_see_folder(b, sub, place);
	}
	if (agent_journal_commit(b->journal) != 0 && r == 0)
		r = agent_fail_local(b->a);
	return r;
}

/* The snapshot's folder, the backup's folder, then what is in them: the
 * snapshot's only when a cut run goes on. */
int agent_see_all(struct agent_backup *b, bool snapshot)
{
	struct agent_names in_snapshot, in_backup = { 0 };
	char path[AGENT_NAME_MAX];
	int r;

	if (agent_journal_seen_clear(b->journal) != 0)
		return agent_fail_local(b->a);
	snprintf(path, sizeof(path), "%s/Snapshot", b->u);
	r = agent_list(b->a, path, &in_snapshot);
	b->plist_staged = agent_names_has(&in_snapshot, "Manifest.plist");
	b->db_staged = agent_names_has(&in_snapshot, "Manifest.db");
	if (r == 0)
		r = agent_list(b->a, b->u, &in_backup);
	if (r == 0 && snapshot)
		r = agent_see(b, path, &in_snapshot, AGENT_PLACE_SNAPSHOT);
	if (r == 0)
		r = agent_see(b, b->u, &in_backup, AGENT_PLACE_BACKUP);
	agent_names_free(&in_snapshot);
	agent_names_free(&in_backup);
	return r;
}

/* ---- the base of an incremental backup ---- */

/* A Manifest.plist that says nothing is what some hosts put there to ask for
 * a full backup. */
static int agent_manifest_plist(
    struct agent_backup *b, const char *path, bool *usable)
{
	plist_t dict = pl_load(path);

	*usable = dict && plist_dict_get_size(dict) > 0;
	if (!dict)
		return agent_fail_under(b->a, AGENT_CORRUPT,
		    "Error reading backup properties", AGENT_INVALID,
		    "Cannot parse a NULL or zero-length data");
	plist_free(dict);
	return 0;
}

/* Brings Manifest.plist and Manifest.db; *m stays NULL when they are missing
 * or of other keys. */
static int agent_fetch_manifest(struct agent_backup *b, const char *plist,
    const char *db, struct manifest **m)
{
	char remote[AGENT_NAME_MAX];
	int dl_code = 0, r;
	bool usable = false;

	snprintf(remote, sizeof(remote), "%s/Manifest.plist", b->u);
	r = agent_fetch(b->a, remote, plist, &dl_code);
	if (r == 0 && dl_code == 0)
		r = agent_manifest_plist(b, plist, &usable);
	if (r == 0 && usable) {
		snprintf(remote, sizeof(remote), "%s/Manifest.db", b->u);
		r = agent_fetch(b->a, remote, db, &dl_code);
	}
	if (r != 0 || dl_code == DL_CODE_NOT_FOUND)
		return r;
	if (dl_code != DL_CODE_OK)
		return agent_fail_host(
		    b->a, "Error reading backup database", remote, dl_code);
	if (!usable)
		return 0;
	r = manifest_open(b->a->content, plist, db, NULL, m);
	if (r == AGENT_PASSWORD) {
		phone_event(b->a->ph, "key bag of the backup is another (207)");
		return 0;
	}
	return r == 0 ? 0
		      : agent_fail(b->a, AGENT_CORRUPT,
			    "Error reading backup database");
}

static int agent_prepare_full(struct agent_backup *b)
{
	int r = agent_become_full(b);

	return r == 0 ? agent_see_all(b, false) : r;
}

/* finished: the base is downloaded, and each of its files must be there. */
static int agent_prepare_incremental(struct agent_backup *b)
{
	char plist[AGENT_PATH_MAX], db[AGENT_PATH_MAX];
	bool whole = false;
	int r = agent_journal_new(b);

	if (r != 0)
		return r;
	b->status.full = false;
	agent_local(b, "base.plist", plist);
	agent_local(b, "base.db", db);
	r = agent_fetch_manifest(b, plist, db, &b->base);
	if (r == 0)
		r = agent_see_all(b, false);
	if (r == 0 && b->base)
		r = agent_scan_base(b, &whole);
	if (r != 0 || whole)
		return r;
	phone_event(b->a->ph, "existing backup can't be used: full");
	return agent_become_full(b);
}

/* uploading: with the journal of that run it goes on, else it starts over. */
static int agent_prepare_uploading(struct agent_backup *b)
{
	agent_journal_dir(b->a, b->status.uuid, b->dir);
	b->journal = agent_journal_open(b->dir, false);
	if (b->journal) {
		phone_event(b->a->ph, "resume uploading");
		return agent_see_all(b, true);
	}
	phone_event(b->a->ph, "no local snapshot: starts over");
	return agent_prepare_incremental(b);
}

/* moving, removing: the journal knows the rest, or the host's folders do. */
static int agent_prepare_settling(struct agent_backup *b)
{
	int r;

	b->from = b->status.state;
	phone_event(b->a->ph, "resume %s", agent_status_name(b->from));
	agent_journal_dir(b->a, b->status.uuid, b->dir);
	b->journal = agent_journal_open(b->dir, false);
	r = b->journal ? 0 : agent_journal_new(b);
	if (r == 0)
		r = agent_see_all(b, true);
	return r;
}

/* The password was set, changed or taken away since that run began: what it
 * sent can't stand beside what would be sent now (protocols.md 5.10). */
static bool agent_keys_changed(struct agent_backup *b)
{
	struct agent_journal *j;
	bool changed;

	agent_journal_dir(b->a, b->status.uuid, b->dir);
	j = agent_journal_open(b->dir, false);
	changed =
	    j && agent_journal_keys(j) != content_key_generation(b->a->content);
	agent_journal_close(j);
	if (changed)
		phone_event(b->a->ph, "encryption was changed: full");
	return changed;
}

static int agent_prepare_found(struct agent_backup *b)
{
	bool usable;
	int r = agent_judge_version(b, &usable);

	if (r != 0)
		return r;
	if (!usable || (b->status.state != AGENT_SNAPSHOT_FINISHED &&
			   agent_keys_changed(b)))
		return agent_prepare_full(b);
	switch (b->status.state) {
	case AGENT_SNAPSHOT_UPLOADING:
		return agent_prepare_uploading(b);
	case AGENT_SNAPSHOT_MOVING:
	case AGENT_SNAPSHOT_REMOVING:
		return agent_prepare_settling(b);
	case AGENT_SNAPSHOT_FINISHED:
		break;
	}
	return agent_prepare_incremental(b);
}

static int agent_scan_silence(struct agent_backup *b)
{
	int64_t ms = phone_knob(b->a->ph, "scan_ms", 0);

	if (ms > 0 && phone_sleep(b->a->ph, ms > 3600000 ? 3600000 : (int)ms))
		return AGENT_END;
	return 0;
}

int agent_prepare(struct agent_backup *b)
{
	uint64_t changed = 0, keep = 0, bytes = 0;
	bool found;
	int r = agent_point(b->a, "status-read", 0);

	memset(&b->status, 0, sizeof(b->status));
	b->from = AGENT_SNAPSHOT_UPLOADING;
	b->aside[0] = 0;
	if (r == 0)
		r = agent_fault_path(b->a, "download");
	if (r == 0)
		r = agent_read_status(b, &found);
	if (r == 0)
		r = found ? agent_prepare_found(b) : agent_prepare_full(b);
	if (r != 0 || b->from != AGENT_SNAPSHOT_UPLOADING)
		return r;
	r = agent_point(b->a, "scan", 0);
	if (r == 0)
		r = agent_scan_silence(b);
	if (r == 0)
		r = agent_scan(b, false, &changed);
	if (r != 0)
		return r;
	if (agent_journal_totals(
		b->journal, AGENT_FILE_UPLOAD, &changed, &b->bytes_all) != 0 ||
	    agent_journal_totals(b->journal, AGENT_FILE_KEEP, &keep, &bytes))
		return agent_fail_local(b->a);
	phone_event(b->a->ph, "scan %llu files to send, %llu unchanged",
	    (unsigned long long)changed, (unsigned long long)keep);
	return 0;
}
