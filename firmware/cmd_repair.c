/* `repair`: a lost or broken catalogue is made anew. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cmd.h"
#include "log.h"
#include "mend.h"
#include "mono.h"
#include "outcome.h"
#include "vault.h"
#include "vault_repair.h"
#include "words.h"

#define UDIDS_MAX  64
#define SHOW_MS    500 /* on a terminal: a line that is written over */
#define LINE_MS    30000 /* in a log: a line each */
#define RATE_AFTER 2000 /* a shorter time tells no rate */

struct mending {
	const struct cli *cli;
	struct vault *vault;
	unsigned n_udids;
	char udids[UDIDS_MAX][48];
	cJSON *json;
	bool tty, shown;
	int64_t told_ms, reading_ms;
	int status;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static bool is_cancelled(void *arg)
{
	(void)arg;
	return interrupted != 0;
}

/* --- progress ------------------------------------------------------------------ */

static void rate_words(
    struct mending *m, uint64_t done, uint64_t bytes, char *out, size_t cap)
{
	int64_t ms = mono_ms() - m->reading_ms;
	char rate[40], left[40];

	out[0] = '\0';
	if (ms < RATE_AFTER || done == 0)
		return;
	words_bytes(done * 1000 / (uint64_t)ms, rate, sizeof(rate));
	words_duration((int64_t)((bytes > done ? bytes - done : 0) /
				 (done / (double)ms) / 1000),
	    left, sizeof(left));
	snprintf(out, cap, ", %s a second, %s left", rate, left);
}

static void show(struct mending *m, const char *text)
{
	if (m->tty)
		fprintf(stderr, "\r\033[K%s", text);
	else
		fprintf(stderr, "nightstand: %s\n", text);
	fflush(stderr);
	m->shown = true;
}

static void on_progress(void *arg, enum vault_repair_phase phase,
    uint64_t files_done, uint64_t files, uint64_t bytes_done, uint64_t bytes)
{
	struct mending *m = arg;
	int64_t now = mono_ms();
	char a[40], b[40], c[40], d[40], rate[100], text[320];

	if (phase == VAULT_REPAIR_READING && !m->reading_ms)
		m->reading_ms = now;
	if (now - m->told_ms < (m->tty ? SHOW_MS : LINE_MS))
		return;
	m->told_ms = now;
	words_count(files_done, a, sizeof(a));
	words_count(files, b, sizeof(b));
	words_bytes(bytes_done, c, sizeof(c));
	words_bytes(bytes, d, sizeof(d));
	rate_words(m, bytes_done, bytes, rate, sizeof(rate));
	switch (phase) {
	case VAULT_REPAIR_CHECKING:
		show(m, "checking the catalogue");
		return;
	case VAULT_REPAIR_LOOKING:
		snprintf(text, sizeof(text), "looking: %s files", a);
		break;
	case VAULT_REPAIR_READING:
		snprintf(text, sizeof(text),
		    "reading: %s of %s files, %s of %s%s", a, b, c, d, rate);
		break;
	}
	show(m, text);
}

static void clear(struct mending *m)
{
	if (m->tty && m->shown)
		fprintf(stderr, "\r\033[K");
	m->shown = false;
}

/* --- what came of it ------------------------------------------------------------- */

static const char *found_word(const struct vault_repair_report *rep)
{
	switch (rep->state) {
	case VAULT_REPAIR_FINE:
		return "whole";
	case VAULT_REPAIR_MISSING:
		return "missing";
	case VAULT_REPAIR_BROKEN:
		return "damaged";
	case VAULT_REPAIR_NOTHING:
		return "not needed yet";
	}
	return "unknown";
}

static const char *base_id(enum vault_repair_base base)
{
	switch (base) {
	case VAULT_REPAIR_FROM_DISK:
		return "disk";
	case VAULT_REPAIR_FROM_CATALOG:
		return "catalog";
	case VAULT_REPAIR_FROM_COPY:
		return "copy";
	case VAULT_REPAIR_FROM_ROWS:
		return "rows";
	}
	return "unknown";
}

static const char *base_words(enum vault_repair_base base)
{
	switch (base) {
	case VAULT_REPAIR_FROM_DISK:
		return "what lies on the disk alone";
	case VAULT_REPAIR_FROM_CATALOG:
		return "itself and what lies on the disk";
	case VAULT_REPAIR_FROM_COPY:
		return "the box's copy and what lies on the disk";
	case VAULT_REPAIR_FROM_ROWS:
		return "what could be read of it and what lies on the disk";
	}
	return "";
}

static bool acted(const struct vault_repair_report *rep, bool force)
{
	return rep->state == VAULT_REPAIR_MISSING ||
	       rep->state == VAULT_REPAIR_BROKEN ||
	       (rep->state == VAULT_REPAIR_FINE && force);
}

/* All that a person can count on is there. */
static bool is_well(const struct vault_repair_report *rep)
{
	return rep->is_whole && rep->damaged == 0 &&
	       rep->missing_objects == 0 && rep->unreadable == 0 &&
	       rep->lost_bad == 0;
}

static void say_count(uint64_t n, const char *one, const char *many)
{
	char count[40];

	if (n == 0)
		return;
	words_count(n, count, sizeof(count));
	printf("  %s %s\n", count, n == 1 ? one : many);
}

static void say_lost(const struct vault_repair_report *rep)
{
	char count[40], bytes[40];

	if (rep->lost_objects == 0)
		return;
	words_count(rep->lost_objects, count, sizeof(count));
	words_bytes(rep->lost_bytes, bytes, sizeof(bytes));
	printf("  %s older file versions (%s) are kept in objects/, but which "
	       "files and nights they belong to is not known any more; "
	       "`vaultdump` lists them\n",
	    count, bytes);
}

static void say_latest(const struct vault_repair_report *rep)
{
	if (!rep->is_whole)
		printf(
		    "  the newest backup, latest/, is not whole: %s The next "
		    "backup has to bring what is missing.\n",
		    rep->why);
	else if (rep->new_snapshot)
		printf("  latest/ is a whole backup: snapshot %lld\n",
		    (long long)rep->new_snapshot);
}

static void say_details(const struct vault_repair_report *rep, bool dry)
{
	char count[40], bytes[40];

	if (dry && rep->to_read_files) {
		words_count(rep->to_read_files, count, sizeof(count));
		words_bytes(rep->to_read_bytes, bytes, sizeof(bytes));
		printf("  %s files (%s) would have to be read\n", count, bytes);
	}
	say_latest(rep);
	say_count(
	    rep->changed, "file had changed since", "files had changed since");
	say_count(rep->added, "file had no row", "files had no row");
	say_count(rep->gone, "file or folder is not there any more",
	    "files or folders are not there any more");
	say_count(rep->bad_rows, "row made no sense", "rows made no sense");
	say_count(rep->unreadable, "file can't be read", "files can't be read");
	say_count(rep->missing_objects,
	    "file version of an older backup is missing",
	    "file versions of older backups are missing");
	say_lost(rep);
	say_count(rep->lost_bad, "of them is damaged", "of them are damaged");
	say_count(rep->strangers,
	    "file or folder is not ours and was left "
	    "alone",
	    "files or folders are not ours and were left alone");
}

static void say_report(
    struct mending *m, const char *udid, const struct vault_repair_report *rep)
{
	bool dry = m->cli->dry_run;

