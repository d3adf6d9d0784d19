/* `adopt`: another program's backup becomes the first night. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "fsprobe.h"
#include "log.h"
#include "model.h"
#include "mono.h"
#include "outcome.h"
#include "utf8.h"
#include "vault_adopt.h"
#include "words.h"

#define FOUND_MAX 32

struct pick {
	const char *udid; /* wanted, "" any */
	unsigned n;
	struct {
		char folder[4096];
		struct vault_adopt_found f;
	} row[FOUND_MAX];
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

static int exit_of(enum rc rc)
{
	switch ((int)rc) {
	case RC_OK:
		return EXIT_DONE;
	case RC_CORRUPT:
		return EXIT_CHECK;
	case RC_NOSPC:
		return EXIT_DISK_FULL;
	case RC_READONLY:
	case RC_UNSUPPORTED:
		return EXIT_DISK_UNFIT;
	case RC_BUSY:
		return EXIT_BUSY;
	case RC_CANCELLED:
		return EXIT_INTERRUPTED;
	case RC_EXISTS:
	case RC_NOTFOUND:
	case RC_LIMIT:
		return EXIT_USAGE;
	default:
		return EXIT_DISK;
	}
}

/* --- which one ---------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static enum rc on_found(void *arg, const struct vault_adopt_found *f)
{
	struct pick *p = arg;

	if (p->udid[0] && f->udid[0] &&
	    !vault_adopt_same_udid(p->udid, f->udid))
		return RC_OK;
	if (p->udid[0] && !f->udid[0] &&
	    !vault_adopt_same_udid(p->udid, last_part(f->folder)))
		return RC_OK;
	if (p->n == FOUND_MAX)
		return RC_LIMIT;
	snprintf(
	    p->row[p->n].folder, sizeof(p->row[0].folder), "%s", f->folder);
	p->row[p->n++].f = *f;
	return RC_OK;
}

static void print_found(const struct pick *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		const struct vault_adopt_found *f = &p->row[i].f;
		char name[128], ios[32], when[48];

		utf8_clean(name, sizeof(name), f->device_name);
		utf8_clean(ios, sizeof(ios), f->ios);
		words_when((int64_t)time(NULL), f->made_at, when, sizeof(when));
		fprintf(stderr, "  %s  %s (%s, iOS %s), %s%s%s\n",
		    last_part(p->row[i].folder), name[0] ? name : "?",
		    model_name(f->model), ios[0] ? ios : "?", when,
		    f->rc ? ": " : "", f->why);
	}
}

/* Of several, the one whose folder has just the phone's name: the others are
 * what Finder has put aside ("<UDID>-20260503-201500"). */
static int pick_one(const struct pick *p, const char *folder)
{
	int only = -1;

	if (p->n == 1)
		return 0;
	for (unsigned i = 0; p->udid[0] && i < p->n; i++)
		if (vault_adopt_same_udid(p->udid, last_part(p->row[i].folder)))
			only = (int)i;
	if (only >= 0)
		return only;
	if (p->n == 0) {
		fprintf(stderr,
		    "nightstand: There is no iPhone backup%s%s in %s.\n",
		    p->udid[0] ? " of " : "", p->udid, folder);
		return -1;
	}
	fprintf(stderr,
	    "nightstand: There are several backups in %s. Name one with --udid "
	    "or by its folder:\n",
	    folder);
	print_found(p);
	return -1;
}

/* --- progress ------------------------------------------------------------------
 */

struct shown {
	bool tty, drawn;
	int64_t began_ms, last_ms;
	uint64_t last_done;
	unsigned ten; /* plain: tens of percent that were told */
};

static void line(const struct shown *s, uint64_t files, uint64_t of,
    uint64_t bytes, uint64_t total)
{
	int64_t ms = mono_ms() - s->began_ms;
	uint64_t rate = ms > 500 ? bytes * 1000 / (uint64_t)ms : 0;
	char a[40], b[40], c[40], d[40], e[40], left[64];

	words_count(files, a, sizeof(a));
	words_count(of, b, sizeof(b));
	words_bytes(bytes, c, sizeof(c));
	words_bytes(total, d, sizeof(d));
	words_bytes(rate, e, sizeof(e));
	words_duration(
	    rate ? (int64_t)((total - bytes) / rate) : 0, left, sizeof(left));
	printf(
	    "%s%s of %s files, %s of %s", s->tty ? "\r\033[K" : "", a, b, c, d);
	if (rate && bytes < total)
		printf(", %s/s, %s left", e, left);
	printf("%s", s->tty ? "" : "\n");
	fflush(stdout);
}

static void on_progress(
    void *arg, uint64_t files, uint64_t of, uint64_t bytes, uint64_t total)
{
	struct shown *s = arg;
	int64_t now = mono_ms();
	unsigned ten = total ? (unsigned)(bytes * 10 / total) : 10;

	if (bytes > total)
		return; /* the folder grows: it will be said */
	if (bytes < s->last_done) { /* reading back what was copied */
		s->began_ms = now;
		s->ten = 0;
	}
	s->last_done = bytes;
	if (s->tty ? now - s->last_ms < 200 : ten <= s->ten)
		return;
	s->last_ms = now;
	s->ten = ten;
	s->drawn = true;
	line(s, files, of, bytes, total);
}

