/* `verify` and `scrub`: is what lies on the disk still what was stored? */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cmd.h"
#include "mono.h"
#include "outcome.h"
#include "relpath.h"
#include "scrubber.h"
#include "utf8.h"
#include "words.h"

#define UDIDS_MAX    64
#define SUSPECTS_MAX 256 /* damaged files that one verify writes down */
#define SHOW_MS      250

struct job {
	const struct cli *cli;
	char udid[48]; /* whose turn it is */
	bool is_tty, is_drawn;
	int64_t began_ms, shown_ms;
	cJSON *json; /* of all phones, or NULL */
	cJSON *damaged; /* of this phone */
	unsigned n_suspects;
	struct vault_suspect suspects[SUSPECTS_MAX];
	unsigned n_udids;
	char udids[UDIDS_MAX][48];
	int status; /* to end with */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static bool is_cancelled(void *arg)
{
	(void)arg;
	return interrupted != 0;
}

static int exit_of(enum rc rc)
{
	if (rc == RC_BUSY)
		return EXIT_BUSY;
	if (rc == RC_NOTFOUND)
		return EXIT_NO_DISK;
	if (rc == RC_CORRUPT)
		return EXIT_DAMAGED;
	if (rc == RC_CANCELLED)
		return EXIT_INTERRUPTED;
	return EXIT_DISK;
}

/* --- progress ----------------------------------------------------------------- */

static void clear_line(struct job *j)
{
	if (j->is_drawn)
		fprintf(stderr, "\r\033[K");
	j->is_drawn = false;
}

static void draw(struct job *j, uint64_t files, uint64_t files_total,
    uint64_t bytes, uint64_t bytes_total)
{
	int64_t ms = mono_ms() - j->began_ms;
	uint64_t rate = ms > 0 ? bytes * 1000 / (uint64_t)ms : 0;
	char a[40], b[40], c[40], d[40], e[40], left[64] = "";

	words_count(files, a, sizeof(a));
	words_count(files_total, b, sizeof(b));
	words_bytes(bytes, c, sizeof(c));
	words_bytes(bytes_total, d, sizeof(d));
	words_bytes(rate, e, sizeof(e));
	if (rate > 0 && bytes_total > bytes)
		words_duration((int64_t)((bytes_total - bytes) / rate), left,
		    sizeof(left));
	fprintf(stderr, "\r\033[K%s of %s files, %s of %s, %s/s%s%s", a, b, c,
	    d, e, left[0] ? ", at most " : "", left);
	fflush(stderr);
	j->is_drawn = true;
}

static void on_progress(void *arg, uint64_t files, uint64_t files_total,
    uint64_t bytes, uint64_t bytes_total)
{
	struct job *j = arg;

	if (!j->is_tty || mono_ms() - j->shown_ms < SHOW_MS)
		return;
	j->shown_ms = mono_ms();
	draw(j, files, files_total, bytes, bytes_total);
}

/* --- damage -------------------------------------------------------------------- */

static const char *what_words(enum vault_damage what)
{
	switch (what) {
	case VAULT_MISSING:
		return "missing";
	case VAULT_ALTERED:
		return "damaged";
	case VAULT_UNREADABLE:
		return "unreadable";
	}
	return "damaged";
}

static void damaged_json(struct job *j, const struct vault_damaged *d)
{
	cJSON *o = cJSON_CreateObject();
	cJSON *ids = cJSON_CreateArray();

	cJSON_AddStringToObject(o, "path", d->path);
	cJSON_AddStringToObject(o, "file", d->file);
	cJSON_AddStringToObject(o, "what", what_words(d->what));
	cJSON_AddBoolToObject(o, "newest", d->newest);
	cJSON_AddNumberToObject(o, "found_at", (double)d->found_at);
	cJSON_AddNumberToObject(o, "whole_at", (double)d->whole_at);
	for (uint64_t i = 0; i < d->n_snapshots && i < VAULT_DAMAGE_SNAPSHOTS;
	     i++)
		cJSON_AddItemToArray(
		    ids, cJSON_CreateNumber((double)d->snapshots[i]));
	cJSON_AddItemToObject(o, "snapshots", ids);
	cJSON_AddItemToArray(j->damaged, o);
}

static void damaged_line(struct job *j, const struct vault_damaged *d)
{
	char when[64] = "";

	clear_line(j);
	fprintf(stderr, "nightstand: %s: %s is %s: %s, in snapshot", j->udid,
	    d->path, what_words(d->what), d->file);
	for (uint64_t i = 0; i < d->n_snapshots && i < VAULT_DAMAGE_SNAPSHOTS;
	     i++)
		fprintf(stderr, "%s %lld", i ? "," : "",
		    (long long)d->snapshots[i]);
	if (d->n_snapshots > VAULT_DAMAGE_SNAPSHOTS)
		fprintf(stderr, " and older ones");
	if (d->whole_at > 0)
		words_when(
		    (int64_t)time(NULL), d->whole_at, when, sizeof(when));
	fprintf(stderr, "%s%s\n", when[0] ? "; last seen whole " : "", when);
}

static enum rc on_damaged(void *arg, const struct vault_damaged *d)
{
	struct job *j = arg;
	struct vault_suspect *s = &j->suspects[j->n_suspects];

