/* `prune` and `dismiss`: what the vault lets go, and what it must not. */
#include <stdio.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "box.h"
#include "cmd.h"
#include "cmd_vault.h"
#include "model.h"
#include "outcome.h"
#include "utf8.h"
#include "vault_keep.h"
#include "words.h"

static int exit_of(enum rc rc)
{
	if (rc == RC_NOSPC)
		return EXIT_DISK_FULL;
	if (rc == RC_READONLY)
		return EXIT_DISK_UNFIT;
	return look_exit(rc);
}

/* --- prune ------------------------------------------------------------------ */

static void fate_words(const struct vault_fate *f, char *out, size_t cap)
{
	char why[120];

	retention_words(f->why, why, sizeof(why));
	if (f->for_room)
		snprintf(out, cap, "for room (was kept as: %s)", why);
	else
		snprintf(out, cap, "%s", why);
}

static void fate_json(const struct look *l, const struct vault_fate *f)
{
	cJSON *o = cJSON_CreateObject();
	char why[160];

	fate_words(f, why, sizeof(why));
	cJSON_AddStringToObject(o, "udid", l->udid);
	cJSON_AddNumberToObject(o, "id", (double)f->snap.id);
	cJSON_AddStringToObject(o, "state", look_state(f->snap.state));
	cJSON_AddNumberToObject(o, "finished_at", (double)f->snap.finished_at);
	cJSON_AddBoolToObject(o, "kept", !f->dropped);
	cJSON_AddBoolToObject(o, "for_room", f->for_room);
	cJSON_AddStringToObject(o, "why", why);
	cJSON_AddNumberToObject(o, "frees", (double)f->frees);
	cJSON_AddItemToArray(l->json, o);
}

static void fate_line(const struct look *l, const struct vault_fate *f)
{
	char name[128];
	char when[48];
	char why[160];
	char bytes[40];

	if (l->n_found == 1) {
		utf8_clean(name, sizeof(name), f->snap.device_name);
		printf(
		    "%s (%s) %s\n", name, model_name(f->snap.model), l->udid);
	}
	words_when(
	    (int64_t)time(NULL), f->snap.finished_at, when, sizeof(when));
	fate_words(f, why, sizeof(why));
	printf("  %4lld  %-18s %-9s %-8s %s", (long long)f->snap.id, when,
	    look_state(f->snap.state), f->dropped ? "dropped" : "kept", why);
	words_bytes(f->frees, bytes, sizeof(bytes));
	if (f->dropped)
		printf("; frees %s", bytes);
	printf("\n");
}

static enum rc on_fate(void *arg, const struct vault_fate *f)
{
	struct look *l = arg;

	l->n_found++;
	if (l->json)
		fate_json(l, f);
	else
		fate_line(l, f);
	return RC_OK;
}

static void sum_line(const struct look *l, const struct vault_prune *job)
{
	char bytes[40];

	words_bytes(job->frees, bytes, sizeof(bytes));
	if (job->dropped == 0)
		printf("  Nothing to let go: %llu kept.\n",
		    (unsigned long long)job->kept);
	else
		printf("  %s %llu of %llu; %s %s.\n",
		    l->cli->dry_run ? "Would let go" : "Let go",
		    (unsigned long long)job->dropped,
		    (unsigned long long)(job->dropped + job->kept),
		    l->cli->dry_run ? "that would free" : "freed", bytes);
	if (job->missing == 0)
		return;
	words_bytes(job->missing, bytes, sizeof(bytes));
	printf("  The disk has %s less free room than keep.floor asks for; "
	       "letting go of all that may go would not reach it.\n",
	    bytes);
}

static int prune_phone(struct look *l)
{
	struct vault_prune job = { .dry_run = l->cli->dry_run };
	enum rc rc;

	l->n_found = 0;
	vault_phone_set_keep(l->phone, &l->cli->config.keep);
	rc = vault_prune(l->phone, &job, on_fate, l);
	if (rc)
		return look_say(l->udid, rc, (enum exit_status)exit_of(rc));
	if (l->json)
		return 0;
	if (l->n_found == 0)
		printf("%s: no backup yet\n", l->udid);
	else
		sum_line(l, &job);
	return 0;
}

int cmd_prune(const struct cli *cli)
{
	static struct look l;
	int status;

	l.cli = cli;
	l.write = !cli->dry_run;
	if (cli->json)
		l.json = cJSON_CreateArray();
	status = look(&l, prune_phone);
	if (!cli->dry_run)
		box_look_again(cli->config.state);
	if (cli->json) {
		look_print_json(&l);
		status = status ? status : l.status;
	}
	return status;
}

/* --- dismiss ---------------------------------------------------------------- */

static int dismiss_phone(struct look *l)
{
	uint64_t losses = 0, pins = 0;
	enum rc rc = vault_dismiss(l->phone, l->cli->unpin, &losses, &pins);

	if (rc)
		return look_say(l->udid, rc, (enum exit_status)exit_of(rc));
	if (losses == 0 && pins == 0)
		printf("%s: there was nothing to dismiss\n", l->udid);
	if (losses)
		printf("%s: dismissed%s\n", l->udid,
		    l->cli->unpin ? "" : "; the older backup stays pinned");
	if (pins)
		printf("%s: %llu backup%s given back to the rules\n", l->udid,
		    (unsigned long long)pins, pins == 1 ? " is" : "s are");
	return 0;
}

int cmd_dismiss(const struct cli *cli)
{
	static struct look l;
	int status;

	l.cli = cli;
	l.write = true;
	status = look(&l, dismiss_phone);
	box_look_again(cli->config.state);
	return status;
}
