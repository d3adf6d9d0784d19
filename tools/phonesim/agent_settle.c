/* The last phases: moving, removing, verification. */
#include "agent_backup.h"

#include "phone.h"
#include "pl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum agent_tolerate {
	AGENT_STRICT,
	AGENT_TOLERATE_MISSING
};

static int agent_move_items(struct agent_backup *b, plist_t items,
    const char *first, double progress, enum agent_tolerate missing)
{
	uint32_t n = plist_dict_get_size(items);
	struct dl_status st;
	int r;

	r = agent_check_dl(b->a, dl_move(b->a->dl, items, progress, &st));
	if (r != 0)
		return r;
	if (st.code != DL_CODE_OK &&
	    !(missing == AGENT_TOLERATE_MISSING &&
		dl_status_of_path(&st, first) == DL_CODE_NOT_FOUND))
		r = agent_fail_host(
		    b->a, "Error moving snapshot to backup", first, st.code);
	dl_status_clear(&st);
	phone_count(b->a->ph, "moves", 1);
	phone_count(b->a->ph, "moved_files", n);
	return r;
}

static int agent_move_batch(
    struct agent_backup *b, const struct agent_file *rows, long n)
{
	plist_t items = plist_new_dict();
	char from[AGENT_NAME_MAX], to[AGENT_NAME_MAX];
	int r;

	for (long i = 0; i < n; i++) {
		const char *id = rows[i].id;

		snprintf(
		    from, sizeof(from), "%s/Snapshot/%.2s/%s", b->u, id, id);
		snprintf(to, sizeof(to), "%s/%.2s/%s", b->u, id, id);
		pl_set_str(items, from, to);
	}
	r = agent_move_items(b, items, from, 94.0, AGENT_STRICT);
	if (r != 0)
		return r;
	if (agent_journal_begin(b->journal) != 0)
		return agent_fail_local(b->a);
	for (long i = 0; i < n; i++)
		if (agent_journal_set_state(
			b->journal, rows[i].seq, AGENT_FILE_MOVED) != 0)
			return agent_fail_local(b->a);
	return agent_journal_commit(b->journal) == 0 ? 0
						     : agent_fail_local(b->a);
}

static int agent_move_files(struct agent_backup *b)
{
	struct agent_file *rows = calloc(b->move_batch, sizeof(*rows));
	uint64_t batch = 0;
	int64_t after = 0;
	int r = 0;

	while (rows && r == 0) {
		long n = agent_journal_rows(
		    b->journal, AGENT_FILE_STAGED, after, rows, b->move_batch);

		if (n < 0)
			r = agent_fail_local(b->a);
		if (n <= 0)
			break;
		after = rows[n - 1].seq;
		r = agent_point(b->a, "move", ++batch);
		if (r == 0)
			r = agent_move_batch(b, rows, n);
		if (r == 0)
			phone_event(b->a->ph, "move batch %llu %ld files",
			    (unsigned long long)batch, n);
	}
	free(rows);
	return rows ? r : agent_fail_local(b->a);
}

static int agent_move_manifest(struct agent_backup *b, const char *name)
{
	plist_t items = plist_new_dict();
	char from[AGENT_NAME_MAX], to[AGENT_NAME_MAX];

	snprintf(from, sizeof(from), "%s/Snapshot/%s", b->u, name);
	snprintf(to, sizeof(to), "%s/%s", b->u, name);
	pl_set_str(items, from, to);
	return agent_move_items(b, items, from, 96.0, AGENT_TOLERATE_MISSING);
}

struct agent_seen {
	struct agent_backup *b;
	char xx[3];
	const struct agent_names *names;
	bool missing;
};

/* A run that goes on without its journal: what lies in the snapshot's folders
 * is to be moved. */
static int agent_rows_from_snapshot(struct agent_backup *b)
{
	char path[AGENT_NAME_MAX];
	struct agent_names names;
	int r = 0;

	for (unsigned xx = 0; r == 0 && xx < 256; xx++) {
		snprintf(path, sizeof(path), "%s/Snapshot/%02x", b->u, xx);
		r = agent_list(b->a, path, &names);
		for (size_t i = 0; r == 0 && i < names.n; i++) {
			struct agent_file row = { .state = AGENT_FILE_STAGED };

			if (!agent_is_file_id(names.name[i]))
				continue;
			memcpy(row.id, names.name[i], sizeof(row.id));
			if (agent_journal_put(b->journal, &row) != 0)
				r = agent_fail_local(b->a);
		}
		agent_names_free(&names);
	}
	return r;
}

