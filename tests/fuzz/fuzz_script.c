/*
 * A phone that keeps to the framing and lies in all else. Bytes chosen at
 * random break the first length and say no more; here each of them chooses a
 * command, a path or a value, and the lists and lengths around it are right.
 */
#include "fuzz.h"

#include "fuzz_replies.h"
#include "fuzz_store.h"
#include "log.h"

struct script {
	const uint8_t *p, *end;
	struct fake_bytes out;
	struct fake_bytes want; /* enum reply, of each command */
	bool lied; /* from here on nobody knows what is a command */
};

static uint8_t next(struct script *s)
{
	return s->p < s->end ? *s->p++ : 0;
}

static const char *const names[] = { "DLMessageUploadFiles",
	"DLMessageDownloadFiles", "DLContentsOfDirectory",
	"DLMessageCreateDirectory", "DLMessageMoveItems", "DLMessageMoveFiles",
	"DLMessageRemoveItems", "DLMessageRemoveFiles",
	"DLMessageRemoveDirectory", "DLMessageCopyItem",
	"DLMessageGetFreeDiskSpace", "DLMessagePurgeDiskSpace", "DLMessagePing",
	"DLMessageProcessMessage", "DLMessageDisconnect", "DLMessageNew" };

/* Good ones more often than bad ones, or nothing would ever be there. */
static const char *const paths[] = { U, U "/a", U "/b", U "/a/b", U "/ab/c",
	U "/Snapshot", U "/Status.plist", U "/Snapshot/Manifest.db",
	U "/Status.plist/x", "", ".", "..", "/etc/passwd", U "/..", U "/../x",
	U "/a/../../b", U "/a/./b", U "//a", U "/", U "/a/", U "x/a",
	"00008101-001A2B3C4D5E6F71/a", U "/a\\b", U "/\x01", "~/" U "/a",
	U "/..a" };

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* One of the list, or bytes of the input. */
static size_t path_of(struct script *s, char *buf, size_t cap)
{
	uint8_t how = next(s);
	size_t n = 0;

	if (how < 0xe0)
		return (size_t)snprintf(buf, cap, "%s", paths[how % N(paths)]);
	if (how < 0xf0)
		n = (size_t)snprintf(buf, cap, U "/");
	if (how == 0xff) { /* longer than any that is taken */
		memset(buf, 'a', cap - 1);
		n = cap - 1;
	}
	for (int i = next(s) % 24; i > 0 && n + 1 < cap; i--)
		buf[n++] = (char)next(s);
	buf[n] = '\0';
	return n;
}

static struct pl *path_node(struct script *s)
{
	char buf[1100];

	path_of(s, buf, sizeof(buf));
	return pl_new_str(buf);
}

static int64_t number_of(struct script *s)
{
	static const int64_t some[] = { 0, 1, -1, 5000, INT32_MAX, INT32_MIN,
		UINT32_MAX, INT64_MAX, INT64_MIN };
	uint8_t how = next(s);

	return how < N(some) ? some[how] : how;
}

/* What stands where a path or a list is wanted. */
static struct pl *any_node(struct script *s, int depth)
{
	struct pl *node;
	char key[1100];
	uint8_t how = next(s);

	switch (how % 9) {
	case 0:
		return pl_new_int(number_of(s));
	case 1:
		return pl_new_bool(how & 16);
	case 2:
		return pl_new_real((double)number_of(s) / 7);
	case 3:
		return pl_new_data(paths[1], how / 9);
	case 4:
	case 5:
		node = pl_new_array();
		for (int i = how / 9 % 5; i > 0 && depth < 3; i--)
			pl_add(node, any_node(s, depth + 1));
		return node;
	case 6:
	case 7:
		node = pl_new_dict();
		for (int i = how / 9 % 5; i > 0 && depth < 3; i--) {
			path_of(s, key, sizeof(key));
			pl_set(node, key, any_node(s, depth + 1));
		}
		return node;
	default:
		return path_node(s);
	}
}

/* From a source to a destination, or a list of paths. */
static struct pl *paths_node(struct script *s, bool pairs)
{
	struct pl *node = pairs ? pl_new_dict() : pl_new_array();
	char key[1100];

	for (int i = next(s) % 5; i > 0; i--) {
		if (pairs) {
			path_of(s, key, sizeof(key));
			pl_set(node, key, path_node(s));
		} else {
			pl_add(node, path_node(s));
		}
	}
	return node;
}

