/* What no phone does: garbage, lengths without sense, paths that lead away. */
#include "agent.h"

#include "dl_private.h"
#include "phone_private.h"
#include "pl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	AGENT_GARBAGE_MAX = 1 << 20
};

/* The answer to something wrong: a status goes on, all else ends. */
static int agent_fault_answer(struct agent *a, const char *kind)
{
	struct dl_status st;
	enum dl_result r = dl_wait_status(a->dl, &st);
	int code = st.code;

	dl_status_clear(&st);
	if (r != DL_OK) {
		phone_event(a->ph, "fault %s: host left", kind);
		return AGENT_END;
	}
	phone_event(a->ph, "fault %s: host answered %d", kind, code);
	if (code == DL_CODE_OK || phone_knob(a->ph, "fault_go_on", 0) != 0)
		return 0;
	return agent_fail_host(a, "Error uploading file", kind, code);
}

static int agent_garbage(struct agent *a, int64_t n)
{
	uint8_t *p;

	if (n < 1)
		n = 64;
	if (n > AGENT_GARBAGE_MAX)
		n = AGENT_GARBAGE_MAX;
	p = malloc((size_t)n);
	if (!p)
		return AGENT_END;
	for (int64_t i = 0; i < n; i += 256) {
		size_t part = n - i < 256 ? (size_t)(n - i) : 256;

		if (getrandom(p + i, part, 0) < 0)
			memset(p + i, 0xa5, part);
	}
	/* A length that is neither zero nor too large to be waited for. */
	p[0] |= 0x80;
	phone_event(a->ph, "fault garbage %lld bytes", (long long)n);
	(void)dl_send_raw(a->dl, p, (size_t)n);
	free(p);
	return agent_fault_answer(a, "garbage");
}

/* ---- wrong commands ---- */

static plist_t agent_wrong_deep(void)
{
	plist_t top = plist_new_array(), at = top;

	plist_array_append_item(top, plist_new_string("DLMessageMoveItems"));
	for (int i = 0; i < 400; i++) {
		plist_t sub = plist_new_array();

		plist_array_append_item(at, sub);
		at = sub;
	}
	return top;
}

static plist_t agent_wrong_message(const char *kind)
{
	plist_t msg = plist_new_array();

	if (strcmp(kind, "unknown") == 0) {
		plist_array_append_item(
		    msg, plist_new_string("DLMessageFrobnicate"));
		plist_array_append_item(msg, plist_new_uint(1));
		return msg;
	}
	if (strcmp(kind, "short") == 0) {
		plist_array_append_item(
		    msg, plist_new_string("DLMessageMoveItems"));
		return msg;
	}
	if (strcmp(kind, "types") == 0) {
		plist_array_append_item(
		    msg, plist_new_string("DLMessageRemoveItems"));
		plist_array_append_item(msg, plist_new_uint(5));
		plist_array_append_item(msg, plist_new_bool(1));
		return msg;
	}
	plist_free(msg);
	if (strcmp(kind, "deep") == 0)
		return agent_wrong_deep();
	if (strcmp(kind, "not-array") == 0) {
		msg = plist_new_dict();
		pl_set_str(msg, "MessageName", "DLMessageMoveItems");
		return msg;
	}
	return NULL;
}

/* ---- wrong streams ---- */