/* What the journal calls staged may have been moved before the cut. */
static int agent_rows_moved(struct agent_backup *b)
{
	struct agent_file rows[64];
	int64_t after = 0;
	long n;

	while ((n = agent_journal_rows(
		    b->journal, AGENT_FILE_STAGED, after, rows, 64)) > 0) {
		for (long i = 0; i < n; i++) {
			after = rows[i].seq;
			if (agent_journal_seen(b->journal, rows[i].id,
				AGENT_PLACE_SNAPSHOT) == 1)
				continue;
			if (agent_journal_set_state(
				b->journal, after, AGENT_FILE_MOVED) != 0)
				return agent_fail_local(b->a);
		}
	}
	return n < 0 ? agent_fail_local(b->a) : 0;
}

static int agent_resume_move(struct agent_backup *b)
{
	uint64_t files = 0, bytes = 0;
	int r;

	if (agent_journal_totals(b->journal, -1, &files, &bytes) != 0 ||
	    agent_journal_begin(b->journal) != 0)
		return agent_fail_local(b->a);
	r = files > 0 ? agent_rows_moved(b) : agent_rows_from_snapshot(b);
	if (agent_journal_commit(b->journal) != 0 && r == 0)
		r = agent_fail_local(b->a);
	return r;
}

int agent_move(struct agent_backup *b)
{
	bool fresh = b->from == AGENT_SNAPSHOT_UPLOADING;
	int r = 0;

	if (!fresh)
		r = agent_resume_move(b);
	if (r == 0)
		r = agent_fault_path(b->a, "move");
	if (r == 0)
		r = agent_move_files(b);
	if (r == 0)
		r = agent_point(b->a, "move-manifest", 0);
	/* Hosts were seen to remove the target before they miss the source:
	 * what was moved before the cut is left alone. */
	if (r == 0 && (fresh || b->plist_staged))
		r = agent_move_manifest(b, "Manifest.plist");
	if (r == 0 && (fresh || b->db_staged))
		r = agent_move_manifest(b, "Manifest.db");
	return r;
}

/* ---- removing ---- */

/* -6 is no failure: neither as the status nor for one path of a -13. */
static bool agent_only_missing(
    const struct dl_status *st, char (*paths)[AGENT_NAME_MAX], long n)
{
	if (st->code == DL_CODE_OK || st->code == DL_CODE_NOT_FOUND)
		return true;
	if (st->code != DL_CODE_MULTI ||
	    plist_get_node_type(st->result) != PLIST_DICT)
		return false;
	for (long i = 0; i < n; i++)
		if (plist_dict_get_item(st->result, paths[i]) &&
		    dl_status_of_path(st, paths[i]) != DL_CODE_NOT_FOUND)
			return false;
	return true;
}

static int agent_remove_paths(struct agent_backup *b,
    char (*paths)[AGENT_NAME_MAX], long n, const char *what)
{
	plist_t items = plist_new_array();
	struct dl_status st;
	char under[120];
	int r;

	for (long i = 0; i < n; i++)
		plist_array_append_item(items, plist_new_string(paths[i]));
	r = agent_check_dl(b->a, dl_remove(b->a->dl, items, 98.0, &st));
	if (r != 0)
		return r;
	if (!agent_only_missing(&st, paths, n)) {
		snprintf(under, sizeof(under), "%s",
		    st.code == DL_CODE_GENERIC || st.code == DL_CODE_MULTI
			? "Directory not empty"
			: "Drive returned unexpected error code");
		r = agent_fail_under(
		    b->a, AGENT_FILES_FAILED, what, AGENT_UNEXPECTED_IO, under);
	}
	dl_status_clear(&st);
	phone_count(b->a->ph, "removes", 1);
	phone_count(b->a->ph, "removed_paths", (uint64_t)n);
	return r;
}

static int agent_remove_files(struct agent_backup *b)
{
	char(*ids)[41] = calloc(b->move_batch, sizeof(*ids));
	char(*paths)[AGENT_NAME_MAX] = calloc(b->move_batch, sizeof(*paths));
	char after[41] = "";
	uint64_t batch = 0;
	int r = ids && paths ? 0 : agent_fail_local(b->a);

	while (r == 0) {
		long n = agent_journal_leftovers(
		    b->journal, after, ids, b->move_batch);

		if (n < 0)
			r = agent_fail_local(b->a);
		if (n <= 0)
			break;
		memcpy(after, ids[n - 1], sizeof(after));
		for (long i = 0; i < n; i++)
			snprintf(paths[i], sizeof(paths[i]), "%s/%.2s/%s", b->u,
			    ids[i], ids[i]);
		r = agent_point(b->a, "remove", ++batch);
		if (r == 0)
			r = agent_remove_paths(
			    b, paths, n, "Error removing files");
		if (r == 0)
			phone_event(b->a->ph, "remove batch %llu %ld files",
			    (unsigned long long)batch, n);
	}
	free(ids);
	free(paths);
	return r;
}

static int agent_remove_one(
    struct agent_backup *b, const char *name, const char *what)
{
	char path[1][AGENT_NAME_MAX];

