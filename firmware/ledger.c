#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "log.h"
#include "relpath.h"
#include "utf8.h"

#define LOG_MODULE  "ledger"
#define KEPT        60 /* nights in memory */
#define LINE_MAX_   1024
#define FILE_MAX    (256 * 1024) /* then it is written anew, shorter */
#define SAME_NEWS_S (12 * 3600)

struct ledger {
	char path[400]; /* "" memory only */
	uint32_t n;
	struct status_night nights[KEPT]; /* oldest first */
	long size;
};

/* --- one line --------------------------------------------------------------- */

enum rc ledger_format(const struct status_night *n, char *out, size_t cap)
{
	cJSON *o = cJSON_CreateObject();
	bool ok;

	cJSON_AddNumberToObject(o, "at", (double)n->at);
	cJSON_AddStringToObject(o, "udid", n->udid);
	cJSON_AddStringToObject(o, "phone", n->phone);
	cJSON_AddStringToObject(o, "state", status_state_id(n->state));
	cJSON_AddNumberToObject(o, "pct", n->pct_x100 / 100.0);
	cJSON_AddNumberToObject(o, "new_files", (double)n->new_files);
	cJSON_AddNumberToObject(o, "new_bytes", (double)n->new_bytes);
	cJSON_AddNumberToObject(o, "seconds", (double)n->seconds);
	cJSON_AddNumberToObject(o, "missing_bytes", (double)n->missing_bytes);
	cJSON_AddNumberToObject(o, "code", n->mb_code);
	cJSON_AddStringToObject(o, "detail", n->detail);
	ok = o && cap <= INT32_MAX &&
	     cJSON_PrintPreallocated(o, out, (int)cap, false);
	cJSON_Delete(o);
	return ok ? RC_OK : RC_LIMIT;
}

static void get_text(const cJSON *o, const char *key, char *out, size_t cap)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	utf8_clean(out, cap, cJSON_IsString(v) ? v->valuestring : "");
}

/* A number within 0..max; 0 for what is none. */
static uint64_t get_number(const cJSON *o, const char *key, double max)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble) ||
	    v->valuedouble < 0 || v->valuedouble > max)
		return 0;
	return (uint64_t)v->valuedouble;
}

enum rc ledger_parse(const char *line, struct status_night *out)
{
	cJSON *o = cJSON_Parse(line);
	enum rc rc = RC_CORRUPT;
	char state[32];
	double pct;

	memset(out, 0, sizeof(*out));
	if (!cJSON_IsObject(o))
		goto out;
	get_text(o, "udid", out->udid, sizeof(out->udid));
	get_text(o, "phone", out->phone, sizeof(out->phone));
	get_text(o, "detail", out->detail, sizeof(out->detail));
	get_text(o, "state", state, sizeof(state));
	out->state = status_state_from_id(state);
	out->at = (int64_t)get_number(o, "at", 1e12);
	out->new_files = get_number(o, "new_files", 1e12);
	out->new_bytes = get_number(o, "new_bytes", 1e16);
	out->seconds = (int64_t)get_number(o, "seconds", 1e9);
	out->missing_bytes = get_number(o, "missing_bytes", 1e16);
	out->mb_code = (int)get_number(o, "code", 1e6);
	pct = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(o, "pct"));
	out->pct_x100 =
	    pct >= 0 && pct <= 100 ? (uint32_t)lround(pct * 100) : 0;
	if (out->state != STATE_COUNT_ && out->at > 0 &&
	    (!out->udid[0] || !relpath_check_udid(out->udid)))
		rc = RC_OK;
out:
	cJSON_Delete(o);
	return rc;
}

/* --- memory ----------------------------------------------------------------- */

static void remember(struct ledger *l, const struct status_night *n)
{
	struct status_night *last = l->n ? &l->nights[l->n - 1] : NULL;

	if (last && last->state == n->state && n->state != STATE_SAFE &&
	    n->state != STATE_PASSWORD_SET && !strcmp(last->udid, n->udid) &&
	    n->at >= last->at && n->at - last->at < SAME_NEWS_S) {
		*last = *n;
		return;
	}
	if (l->n == KEPT) {
		memmove(&l->nights[0], &l->nights[1],
		    (KEPT - 1) * sizeof(l->nights[0]));
		l->n--;
	}
	l->nights[l->n++] = *n;
}

uint32_t ledger_newest(
    const struct ledger *l, struct status_night *out, uint32_t cap)
{
	uint32_t n = l->n < cap ? l->n : cap;

	for (uint32_t i = 0; i < n; i++)
		out[i] = l->nights[l->n - 1 - i];
	return n;
}

const struct status_night *ledger_last_of(
    const struct ledger *l, const char *udid)
{
	for (uint32_t i = l->n; i > 0; i--)
		if (!strcmp(l->nights[i - 1].udid, udid) &&
		    !status_is_aside(l->nights[i - 1].state))
			return &l->nights[i - 1];
	return NULL;
}

int64_t ledger_read_again_at(const struct ledger *l, const char *udid)
{
	for (uint32_t i = l->n; i > 0; i--) {
		const struct status_night *n = &l->nights[i - 1];

		if (!strcmp(n->udid, udid) && n->state == STATE_SCRUBBED)
			return n->at;
	}
	return 0;
}