/* Bytes of a stream up to where it goes wrong; n names sent before. */
static const struct agent_wrong {
	const char *kind;
	int names; /* proper names that stand before: 0, 1 or 2 */
	uint8_t bytes[8];
	size_t n;
	size_t pad; /* further bytes */
	bool whole; /* the stream ends as it should */
} agent_wrongs[] = {
	{ "name-length", 0, { 0x80, 0, 0, 0, 'x' }, 5, 0, false },
	{ "name-max", 0, { 0xff, 0xff, 0xff, 0xff }, 4, 64, false },
	{ "dest-length", 1, { 0x80, 0, 0, 0, 'x' }, 5, 0, false },
	{ "dest-empty", 1, { 0, 0, 0, 0 }, 4, 0, true },
	{ "dest-nul", 1, { 0, 0, 0, 4, 'a', 0, 'b', 'c' }, 8, 0, true },
	{ "chunk-length", 2, { 0xc0, 0, 0, 1, 0x0c }, 5, 4096, false },
	{ "chunk-max", 2, { 0xff, 0xff, 0xff, 0xff, 0x0c }, 5, 4096, false },
	{ "chunk-zero", 2, { 0, 0, 0, 0 }, 4, 0, false },
	{ "tag", 2, { 0, 0, 0, 5, 0x77, 1, 2, 3 }, 8, 1, false },
	{ "end-text", 2, { 0x7f, 0xff, 0xff, 0xff, 0x0b }, 5, 4096, false },
};

static const struct agent_wrong *agent_wrong_find(const char *kind)
{
	size_t n = sizeof(agent_wrongs) / sizeof(agent_wrongs[0]);

	for (size_t i = 0; i < n; i++)
		if (strcmp(agent_wrongs[i].kind, kind) == 0)
			return &agent_wrongs[i];
	return NULL;
}

static enum dl_result agent_wrong_names(struct agent *a, int names)
{
	static const char source[] = "/.ba/mobile/wrong";
	char dest[AGENT_NAME_MAX];

	snprintf(dest, sizeof(dest), "%s/Snapshot/00/wrong", a->ph->id.udid);
	if (names == 0)
		return DL_OK;
	if (names == 2)
		return dl_upload_names(a->dl, source, dest);
	return dl_upload_name(a->dl, source, sizeof(source) - 1);
}

static int agent_wrong_stream(
    struct agent *a, const struct agent_wrong *w, bool in_stream)
{
	static const uint8_t pad[4096], end[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0 };
	enum dl_result r = DL_OK;

	if (!in_stream)
		r = dl_upload_begin(a->dl, 1.0, 100);
	if (r == DL_OK)
		r = agent_wrong_names(a, w->names);
	if (r == DL_OK)
		r = dl_append(a->dl, w->bytes, w->n);
	if (r == DL_OK && w->pad > 0)
		r = dl_append(a->dl, pad, w->pad);
	if (r == DL_OK && w->whole)
		r = dl_append(a->dl, end, sizeof(end));
	if (r != DL_OK)
		return AGENT_END;
	return agent_fault_answer(a, w->kind);
}

/* A name or destination longer than any host takes, in a whole stream. */
static int agent_wrong_long(struct agent *a)
{
	char *dest = malloc(70001);
	enum dl_result r;
	int n;

	if (!dest)
		return AGENT_END;
	n = snprintf(dest, 200, "%s/Snapshot/00/", a->ph->id.udid);
	memset(dest + n, 'n', 70000 - (size_t)n);
	dest[70000] = 0;
	r = dl_upload_begin(a->dl, 1.0, 0);
	if (r == DL_OK)
		r = dl_upload_names(a->dl, "/.ba/mobile/long", dest);
	if (r == DL_OK)
		r = dl_upload_end(a->dl, 0, NULL);
	if (r == DL_OK)
		r = dl_append(a->dl, "\0\0\0", 4);
	free(dest);
	return r == DL_OK ? agent_fault_answer(a, "name-long") : AGENT_END;
}

