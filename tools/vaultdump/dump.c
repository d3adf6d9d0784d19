#include "dump.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "digest.h"
#include "out.h"
#include "relpath.h"
#include "utf8.h"
#include "vault.h"
#include "vault_audit.h"
#include "vault_lock.h"
#include "vault_repair.h"
#include "words.h"

#define UDIDS_MAX     1024
#define FINDINGS_SHOW 20
#define MOVES_SHOW    20
/* (first, last) pairs: a thousand nights have at most half a million, real
 * ones a few hundred. */
#define INTERVALS_MAX 600000

struct interval {
	int64_t first, last; /* last 0: still current */
	uint64_t files, dirs, bytes;
};

struct dump {
	const struct dump_opts *o;
	struct out out;
	struct vault *vault;
	struct vault_phone *phone;
	char udid[48];
	char (*udids)[48];
	size_t n_udids;
	struct interval *intervals; /* sorted */
	size_t n_intervals, cap_intervals;
	uint64_t found[VAULT_AUDIT_WHATS];
	uint64_t moves;
	int status;
};

static cJSON *with_string(cJSON *o, const char *key, const char *text)
{
	char clean[2048];

	utf8_clean(clean, sizeof(clean), text);
	cJSON_AddStringToObject(o, key, clean);
	return o;
}

static cJSON *with_name(const char *text)
{
	char clean[1024];

	utf8_clean(clean, sizeof(clean), text);
	return cJSON_CreateString(clean);
}

static void worse(struct dump *d, int status)
{
	if (status > d->status)
		d->status = status;
}

static const char *when(int64_t at, char out[32])
{
	time_t t = (time_t)at;
	struct tm tm;

	if (at <= 0 || !gmtime_r(&t, &tm) ||
	    !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, 32, "-");
	return out;
}

/* --- snapshots -------------------------------------------------------------- */

static const char *state_word(enum vault_state s)
{
	switch (s) {
	case VAULT_OPEN:
		return "open";
	case VAULT_COMMITTING:
		return "committing";
	case VAULT_GOOD:
		return "good";
	case VAULT_DAMAGED:
		return "damaged";
	case VAULT_PRUNED:
		return "pruned";
	}
	return "unknown";
}

static enum rc on_snapshot(void *arg, const struct vault_snapshot *s)
{
	struct dump *d = arg;
	cJSON *o = cJSON_CreateObject();
	char at[32], name[128];

	utf8_clean(name, sizeof(name), s->device_name);
	out_text(&d->out,
	    "    %4" PRId64 "  %-10s  %s  %10" PRIu64 " files %14" PRIu64
	    " bytes  new %" PRIu64 ", %" PRIu64 "%s  %s, %s, iOS %s\n",
	    s->id, state_word(s->state), when(s->finished_at, at), s->files,
	    s->bytes, s->new_files, s->new_bytes,
	    s->encrypted ? "  encrypted" : "", name, s->model, s->ios);
	cJSON_AddNumberToObject(o, "id", (double)s->id);
	with_string(o, "state", state_word(s->state));
	cJSON_AddNumberToObject(o, "started_at", (double)s->started_at);
	cJSON_AddNumberToObject(o, "finished_at", (double)s->finished_at);
	cJSON_AddNumberToObject(o, "files", (double)s->files);
	cJSON_AddNumberToObject(o, "bytes", (double)s->bytes);
	cJSON_AddNumberToObject(o, "new_files", (double)s->new_files);
	cJSON_AddNumberToObject(o, "new_bytes", (double)s->new_bytes);
	cJSON_AddBoolToObject(o, "encrypted", s->encrypted);
	with_string(o, "name", s->device_name);
	with_string(o, "product_type", s->model);
	with_string(o, "ios", s->ios);
	out_item(&d->out, NULL, o);
	return RC_OK;
}

static enum rc dump_snapshots(struct dump *d)
{
	enum rc rc;

	out_text(&d->out, "  snapshots, newest first:\n");
	out_open(&d->out, "snapshots", '[');
	rc = vault_each_snapshot(d->phone, on_snapshot, d);
	out_close(&d->out, ']');
	return rc;
}

/* --- what a night and a commit leave ------------------------------------------- */

