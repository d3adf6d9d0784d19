/* The phone's files to the host: Status.plist, batches of data, manifest. */
#include "agent_backup.h"

#include "phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* How often a phone that changes all the time is looked at again. */
enum {
	AGENT_PASSES_MAX = 16
};

/* ---- what a host may answer ---- */

static bool agent_any_no_space(const struct dl_status *st)
{
	plist_dict_iter it = NULL;
	bool yes = false;

	if (st->code != DL_CODE_MULTI ||
	    plist_get_node_type(st->result) != PLIST_DICT)
		return st->code == DL_CODE_NO_SPACE;
	plist_dict_new_iter(st->result, &it);
	for (;;) {
		char *key = NULL;
		plist_t entry = NULL;

		plist_dict_next_item(st->result, it, &key, &entry);
		if (!key)
			break;
		yes = yes || dl_status_of_path(st, key) == DL_CODE_NO_SPACE;
		free(key);
	}
	free(it);
	return yes;
}

/* Frees st. */
int agent_check_upload(struct agent *a, struct dl_status *st, const char *dest)
{
	int r = 0;

	if (agent_any_no_space(st))
		r = agent_fail_code(a, AGENT_NO_ROOM);
	else if (st->code == DL_CODE_MULTI)
		r = agent_fail_code(a, AGENT_FILES_FAILED);
	else if (st->code != DL_CODE_OK)
		r = agent_fail_host(a, "Error uploading file", dest, st->code);
	dl_status_clear(st);
	return r;
}

/* ---- one file that lies in the phone's own folder ---- */

static void agent_tmp_name(char *out, size_t cap)
{
	static const char set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char b[6] = { 0 };
	char tail[7] = "";

	if (getrandom(b, sizeof(b), 0) < 0)
		b[0] = 1;
	for (int i = 0; i < 6; i++)
		tail[i] = set[b[i] % (sizeof(set) - 1)];
	snprintf(out, cap, "/var/tmp/tmp.2.%s", tail);
}

static enum dl_result agent_put_stream(struct dl *d, FILE *f, bool *bad)
{
	for (;;) {
		uint8_t *room;
		enum dl_result r = dl_upload_room(d, &room);
		size_t n;

		if (r != DL_OK)
			return r;
		n = fread(room, 1, dl_chunk(d), f);
		*bad = ferror(f) != 0;
		if (n == 0)
			return DL_OK;
		r = dl_upload_chunk(d, n);
		if (r != DL_OK)
			return r;
	}
}

static int agent_put_one(
    struct agent *a, const char *dest, FILE *f, double progress, uint64_t total)
{
	struct dl_status st = { 0 };
	char source[64];
	bool bad = false;
	enum dl_result r;
	int rc;

	agent_tmp_name(source, sizeof(source));
	r = dl_upload_begin(a->dl, progress, total);
	if (r == DL_OK)
		r = dl_upload_names(a->dl, source, dest);
	if (r == DL_OK)
		r = agent_put_stream(a->dl, f, &bad);
	if (r == DL_OK)
		r = dl_upload_end(a->dl, bad ? DL_CODE_IO : 0,
		    bad ? "Input/output error" : NULL);
	if (r == DL_OK)
		r = dl_upload_finish(a->dl, &st);
	rc = agent_check_dl(a, r);
	if (rc == 0)
		rc = agent_check_upload(a, &st, dest);
	if (rc == 0 && bad)
		rc = agent_fail_code(a, AGENT_FILES_FAILED);
	dl_status_clear(&st);
	return rc;
}

int agent_upload_local(struct agent_backup *b, const char *dest,
    const char *local, double progress)
{
	FILE *f = fopen(local, "rb");
	struct stat sb;
	int r;

	if (!f)
		return agent_fail_local(b->a);
	r = fstat(fileno(f), &sb) != 0
		? agent_fail_local(b->a)
		: agent_put_one(b->a, dest, f, progress, (uint64_t)sb.st_size);
	fclose(f);
	return r;
}

int agent_upload_status(struct agent_backup *b, enum agent_snapshot_state state)
{
	static const double progress[] = {
		[AGENT_SNAPSHOT_UPLOADING] = 0.9797,
		[AGENT_SNAPSHOT_MOVING] = 93.0,
		[AGENT_SNAPSHOT_REMOVING] = 97.0,
		[AGENT_SNAPSHOT_FINISHED] = 100.0,
	};
	char dest[AGENT_NAME_MAX], point[40];
	FILE *f;
	int r;

	snprintf(point, sizeof(point), "status-%s", agent_status_name(state));
	r = agent_point(b->a, point, 0);
	if (r != 0)
		return r;
	b->status.state = state;
	b->status_len = agent_status_write(&b->status, b->status_bytes);
	if (b->status_len == 0)
		return agent_fail_local(b->a);
	f = fmemopen(b->status_bytes, b->status_len, "rb");
	if (!f)
		return agent_fail_local(b->a);
	snprintf(dest, sizeof(dest), "%s/Status.plist", b->u);
	r = agent_put_one(b->a, dest, f, progress[state], 0);
	fclose(f);
	if (r == 0)
		phone_event(b->a->ph, "status %s", agent_status_name(state));
	return r;
}

