/*
 * Restore: the manifest first, then every file in batches. Nothing is wiped
 * before the password fits and all files are known to be there.
 */
#include "agent_backup.h"

#include "phone.h"
#include "pl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct agent_restore {
	struct agent_backup b; /* folder, journal and manifest of the host */
	const char *source;
	struct manifest_row *rows; /* of the batch; strings are owned */
	char (*paths)[AGENT_NAME_MAX];
	const char **lent; /* paths, as dl_download() wants them */
	bool *done;
	uint32_t n, cap;
	uint64_t batch, files, bytes, batch_bytes;
	struct content_writer *writer;
	int code; /* first failure: as a step returns */
};

/* ---- one batch ---- */

static int agent_restore_begin(void *arg, size_t i)
{
	struct agent_restore *x = arg;

	x->writer = content_restore_file(x->b.a->content, &x->rows[i]);
	return x->writer ? 0 : -1;
}

static int agent_restore_data(void *arg, const void *p, size_t n)
{
	struct agent_restore *x = arg;

	x->bytes += n;
	return content_writer_write(x->writer, p, n);
}

static int agent_restore_end(void *arg, size_t i, int code, const char *text)
{
	struct agent_restore *x = arg;
	struct content_writer *w = x->writer;

	(void)text;
	x->writer = NULL;
	if (code != 0) {
		content_writer_discard(w);
		phone_event(x->b.a->ph, "restore: host ended %s with %d",
		    x->rows[i].file_id, code);
		return 0;
	}
	x->done[i] = true;
	x->files++;
	return content_writer_finish(w);
}

static void agent_restore_drop_rows(struct agent_restore *x)
{
	for (uint32_t i = 0; i < x->n; i++) {
		free((void *)(uintptr_t)x->rows[i].domain);
		free((void *)(uintptr_t)x->rows[i].path);
	}
	x->n = 0;
	x->batch_bytes = 0;
}

static int agent_restore_download(struct agent_restore *x)
{
	struct agent *a = x->b.a;
	struct dl_sink sink = { x, agent_restore_begin, agent_restore_data,
		agent_restore_end };
	struct dl_status st;
	int sunk = 0, r;

	r = agent_check_dl(a, dl_download(a->dl, x->lent, x->n, 50.0,
				  x->batch_bytes, &sink, &sunk, &st));
	if (x->writer)
		content_writer_discard(x->writer);
	x->writer = NULL;
	if (r == 0 && sunk != 0)
		r = agent_fail(a, AGENT_CORRUPT, "Error restoring file");
	for (uint32_t i = 0; r == 0 && i < x->n; i++)
		if (!x->done[i])
			r = agent_fail_code(a, AGENT_CORRUPT);
	dl_status_clear(&st);
	return r;
}

static int agent_restore_flush(struct agent_restore *x)
{
	int r = agent_point(x->b.a, "restore", ++x->batch);

	for (uint32_t i = 0; i < x->n; i++) {
		x->lent[i] = x->paths[i];
		x->done[i] = false;
	}
	if (r == 0)
		r = agent_restore_download(x);
	phone_event(x->b.a->ph, "restore batch %llu %u files",
	    (unsigned long long)x->batch, x->n);
	agent_restore_drop_rows(x);
	return r;
}

static int agent_restore_add(
    struct agent_restore *x, const struct manifest_row *row)
{
	struct manifest_row *r = &x->rows[x->n];

	*r = *row;
	r->domain = strdup(row->domain);
	r->path = strdup(row->path);
	r->target = NULL;
	snprintf(x->paths[x->n], sizeof(x->paths[0]), "%s/%.2s/%s", x->source,
	    row->file_id, row->file_id);
	x->n++;
	x->batch_bytes += row->size;
	if (!r->domain || !r->path)
		return agent_fail_local(x->b.a);
	return x->n == x->cap ? agent_restore_flush(x) : 0;
}

static int agent_restore_row(void *arg, const struct manifest_row *row)
{
	struct agent_restore *x = arg;

	if (row->flags == CONTENT_FILE)
		x->code = agent_restore_add(x, row);
	else if (content_restore_other(x->b.a->content, row) != 0)
		x->code =
		    agent_fail(x->b.a, AGENT_CORRUPT, "Error restoring item");
	return x->code != 0;
}

/* ---- the whole ---- */

static int agent_restore_fetch(struct agent_restore *x, const char *name,
    const char *local_name, bool needed)
{
	char remote[AGENT_NAME_MAX], local[AGENT_PATH_MAX], what[80];
	int dl_code = 0, r;

	snprintf(remote, sizeof(remote), "%s/%s", x->source, name);
	agent_local(&x->b, local_name, local);
	r = agent_fetch(x->b.a, remote, local, &dl_code);
	if (r != 0 || dl_code == 0 || !needed)
		return r;
	snprintf(what, sizeof(what), "Error reading \"%s\"", name);
	return agent_fail_under(x->b.a, AGENT_CORRUPT, what, AGENT_NOT_FOUND,
	    "No such file or directory");
}

static int agent_restore_status(struct agent_restore *x)
{
	char local[AGENT_PATH_MAX];
	struct agent_status st;
	uint8_t bytes[8192];
	size_t n;
	FILE *f;

	agent_local(&x->b, "Status.plist", local);
	f = fopen(local, "rb");
	if (!f)
		return agent_fail_local(x->b.a);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	if (agent_status_read(bytes, n, &st) != 0 ||
	    st.state != AGENT_SNAPSHOT_FINISHED)
		return agent_fail(
		    x->b.a, AGENT_CORRUPT, "Backup is not finished");
	if (st.version < 24 || st.version >= 40)
		return agent_fail_code(x->b.a, AGENT_VERSION);
	return 0;
}

