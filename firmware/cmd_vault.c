/* `list` and `files`: what lies on the disk. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "cmd.h"
#include "cmd_vault.h"
#include "digest.h"
#include "mend.h"
#include "model.h"
#include "outcome.h"
#include "relpath.h"
#include "utf8.h"
#include "vault.h"
#include "words.h"

int look_say(const char *what, enum rc rc, enum exit_status code)
{
	fprintf(stderr, "nightstand: %s: %s\n", what, rc_words(rc));
	return (int)code;
}

/* The same for a phone's part, with what helps. */
static int say_phone(struct look *l, enum rc rc)
{
	char why[256];

	mend_words(rc, l->vault, l->udid, why, sizeof(why));
	fprintf(stderr, "nightstand: %s: %s\n", l->udid, why);
	return look_exit(rc);
}

int look_exit(enum rc rc)
{
	if (rc == RC_BUSY)
		return EXIT_BUSY;
	if (rc == RC_NOTFOUND)
		return EXIT_NO_DISK;
	if (rc == RC_CORRUPT)
		return EXIT_DAMAGED;
	return EXIT_DISK;
}

static enum rc on_udid(void *arg, const char *udid)
{
	struct look *l = arg;

	if (relpath_check_udid(udid) || l->n_udids >= UDIDS_MAX)
		return RC_OK;
	if (!l->cli->udid[0] || !strcmp(l->cli->udid, udid))
		snprintf(
		    l->udids[l->n_udids++], sizeof(l->udids[0]), "%s", udid);
	return RC_OK;
}

/* Opens the vault and lists the phones that are asked for. */
static int open_vault(struct look *l)
{
	const char *dir = l->cli->config.vault;
	enum rc rc;

	if (!dir[0]) {
		fprintf(stderr, "nightstand: no disk: say --vault DIR\n");
		return EXIT_USAGE;
	}
	rc = vault_open(NULL, dir, false, &l->vault);
	if (rc == RC_NOTFOUND) {
		fprintf(stderr, "nightstand: there is no vault in %s\n", dir);
		return EXIT_NO_DISK;
	}
	if (!rc)
		rc = vault_each_phone(l->vault, on_udid, l);
	if (rc)
		return look_say(dir, rc, look_exit(rc));
	if (l->cli->udid[0] && l->n_udids == 0) {
		fprintf(stderr, "nightstand: no backup of %s in %s\n",
		    l->cli->udid, dir);
		return EXIT_NO_DISK;
	}
	return 0;
}

/* Runs fn for each phone. */
static void each_phone(struct look *l, int (*fn)(struct look *l))
{
	for (unsigned i = 0; i < l->n_udids; i++) {
		enum rc rc;
		int status;

		snprintf(l->udid, sizeof(l->udid), "%s", l->udids[i]);
		rc = vault_phone_open(l->vault, l->udid, !l->write, &l->phone);
		status = rc ? say_phone(l, rc) : fn(l);
		if (status)
			l->status = status;
		vault_phone_close(l->phone);
		l->phone = NULL;
	}
}

int look(struct look *l, int (*fn)(struct look *l))
{
	int status = open_vault(l);

	if (!status) {
		each_phone(l, fn);
		status = l->status;
	}
	vault_close(l->vault);
	return status;
}

void look_print_json(struct look *l)
{
	char *text = cJSON_PrintUnformatted(l->json);

	if (text)
		printf("%s\n", text);
	else
		l->status = EXIT_FAULT;
	cJSON_free(text);
	cJSON_Delete(l->json);
}

/* --- list -------------------------------------------------------------- */

const char *look_state(enum vault_state s)
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

static void snapshot_json(const struct look *l, const struct vault_snapshot *s)
{
	cJSON *o = cJSON_CreateObject();
	char text[128];

	cJSON_AddStringToObject(o, "udid", l->udid);
	cJSON_AddNumberToObject(o, "id", (double)s->id);
	cJSON_AddStringToObject(o, "state", look_state(s->state));
	cJSON_AddNumberToObject(o, "started_at", (double)s->started_at);
	cJSON_AddNumberToObject(o, "finished_at", (double)s->finished_at);
	utf8_clean(text, sizeof(text), s->device_name);
	cJSON_AddStringToObject(o, "name", text);
	utf8_clean(text, sizeof(text), s->model);
	cJSON_AddStringToObject(o, "product_type", text);
	utf8_clean(text, sizeof(text), s->ios);
	cJSON_AddStringToObject(o, "ios", text);
	cJSON_AddBoolToObject(o, "encrypted", s->encrypted);
	cJSON_AddNumberToObject(o, "files", (double)s->files);
	cJSON_AddNumberToObject(o, "bytes", (double)s->bytes);
	cJSON_AddNumberToObject(o, "new_files", (double)s->new_files);
	cJSON_AddNumberToObject(o, "new_bytes", (double)s->new_bytes);
	cJSON_AddNumberToObject(o, "phone_seconds", (double)s->phone_seconds);
	cJSON_AddNumberToObject(o, "box_seconds", (double)s->box_seconds);
	cJSON_AddBoolToObject(o, "pinned", s->pinned);
	cJSON_AddItemToArray(l->json, o);
}