static const char *move_word(int64_t what)
{
	static const char *const words[] = { "?", "retire", "rmdir", "mkdir",
		"place", "place folder" };

	return what > 0 && what < 6 ? words[what] : words[0];
}

static enum rc on_move(void *arg, int64_t what, const char *path)
{
	struct dump *d = arg;
	cJSON *o;

	if (d->moves++ >= MOVES_SHOW && !d->o->all)
		return RC_OK;
	o = cJSON_CreateObject();
	out_text(&d->out, "    %-12s %s\n", move_word(what), path);
	with_string(o, "what", move_word(what));
	with_string(o, "path", path);
	out_item(&d->out, NULL, o);
	return RC_OK;
}

static void tables_text(struct dump *d, const struct vault_tables *t)
{
	int64_t moves =
	    t->retire + t->rmdir + t->mkdir + t->place + t->place_dir;

	out_text(&d->out, "  catalogue format %" PRId64 "\n", t->format);
	if (t->pending_files + t->pending_dirs + t->pending_gone + t->staged)
		out_text(&d->out,
		    "  overlay of a night: %" PRId64 " files, %" PRId64
		    " folders, %" PRId64 " gone; staged %" PRId64
		    " files, %" PRId64 " bytes\n",
		    t->pending_files, t->pending_dirs, t->pending_gone,
		    t->staged, t->staged_bytes);
	else
		out_text(&d->out, "  overlay of a night: empty\n");
	if (t->lost)
		out_text(&d->out,
		    "  kept by a repair, of unknown path: %" PRId64
		    " objects, %" PRId64 " bytes\n",
		    t->lost, t->lost_bytes);
	if (t->committing)
		out_text(&d->out,
		    "  commit of snapshot %" PRId64 " is under way, in pass "
		    "%s\n",
		    t->committing, t->placing ? "B" : "A");
	if (moves == 0)
		out_text(&d->out, "  journal: empty\n");
	else
		out_text(&d->out,
		    "  journal: retire %" PRId64 ", rmdir %" PRId64
		    ", mkdir %" PRId64 ", place %" PRId64
		    ", place folder %" PRId64 "\n",
		    t->retire, t->rmdir, t->mkdir, t->place, t->place_dir);
}

static void tables_json(struct dump *d, const struct vault_tables *t)
{
	const struct {
		const char *key;
		int64_t n;
	} all[] = {
		{ "format", t->format },
		{ "committing", t->committing },
		{ "placing", t->placing },
		{ "retire", t->retire },
		{ "rmdir", t->rmdir },
		{ "mkdir", t->mkdir },
		{ "place", t->place },
		{ "place_folder", t->place_dir },
		{ "pending_files", t->pending_files },
		{ "pending_folders", t->pending_dirs },
		{ "pending_gone", t->pending_gone },
		{ "staged", t->staged },
		{ "staged_bytes", t->staged_bytes },
		{ "lost", t->lost },
		{ "lost_bytes", t->lost_bytes },
	};
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		cJSON_AddNumberToObject(o, all[i].key, (double)all[i].n);
	out_item(&d->out, "tables", o);
}

static enum rc dump_tables(struct dump *d)
{
	struct vault_tables t;
	enum rc rc = vault_tables(d->phone, &t);

	if (rc)
		return rc;
	tables_text(d, &t);
	tables_json(d, &t);
	/* A commit that is under way has a snapshot, and the other way. */
	if (!t.committing && t.retire + t.rmdir + t.mkdir + t.place > 0)
		worse(d, DUMP_FAULTS);
	d->moves = 0;
	out_open(&d->out, "moves", '[');
	rc = vault_each_move(d->phone, on_move, d);
	out_close(&d->out, ']');
	if (d->moves > MOVES_SHOW && !d->o->all)
		out_text(&d->out, "    … and %" PRIu64 " more\n",
		    d->moves - MOVES_SHOW);
	return rc;
}

static enum rc on_lost(void *arg, const struct vault_lost *l)
{
	struct dump *d = arg;
	cJSON *o = cJSON_CreateObject();

	out_text(&d->out, "    %12" PRIu64 "  %s\n", l->size, l->file);
	with_string(o, "file", l->file);
	cJSON_AddNumberToObject(o, "size", (double)l->size);
	out_item(&d->out, NULL, o);
	return RC_OK;
}