static int agent_restore_open(struct agent_restore *x, const char *password)
{
	char plist[AGENT_PATH_MAX], db[AGENT_PATH_MAX];
	int r;

	agent_local(&x->b, "base.plist", plist);
	agent_local(&x->b, "base.db", db);
	r = manifest_open(x->b.a->content, plist, db, password, &x->b.base);
	if (r == AGENT_PASSWORD)
		return agent_fail_under(x->b.a, r,
		    "Invalid password when restoring encrypted backup", r,
		    "MKBKeyBagUnlock error (-3)");
	return r == 0 ? 0
		      : agent_fail(x->b.a, AGENT_CORRUPT,
			    "Error reading backup database");
}

static int agent_restore_sum(void *arg, const struct manifest_row *row)
{
	*(uint64_t *)arg += row->size;
	return 0;
}

static int agent_restore_room(struct agent_restore *x)
{
	struct phone *ph = x->b.a->ph;
	uint64_t need = 0, room;

	if (manifest_each(x->b.base, agent_restore_sum, &need) != 0)
		return agent_fail(
		    x->b.a, AGENT_CORRUPT, "Error reading backup database");
	pthread_mutex_lock(&ph->lock);
	room = ph->free_bytes;
	pthread_mutex_unlock(&ph->lock);
	if (need <= room)
		return 0;
	return agent_fail(x->b.a, AGENT_NO_ROOM,
	    "Insufficient free disk space on device to restore: %llu bytes "
	    "needed, %llu bytes available",
	    (unsigned long long)need, (unsigned long long)room);
}

static int agent_restore_check(struct agent_restore *x)
{
	bool whole = false;
	int r = agent_restore_room(x);

	if (r == 0)
		r = agent_see_all(&x->b, false);
	if (r == 0)
		r = agent_scan_base(&x->b, &whole);
	if (r == 0 && !whole)
		r = agent_fail_code(x->b.a, AGENT_CORRUPT);
	return r;
}

/* From here on the phone's old content is gone. */
static int agent_restore_content(struct agent_restore *x)
{
	int r;

	agent_journals_forget(x->b.a);
	if (content_wipe(x->b.a->content) != 0)
		return agent_fail_local(x->b.a);
	/* Files get keys of this phone; those at the host have others. */
	if (content_is_encrypted(x->b.a->content))
		agent_full_next(x->b.a, true);
	r = manifest_each(x->b.base, agent_restore_row, x);
	if (x->code != 0)
		return x->code;
	if (r != 0)
		return agent_fail(
		    x->b.a, AGENT_CORRUPT, "Error reading backup database");
	if (x->n > 0)
		r = agent_restore_flush(x);
	/* Phones were seen to ask for nothing at all once. */
	if (r == 0)
		r = agent_restore_flush(x);
	return r;
}

static int agent_restore_run(struct agent_restore *x, const char *password)
{
	int r = agent_restore_fetch(x, "Status.plist", "Status.plist", true);

	if (r == 0)
		r = agent_restore_status(x);
	if (r == 0)
		r = agent_restore_fetch(
		    x, "Manifest.plist", "base.plist", true);
	if (r == 0)
		r = agent_restore_fetch(x, "Manifest.db", "base.db", true);
	if (r == 0)
		r = agent_restore_fetch(x, "Info.plist", "Info.plist", false);
	if (r == 0)
		r = agent_restore_open(x, password ? password : "");
	if (r == 0)
		r = agent_restore_check(x);
	return r == 0 ? agent_restore_content(x) : r;
}

static bool agent_restore_alloc(struct agent_restore *x)
{
	x->rows = calloc(x->cap, sizeof(*x->rows));
	x->paths = calloc(x->cap, sizeof(*x->paths));
	x->lent = calloc(x->cap, sizeof(*x->lent));
	x->done = calloc(x->cap, sizeof(*x->done));
	snprintf(x->b.dir, sizeof(x->b.dir), "%s/restore", x->b.a->dir);
	x->b.journal = agent_journal_open(x->b.dir, true);
	return x->rows && x->paths && x->lent && x->done && x->b.journal;
}

static void agent_restore_free(struct agent_restore *x)
{
	manifest_close(x->b.base);
	agent_journal_close(x->b.journal);
	agent_journal_remove(x->b.dir);
	agent_restore_drop_rows(x);
	free(x->rows);
	free(x->paths);
	free(x->lent);
	free(x->done);
	free(x);
}

int agent_restore(struct agent *a, const char *source, plist_t options)
{
	struct agent_restore *x = calloc(1, sizeof(*x));
	bool find_my;
	int r;

	if (!x)
		return AGENT_END;
	x->b.a = a;
	x->b.u = x->source = source;
	x->cap = 200;
	phone_event(a->ph, "restore request from %s", source);
	pthread_mutex_lock(&a->ph->lock);
	find_my = a->ph->find_my;
	pthread_mutex_unlock(&a->ph->lock);
	if (find_my)
		r = agent_fail_code(a, AGENT_FIND_MY);
	else if (!agent_restore_alloc(x))
		r = agent_fail_local(a);
	else
		r = agent_restore_run(
		    x, options ? pl_str(options, "Password") : NULL);
	phone_event(a->ph, "restored %llu files %llu bytes",
	    (unsigned long long)x->files, (unsigned long long)x->bytes);
	a->reboot = r == 0 &&
		    (!options || pl_bool(options, "RestoreShouldReboot", true));
	agent_restore_free(x);
	return r;
}