static struct pl *response(struct script *s)
{
	static const char *const keys[] = { "ErrorCode", "ErrorDescription",
		"Content" };
	struct pl *dict = pl_new_dict();

	pl_set(dict, "MessageName", pl_new_str(next(s) & 1 ? "Response" : "?"));
	for (size_t i = 0; i < N(keys); i++)
		if (next(s) & 1)
			pl_set(dict, keys[i], any_node(s, 0));
	return dict;
}

static struct pl *argument(struct script *s, unsigned command)
{
	switch (command) {
	case 0:
		return pl_new_array();
	case 1:
	case 6:
	case 7:
		return paths_node(s, false);
	case 4:
	case 5:
		return paths_node(s, true);
	case 11:
		return pl_new_int(number_of(s));
	case 13:
		return response(s);
	default:
		return path_node(s);
	}
}

/* A length that says other than what follows. */
static void lie(struct script *s)
{
	fake_u32(&s->out, (uint32_t)number_of(s));
	s->lied = true;
}

/* False: it was the last of its file. */
static bool block(struct script *s)
{
	static const char finished[] =
	    "<plist><dict><key>SnapshotState</key>"
	    "<string>finished</string></dict></plist>";
	static const uint8_t zeros[70000];
	uint8_t how = next(s);

	if (how < 64)
		fake_block(&s->out, 0x0C, finished, sizeof(finished) - 1);
	else if (how < 128)
		fake_block(&s->out, 0x0C, zeros, how < 120 ? how - 64u : 70000);
	else if (how < 144)
		fake_block(&s->out, how & 15, "no such file", 12);
	else if (how < 148)
		lie(s);
	else
		fake_block(&s->out, 0, "", 0);
	return how < 128 || how == 128 + 0x0C;
}

static void files(struct script *s)
{
	char buf[1100];
	bool more;

	for (int i = next(s) % 4; i > 0; i--) {
		size_t n = path_of(s, buf, sizeof(buf));

		fake_name(&s->out, "Library/file");
		fake_u32(&s->out, (uint32_t)n); /* with its NULs */
		fake_add(&s->out, buf, n);
		more = true;
		for (int k = next(s) % 4; k > 0 && more; k--)
			more = block(s);
		if (more)
			fake_block(&s->out, 0, "", 0);
	}
	fake_u32(&s->out, 0);
}

static void note(struct script *s, unsigned command)
{
	uint8_t want = REPLY_STATUS;

	if (command == 1)
		want = REPLY_FILES;
	else if (command >= 12 && command != 15)
		want = REPLY_NONE;
	fake_add(&s->want, &want, 1);
}

static void say(struct script *s)
{
	unsigned command = next(s) % N(names);
	struct pl *msg = pl_new_array();
	uint8_t odd = next(s);

	pl_add(msg, pl_new_str(names[command]));
	pl_add(msg, odd > 230 ? any_node(s, 0) : argument(s, command));
	if (command == 9)
		pl_add(msg, path_node(s));
	for (int i = odd % 4; i > 0; i--)
		pl_add(msg, any_node(s, 0));
	fake_message(&s->out, msg);
	if (command == 0)
		files(s);
	note(s, command);
}

/* As far as the request; the ways that this goes wrong are fuzz_dlink's. */
static void hello(struct script *s)
{
	struct pl *msg = pl_new_array(), *dict = pl_new_dict();

	pl_add(msg, pl_new_str("DLMessageVersionExchange"));
	pl_add(msg, pl_new_int(400));
	fake_message(&s->out, msg);
	msg = pl_new_array();
	pl_add(msg, pl_new_str("DLMessageDeviceReady"));
	fake_message(&s->out, msg);
	msg = pl_new_array();
	pl_add(msg, pl_new_str("DLMessageProcessMessage"));
	pl_set(dict, "MessageName", pl_new_str("Response"));
	pl_set(dict, "ErrorCode", pl_new_int(0));
	pl_add(msg, dict);
	fake_message(&s->out, msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct script s = { .p = data, .end = data + len };
	struct fake_bytes said = { 0 };
	uint8_t how = next(&s);

	log_set_level(LOG_LEVEL_ERROR);
	hello(&s);
	while (s.p < s.end && s.out.len < 1u << 20)
		say(&s);
	fuzz_talk(how, s.out.data, s.out.len, &said);
	if (!s.lied)
		check_replies(&said, s.want.data, s.want.len);
	free(said.data);
	free(s.want.data);
	free(s.out.data);
	return 0;
}