static enum rc dump_lost(struct dump *d)
{
	enum rc rc;

	out_text(&d->out, "  kept objects of unknown path:\n");
	out_open(&d->out, "lost", '[');
	rc = vault_each_lost(d->phone, on_lost, d);
	out_close(&d->out, ']');
	return rc;
}

/* --- entries ------------------------------------------------------------------- */

static int compare_interval(
    const struct interval *a, int64_t first, int64_t last)
{
	if (a->first != first)
		return a->first < first ? -1 : 1;
	return (a->last > last) - (a->last < last);
}

/* The place of (first, last), or where it belongs. */
static size_t find_interval(const struct dump *d, int64_t first, int64_t last)
{
	size_t lo = 0, hi = d->n_intervals;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_interval(&d->intervals[mid], first, last) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct interval *interval_of(struct dump *d, int64_t first, int64_t last)
{
	size_t at = find_interval(d, first, last);

	if (at < d->n_intervals &&
	    compare_interval(&d->intervals[at], first, last) == 0)
		return &d->intervals[at];
	if (d->n_intervals == INTERVALS_MAX)
		return NULL;
	if (d->n_intervals == d->cap_intervals) {
		size_t cap = d->cap_intervals ? 2 * d->cap_intervals : 64;
		struct interval *more =
		    realloc(d->intervals, cap * sizeof(*more));

		if (!more)
			return NULL;
		d->intervals = more;
		d->cap_intervals = cap;
	}
	memmove(&d->intervals[at + 1], &d->intervals[at],
	    (d->n_intervals - at) * sizeof(*d->intervals));
	d->n_intervals++;
	d->intervals[at] = (struct interval){ .first = first, .last = last };
	return &d->intervals[at];
}

static void print_row(struct dump *d, const struct vault_row *r)
{
	char hex[DIGEST_HEX_LEN + 1] = "-", last[24] = "now";
	cJSON *o = cJSON_CreateObject();

	if (r->digest)
		digest_hex(r->digest, hex);
	if (r->last)
		snprintf(last, sizeof(last), "%" PRId64, r->last);
	out_text(&d->out, "    %4" PRId64 "-%-4s %s %12" PRIu64 " %s %s\n",
	    r->first, last, r->kind == STORE_DIR ? "d" : "f", r->size, hex,
	    r->path[0] ? r->path : ".");
	cJSON_AddNumberToObject(o, "first", (double)r->first);
	cJSON_AddNumberToObject(o, "last", (double)r->last);
	with_string(o, "kind", r->kind == STORE_DIR ? "dir" : "file");
	cJSON_AddNumberToObject(o, "size", (double)r->size);
	with_string(o, "blake3", r->digest ? hex : "");
	with_string(o, "path", r->path);
	with_string(o, "file", r->file);
	out_item(&d->out, NULL, o);
}

static enum rc on_row(void *arg, const struct vault_row *r)
{
	struct dump *d = arg;
	struct interval *i = interval_of(d, r->first, r->last);

	if (!i)
		return RC_NOMEM;
	i->files += r->kind == STORE_FILE;
	i->dirs += r->kind == STORE_DIR;
	i->bytes += r->size;
	if (d->o->entries)
		print_row(d, r);
	return RC_OK;
}

static void print_intervals(struct dump *d)
{
	out_text(&d->out, "  rows by interval of snapshots:\n");
	out_open(&d->out, "intervals", '[');
	for (size_t k = 0; k < d->n_intervals; k++) {
		const struct interval *i = &d->intervals[k];
		cJSON *o = cJSON_CreateObject();
		char last[24] = "now";

		if (i->last)
			snprintf(last, sizeof(last), "%" PRId64, i->last);
		out_text(&d->out,
		    "    %4" PRId64 "-%-4s %10" PRIu64 " files %8" PRIu64
		    " folders %14" PRIu64 " bytes\n",
		    i->first, last, i->files, i->dirs, i->bytes);
		cJSON_AddNumberToObject(o, "first", (double)i->first);
		cJSON_AddNumberToObject(o, "last", (double)i->last);
		cJSON_AddNumberToObject(o, "files", (double)i->files);
		cJSON_AddNumberToObject(o, "folders", (double)i->dirs);
		cJSON_AddNumberToObject(o, "bytes", (double)i->bytes);
		out_item(&d->out, NULL, o);
	}
	out_close(&d->out, ']');
}

/* --- findings -------------------------------------------------------------------- */

static enum rc on_finding(void *arg, const struct vault_finding *f)
{
	struct dump *d = arg;
	cJSON *o;

	if (d->found[f->what]++ >= FINDINGS_SHOW && !d->o->all)
		return RC_OK;
	o = cJSON_CreateObject();
	out_text(&d->out, "    %-24s %s", vault_audit_word(f->what), f->path);
	if (f->what == VAULT_AUDIT_SIZE)
		out_text(&d->out, " (%" PRIu64 " bytes, should be %" PRIu64 ")",
		    f->size, f->want);
	out_text(&d->out, "\n");
	with_string(o, "what", vault_audit_word(f->what));
	with_string(o, "path", f->path);
	cJSON_AddNumberToObject(o, "size", (double)f->size);
	cJSON_AddNumberToObject(o, "want", (double)f->want);
	cJSON_AddBoolToObject(o, "fault", vault_audit_is_fault(f->what));
	out_item(&d->out, NULL, o);
	return RC_OK;
}

static void print_counts(struct dump *d)
{
	cJSON *o = cJSON_CreateObject();
	bool any = false;

	for (int w = 0; w < VAULT_AUDIT_WHATS; w++) {
		enum vault_audit_what what = (enum vault_audit_what)w;

		if (!d->found[w])
			continue;
		any = true;
		out_text(&d->out, "  %s%s: %" PRIu64 "\n",
		    vault_audit_is_fault(what) ? "FAULT " : "",
		    vault_audit_word(what), d->found[w]);
		cJSON_AddNumberToObject(
		    o, vault_audit_word(what), (double)d->found[w]);
		if (vault_audit_is_fault(what))
			worse(d, DUMP_FAULTS);
	}
	if (!any && !d->o->quick)
		out_text(&d->out, "  rows and disk fit each other\n");
	out_item(&d->out, "found", o);
}

static enum rc audit(struct dump *d, bool rows)
{
	struct vault_audit_opts o = {
		.row = rows ? on_row : NULL,
		.finding = on_finding,
		.arg = d,
		.rows_only = rows,
	};

	return vault_audit(d->phone, &o);
}

/* Rows first, alone: text and JSON stand in the order of this page. */
static enum rc dump_rows(struct dump *d)
{
	enum rc rc;

	d->n_intervals = 0;
	memset(d->found, 0, sizeof(d->found));
	if (d->o->entries)
		out_text(&d->out, "  rows:\n");
	out_open(&d->out, "entries", '[');
	rc = audit(d, true);
	out_close(&d->out, ']');
	print_intervals(d);
	if (rc || d->o->quick)
		return rc;
	memset(d->found, 0, sizeof(d->found)); /* told again, with paths */
	out_open(&d->out, "findings", '[');
	rc = audit(d, false);
	out_close(&d->out, ']');
	return rc;
}

/* --- one phone --------------------------------------------------------------------- */

static void say_holder(struct dump *d)
{
	struct vault_holder h;
	char words[160];

	if (vault_phone_holder(d->vault, d->udid, &h)) {
		out_item(&d->out, "holder", cJSON_CreateNull());
		return;
	}
	vault_busy_words(d->vault, d->udid, words, sizeof(words));
	out_text(&d->out,
	    "  %s: what it is moving just now may be told as a fault\n", words);
	out_item(&d->out, "holder", cJSON_CreateString(words));
}

/* Words for a catalogue that does not open. */
static void say_unreadable(struct dump *d, enum rc rc)
{
	const char *helps =
	    rc == RC_CORRUPT    ? " `nightstand repair` makes it anew."
	    : rc == RC_READONLY ? " A power cut left it a change to take back:"
				  " the next backup does that."
				: "";

	out_text(
	    &d->out, "  FAULT the catalogue: %s.%s\n", rc_words(rc), helps);
	out_item(&d->out, "error", cJSON_CreateString(rc_words(rc)));
	worse(d, rc == RC_CORRUPT ? DUMP_FAULTS : DUMP_UNREADABLE);
}

static enum rc dump_open_phone(struct dump *d)
{
	enum rc rc = dump_snapshots(d);

	if (!rc)
		rc = dump_tables(d);
	if (!rc && d->o->entries)
		rc = dump_lost(d);
	if (!rc)
		rc = dump_rows(d);
	if (!rc)
		print_counts(d);
	return rc;
}

static void dump_phone(struct dump *d)
{
	enum rc rc;

	out_text(&d->out, "\nphone %s\n", d->udid);
	out_open(&d->out, NULL, '{');
	out_item(&d->out, "udid", cJSON_CreateString(d->udid));
	say_holder(d);
	rc = vault_phone_open(d->vault, d->udid, true, &d->phone);
	if (rc == RC_NOTFOUND)
		out_text(&d->out, "  no catalogue yet\n");
	else if (!rc)
		rc = dump_open_phone(d);
	if (rc && rc != RC_NOTFOUND)
		say_unreadable(d, rc);
	out_close(&d->out, '}');
	vault_phone_close(d->phone);
	d->phone = NULL;
}

/* --- the vault ------------------------------------------------------------------------ */

static enum rc on_udid(void *arg, const char *udid)
{
	struct dump *d = arg;

	if (d->o->udid[0] && strcmp(d->o->udid, udid) != 0)
		return RC_OK;
	if (d->n_udids == UDIDS_MAX)
		return RC_LIMIT;
	snprintf(d->udids[d->n_udids++], sizeof(d->udids[0]), "%s", udid);
	return RC_OK;
}

/* What lies beside VAULT and the phones. */
static void dump_strangers(struct dump *d)
{
	DIR *dir = opendir(vault_path(d->vault));
	struct dirent *e;

	if (!dir)
		return;
	out_open(&d->out, "strangers", '[');
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, "VAULT") == 0 ||
		    relpath_check_udid(e->d_name) == RC_OK)
			continue;
		out_text(&d->out, "  stranger %s\n", e->d_name);
		out_item(&d->out, NULL, with_name(e->d_name));
	}
	out_close(&d->out, ']');
	closedir(dir);
}

