/* `run` and `status`. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "box.h"
#include "census.h"
#include "cmd.h"
#include "disk.h"
#include "ledger.h"
#include "log.h"
#include "meter.h"
#include "outcome.h"
#include "words.h"

/* A live line and a log on one terminal spoil each other. */
static bool shares_terminal(void)
{
	struct stat out;
	struct stat err;

	return isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) &&
	       !fstat(STDOUT_FILENO, &out) && !fstat(STDERR_FILENO, &err) &&
	       out.st_rdev == err.st_rdev;
}

int cmd_run(const struct cli *cli)
{
	if (cli->config.led == LED_BACKEND_TERMINAL && !cli->has_log &&
	    shares_terminal())
		log_set_level(LOG_LEVEL_ERROR);
	return box_run(&cli->config);
}

/* --- status -------------------------------------------------------------------- */

static void on_kept(void *arg, const struct msg_kept *kept)
{
	struct status *st = arg;
	struct status_phone *p;

	if (st->n_phones >= LIMIT_PHONES)
		return;
	p = &st->phones[st->n_phones++];
	snprintf(p->udid, sizeof(p->udid), "%s", kept->udid);
	p->battery_pct = -1;
	p->eta_s = -1;
	p->state = kept->at ? STATE_SAFE : STATE_READY;
	meter_kept(p, kept);
	if (p->damaged_files)
		p->state = STATE_DAMAGED;
}

/* What a box would say that has just begun, with no phone on its cable. */
static int from_vault(const struct cli *cli, struct status *st)
{
	const struct config *c = &cli->config;
	struct ledger *l = NULL;
	struct disk d;
	enum rc rc;

	disk_probe(c->vault, &d);
	st->now_at = (int64_t)time(NULL);
	st->clock = STATUS_CLOCK_SYSTEM;
	st->box_state = STATE_READY;
	snprintf(st->box, sizeof(st->box), "%s", c->box_name);
	snprintf(st->version, sizeof(st->version), "%s", NIGHTSTAND_VERSION);
	snprintf(st->disk.path, sizeof(st->disk.path), "%s", c->vault);
	snprintf(st->disk.fs, sizeof(st->disk.fs), "%s", d.fs);
	st->disk.present = d.state != DISK_MISSING;
	st->disk.total_bytes = d.total_bytes;
	st->disk.free_bytes = d.free_bytes;
	rc = census_each(c->vault, &c->keep, on_kept, st);
	if (rc) {
		fprintf(stderr,
		    "nightstand: no box runs, and there is no vault in %s: "
		    "%s\n",
		    c->vault, rc_words(rc));
		return EXIT_NOT_RUNNING;
	}
	if (c->state[0] && access(c->state, R_OK) == 0 &&
	    !ledger_open(c->state, &l))
		st->n_nights = ledger_newest(l, st->nights, LIMIT_NIGHTS);
	ledger_close(l);
	for (uint32_t i = 0; i < st->n_phones; i++) {
		int64_t days =
		    (st->now_at - st->phones[i].last_good_at) / 86400;

		if (st->phones[i].last_good_at && days >= c->overdue_days) {
			st->phones[i].overdue_days = (uint32_t)days;
			if (st->phones[i].state != STATE_DAMAGED)
				st->phones[i].state = STATE_READY_OVERDUE;
		}
		status_tell_loss(&st->phones[i]);
	}
	status_settle(st);
	return 0;
}

static void print_phone(const struct status *st, uint32_t i)
{
	const struct status_phone *p = &st->phones[i];
	struct words w;
	char name[128];
	char last[96];
	char bytes[40];
	char port[200];

	words_phone(st, i, &w);
	words_phone_name(p, name, sizeof(name));
	words_last_good(st, i, last, sizeof(last));
	words_bytes(p->last_bytes, bytes, sizeof(bytes));
	printf("  %s", name);
	if (p->model[0] && p->ios[0])
		printf(" (%s, iOS %s)", p->model, p->ios);
	/* Of a stranger nobody knows what there is. */
	printf(": %s.%s%s", w.headline, p->nameless ? "" : " ",
	    p->nameless ? "" : last);
	if (p->last_good_at)
		printf(" %s, %u version%s.", bytes, p->versions,
		    p->versions == 1 ? "" : "s");
	if (p->state == STATE_DAMAGED && w.small[0])
		printf(" (%s)", w.small);
	if (p->damaged_older)
		printf(" Damaged files of older backups: %llu.",
		    (unsigned long long)p->damaged_older);
	if (words_port(p, port, sizeof(port)))
		printf(" USB: %s.", port);
	if (p->loss_pct)
		printf(" When you have seen to it: `nightstand dismiss`.");
	printf("\n");
}

static void print_text(const struct status *st)
{
	struct words w;
	char a[64];
	char b[64];

	words_box(st, &w);
	printf("%s. %s\n", w.headline, w.sentence);
	for (uint32_t i = 0; i < st->n_phones; i++)
		print_phone(st, i);
	if (st->disk.present) {
		words_bytes(st->disk.free_bytes, a, sizeof(a));
		words_bytes(st->disk.total_bytes, b, sizeof(b));
		printf("  Disk %s (%s): %s free of %s.\n", st->disk.path,
		    st->disk.fs, a, b);
	}
	if (!status_clock_is_known(st->clock))
		printf("  What time it is, is not known: a phone that is "
		       "plugged in tells it, or a time server.\n");
	if (st->certificate[0])
		printf("  Certificate of the page, SHA-256: %s\n",
		    st->certificate);
	for (uint32_t i = 0; i < st->n_nights; i++) {
		char line[256];

		words_night(st, i, line, sizeof(line));
		words_when(st->now_at, st->nights[i].at, a, sizeof(a));
		printf("  %-18s %s: %s\n", a, st->nights[i].phone, line);
	}
}

int cmd_status(const struct cli *cli)
{
	static struct status st;
	static char json[256 * 1024];
	size_t len;
	int status = 0;

	if (box_ask(cli->config.state, &st)) {
		memset(&st, 0, sizeof(st));
		status = from_vault(cli, &st);
	}
	if (status)
		return status;
	if (!cli->json) {
		print_text(&st);
		return EXIT_DONE;
	}
	if (api_status(&st, json, sizeof(json), &len))
		return EXIT_FAULT;
	printf("%s\n", json);
	return EXIT_DONE;
}
