#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "ledger.h"
#include "log.h"
#include "words.h"

#define LOG_MODULE "webhook"
#define FILE_NAME  "webhook.jsonl"
#define HEAD_FMT   "{\"from\":\"%08" PRIx32 "\",\"next\":%" PRIu64 "}\n"

struct outbox {
	char dir[400]; /* "" memory only */
	uint32_t from; /* of this file: two boxes have two */
	uint64_t next; /* number of the next event */
	unsigned n;
	struct item {
		uint64_t number;
		char body[HOOK_BODY_MAX]; /* a text */
	} items[OUTBOX_MAX];
};

static void put_id(const struct outbox *o, uint64_t number, char out[32])
{
	snprintf(out, 32, "%08" PRIx32 "-%" PRIu64, o->from, number);
}

/* --- the file ------------------------------------------------------------------- */

/* The number that a line's id tells; 0: the line is none of ours. */
static uint64_t number_of(const struct outbox *o, const char *line)
{
	cJSON *json = cJSON_Parse(line);
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(json, "id");
	uint64_t number = 0;
	uint32_t from;

	if (!cJSON_IsString(id) || strlen(id->valuestring) > 31 ||
	    sscanf(id->valuestring, "%8" SCNx32 "-%19" SCNu64, &from,
		&number) != 2 ||
	    from != o->from)
		number = 0;
	cJSON_Delete(json);
	return number;
}

static void load_events(struct outbox *o, FILE *f)
{
	char line[HOOK_BODY_MAX + 1];
	unsigned bad = 0;

	while (o->n < OUTBOX_MAX && fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n");
		bool whole = line[len] == '\n';
		uint64_t number;

		line[len] = '\0';
		number = whole ? number_of(o, line) : 0;
		if (number == 0 || number >= o->next ||
		    (o->n && number <= o->items[o->n - 1].number)) {
			bad++;
			continue;
		}
		o->items[o->n].number = number;
		memcpy(o->items[o->n++].body, line, len + 1);
	}
	if (bad)
		log_warn("events for the webhook were left out: %u", bad);
}

static bool load(struct outbox *o)
{
	char path[440], head[80];
	uint32_t from;
	uint64_t next;
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, o->dir);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(head, sizeof(head), f) &&
	     sscanf(head, "{\"from\":\"%8" SCNx32 "\",\"next\":%18" SCNu64 "}",
		 &from, &next) == 2 &&
	     next > 0;
	if (ok) {
		o->from = from;
		o->next = next;
		load_events(o, f);
	} else {
		log_warn("what the webhook was not told yet can't be read");
	}
	fclose(f);
	return ok;
}

static bool put_all(const struct outbox *o, int fd)
{
	bool ok = dprintf(fd, HEAD_FMT, o->from, o->next) > 0;

	for (unsigned i = 0; i < o->n && ok; i++)
		ok = dprintf(fd, "%s\n", o->items[i].body) > 0;
	return ok && fsync(fd) == 0;
}

static enum rc save_in(const struct outbox *o, int dir)
{
	int fd = openat(dir, FILE_NAME ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return rc_from_errno(errno);
	ok = put_all(o, fd);
	if (close(fd) != 0 || !ok)
		return RC_IO;
	if (renameat(dir, FILE_NAME ".new", dir, FILE_NAME) != 0)
		return rc_from_errno(errno);
	return fsync(dir) == 0 ? RC_OK : rc_from_errno(errno);
}

static enum rc save(const struct outbox *o)
{
	enum rc rc;
	int dir;

	if (!o->dir[0])
		return RC_OK;
	dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return rc_from_errno(errno);
	rc = save_in(o, dir);
	close(dir);
	return rc;
}

enum rc outbox_open(const char *state_dir, struct outbox **out)
{
	struct outbox *o = calloc(1, sizeof(*o));

	if (!o)
		return RC_NOMEM;
	snprintf(o->dir, sizeof(o->dir), "%s", state_dir);
	if (!o->dir[0] || !load(o)) {
		o->next = 1;
		if (getrandom(&o->from, sizeof(o->from), 0) !=
		    (ssize_t)sizeof(o->from)) {
			free(o);
			return RC_IO;
		}
	}
	*out = o;
	return RC_OK;
}

void outbox_close(struct outbox *o)
{
	free(o);
}

/* --- events --------------------------------------------------------------------- */

/* What a person reads of it. */
static void put_text(cJSON *o, const struct status_night *n)
{
	struct status *st = calloc(1, sizeof(*st));
	char text[256];

	if (!st)
		return;
	st->n_nights = 1;
	st->nights[0] = *n;
	words_night(st, 0, text, sizeof(text));
	cJSON_AddStringToObject(o, "text", text);
	free(st);
}

/* The ledger's own line, and what it does not have to say there. */
static enum rc format(const struct outbox *o, const char *box,
    const struct status_night *n, char *out, size_t cap)
{
	char line[1024], id[32];
	enum rc rc = ledger_format(n, line, sizeof(line));
	cJSON *json;

	if (rc)
		return rc;
	json = cJSON_Parse(line);
	put_id(o, o->next, id);
	cJSON_AddStringToObject(json, "id", id);
	cJSON_AddStringToObject(json, "event", "night");
	cJSON_AddStringToObject(json, "box", box);
	put_text(json, n);
	if (!json || !cJSON_PrintPreallocated(json, out, (int)cap, false))
		rc = RC_LIMIT;
	cJSON_Delete(json);
	return rc;
}

static void drop_first(struct outbox *o)
{
	o->n--;
	memmove(o->items, o->items + 1, o->n * sizeof(o->items[0]));
}

enum rc outbox_add(
    struct outbox *o, const char *box, const struct status_night *n)
{
	struct item *item;
	enum rc rc;

	if (o->n == OUTBOX_MAX) {
		log_warn("the webhook is not told of an old event: too many "
			 "wait number=%" PRIu64,
		    o->items[0].number);
		drop_first(o);
	}
	item = &o->items[o->n];
	/* Room for the line's end, when it is read back. */
	rc = format(o, box, n, item->body, sizeof(item->body) - 1);
	if (rc)
		return rc;
	item->number = o->next++;
	o->n++;
	return save(o);
}

static void sign(struct hook_event *ev, const char *secret)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[32];
	unsigned len = sizeof(mac);

	if (!HMAC(EVP_sha256(), secret, (int)strlen(secret),
		(const unsigned char *)ev->body, ev->len, mac, &len) ||
	    len != sizeof(mac))
		return; /* who checks it will refuse it */
	for (unsigned i = 0; i < len; i++) {
		ev->signature[2 * i] = digits[mac[i] >> 4];
		ev->signature[2 * i + 1] = digits[mac[i] & 15];
	}
}

bool outbox_first(
    const struct outbox *o, const char *secret, struct hook_event *out)
{
	const struct item *item = &o->items[0];

	if (o->n == 0)
		return false;
	memset(out, 0, sizeof(*out));
	out->number = item->number;
	put_id(o, item->number, out->id);
	out->len = strlen(item->body);
	memcpy(out->body, item->body, out->len);
	if (secret[0])
		sign(out, secret);
	return true;
}

enum rc outbox_over(struct outbox *o, uint64_t number)
{
	if (o->n == 0 || o->items[0].number != number)
		return RC_OK;
	drop_first(o);
	return save(o);
}