/* ---- data ---- */

/* Where the file lies on the phone, below the mounted snapshot. */
static void agent_source_path(const struct agent_backup *b,
    const struct content_item *it, char *out, size_t cap)
{
	const char *root = b->a->ph->id.ios_major >= 10 ? "/.ba" : "/.b/6";
	const char *dash = strchr(it->domain, '-');

	if (dash)
		snprintf(out, cap, "%s/mobile/Containers/Data/%s/%s", root,
		    dash + 1, it->path);
	else if (strcmp(it->domain, "RootDomain") == 0)
		snprintf(out, cap, "%s/root/%s", root, it->path);
	else
		snprintf(out, cap, "%s/mobile/%s", root, it->path);
}

static bool agent_is_named(const char *knob, const struct content_item *it)
{
	size_t n = strlen(it->domain);

	if (!knob[0])
		return false;
	if (strcmp(knob, it->file_id) == 0 || strcmp(knob, it->path) == 0)
		return true;
	return strncmp(knob, it->domain, n) == 0 && knob[n] == '-' &&
	       strcmp(knob + n + 1, it->path) == 0;
}

static size_t agent_chunk_size(const struct agent_backup *b)
{
	size_t n = dl_chunk(b->a->dl);
	uint32_t v = 0;

	if (!b->odd_chunks || getrandom(&v, sizeof(v), 0) < 0)
		return n;
	return v % n + 1;
}

/* Sends up to `limit` bytes of the reader. *code: how the file must end. */
static enum dl_result agent_put_reader(struct agent_backup *b,
    struct content_reader *rd, uint64_t limit, int *code)
{
	while (limit > 0) {
		uint8_t *room;
		enum dl_result r = dl_upload_room(b->a->dl, &room);
		size_t want = agent_chunk_size(b);
		long n;

		if (r != DL_OK)
			return r;
		if (want > limit)
			want = (size_t)limit;
		n = content_reader_read(rd, room, want);
		if (n < 0)
			*code = DL_CODE_IO;
		if (n <= 0)
			break;
		r = dl_upload_chunk(b->a->dl, (size_t)n);
		if (r != DL_OK)
			return r;
		limit -= (uint64_t)n;
		b->bytes_done += (uint64_t)n;
	}
	if (b->empty_chunks) {
		uint8_t *room;
		enum dl_result r = dl_upload_room(b->a->dl, &room);

		return r == DL_OK ? dl_upload_chunk(b->a->dl, 0) : r;
	}
	return DL_OK;
}

/* *sent: whole and well. A file that can't be opened, or is gone meanwhile, is
 * left out of the stream. */
static enum dl_result agent_put_item(struct agent_backup *b,
    const struct content_item *it, const char *dest, bool *sent)
{
	bool failing = agent_is_named(b->fail_file, it);
	uint64_t stored = content_stored_size(b->a->content, it);
	struct content_reader *rd = NULL;
	char source[4000];
	int code = 0;
	enum dl_result r;

	if (!agent_is_named(b->fail_open, it))
		rd = content_backup_open(b->a->content, it->id);
	if (!rd) {
		b->failed++;
		return DL_OK;
	}
	agent_source_path(b, it, source, sizeof(source));
	r = dl_upload_names(b->a->dl, source, dest);
	if (r == DL_OK)
		r = agent_put_reader(
		    b, rd, failing ? stored / 2 : UINT64_MAX, &code);
	if (failing)
		code = DL_CODE_IO;
	if (r == DL_OK)
		r = dl_upload_end(
		    b->a->dl, code, code ? "Input/output error" : NULL);
	content_reader_close(rd);
	*sent = r == DL_OK && code == 0;
	b->failed += code != 0;
	b->files++;
	return r;
}

/* The row takes the time that the sent bytes have at least: what changes from
 * here on is found by the next look. */
static int agent_put_row(struct agent_backup *b, struct agent_file *row)
{
	char dest[AGENT_NAME_MAX];
	struct content_item it;
	bool sent = false;
	int r = agent_point(b->a, "upload-file", b->files + 1);

	if (r != 0)
		return r;
	r = content_find(b->a->content, row->id, &it);
	if (r == 0)
		return 0;
	if (r < 0)
		return agent_fail_local(b->a);
	snprintf(
	    dest, sizeof(dest), "%s/Snapshot/%.2s/%s", b->u, row->id, row->id);
	r = agent_check_dl(b->a, agent_put_item(b, &it, dest, &sent));
	if (sent) {
		row->mtime = it.mtime;
		row->state = AGENT_FILE_STAGED;
	}
	content_item_free(&it);
	return r;
}

static double agent_progress(const struct agent_backup *b, uint64_t batch)
{
	double all = (double)(b->bytes_all > 0 ? b->bytes_all : 1);
	double part = ((double)b->bytes_done + (double)batch) / all;

	return 1.0 + 91.0 * (part > 1.0 ? 1.0 : part);
}