	if (!acted(rep, m->cli->force)) {
		printf("%s: the catalogue is %s; nothing to repair\n", udid,
		    found_word(rep));
		return;
	}
	printf("%s: the catalogue is %s; %s anew from %s\n", udid,
	    found_word(rep), dry ? "it would be made" : "it was made",
	    base_words(rep->base));
	say_details(rep, dry);
	printf("  %u good %s%s", rep->good,
	    rep->good == 1 ? "backup" : "backups", rep->damaged ? "" : "\n");
	if (rep->damaged)
		printf(", %u of which something is missing\n", rep->damaged);
	if (rep->kept_as[0])
		printf("  the old catalogue is kept as %s\n", rep->kept_as);
}

static void add_json(struct mending *m, const char *udid,
    const struct vault_repair_report *rep, enum rc rc)
{
	const struct {
		const char *key;
		uint64_t n;
	} numbers[] = {
		{ "changed", rep->changed },
		{ "added", rep->added },
		{ "gone", rep->gone },
		{ "to_read_files", rep->to_read_files },
		{ "to_read_bytes", rep->to_read_bytes },
		{ "unreadable", rep->unreadable },
		{ "strangers", rep->strangers },
		{ "lost_objects", rep->lost_objects },
		{ "lost_bytes", rep->lost_bytes },
		{ "lost_damaged", rep->lost_bad },
		{ "missing_objects", rep->missing_objects },
		{ "bad_rows", rep->bad_rows },
		{ "new_snapshot", (uint64_t)rep->new_snapshot },
		{ "good", rep->good },
		{ "damaged", rep->damaged },
	};
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "udid", udid);
	cJSON_AddStringToObject(o, "error", rc ? rc_words(rc) : "");
	cJSON_AddStringToObject(o, "found", found_word(rep));
	cJSON_AddStringToObject(
	    o, "base", acted(rep, m->cli->force) ? base_id(rep->base) : "");
	cJSON_AddBoolToObject(o, "has_copy", rep->has_copy);
	cJSON_AddBoolToObject(o, "repaired", rep->repaired);
	cJSON_AddBoolToObject(o, "latest_is_whole", rep->is_whole);
	cJSON_AddStringToObject(o, "why", rep->why);
	cJSON_AddStringToObject(o, "kept_as", rep->kept_as);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		cJSON_AddNumberToObject(
		    o, numbers[i].key, (double)numbers[i].n);
	cJSON_AddItemToArray(m->json, o);
}

/* --- the command --------------------------------------------------------------- */