static int agent_insane(struct agent *a, const char *kind, bool in_stream)
{
	static const uint8_t huge[] = { 0xc0, 0xff, 0xff, 0xff, 'b', 'p' };
	static const uint8_t zero[4];
	static const uint8_t junk[] = { 0, 0, 0, 8, 'b', 'p', 'l', 'i', 's',
		't', '0', '0' };
	const struct agent_wrong *w = agent_wrong_find(kind);
	plist_t msg;

	phone_event(a->ph, "fault %s", kind);
	if (w)
		return agent_wrong_stream(a, w, in_stream);
	if (strcmp(kind, "name-long") == 0)
		return agent_wrong_long(a);
	msg = agent_wrong_message(kind);
	if (msg) {
		if (dl_send(a->dl, msg) != DL_OK)
			return AGENT_END;
		return agent_fault_answer(a, kind);
	}
	if (strcmp(kind, "plist-length") == 0)
		(void)dl_send_raw(a->dl, huge, sizeof(huge));
	else if (strcmp(kind, "plist-zero") == 0)
		(void)dl_send_raw(a->dl, zero, sizeof(zero));
	else if (strcmp(kind, "plist-junk") == 0)
		(void)dl_send_raw(a->dl, junk, sizeof(junk));
	else
		return agent_garbage(a, 64);
	return agent_fault_answer(a, kind);
}

bool agent_knob_text(
    const struct agent *a, const char *name, char *out, int cap)
{
	if (phone_knob_text(a->ph, name, out, cap) && strcmp(out, "-") != 0 &&
	    strcmp(out, "0") != 0)
		return true;
	out[0] = 0;
	return false;
}

/* What a point was armed with comes as a knob, and fires once. */
static bool agent_fault_take(
    struct agent *a, const char *name, char *out, int cap)
{
	return agent_knob_text(a, name, out, cap) &&
	       phone_knob_set(a->ph, name, "0") == 0;
}

static const char *agent_oversize_kind(const char *text)
{
	if (strcmp(text, "name") == 0)
		return "name-length";
	if (strcmp(text, "chunk") == 0)
		return "chunk-length";
	return "plist-length";
}

int agent_fault_point(struct agent *a, const char *point)
{
	bool in_stream = strcmp(point, "upload-file") == 0;
	char text[64];

	if (agent_fault_take(a, "garbage", text, sizeof(text)))
		return agent_garbage(a, strtol(text, NULL, 0));
	if (agent_fault_take(a, "oversize", text, sizeof(text)))
		return agent_insane(a, agent_oversize_kind(text), in_stream);
	if (agent_fault_take(a, "insane", text, sizeof(text)))
		return agent_insane(a, text, in_stream);
	return 0;
}

/* ---- hostile paths ---- */

static enum dl_result agent_hostile_upload(
    struct agent *a, const char *path, size_t len, struct dl_status *st)
{
	static const char source[] = "/.ba/mobile/hostile";
	uint8_t *room = NULL;
	enum dl_result r = dl_upload_begin(a->dl, 1.0, 1000);

	if (r == DL_OK)
		r = dl_upload_name(a->dl, source, sizeof(source) - 1);
	if (r == DL_OK)
		r = dl_upload_name(a->dl, path, len);
	if (r == DL_OK)
		r = dl_upload_room(a->dl, &room);
	if (r == DL_OK) {
		size_t n = dl_chunk(a->dl) < 1000 ? dl_chunk(a->dl) : 1000;

		memset(room, 'h', n);
		r = dl_upload_chunk(a->dl, n);
	}
	if (r == DL_OK)
		r = dl_upload_end(a->dl, 0, NULL);
	return r == DL_OK ? dl_upload_finish(a->dl, st) : r;
}

static int agent_ignore_begin(void *arg, size_t i)
{
	(void)arg, (void)i;
	return 0;
}

/* Bytes of a file that no phone should be given. */
static int agent_ignore_data(void *arg, const void *p, size_t n)
{
	(void)p;
	*(uint64_t *)arg += n;
	return 0;
}

static int agent_ignore_end(void *arg, size_t i, int code, const char *text)
{
	(void)arg, (void)i, (void)code, (void)text;
	return 0;
}

static enum dl_result agent_hostile_download(
    struct agent *a, const char *path, struct dl_status *st)
{
	uint64_t got = 0;
	struct dl_sink sink = { &got, agent_ignore_begin, agent_ignore_data,
		agent_ignore_end };
	enum dl_result r =
	    dl_download(a->dl, &path, 1, 0.0, 0, &sink, NULL, st);