static int agent_journal_rows_put(
    struct agent_backup *b, const struct agent_file *rows, long n)
{
	if (agent_journal_begin(b->journal) != 0)
		return agent_fail_local(b->a);
	for (long i = 0; i < n; i++)
		if (rows[i].state == AGENT_FILE_STAGED &&
		    agent_journal_put(b->journal, &rows[i]) != 0)
			return agent_fail_local(b->a);
	return agent_journal_commit(b->journal) == 0 ? 0
						     : agent_fail_local(b->a);
}

static int agent_upload_batch(
    struct agent_backup *b, struct agent_file *rows, long n)
{
	uint64_t total = 0, before = b->bytes_done, files = b->files;
	struct dl_status st = { 0 };
	int r = agent_point(b->a, "upload", ++b->batches), end;

	for (long i = 0; i < n; i++)
		total += rows[i].size;
	if (r == 0)
		r = agent_check_dl(b->a,
		    dl_upload_begin(b->a->dl, agent_progress(b, total), total));
	if (r != 0)
		return r;
	for (long i = 0; r == 0 && i < n; i++)
		r = agent_put_row(b, &rows[i]);
	if (r == AGENT_END)
		return r;
	/* Also when the run fails: the stream is ended as it must be. */
	end = agent_check_dl(b->a, dl_upload_finish(b->a->dl, &st));
	if (end == 0 && r == 0)
		r = agent_check_upload(b->a, &st, b->u);
	dl_status_clear(&st);
	if (end == 0 && r == 0)
		r = agent_journal_rows_put(b, rows, n);
	phone_count(b->a->ph, "files_uploaded", b->files - files);
	phone_count(b->a->ph, "bytes_uploaded", b->bytes_done - before);
	phone_event(b->a->ph, "upload batch %llu %llu files %llu bytes",
	    (unsigned long long)b->batches,
	    (unsigned long long)(b->files - files),
	    (unsigned long long)(b->bytes_done - before));
	return end != 0 ? end : r;
}

static int agent_upload_pass(struct agent_backup *b)
{
	struct agent_file *rows = calloc(b->upload_batch, sizeof(*rows));
	int64_t after = 0;
	int r = rows ? 0 : agent_fail_local(b->a);

	while (r == 0) {
		long n = agent_journal_rows(b->journal, AGENT_FILE_UPLOAD,
		    after, rows, b->upload_batch);

		if (n < 0)
			r = agent_fail_local(b->a);
		if (n <= 0)
			break;
		after = rows[n - 1].seq;
		r = agent_upload_batch(b, rows, n);
	}
	free(rows);
	if (r == 0 && b->failed > 0)
		r = agent_fail_code(b->a, AGENT_FILES_FAILED);
	return r;
}

/* ---- the manifest ---- */

static int agent_write_manifest(struct agent_backup *b)
{
	const struct phone_identity *id = &b->a->ph->id;
	struct manifest_facts facts = { .udid = id->udid,
		.device_name = id->name,
		.product_type = id->product_type,
		.ios = id->ios,
		.build = id->build,
		.serial = id->serial,
		.passcode_set = b->a->ph->passcode_set };
	char plist[AGENT_PATH_MAX], db[AGENT_PATH_MAX];

	agent_local(b, "Manifest.plist", plist);
	agent_local(b, "Manifest.db", db);
	if (manifest_write_plist(b->a->content, &facts, plist) != 0 ||
	    manifest_write_db(b->a->content, db) != 0)
		return agent_fail_local(b->a);
	return 0;
}

static int agent_upload_manifest(struct agent_backup *b, const char *name)
{
	char dest[AGENT_NAME_MAX], local[AGENT_PATH_MAX];

	snprintf(dest, sizeof(dest), "%s/Snapshot/%s", b->u, name);
	agent_local(b, name, local);
	return agent_upload_local(b, dest, local, 92.5);
}

/*
 * The manifest must speak of exactly what was sent: it is written, then the
 * phone is looked at once more; what has changed meanwhile is sent, and so on.
 */
int agent_upload(struct agent_backup *b)
{
	uint64_t changed = 1;
	int r = agent_fault_path(b->a, "upload");

	for (int pass = 0; r == 0 && changed > 0; pass++) {
		if (pass == AGENT_PASSES_MAX)
			return agent_fail_code(b->a, AGENT_FILES_FAILED);
		r = agent_upload_pass(b);
		if (r == 0)
			r = agent_write_manifest(b);
		if (r == 0)
			r = agent_scan(b, true, &changed);
		if (r == 0 && changed > 0)
			phone_event(b->a->ph, "%llu files changed meanwhile",
			    (unsigned long long)changed);
	}
	if (r == 0)
		r = agent_point(b->a, "manifest", 0);
	if (r == 0)
		r = agent_upload_manifest(b, "Manifest.plist");
	if (r == 0)
		r = agent_upload_manifest(b, "Manifest.db");
	return r;
}