	if (name)
		snprintf(path[0], sizeof(path[0]), "%s/%s", b->u, name);
	else
		snprintf(path[0], sizeof(path[0]), "%s", b->aside);
	return agent_remove_paths(b, path, 1, what);
}

/* Which files the finished backup has: the journal knows, except when the run
 * goes on without it; then the manifest that was moved last is read. */
static int agent_remove_prepare(struct agent_backup *b)
{
	char plist[AGENT_PATH_MAX], db[AGENT_PATH_MAX];
	char remote[AGENT_NAME_MAX];
	struct manifest *m = NULL;
	int dl_code = 0, r;

	agent_local(b, "Manifest.plist", plist);
	agent_local(b, "Manifest.db", db);
	if (b->from == AGENT_SNAPSHOT_UPLOADING || access(plist, F_OK) == 0)
		return 0;
	snprintf(remote, sizeof(remote), "%s/Manifest.plist", b->u);
	r = agent_fetch(b->a, remote, plist, &dl_code);
	snprintf(remote, sizeof(remote), "%s/Manifest.db", b->u);
	if (r == 0 && dl_code == 0)
		r = agent_fetch(b->a, remote, db, &dl_code);
	if (r != 0)
		return r;
	if (dl_code != 0 || manifest_open(b->a->content, plist, db, NULL, &m))
		return agent_fail_under(b->a, AGENT_CORRUPT,
		    "Error reading backup database", AGENT_NOT_FOUND,
		    "No usable manifest");
	r = agent_scan_manifest(b, m);
	manifest_close(m);
	return r;
}

int agent_remove(struct agent_backup *b)
{
	int r = agent_remove_prepare(b);

	if (r == 0)
		r = agent_fault_path(b->a, "remove");
	if (r == 0)
		r = agent_remove_files(b);
	if (r == 0)
		r = agent_point(b->a, "remove-snapshot", 0);
	if (r == 0)
		r = agent_remove_one(
		    b, "Snapshot", "Error removing snapshot directory");
	if (r == 0)
		r = agent_remove_one(
		    b, "Manifest.mbdx", "Error removing manifest");
	if (r == 0 && b->aside[0])
		r = agent_remove_one(b, NULL, "Error removing old backup");
	return r;
}

/* ---- verification ---- */

static int agent_verify_file(struct agent_backup *b, const char *name)
{
	char remote[AGENT_NAME_MAX], local[AGENT_PATH_MAX];
	bool same = false, status = strcmp(name, "Status.plist") == 0;
	int r;

	snprintf(remote, sizeof(remote), "%s/%s", b->u, name);
	agent_local(b, name, local);
	r = agent_compare(b->a, remote, status ? NULL : local, b->status_bytes,
	    b->status_len, &same);
	if (r == 0 && !same) {
		phone_event(b->a->ph, "verify: %s differs", name);
		r = agent_fail(b->a, AGENT_CORRUPT,
		    "Error verifying backup: \"%s\" is not what was sent",
		    name);
	}
	return r;
}

static int agent_verify_id(void *arg, const char *id)
{
	struct agent_seen *s = arg;

	if (agent_names_has(s->names, id))
		return 0;
	phone_event(s->b->a->ph, "verify: %s missing", id);
	s->missing = true;
	return 1;
}

static int agent_verify_folder(struct agent_backup *b, unsigned xx)
{
	struct agent_names names;
	struct agent_seen s = { .b = b, .names = &names };
	char path[AGENT_NAME_MAX];
	int r;

	snprintf(s.xx, sizeof(s.xx), "%02x", xx & 0xff);
	snprintf(path, sizeof(path), "%s/%s", b->u, s.xx);
	r = agent_list(b->a, path, &names);
	if (r != 0)
		return r;
	r = agent_journal_prefix(b->journal, s.xx, agent_verify_id, &s);
	agent_names_free(&names);
	if (s.missing)
		return agent_fail_code(b->a, AGENT_CORRUPT);
	return r == 0 ? 0 : agent_fail_local(b->a);
}

int agent_verify(struct agent_backup *b)
{
	int r = agent_point(b->a, "verify", 0);

	if (r == 0)
		r = agent_verify_file(b, "Status.plist");
	if (r == 0)
		r = agent_verify_file(b, "Manifest.plist");
	if (r == 0)
		r = agent_verify_file(b, "Manifest.db");
	for (unsigned xx = 0; r == 0 && xx < 256; xx++)
		r = agent_verify_folder(b, xx);
	if (r == 0)
		phone_event(b->a->ph, "verify ok");
	if (r >= 0) {
		/* Finished, or not to be mended by going on. */
		agent_journal_close(b->journal);
		b->journal = NULL;
		agent_journal_remove(b->dir);
	}
	return r;
}