	if (j->json)
		damaged_json(j, d);
	else
		damaged_line(j, d);
	if (j->n_suspects == SUSPECTS_MAX)
		return RC_OK;
	s->newest = d->newest;
	snprintf(s->path, sizeof(s->path), "%s", d->path);
	memcpy(s->digest, d->digest, sizeof(s->digest));
	j->n_suspects++;
	return RC_OK;
}

/* --- a phone's turn -------------------------------------------------------------- */

static void begin_phone(void *arg, const char *udid)
{
	struct job *j = arg;

	snprintf(j->udid, sizeof(j->udid), "%s", udid);
	j->n_suspects = 0;
	j->began_ms = mono_ms();
	j->damaged = j->json ? cJSON_CreateArray() : NULL;
}

static void phone_json(struct job *j, enum rc rc,
    const struct vault_check_result *r, bool is_scrub)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "udid", j->udid);
	if (!is_scrub && j->cli->snapshot)
		cJSON_AddNumberToObject(
		    o, "snapshot", (double)j->cli->snapshot);
	cJSON_AddBoolToObject(o, "read", is_scrub || !j->cli->quick);
	cJSON_AddBoolToObject(o, "ok", rc == RC_OK);
	cJSON_AddStringToObject(o, "error", rc ? rc_words(rc) : "");
	cJSON_AddNumberToObject(o, "files", (double)r->files);
	cJSON_AddNumberToObject(o, "bytes", (double)r->bytes);
	if (is_scrub) {
		cJSON_AddNumberToObject(o, "healed", (double)r->healed);
		cJSON_AddBoolToObject(o, "all", r->all);
		cJSON_AddNumberToObject(
		    o, "pass_began_at", (double)r->pass_began_at);
	}
	cJSON_AddItemToObject(o, "damaged", j->damaged);
	j->damaged = NULL;
	cJSON_AddItemToArray(j->json, o);
}

/* "UDID[ snapshot N]: 312 files, 2.1 MB" */
static void print_sum(
    const struct job *j, const struct vault_check_result *r, bool is_scrub)
{
	char count[40], bytes[40], which[48] = "";

	if (!is_scrub && j->cli->snapshot)
		snprintf(which, sizeof(which), " snapshot %lld",
		    (long long)j->cli->snapshot);
	words_count(r->files, count, sizeof(count));
	words_bytes(r->bytes, bytes, sizeof(bytes));
	printf("%s%s: %s files, %s", j->udid, which, count, bytes);
}

static void complain(const struct job *j, enum rc rc)
{
	if (rc == RC_CORRUPT && j->n_suspects == 0)
		fprintf(stderr, "nightstand: %s: its catalogue is damaged\n",
		    j->udid);
	else if (rc == RC_NOTFOUND && j->cli->snapshot)
		fprintf(stderr, "nightstand: %s: there is no snapshot %lld\n",
		    j->udid, (long long)j->cli->snapshot);
	else if (rc && rc != RC_CORRUPT)
		fprintf(stderr, "nightstand: %s: %s\n", j->udid, rc_words(rc));
}

static void end_phone(struct job *j, enum rc rc)
{
	int status = rc ? exit_of(rc) : 0;

	clear_line(j);
	complain(j, rc);
	if (status)
		j->status = status;
}

/* --- scrub ------------------------------------------------------------------------ */

static void print_scrub(struct job *j, const struct vault_check_result *r)
{
	char when[64];

	print_sum(j, r, true);
	printf(" read");
	if (r->damaged)
		printf(", %llu found damaged", (unsigned long long)r->damaged);
	if (r->healed)
		printf(", %llu made whole from another copy",
		    (unsigned long long)r->healed);
	words_when((int64_t)time(NULL), r->pass_began_at, when, sizeof(when));
	printf("; %s\n",
	    r->all ? "that was all of it" : "the next one goes on from there");
	if (r->all && r->pass_began_at > 0)
		printf("  Everything was read since %s.\n", when);
}

static void scrubbed(void *arg, const char *udid, struct vault_phone *p,
    enum rc rc, const struct vault_check_result *r)
{
	struct job *j = arg;

	(void)udid;
	(void)p;
	clear_line(j);
	if (j->json)
		phone_json(j, rc, r, true);
	else if (!rc || rc == RC_CORRUPT)
		print_scrub(j, r);
	end_phone(j, rc);
}

static struct job *begin(const struct cli *cli)
{
	static struct job j;
	struct sigaction sa = { .sa_handler = on_interrupt };

	j.cli = cli;
	j.is_tty = isatty(STDERR_FILENO) == 1;
	if (cli->json)
		j.json = cJSON_CreateArray();
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	return &j;
}