static void snapshot_line(const struct look *l, const struct vault_snapshot *s)
{
	char name[128];
	char when[48];
	char files[40];
	char bytes[40];
	char new_files[40];
	char new_bytes[40];

	if (l->n_found == 1) {
		utf8_clean(name, sizeof(name), s->device_name);
		printf("%s (%s, iOS %s) %s\n", name, model_name(s->model),
		    s->ios, l->udid);
	}
	words_when((int64_t)time(NULL), s->finished_at, when, sizeof(when));
	words_count(s->files, files, sizeof(files));
	words_bytes(s->bytes, bytes, sizeof(bytes));
	words_count(s->new_files, new_files, sizeof(new_files));
	words_bytes(s->new_bytes, new_bytes, sizeof(new_bytes));
	printf("  %4lld  %-18s %-9s %9s files %9s   new: %s, %s%s%s\n",
	    (long long)s->id, when, look_state(s->state), files, bytes,
	    new_files, new_bytes, s->encrypted ? ", encrypted" : "",
	    s->pinned ? ", pinned" : "");
}

static enum rc on_snapshot(void *arg, const struct vault_snapshot *s)
{
	struct look *l = arg;

	/* One that never came to its commit is no snapshot for a person; one
	 * that was let go is none for anybody. */
	if (s->state == VAULT_PRUNED || (s->state == VAULT_OPEN && !l->json))
		return RC_OK;
	l->n_found++;
	if (l->json)
		snapshot_json(l, s);
	else
		snapshot_line(l, s);
	return RC_OK;
}

static int list_snapshots(struct look *l)
{
	enum rc rc;

	l->n_found = 0;
	rc = vault_each_snapshot(l->phone, on_snapshot, l);
	if (rc)
		return say_phone(l, rc);
	if (!l->n_found && !l->json)
		printf("%s: no backup yet\n", l->udid);
	return 0;
}

int cmd_list(const struct cli *cli)
{
	static struct look l;
	int status;

	l.cli = cli;
	if (cli->json)
		l.json = cJSON_CreateArray();
	status = look(&l, list_snapshots);
	if (cli->json) {
		look_print_json(&l);
		status = status ? status : l.status;
	}
	return status;
}

/* --- files ------------------------------------------------------------------ */

/* The one that is asked for: --snapshot, or the newest good one. */
static enum rc pick_snapshot(struct look *l)
{
	struct vault_snapshot s;
	enum rc rc;

	l->snapshot = l->cli->snapshot;
	if (l->snapshot)
		return RC_OK;
	rc = vault_newest_good(l->phone, &s);
	if (!rc)
		l->snapshot = s.id;
	return rc;
}

/* "" for a folder. */
static void hex(const uint8_t *digest, char out[DIGEST_HEX_LEN + 1])
{
	out[0] = '\0';
	if (digest)
		digest_hex(digest, out);
}

/* One at a time: a phone has a million files. */
static void entry_json(struct look *l, const struct vault_entry *e)
{
	cJSON *o = cJSON_CreateObject();
	char blake3[DIGEST_HEX_LEN + 1];
	char *text;

	hex(e->digest, blake3);
	cJSON_AddStringToObject(o, "path", e->path);
	cJSON_AddStringToObject(
	    o, "kind", e->kind == STORE_FILE ? "file" : "dir");
	cJSON_AddNumberToObject(o, "size", (double)e->size);
	cJSON_AddNumberToObject(o, "mtime", (double)e->mtime);
	cJSON_AddStringToObject(o, "blake3", blake3);
	cJSON_AddStringToObject(o, "file", e->file ? e->file : "");
	text = cJSON_PrintUnformatted(o);
	printf("%s%s", l->n_found++ ? ",\n" : "", text ? text : "null");
	cJSON_free(text);
	cJSON_Delete(o);
}

static enum rc on_entry(void *arg, const struct vault_entry *e)
{
	struct look *l = arg;
	char blake3[DIGEST_HEX_LEN + 1];

	if (l->cli->json) {
		entry_json(l, e);
	} else if (e->kind == STORE_FILE) {
		hex(e->digest, blake3);
		printf("%s %12llu %s %s\n", blake3, (unsigned long long)e->size,
		    e->path, e->file ? e->file : "-");
	}
	return RC_OK;
}

static int list_files(struct look *l)
{
	enum rc rc = pick_snapshot(l);

	if (!rc)
		rc = vault_each_entry(l->phone, l->snapshot, on_entry, l);
	return rc ? say_phone(l, rc) : 0;
}

int cmd_files(const struct cli *cli)
{
	static struct look l;
	int status;

	l.cli = cli;
	if (cli->json)
		printf("[");
	status = look(&l, list_files);
	if (cli->json)
		printf("]\n");
	return status;
}