	phone_event(
	    a->ph, "hostile download got %llu bytes", (unsigned long long)got);
	return r;
}

static enum dl_result agent_hostile_move(
    struct agent *a, const char *from, const char *to, struct dl_status *st)
{
	plist_t items = plist_new_dict();

	pl_set_str(items, from, to);
	return dl_move(a->dl, items, 1.0, st);
}

static enum dl_result agent_hostile_do(struct agent *a, const char *op,
    const char *path, size_t len, struct dl_status *st)
{
	char own[AGENT_NAME_MAX];
	plist_t list;

	snprintf(own, sizeof(own), "%s/Status.plist", a->ph->id.udid);
	if (strcmp(op, "upload") == 0)
		return agent_hostile_upload(a, path, len, st);
	if (strcmp(op, "download") == 0)
		return agent_hostile_download(a, path, st);
	if (strcmp(op, "mkdir") == 0)
		return dl_mkdir(a->dl, path, 1.0, st);
	if (strcmp(op, "list") == 0)
		return dl_list(a->dl, path, st);
	if (strcmp(op, "move-from") == 0)
		return agent_hostile_move(a, path, own, st);
	if (strcmp(op, "move-to") == 0)
		return agent_hostile_move(a, own, path, st);
	list = plist_new_array();
	plist_array_append_item(list, plist_new_string(path));
	return dl_remove(a->dl, list, 1.0, st);
}

/* Which place of the protocol an operation belongs to. */
static bool agent_hostile_here(const char *op, const char *where)
{
	if (strcmp(op, "list") == 0)
		return strcmp(where, "download") == 0;
	return strncmp(op, where, strlen(where)) == 0;
}

/* %U the backup's folder, %L 5,000 characters, %XX a byte, also NUL. */
static size_t agent_hostile_expand(
    const struct agent *a, const char *text, char *out, size_t cap)
{
	size_t n = 0;

	while (*text && n + 5100 < cap) {
		char hex[3] = { 0 }, *end = NULL;
		unsigned long v;

		if (text[0] != '%' || !text[1]) {
			out[n++] = *text++;
			continue;
		}
		hex[0] = text[1];
		hex[1] = text[2];
		v = strtoul(hex, &end, 16);
		if (text[1] == 'U') {
			n += (size_t)snprintf(
			    out + n, cap - n, "%s", a->ph->id.udid);
		} else if (text[1] == 'L') {
			memset(out + n, 'n', 5000);
			n += 5000;
		} else if (end == hex + 2) {
			out[n++] = (char)v;
			text++;
		}
		text += 2;
	}
	out[n] = 0;
	return n;
}

int agent_fault_path(struct agent *a, const char *where)
{
	char text[512], path[12000], op[32];
	struct dl_status st;
	size_t n;
	int r;

	if (a->hostile_done ||
	    !agent_knob_text(a, "hostile_path", text, sizeof(text)))
		return 0;
	if (!agent_knob_text(a, "hostile_where", op, sizeof(op)))
		snprintf(op, sizeof(op), "upload");
	if (!agent_hostile_here(op, where))
		return 0;
	a->hostile_done = true;
	n = agent_hostile_expand(a, text, path, sizeof(path));
	phone_event(a->ph, "hostile %s", op);
	r = agent_check_dl(a, agent_hostile_do(a, op, path, n, &st));
	if (r != 0) {
		phone_event(a->ph, "hostile %s: host left", op);
		return r;
	}
	phone_event(a->ph, "hostile %s answered %d", op, st.code);
	if (st.code != DL_CODE_OK && phone_knob(a->ph, "fault_go_on", 0) == 0)
		r = agent_fail_host(a, "Error uploading file", text, st.code);
	dl_status_clear(&st);
	return r;
}
