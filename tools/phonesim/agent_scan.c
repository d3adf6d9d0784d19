/*
 * The phone's files against what is at the host. A file counts as unmodified
 * iff its time of modification, in whole seconds, is that of the record;
 * neither size nor bytes are compared.
 */
#include "agent_backup.h"

#include "phone.h"

#include <stdio.h>
#include <string.h>

struct agent_scan {
	struct agent_backup *b;
	bool trust_rows;
	uint64_t seen, changed;
	bool broken; /* the journal or the base */
};

/* Is what the row says still true at the host? */
static int agent_scan_holds(struct agent_scan *s, const struct agent_file *row)
{
	switch (row->state) {
	case AGENT_FILE_UPLOAD:
		return 1;
	case AGENT_FILE_KEEP:
		return agent_journal_seen(
		    s->b->journal, row->id, AGENT_PLACE_BACKUP);
	case AGENT_FILE_STAGED:
		return agent_journal_seen(
		    s->b->journal, row->id, AGENT_PLACE_SNAPSHOT);
	case AGENT_FILE_MOVED:
		break;
	}
	return 0;
}

/* 1: the base has this version and the host has the file. */
static int agent_scan_in_base(
    struct agent_scan *s, const struct content_item *it)
{
	struct manifest_row row;
	int r;

	if (!s->b->base)
		return 0;
	r = manifest_find(s->b->base, it->file_id, &row);
	if (r != 1)
		return r;
	if (row.mtime != it->mtime)
		return 0;
	return agent_journal_seen(
	    s->b->journal, it->file_id, AGENT_PLACE_BACKUP);
}

static int agent_scan_put(struct agent_scan *s, const struct content_item *it,
    int64_t seq, enum agent_file_state state)
{
	struct agent_file row = {
		.seq = seq, .mtime = it->mtime, .state = state
	};

	snprintf(row.id, sizeof(row.id), "%s", it->file_id);
	row.size = content_stored_size(s->b->a->content, it);
	s->changed += state == AGENT_FILE_UPLOAD;
	return agent_journal_put(s->b->journal, &row);
}

static int agent_scan_item(void *arg, const struct content_item *it)
{
	struct agent_scan *s = arg;
	struct agent_file row;
	int r;

	if (it->kind != CONTENT_FILE)
		return 0;
	s->seen++;
	r = agent_journal_find(s->b->journal, it->file_id, &row);
	if (r == 0) {
		r = agent_scan_in_base(s, it);
		if (r >= 0)
			r = agent_scan_put(
			    s, it, 0, r ? AGENT_FILE_KEEP : AGENT_FILE_UPLOAD);
	} else if (r > 0) {
		r = 1;
		if (row.mtime != it->mtime)
			r = 0;
		else if (!s->trust_rows)
			r = agent_scan_holds(s, &row);
		if (r == 0)
			r = agent_scan_put(s, it, row.seq, AGENT_FILE_UPLOAD);
	}
	s->broken = r < 0;
	return s->broken ? -1 : 0;
}

/* Rows of files that are no longer on the phone. */
static int agent_scan_drop(struct agent_scan *s)
{
	struct agent_file rows[64];
	int64_t after = 0;
	long n;

	while (
	    (n = agent_journal_rows(s->b->journal, -1, after, rows, 64)) > 0) {
		for (long i = 0; i < n; i++) {
			struct content_item it;
			int r = content_find(s->b->a->content, rows[i].id, &it);

			after = rows[i].seq;
			if (r == 1)
				content_item_free(&it);
			if (r < 0)
				return -1;
			if (r == 1)
				continue;
			s->changed++;
			if (agent_journal_drop(s->b->journal, after) != 0)
				return -1;
		}
	}
	return (int)n;
}

static int agent_scan_all(struct agent_scan *s)
{
	uint64_t files = 0, bytes = 0;

	if (content_each(s->b->a->content, agent_scan_item, s) != 0)
		return -1;
	if (agent_journal_totals(s->b->journal, -1, &files, &bytes) != 0)
		return -1;
	return files > s->seen ? agent_scan_drop(s) : 0;
}

int agent_scan(struct agent_backup *b, bool trust_rows, uint64_t *changed)
{
	struct agent_scan s = { .b = b, .trust_rows = trust_rows };
	int r;

	if (agent_journal_begin(b->journal) != 0)
		return agent_fail_local(b->a);
	r = agent_scan_all(&s);
	if (agent_journal_commit(b->journal) != 0 || r != 0)
		return agent_fail_local(b->a);
	*changed = s.changed;
	return 0;
}

static int agent_scan_base_row(void *arg, const struct manifest_row *row)
{
	struct agent_scan *s = arg;

	if (row->flags != CONTENT_FILE)
		return 0;
	switch (agent_journal_seen(
	    s->b->journal, row->file_id, AGENT_PLACE_BACKUP)) {
	case 1:
		return 0;
	case 0:
		phone_event(
		    s->b->a->ph, "existing backup lacks %s", row->file_id);
		return 1;
	default:
		s->broken = true;
		return 1;
	}
}

int agent_scan_base(struct agent_backup *b, bool *whole)
{
	struct agent_scan s = { .b = b };
	int r = manifest_each(b->base, agent_scan_base_row, &s);

	if (s.broken)
		return agent_fail_local(b->a);
	if (r < 0)
		return agent_fail(
		    b->a, AGENT_CORRUPT, "Error reading backup database");
	*whole = r == 0;
	return 0;
}

static int agent_scan_manifest_row(void *arg, const struct manifest_row *row)
{
	struct agent_scan *s = arg;
	struct agent_file f;
	int r;

	if (row->flags != CONTENT_FILE)
		return 0;
	r = agent_journal_find(s->b->journal, row->file_id, &f);
	if (r == 0) {
		memset(&f, 0, sizeof(f));
		snprintf(f.id, sizeof(f.id), "%s", row->file_id);
		f.size = row->size;
		f.mtime = row->mtime;
		r = agent_journal_put(s->b->journal, &f);
	}
	s->broken = r < 0;
	return s->broken ? -1 : 0;
}

/* Rows that no manifest speaks of came from an older snapshot: they were moved
 * with the rest and are now seen in the backup. */
static int agent_scan_forget_strays(struct agent_backup *b, struct manifest *m)
{
	struct agent_file rows[64];
	int64_t after = 0;
	long n;

	while ((n = agent_journal_rows(b->journal, -1, after, rows, 64)) > 0) {
		for (long i = 0; i < n; i++) {
			struct manifest_row row;
			int r = manifest_find(m, rows[i].id, &row);

			after = rows[i].seq;
			if (r == 1)
				continue;
			if (r < 0 || agent_journal_drop(b->journal, after) ||
			    agent_journal_seen_add(
				b->journal, rows[i].id, AGENT_PLACE_BACKUP))
				return -1;
		}
	}
	return (int)n;
}

int agent_scan_manifest(struct agent_backup *b, struct manifest *m)
{
	struct agent_scan s = { .b = b };
	int r;

	if (agent_journal_begin(b->journal) != 0)
		return agent_fail_local(b->a);
	r = manifest_each(m, agent_scan_manifest_row, &s);
	if (r == 0)
		r = agent_scan_forget_strays(b, m);
	if (agent_journal_commit(b->journal) != 0 || s.broken)
		return agent_fail_local(b->a);
	return r == 0 ? 0
		      : agent_fail(b->a, AGENT_CORRUPT,
			    "Error reading backup database");
}