static int compare_udid(const void *a, const void *b)
{
	return strcmp(a, b);
}

static enum rc dump_all(struct dump *d)
{
	enum rc rc = vault_each_phone(d->vault, on_udid, d);

	if (rc)
		return rc;
	if (d->o->udid[0] && d->n_udids == 0)
		return RC_NOTFOUND;
	qsort(d->udids, d->n_udids, sizeof(d->udids[0]), compare_udid);
	out_text(&d->out, "VAULT %s\n  id %s\n  %zu phones\n",
	    vault_path(d->vault), vault_id(d->vault), d->n_udids);
	out_open(&d->out, NULL, '{');
	out_item(&d->out, "path", cJSON_CreateString(vault_path(d->vault)));
	out_item(&d->out, "id", cJSON_CreateString(vault_id(d->vault)));
	dump_strangers(d);
	out_open(&d->out, "phones", '[');
	for (size_t i = 0; i < d->n_udids; i++) {
		snprintf(d->udid, sizeof(d->udid), "%s", d->udids[i]);
		dump_phone(d);
	}
	out_close(&d->out, ']');
	out_item(&d->out, "fits", cJSON_CreateBool(d->status == DUMP_FITS));
	out_close(&d->out, '}');
	return RC_OK;
}

int dump_vault(const char *dir, const struct dump_opts *o)
{
	struct dump d = { .o = o, .out = { .json = o->json } };
	enum rc rc;

	d.udids = calloc(UDIDS_MAX, sizeof(d.udids[0]));
	rc = d.udids ? vault_open(NULL, dir, false, &d.vault) : RC_NOMEM;
	if (!rc)
		rc = dump_all(&d);
	if (rc) {
		fprintf(stderr, "vaultdump: %s: %s\n", dir, rc_words(rc));
		worse(&d, DUMP_UNREADABLE);
	}
	if (fflush(stdout) != 0)
		worse(&d, DUMP_UNREADABLE);
	vault_close(d.vault);
	free(d.intervals);
	free(d.udids);
	return d.status;
}