static int exit_of(enum rc rc)
{
	switch ((int)rc) {
	case RC_OK:
		return EXIT_DONE;
	case RC_BUSY:
		return EXIT_BUSY;
	case RC_CANCELLED:
		return EXIT_INTERRUPTED;
	case RC_NOSPC:
		return EXIT_DISK_FULL;
	case RC_READONLY:
	case RC_UNSUPPORTED:
		return EXIT_DISK_UNFIT;
	case RC_NOTFOUND:
		return EXIT_NO_DISK;
	case RC_CORRUPT:
		return EXIT_DAMAGED;
	}
	return EXIT_DISK;
}

static int status_of(
    const struct mending *m, const struct vault_repair_report *rep, enum rc rc)
{
	if (rc || !acted(rep, m->cli->force))
		return exit_of(rc);
	/* Looked at only: there is something to do. */
	if (m->cli->dry_run && rep->state != VAULT_REPAIR_FINE)
		return EXIT_DAMAGED;
	return is_well(rep) ? EXIT_DONE : EXIT_DAMAGED;
}

static void say_failed(struct mending *m, const char *udid, enum rc rc)
{
	char why[256];

	if (rc == RC_CANCELLED)
		snprintf(why, sizeof(why), "cancelled; nothing has changed");
	else if (rc == RC_CORRUPT)
		snprintf(why, sizeof(why), "the rows can't be put in order");
	else
		mend_words(rc, m->vault, udid, why, sizeof(why));
	fprintf(stderr, "nightstand: %s: %s\n", udid, why);
}

static void mend_one(struct mending *m, const char *udid)
{
	const struct cli *cli = m->cli;
	struct vault_repair_report rep;
	char copy[640];
	struct vault_repair_opts o = {
		.udid = udid,
		.copy = copy,
		.force = cli->force,
		.full = cli->force,
		.dry_run = cli->dry_run,
		.progress = on_progress,
		.cancelled = is_cancelled,
		.arg = m,
	};
	int status;
	enum rc rc;

	mend_prepare(cli->config.state);
	mend_copy_path(cli->config.state, m->vault, udid, copy, sizeof(copy));
	if (!copy[0])
		o.copy = NULL;
	m->told_ms = mono_ms();
	m->reading_ms = 0;
	rc = vault_repair_phone(m->vault, &o, &rep);
	clear(m);
	if (m->json)
		add_json(m, udid, &rep, rc);
	else if (!rc)
		say_report(m, udid, &rep);
	if (rc)
		say_failed(m, udid, rc);
	status = status_of(m, &rep, rc);
	m->status = status ? status : m->status;
}

static enum rc on_udid(void *arg, const char *udid)
{
	struct mending *m = arg;

	if (m->cli->udid[0] && strcmp(m->cli->udid, udid) != 0)
		return RC_OK;
	if (m->n_udids == UDIDS_MAX)
		return RC_LIMIT;
	snprintf(m->udids[m->n_udids++], sizeof(m->udids[0]), "%s", udid);
	return RC_OK;
}

static int open_vault(struct mending *m)
{
	const char *dir = m->cli->config.vault;
	char why[256];
	enum rc rc;

	if (!dir[0]) {
		fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
		return EXIT_USAGE;
	}
	rc = vault_open(NULL, dir, false, &m->vault);
	if (rc == RC_NOTFOUND) {
		fprintf(stderr, "nightstand: there is no vault in %s\n", dir);
		return EXIT_NO_DISK;
	}
	if (!rc)
		rc = vault_each_phone(m->vault, on_udid, m);
	if (rc) {
		mend_words(rc, NULL, "", why, sizeof(why));
		fprintf(stderr, "nightstand: %s: %s\n", dir, why);
		return exit_of(rc);
	}
	if (m->n_udids == 0) {
		fprintf(stderr, "nightstand: no backup%s%s in %s\n",
		    m->cli->udid[0] ? " of " : "", m->cli->udid, dir);
		return EXIT_NO_DISK;
	}
	return 0;
}

static void print_json(struct mending *m)
{
	char *text = cJSON_PrintUnformatted(m->json);

	if (text)
		printf("%s\n", text);
	else
		m->status = EXIT_FAULT;
	cJSON_free(text);
	cJSON_Delete(m->json);
}

int cmd_repair(const struct cli *cli)
{
	static struct mending m;
	const struct sigaction sa = { .sa_handler = on_signal };

	m.cli = cli;
	m.tty = isatty(STDERR_FILENO);
	if (cli->json)
		m.json = cJSON_CreateArray();
	if (!cli->has_log)
		log_set_level(LOG_LEVEL_ERROR);
	if (sigaction(SIGINT, &sa, NULL) || sigaction(SIGTERM, &sa, NULL))
		return EXIT_FAULT;
	m.status = open_vault(&m);
	for (unsigned i = 0; i < m.n_udids && !interrupted; i++)
		mend_one(&m, m.udids[i]);
	if (m.json)
		print_json(&m);
	vault_close(m.vault);
	return m.status;
}