/* --- the work --------------------------------------------------------------------
 */

static void print_strangers(
    const struct vault_adopt_report *r, const char *folder)
{
	char name[96];
	char many[40];

	if (!r->strangers)
		return;
	words_count(r->strangers, many, sizeof(many));
	printf("Not of a backup, and left in %s: %s\n", folder, many);
	for (unsigned i = 0; i < r->strangers && i < VAULT_ADOPT_STRANGERS;
	     i++) {
		utf8_clean(name, sizeof(name), r->stranger[i]);
		printf("  %s\n", name);
	}
}

static void print_done(const struct cli *cli, const struct vault_adopt_found *f,
    const struct vault_adopt_report *r)
{
	const struct vault_snapshot *s = &r->snapshot;
	char name[128], when[48], files[40], bytes[40];

	utf8_clean(name, sizeof(name), s->device_name);
	words_when((int64_t)time(NULL), s->finished_at, when, sizeof(when));
	words_count(s->files, files, sizeof(files));
	words_bytes(s->bytes, bytes, sizeof(bytes));
	printf("The backup of %s (%s), made %s, is the first one of the "
	       "vault: %s files, %s.\n",
	    name, model_name(s->model), when, files, bytes);
	printf("It lies in %s/Nightstand/%s/latest/%s; the next backup asks "
	       "the phone only for what is new since.\n",
	    cli->config.vault, f->udid, f->udid);
	if (cli->copy)
		printf("The folder %s is as it was.\n", f->folder);
	else if (r->folder_is_gone)
		printf(
		    "The folder %s was moved there as a whole.\n", f->folder);
	print_strangers(r, f->folder);
}

static int adopt(
    const struct cli *cli, struct vault *v, const struct vault_adopt_found *f)
{
	struct shown shown = { .tty = isatty(STDOUT_FILENO) == 1,
		.began_ms = mono_ms() };
	struct vault_adopt_opts opts = {
		.copy = cli->copy,
		.reserve = cli->config.reserve_bytes,
		.progress = on_progress,
		.cancelled = is_cancelled,
		.arg = &shown,
	};
	struct vault_adopt_report report;
	enum rc rc = vault_adopt(v, f->folder, &opts, &report);

	if (shown.tty && shown.drawn)
		printf("\r\033[K");
	if (rc) {
		fflush(stdout);
		fprintf(stderr, "nightstand: %s\n", report.why);
		if (rc == RC_CORRUPT || rc == RC_CANCELLED)
			fprintf(stderr, "The folder is as it was.\n");
		return exit_of(rc);
	}
	print_done(cli, f, &report);
	return EXIT_DONE;
}

static int find_and_adopt(const struct cli *cli, struct vault *v)
{
	static struct pick pick;
	enum rc rc;
	int i;

	pick.udid = cli->udid;
	rc = vault_adopt_recover(v);
	if (rc)
		fprintf(stderr,
		    "nightstand: an interrupted adoption could not "
		    "be taken back: %s\n",
		    rc_words(rc));
	if (!rc)
		rc = vault_adopt_look(cli->word, on_found, &pick);
	if (rc && rc != RC_NOTFOUND) {
		fprintf(
		    stderr, "nightstand: %s: %s\n", cli->word, rc_words(rc));
		return exit_of(rc);
	}
	i = pick_one(&pick, cli->word);
	if (i < 0)
		return EXIT_USAGE;
	pick.row[i].f.folder = pick.row[i].folder;
	return adopt(cli, v, &pick.row[i].f);
}

int cmd_adopt(const struct cli *cli)
{
	struct sigaction sa = { .sa_handler = on_signal };
	const char *dir = cli->config.vault;
	struct vault *v = NULL;
	struct fsprobe probe;
	enum rc rc;
	int status;

	if (!cli->word) {
		fprintf(stderr,
		    "nightstand: which folder? Say nightstand adopt "
		    "FOLDER --vault DIR\n");
		return EXIT_USAGE;
	}
	if (!dir[0]) {
		fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
		return EXIT_USAGE;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	rc = fsprobe(dir, 0, &probe);
	if (rc && probe.why[0]) {
		fprintf(stderr, "nightstand: %s: %s\n", dir, probe.why);
		return exit_of(rc);
	}
	rc = vault_open(NULL, dir, true, &v);
	if (rc) {
		fprintf(stderr, "nightstand: %s: %s\n", dir,
		    rc == RC_NOTFOUND ? "there is no such folder"
				      : rc_words(rc));
		return rc == RC_NOTFOUND ? EXIT_NO_DISK : exit_of(rc);
	}
	status = find_and_adopt(cli, v);
	vault_close(v);
	return status;
}