static int finish(struct job *j)
{
	char *text;

	if (!j->json)
		return j->status;
	text = cJSON_PrintUnformatted(j->json);
	printf("%s\n", text ? text : "[]");
	if (!text)
		j->status = EXIT_FAULT;
	cJSON_free(text);
	cJSON_Delete(j->json);
	return j->status;
}

static int no_vault(const struct cli *cli, enum rc rc)
{
	const char *dir = cli->config.vault;

	if (rc == RC_NOTFOUND)
		fprintf(stderr, "nightstand: there is no vault in %s\n", dir);
	else
		fprintf(stderr, "nightstand: %s: %s\n", dir, rc_words(rc));
	return exit_of(rc);
}

static int no_phone(const struct cli *cli)
{
	fprintf(stderr, "nightstand: no backup of %s in %s\n", cli->udid,
	    cli->config.vault);
	return EXIT_NO_DISK;
}

static int no_disk(void)
{
	fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
	return EXIT_USAGE;
}

int cmd_scrub(const struct cli *cli)
{
	struct job *j = begin(cli);
	struct scrubber s = {
		.dir = cli->config.vault,
		.udid = cli->udid,
		.max_ms = cli->config.scrub_minutes * 60000LL,
		.max_bytes = (uint64_t)cli->config.scrub_gib << 30,
		.progress = on_progress,
		.cancelled = is_cancelled,
		.begin = begin_phone,
		.damaged = on_damaged,
		.done = scrubbed,
		.arg = j,
	};
	enum rc rc;

	if (!cli->config.vault[0])
		return no_disk();
	rc = scrubber_run(&s);
	if (rc && rc != RC_CANCELLED)
		return no_vault(cli, rc);
	if (cli->udid[0] && s.n_phones == 0)
		return no_phone(cli);
	return finish(j);
}

/* --- verify ------------------------------------------------------------------------ */

static enum rc on_udid(void *arg, const char *udid)
{
	struct job *j = arg;

	if (relpath_check_udid(udid) || j->n_udids >= UDIDS_MAX)
		return RC_OK;
	if (!j->cli->udid[0] || !strcmp(j->cli->udid, udid))
		snprintf(
		    j->udids[j->n_udids++], sizeof(j->udids[0]), "%s", udid);
	return RC_OK;
}

/* The check runs beside whatever else there is; to write down what it found it
 * takes the phone's lock for a moment. */
static void write_down(struct job *j, struct vault *v)
{
	struct vault_phone *p = NULL;
	enum rc rc = vault_phone_open(v, j->udid, false, &p);

	if (!rc)
		rc = vault_note_damage(p, j->suspects, j->n_suspects);
	vault_phone_close(p);
	if (rc)
		fprintf(stderr,
		    "nightstand: %s: this was not written down: %s\n", j->udid,
		    rc_words(rc));
}

static void verify_phone(struct job *j, struct vault *v, const char *udid)
{
	struct vault_check_opts opts = {
		.snapshot = j->cli->snapshot,
		.quick = j->cli->quick,
		.progress = on_progress,
		.cancelled = is_cancelled,
		.damaged = on_damaged,
		.arg = j,
	};
	struct vault_check_result r = { 0 };
	struct vault_phone *p = NULL;
	enum rc rc = vault_phone_open(v, udid, true, &p);

	begin_phone(j, udid);
	if (!rc)
		rc = vault_verify(p, &opts, &r);
	vault_phone_close(p);
	clear_line(j);
	if (j->json) {
		phone_json(j, rc, &r, false);
	} else if (!rc) {
		print_sum(j, &r, false);
		printf(j->cli->quick ? ", all in their places\n"
				     : ", all as they were stored\n");
	} else if (rc == RC_CORRUPT && r.damaged > 0) {
		fprintf(stderr,
		    "nightstand: %s: %llu of %llu files are damaged\n", udid,
		    (unsigned long long)r.damaged, (unsigned long long)r.files);
	}
	if (j->n_suspects > 0)
		write_down(j, v);
	end_phone(j, rc);
}

int cmd_verify(const struct cli *cli)
{
	struct job *j = begin(cli);
	struct vault *v = NULL;
	enum rc rc;

	if (!cli->config.vault[0])
		return no_disk();
	if (cli->quick && cli->read_data) {
		fprintf(stderr, "nightstand: --quick reads nothing, "
				"--read-data reads all: say one of them\n");
		return EXIT_USAGE;
	}
	rc = vault_open(NULL, cli->config.vault, false, &v);
	if (!rc)
		rc = vault_each_phone(v, on_udid, j);
	if (rc) {
		vault_close(v);
		return no_vault(cli, rc);
	}
	for (unsigned i = 0; i < j->n_udids && !interrupted; i++)
		verify_phone(j, v, j->udids[i]);
	vault_close(v);
	if (cli->udid[0] && j->n_udids == 0)
		return no_phone(cli);
	return finish(j);
}