/* --- the file --------------------------------------------------------------- */

static void read_lines(struct ledger *l, FILE *f)
{
	char line[LINE_MAX_];
	struct status_night n;
	unsigned bad = 0;

	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);
		bool whole = len > 0 && line[len - 1] == '\n';

		if (whole && !ledger_parse(line, &n))
			remember(l, &n);
		else
			bad++;
	}
	if (bad)
		log_warn("lines of the ledger were left out: %u", bad);
}

static enum rc read_file(struct ledger *l)
{
	FILE *f = fopen(l->path, "re");

	if (!f)
		return errno == ENOENT ? RC_OK : rc_from_errno(errno);
	if (fseek(f, 0, SEEK_END) == 0)
		l->size = ftell(f);
	/* Ours never grows so large; what somebody else made of it is read
	 * from where its end is near. */
	if (l->size < 0 ||
	    fseek(f, l->size > 4 * FILE_MAX ? l->size - FILE_MAX : 0,
		SEEK_SET) != 0)
		l->size = 0;
	read_lines(l, f);
	fclose(f);
	return RC_OK;
}

static enum rc write_all(int fd, const char *text, size_t len)
{
	ssize_t n = write(fd, text, len);

	if (n < 0)
		return rc_from_errno(errno);
	if ((size_t)n != len)
		return RC_NOSPC;
	return fsync(fd) ? rc_from_errno(errno) : RC_OK;
}

/* A cut line may stand at the end: ours begins on a line of its own. */
static bool ends_in_a_line(int fd)
{
	char last = '\n';
	off_t end = lseek(fd, 0, SEEK_END);

	if (end > 0 && pread(fd, &last, 1, end - 1) != 1)
		return true;
	return last == '\n';
}

static enum rc append_line(struct ledger *l, const struct status_night *n)
{
	char line[LINE_MAX_];
	size_t len;
	enum rc rc;
	int fd;

	line[0] = '\n';
	rc = ledger_format(n, line + 1, sizeof(line) - 3);
	if (rc)
		return rc;
	len = strlen(line);
	line[len++] = '\n';
	fd = open(l->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return rc_from_errno(errno);
	if (ends_in_a_line(fd))
		rc = write_all(fd, line + 1, len - 1);
	else
		rc = write_all(fd, line, len);
	close(fd);
	if (!rc)
		l->size += (long)len;
	return rc;
}

/* What is in memory, to a new file that takes the old one's place. */
static enum rc shorten(struct ledger *l)
{
	char tmp[420];
	char line[LINE_MAX_];
	enum rc rc = RC_OK;
	FILE *f;

	snprintf(tmp, sizeof(tmp), "%s.new", l->path);
	f = fopen(tmp, "we");
	if (!f)
		return rc_from_errno(errno);
	for (uint32_t i = 0; i < l->n && !rc; i++) {
		rc = ledger_format(&l->nights[i], line, sizeof(line) - 2);
		if (!rc && fprintf(f, "%s\n", line) < 0)
			rc = RC_IO;
	}
	if (!rc && (fflush(f) != 0 || fsync(fileno(f)) != 0))
		rc = rc_from_errno(errno);
	l->size = ftell(f);
	if (fclose(f) != 0 && !rc)
		rc = RC_IO;
	if (!rc && rename(tmp, l->path) != 0)
		rc = rc_from_errno(errno);
	return rc;
}

/* Whatever the clock does: the lines stand in the order of their times. */
static void never_backwards(const struct ledger *l, struct status_night *n)
{
	int64_t newest = l->n ? l->nights[l->n - 1].at : 0;

	if (n->at >= newest)
		return;
	log_warn("the clock stands %lld s before the newest night: that one's "
		 "time is written",
	    (long long)(newest - n->at));
	n->at = newest;
}

enum rc ledger_add(struct ledger *l, const struct status_night *night)
{
	struct status_night line = *night;
	const struct status_night *n = &line;
	enum rc rc;

	never_backwards(l, &line);
	remember(l, n);
	if (!l->path[0])
		return RC_OK;
	rc = append_line(l, n);
	if (!rc && l->size > FILE_MAX)
		rc = shorten(l);
	if (rc)
		log_warn("a night was not written down: %s", rc_words(rc));
	return rc;
}

enum rc ledger_open(const char *dir, struct ledger **out)
{
	struct ledger *l = calloc(1, sizeof(*l));
	struct stat st;
	enum rc rc = RC_OK;

	if (!l)
		return RC_NOMEM;
	if (dir[0]) {
		if (mkdir(dir, 0755) != 0 && errno != EEXIST)
			rc = rc_from_errno(errno);
		else if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
			rc = RC_NOTDIR;
		snprintf(l->path, sizeof(l->path), "%s/nights.jsonl", dir);
		if (!rc)
			rc = read_file(l);
	}
	if (rc) {
		log_error("no ledger dir=%s: %s", dir, rc_words(rc));
		free(l);
		return rc;
	}
	*out = l;
	return RC_OK;
}

void ledger_close(struct ledger *l)
{
	free(l);
}
