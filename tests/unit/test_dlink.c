/* The device-link engine against scripted bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bounds.h"
#include "dlink.h"
#include "fake_phone.h"
#include "log.h"

#define U FAKE_UDID

struct rig {
	struct fake_stream s;
	struct fake_store *mem;
	struct store store;
	struct dlink *d;
	struct dlink_result res;
	struct session_progress seen;
	double worst_step;
	int stages;
	int cancel_after; /* ticks; 0 never */
	int ticks;
};

static enum rc rig_tick(void *ctx, bool idle, int64_t silent_ms)
{
	struct rig *r = ctx;

	(void)idle;
	(void)silent_ms;
	r->ticks++;
	if (r->cancel_after && r->ticks >= r->cancel_after)
		return RC_CANCELLED;
	return RC_OK;
}

static void rig_stage(void *ctx, enum dlink_stage stage)
{
	struct rig *r = ctx;

	r->stages = r->stages * 10 + (int)stage + 1;
}

static void rig_progress(void *ctx, const struct session_progress *p)
{
	struct rig *r = ctx;

	if (p->pct - r->seen.pct < r->worst_step)
		r->worst_step = p->pct - r->seen.pct;
	r->seen = *p;
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	log_set_level(LOG_LEVEL_ERROR);
	r->mem = calloc(1, sizeof(*r->mem));
	assert_non_null(r->mem);
	r->store = fake_store_of(r->mem);
	return r;
}

/* Serves what was scripted; the script ends with the stream. */
static enum rc rig_serve(struct rig *r)
{
	static const struct dlink_waits waits = { 300000, 300000, 300000 };
	struct dlink_hooks hooks = { r, rig_tick, rig_stage, rig_progress };

	assert_int_equal(dlink_new(fake_stream_of(&r->s), &r->store, U, &waits,
			     &hooks, &r->d),
	    RC_OK);
	return dlink_serve(r->d, &r->res);
}

static void rig_free(struct rig *r)
{
	dlink_free(r->d);
	assert_int_equal(r->s.closed, r->d ? 1 : 0);
	assert_int_equal(r->mem->open_files, 0);
	fake_stream_free(&r->s);
	fake_store_free(r->mem);
	free(r);
}

static struct pl *command(const char *name)
{
	struct pl *msg = pl_new_array();

	pl_add(msg, pl_new_str(name));
	return msg;
}

static void ask_upload(struct rig *r, double pct, int64_t size)
{
	struct pl *msg = command("DLMessageUploadFiles");

	pl_add(msg, pl_new_dict());
	pl_add(msg, pl_new_real(pct));
	pl_add(msg, pl_new_int(size));
	fake_message(&r->s.in, msg);
}

static void say_response(struct rig *r, int code, const char *text)
{
	struct pl *msg = command("DLMessageProcessMessage");
	struct pl *dict = pl_new_dict();

	pl_set(dict, "MessageName", pl_new_str("Response"));
	pl_set(dict, "ErrorCode", pl_new_int(code));
	if (text)
		pl_set(dict, "ErrorDescription", pl_new_str(text));
	pl_add(msg, dict);
	fake_message(&r->s.in, msg);
}

static void check_status(struct rig *r, unsigned n, int code)
{
	struct pl *msg = fake_written(&r->s, n);
	int64_t got = 99;

	assert_non_null(msg);
	assert_int_equal(pl_count(msg), 4);
	assert_true(pl_is_str(pl_at(msg, 0), "DLMessageStatusResponse"));
	assert_int_equal(pl_int(pl_at(msg, 1), &got), RC_OK);
	assert_int_equal(got, code);
	assert_int_equal(pl_kind(pl_at(msg, 2)), PL_STRING);
	assert_int_not_equal(pl_kind(pl_at(msg, 3)), PL_NONE);
	pl_free(msg);
}

static void check_file(struct rig *r, const char *path, const char *text)
{
	struct fake_entry *e = fake_find(r->mem, path);

	assert_non_null(e);
	assert_int_equal(e->data.len, strlen(text));
	if (text[0])
		assert_memory_equal(e->data.data, text, strlen(text));
}

/* ---- handshake ---- */

static void script_hello(struct rig *r, int major)
{
	static const uint8_t ready[] = { 0, 0, 0, 0x43, 0x62, 0x70, 0x6c, 0x69,
		0x73, 0x74, 0x30, 0x30, 0xa1, 0x01, 0x5f, 0x10, 0x14, 0x44,
		0x4c, 0x4d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x44, 0x65,
		0x76, 0x69, 0x63, 0x65, 0x52, 0x65, 0x61, 0x64, 0x79, 0x08,
		0x0a, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x21 };
	struct pl *msg = command("DLMessageVersionExchange");

	pl_add(msg, pl_new_int(major));
	pl_add(msg, pl_new_int(0));
	fake_message(&r->s.in, msg);
	assert_int_equal(sizeof(ready), 4 + 67);
	fake_add(&r->s.in, ready, sizeof(ready)); /* vector A.4 */
	say_response(r, 0, NULL);
}

static enum rc hello(struct rig *r)
{
	static const struct dlink_waits waits = { 1000, 1000, 1000 };

	assert_int_equal(
	    dlink_new(fake_stream_of(&r->s), &r->store, U, &waits, NULL, &r->d),
	    RC_OK);
	return dlink_hello(r->d);
}

static void check_hello(int major, int64_t want, size_t piece, size_t pause)
{
	struct rig *r = rig_new();
	struct pl *msg;
	int64_t v = 0;

	r->s.piece = piece;
	r->s.pause_at = pause;
	script_hello(r, major);
	assert_int_equal(r->s.in.len > 84, 1);
	assert_int_equal(hello(r), RC_OK);
	msg = fake_written(&r->s, 0);
	assert_true(pl_is_str(pl_at(msg, 1), "DLVersionsOk"));
	assert_int_equal(pl_int(pl_at(msg, 2), &v), RC_OK);
	assert_int_equal(v, want);
	pl_free(msg);
	msg = fake_written(&r->s, 1);
	assert_true(pl_is_str(pl_get(pl_at(msg, 1), "MessageName"), "Hello"));
	assert_int_equal(
	    pl_count(pl_get(pl_at(msg, 1), "SupportedProtocolVersions")), 2);
	pl_free(msg);
	rig_free(r);
}

static void hello_echoes_the_phones_version(void **state)
{
	(void)state;
	check_hello(400, 400, 0, 0);
	check_hello(300, 300, 0, 0);
	check_hello(500, 400, 0, 0);
}

static void hello_does_not_mind_how_bytes_arrive(void **state)
{
	(void)state;
	check_hello(400, 400, 1, 0); /* one by one */
	check_hello(400, 400, 0, 4); /* everything after a pause */
	check_hello(400, 400, 4, 88); /* a pause behind a length */
}

static void hello_refused_is_an_error(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	script_hello(r, 400);
	r->s.in.len -= 4; /* the Response is cut: the phone went away */
	assert_int_equal(hello(r), RC_GONE);
	rig_free(r);
}

static void the_request_names_the_phone(void **state)
{
	static const struct dlink_waits waits = { 1000, 1000, 1000 };
	struct rig *r = rig_new();
	struct pl *msg;
	const struct pl *dict;

	(void)state;
	assert_int_equal(
	    dlink_new(fake_stream_of(&r->s), &r->store, U, &waits, NULL, &r->d),
	    RC_OK);
	assert_int_equal(dlink_ask_backup(r->d, true), RC_OK);
	msg = fake_written(&r->s, 0);
	dict = pl_at(msg, 1);
	assert_true(pl_is_str(pl_get(dict, "MessageName"), "Backup"));
	assert_true(pl_is_str(pl_get(dict, "TargetIdentifier"), U));
	assert_true(pl_truth(
	    pl_get(pl_get(dict, "Options"), "ForceFullBackup"), false));
	pl_free(msg);
	rig_free(r);
}

/* ---- uploads ---- */

/* Vector A.6: a whole file, an empty one, one that fails after 3 bytes. */
static void script_a6(struct rig *r)
{
	struct fake_bytes *in = &r->s.in;

	ask_upload(r, 12.5, 8);
	fake_name(in, "/a");
	fake_name(in, U "/Snapshot/3d/x");
	fake_block(in, 0x0C, "hello", 5);
	fake_block(in, 0x00, "", 0);
	fake_name(in, "/b");
	fake_name(in, U "/Snapshot/3d/y");
	fake_block(in, 0x00, "", 0);
	fake_name(in, "/c");
	fake_name(in, U "/Snapshot/3d/z");
	fake_block(in, 0x0C, "abc", 3);
	fake_block(in, 0x0B, "Input/output error.", 19);
	fake_u32(in, 0);
}

static void check_a6(size_t piece, size_t pause)
{
	struct rig *r = rig_new();

	r->s.piece = piece;
	r->s.pause_at = pause;
	script_a6(r);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, 0);
	check_file(r, U "/Snapshot/3d/x", "hello");
	check_file(r, U "/Snapshot/3d/y", "");
	assert_null(fake_find(r->mem, U "/Snapshot/3d/z"));
	assert_int_equal(r->res.files, 2);
	assert_int_equal(r->res.bytes, 8);
	assert_int_equal(r->res.incomplete, 1);
	assert_non_null(strstr(r->res.text, "/c"));
	assert_int_equal(r->res.host_fault, RC_OK);
	rig_free(r);
}

static void upload_of_vector_a6(void **state)
{
	(void)state;
	check_a6(0, 0);
	check_a6(1, 0);
	check_a6(3, 0);
	for (size_t at = 1; at < 300; at += 7)
		check_a6(0, at);
}

static void upload_of_large_and_odd_chunks(void **state)
{
	static const size_t sizes[] = { 262144, 262145, 1, 0, 1000003, 5 };
	struct rig *r = rig_new();
	uint8_t *data = malloc(1000003);
	struct fake_bytes want = { 0 };

	(void)state;
	assert_non_null(data);
	ask_upload(r, 10, 1);
	fake_name(&r->s.in, "/big");
	fake_name(&r->s.in, U "/00/big");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(data, (int)(i + 'a'), sizes[i]);
		fake_block(&r->s.in, 0x0C, data, sizes[i]);
		fake_add(&want, data, sizes[i]);
	}
	fake_block(&r->s.in, 0, "", 0);
	fake_u32(&r->s.in, 0);
	say_response(r, 0, NULL);
	r->s.piece = 16384;
	assert_int_equal(rig_serve(r), RC_OK);
	assert_int_equal(fake_find(r->mem, U "/00/big")->data.len, want.len);
	assert_memory_equal(
	    fake_find(r->mem, U "/00/big")->data.data, want.data, want.len);
	free(want.data);
	free(data);
	rig_free(r);
}

static void check_full_disk(enum rc fault, int code)
{
	struct rig *r = rig_new();

	r->mem->write_rc = fault;
	r->mem->write_ok = 4;
	script_a6(r);
	say_response(r, 105, "Insufficient free disk space");
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, code);
	assert_null(fake_find(r->mem, U "/Snapshot/3d/x"));
	assert_int_equal(r->res.host_fault, fault);
	assert_int_equal(r->res.mb_code, 105);
	rig_free(r);
}

static void a_failed_write_is_drained_and_reported(void **state)
{
	(void)state;
	check_full_disk(RC_NOSPC, -15);
	check_full_disk(RC_IO, -11);
	check_full_disk(RC_READONLY, -11);
}

static void a_failed_file_that_comes_again_is_forgiven(void **state)
{
	struct rig *r = rig_new();
	enum rc rc;

	(void)state;
	r->mem->finish_rc = RC_NOSPC;
	ask_upload(r, 1, 5);
	fake_name(&r->s.in, "/a");
	fake_name(&r->s.in, U "/aa/x");
	fake_block(&r->s.in, 0x0C, "hello", 5);
	fake_block(&r->s.in, 0x00, "", 0);
	fake_u32(&r->s.in, 0);
	rc = rig_serve(r);
	assert_int_equal(rc, RC_GONE);
	assert_int_equal(r->res.host_fault, RC_NOSPC);
	r->mem->finish_rc = RC_OK;
	ask_upload(r, 1, 5);
	fake_name(&r->s.in, "/a");
	fake_name(&r->s.in, U "/aa/x");
	fake_block(&r->s.in, 0x0C, "hello", 5);
	fake_block(&r->s.in, 0x00, "", 0);
	fake_u32(&r->s.in, 0);
	say_response(r, 0, NULL);
	assert_int_equal(dlink_serve(r->d, &r->res), RC_OK);
	assert_int_equal(r->res.host_fault, RC_OK);
	check_status(r, 0, -15);
	check_status(r, 1, 0);
	rig_free(r);
}

static void hostile_paths_are_drained_and_refused(void **state)
{
	static const char *const paths[] = { "/etc/passwd", U "/../x",
		"../" U "/x", "other/x", U "//x", U "/x/", U "/a/./b", "x",
		U "x/y", U "/a\\b" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct rig *r = rig_new();

		ask_upload(r, 1, 5);
		fake_name(&r->s.in, "/a");
		fake_name(&r->s.in, paths[i]);
		fake_block(&r->s.in, 0x0C, "hello", 5);
		fake_block(&r->s.in, 0x00, "", 0);
		fake_name(&r->s.in, "/b");
		fake_name(&r->s.in, U "/good");
		fake_block(&r->s.in, 0x0C, "good", 4);
		fake_block(&r->s.in, 0x00, "", 0);
		fake_u32(&r->s.in, 0);
		say_response(r, 0, NULL);
		assert_int_equal(rig_serve(r), RC_OK);
		check_status(r, 0, -1);
		assert_int_equal(r->mem->creates, 1);
		check_file(r, U "/good", "good");
		assert_int_equal(r->res.host_fault, RC_OK);
		rig_free(r);
	}
}

static void a_path_with_a_nul_is_refused(void **state)
{
	static const char path[] = U "/a\0b";
	struct rig *r = rig_new();

	(void)state;
	ask_upload(r, 1, 0);
	fake_name(&r->s.in, "/a");
	fake_u32(&r->s.in, sizeof(path) - 1);
	fake_add(&r->s.in, path, sizeof(path) - 1);
	fake_block(&r->s.in, 0x00, "", 0);
	fake_u32(&r->s.in, 0);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, -1);
	assert_int_equal(r->mem->creates, 0);
	rig_free(r);
}

/* Bytes after an upload request that can't be the protocol. */
static void check_nonsense(const uint8_t *p, size_t n, enum rc want)
{
	struct rig *r = rig_new();

	ask_upload(r, 1, 5);
	fake_add(&r->s.in, p, n);
	assert_int_equal(rig_serve(r), want);
	assert_int_equal(r->s.out.len, 0);
	rig_free(r);
}

static void impossible_lengths_end_the_session(void **state)
{
	static const uint8_t long_name[] = { 0x7f, 0xff, 0xff, 0xff };
	static const uint8_t no_dest[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 0 };
	static const uint8_t long_dest[] = { 0, 0, 0, 1, 'a', 0, 1, 0, 1 };
	static const uint8_t no_block[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b', 0,
		0, 0, 0 };
	static const uint8_t long_block[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b',
		0xff, 0, 0, 1, 0x0C };
	static const uint8_t long_text[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b',
		0, 1, 0, 1, 0x0B };

	(void)state;
	check_nonsense(long_name, sizeof(long_name), RC_LIMIT);
	check_nonsense(no_dest, sizeof(no_dest), RC_PROTO);
	check_nonsense(long_dest, sizeof(long_dest), RC_LIMIT);
	check_nonsense(no_block, sizeof(no_block), RC_PROTO);
	check_nonsense(long_block, sizeof(long_block), RC_LIMIT);
	check_nonsense(long_text, sizeof(long_text), RC_LIMIT);
}

/* No end code is as large: the place in the stream is lost. */
static void an_unknown_block_ends_the_session(void **state)
{
	static const uint8_t block[] = { 0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b', 0, 0,
		0, 5, 0x77, 1, 2, 3, 4 };

	(void)state;
	check_nonsense(block, sizeof(block), RC_PROTO);
}

static void a_long_path_is_drained_and_refused(void **state)
{
	struct rig *r = rig_new();
	char path[5001];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	memcpy(path, U "/", strlen(U "/"));
	path[sizeof(path) - 1] = '\0';
	ask_upload(r, 1, 5);
	fake_name(&r->s.in, path);
	fake_name(&r->s.in, path);
	fake_block(&r->s.in, 0x0C, "hello", 5);
	fake_block(&r->s.in, 0x00, "", 0);
	fake_u32(&r->s.in, 0);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, -1);
	assert_int_equal(r->mem->creates, 0);
	rig_free(r);
}

static void garbage_instead_of_a_message(void **state)
{
	static const char garbage[] = "\0\0\0\x10notapropertylist";
	static const char huge[] = "\xff\xff\xff\xff";
	static const char zero[] = "\0\0\0\0";
	struct rig *r = rig_new();

	(void)state;
	fake_add(&r->s.in, garbage, sizeof(garbage) - 1);
	assert_int_equal(rig_serve(r), RC_PROTO);
	rig_free(r);
	r = rig_new();
	fake_add(&r->s.in, huge, 4);
	assert_int_equal(rig_serve(r), RC_LIMIT);
	rig_free(r);
	r = rig_new();
	fake_add(&r->s.in, zero, 4);
	assert_int_equal(rig_serve(r), RC_PROTO);
	rig_free(r);
	r = rig_new();
	fake_message(&r->s.in, pl_new_str("not an array"));
	assert_int_equal(rig_serve(r), RC_PROTO);
	rig_free(r);
	r = rig_new();
	fake_message(&r->s.in, pl_new_array());
	assert_int_equal(rig_serve(r), RC_PROTO);
	rig_free(r);
}

/* Whatever is cut or bent in a good script: it ends, and nothing leaks. */
static void bent_scripts_end(void **state)
{
	struct rig *good = rig_new();
	unsigned seed = 1;

	(void)state;
	script_a6(good);
	say_response(good, 0, NULL);
	for (int i = 0; i < 1200; i++) {
		struct rig *r = rig_new();
		size_t at;

		seed = seed * 1103515245u + 12345u;
		at = (seed >> 8) % good->s.in.len;
		fake_add(&r->s.in, good->s.in.data, good->s.in.len);
		if (i % 3 == 0)
			r->s.in.len = at;
		else
			r->s.in.data[at] = (uint8_t)(seed >> 24);
		(void)!rig_serve(r);
		rig_free(r);
	}
	rig_free(good);
}

static void upload_status(struct rig *r, const char *snapshot, bool full)
{
	struct pl *st = pl_new_dict();
	uint8_t *bytes;
	size_t len;

	pl_set(st, "SnapshotState", pl_new_str(snapshot));
	pl_set(st, "IsFullBackup", pl_new_bool(full));
	assert_int_equal(pl_to_bin(st, &bytes, &len), RC_OK);
	ask_upload(r, 0.98, 0);
	fake_name(&r->s.in, "/tmp/s");
	fake_name(&r->s.in, U "/Status.plist");
	fake_block(&r->s.in, 0x0C, bytes, 20);
	fake_block(&r->s.in, 0x0C, bytes + 20, len - 20);
	fake_block(&r->s.in, 0, "", 0);
	fake_u32(&r->s.in, 0);
	pl_bytes_free(bytes);
	pl_free(st);
}

static void the_phones_state_is_noted(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	upload_status(r, "uploading", true);
	assert_int_equal(rig_serve(r), RC_GONE);
	assert_string_equal(r->res.status_state, "uploading");
	assert_true(r->res.was_full);
	assert_false(r->res.finished);
	upload_status(r, "finished", false);
	assert_int_equal(dlink_serve(r->d, &r->res), RC_GONE);
	assert_string_equal(r->res.status_state, "finished");
	assert_false(r->res.was_full);
	assert_true(r->res.finished);
	assert_false(r->res.has_response);
	rig_free(r);
}

/* ---- downloads ---- */

static void ask_download(struct rig *r, const char *const *paths, size_t n)
{
	struct pl *msg = command("DLMessageDownloadFiles");
	struct pl *list = pl_new_array();

	for (size_t i = 0; i < n; i++)
		pl_add(list, pl_new_str(paths[i]));
	pl_add(msg, list);
	pl_add(msg, pl_new_dict());
	pl_add(msg, pl_new_real(1));
	pl_add(msg, pl_new_int(0));
	fake_message(&r->s.in, msg);
}

/* Cuts the raw part off `out` and returns its length. */
static size_t cut_raw(struct rig *r, const struct fake_bytes *want)
{
	assert_true(r->s.out.len > want->len);
	assert_memory_equal(r->s.out.data, want->data, want->len);
	memmove(
	    r->s.out.data, r->s.out.data + want->len, r->s.out.len - want->len);
	r->s.out.len -= want->len;
	return want->len;
}

static void download_in_small_blocks(void **state)
{
	static const char *const paths[] = { U "/Manifest.db" };
	struct rig *r = rig_new();
	struct fake_bytes want = { 0 };
	uint8_t *data = malloc(100000);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < 100000; i++)
		data[i] = (uint8_t)(i * 7);
	fake_put_file(r->mem, paths[0], data, 100000);
	ask_download(r, paths, 1);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	fake_name(&want, paths[0]);
	for (size_t at = 0; at < 100000; at += LIMIT_DL_SEND_FRAME)
		fake_block(&want, 0x0C, data + at,
		    100000 - at < LIMIT_DL_SEND_FRAME ? 100000 - at
						      : LIMIT_DL_SEND_FRAME);
	fake_block(&want, 0, "", 0);
	fake_u32(&want, 0);
	cut_raw(r, &want);
	check_status(r, 0, 0);
	free(want.data);
	free(data);
	rig_free(r);
}

static void missing_status_is_not_found_twice(void **state)
{
	static const char *const paths[] = { U "/Status.plist" };
	struct rig *r = rig_new();
	struct fake_bytes want = { 0 };
	struct pl *msg;
	int64_t code = 0;

	(void)state;
	ask_download(r, paths, 1);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	fake_name(&want, paths[0]);
	fake_block(
	    &want, 0x06, rc_words(RC_NOTFOUND), strlen(rc_words(RC_NOTFOUND)));
	fake_u32(&want, 0);
	cut_raw(r, &want);
	check_status(r, 0, -13);
	msg = fake_written(&r->s, 0);
	assert_int_equal(
	    pl_int(pl_get(pl_get(pl_at(msg, 3), paths[0]), "DLFileErrorCode"),
		&code),
	    RC_OK);
	assert_int_equal(code, -6);
	assert_int_equal(r->res.host_fault, RC_OK);
	pl_free(msg);
	free(want.data);
	rig_free(r);
}

static void a_read_error_says_so(void **state)
{
	static const char *const paths[] = { U "/f" };
	struct rig *r = rig_new();
	struct fake_bytes want = { 0 };
	uint8_t data[40000] = { 0 };

	(void)state;
	fake_put_file(r->mem, paths[0], data, sizeof(data));
	r->mem->read_rc = RC_IO;
	ask_download(r, paths, 1);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	fake_name(&want, paths[0]);
	fake_block(&want, 0x0C, data, LIMIT_DL_SEND_FRAME);
	fake_block(&want, 0x0B, rc_words(RC_IO), strlen(rc_words(RC_IO)));
	fake_u32(&want, 0);
	cut_raw(r, &want);
	check_status(r, 0, -13);
	assert_int_equal(r->res.host_fault, RC_IO);
	free(want.data);
	rig_free(r);
}

static void a_file_that_shrinks_is_just_shorter(void **state)
{
	static const char *const paths[] = { U "/f" };
	struct rig *r = rig_new();
	struct fake_bytes want = { 0 };

	(void)state;
	fake_put_file(r->mem, paths[0], "0123456789", 10);
	r->mem->shrink_to = 4;
	ask_download(r, paths, 1);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	fake_name(&want, paths[0]);
	fake_block(&want, 0x0C, "0123", 4);
	fake_block(&want, 0, "", 0);
	fake_u32(&want, 0);
	cut_raw(r, &want);
	check_status(r, 0, 0);
	free(want.data);
	rig_free(r);
}

static void an_empty_download_is_answered(void **state)
{
	struct rig *r = rig_new();
	struct fake_bytes want = { 0 };

	(void)state;
	ask_download(r, NULL, 0);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	fake_u32(&want, 0);
	cut_raw(r, &want);
	check_status(r, 0, 0);
	free(want.data);
	rig_free(r);
}

static void a_hostile_download_gets_nothing(void **state)
{
	static const char *const paths[] = { "../secret", U "/f" };
	struct rig *r = rig_new();
	struct fake_bytes want = { 0 };

	(void)state;
	fake_put_file(r->mem, "../secret", "no", 2);
	fake_put_file(r->mem, U "/f", "yes", 3);
	ask_download(r, paths, 2);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	fake_name(&want, paths[0]);
	fake_block(
	    &want, 0x01, rc_words(RC_REFUSED), strlen(rc_words(RC_REFUSED)));
	fake_name(&want, paths[1]);
	fake_block(&want, 0x0C, "yes", 3);
	fake_block(&want, 0, "", 0);
	fake_u32(&want, 0);
	cut_raw(r, &want);
	check_status(r, 0, -13);
	free(want.data);
	rig_free(r);
}

/* Its length would say that no more files come. */
static void an_empty_name_ends_the_session(void **state)
{
	static const char *const paths[] = { "", U "/f" };
	struct rig *r = rig_new();

	(void)state;
	ask_download(r, paths, 2);
	assert_int_equal(rig_serve(r), RC_PROTO);
	rig_free(r);
}

/* ---- the short commands ---- */

static void ask_path(struct rig *r, const char *name, const char *path)
{
	struct pl *msg = command(name);

	pl_add(msg, pl_new_str(path));
	pl_add(msg, pl_new_dict());
	pl_add(msg, pl_new_real(3));
	fake_message(&r->s.in, msg);
}

static void folders_are_made_and_listed(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg;
	const struct pl *entry;
	int64_t size = 0;

	(void)state;
	ask_path(r, "DLMessageCreateDirectory", U);
	ask_path(r, "DLMessageCreateDirectory", U "/ab");
	ask_path(r, "DLMessageCreateDirectory", U "/ab");
	ask_path(r, "DLContentsOfDirectory", U);
	ask_path(r, "DLContentsOfDirectory", U "/Snapshot");
	ask_path(r, "DLContentsOfDirectory", "/etc");
	say_response(r, 0, NULL);
	fake_put_file(r->mem, U "/f", "12345", 5);
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, 0);
	check_status(r, 1, 0);
	check_status(r, 2, -7);
	check_status(r, 3, 0);
	check_status(r, 4, 0);
	check_status(r, 5, -1);
	msg = fake_written(&r->s, 3);
	assert_int_equal(pl_count(pl_at(msg, 3)), 2);
	entry = pl_get(pl_at(msg, 3), "f");
	assert_true(
	    pl_is_str(pl_get(entry, "DLFileType"), "DLFileTypeRegular"));
	assert_int_equal(pl_int(pl_get(entry, "DLFileSize"), &size), RC_OK);
	assert_int_equal(size, 5);
	assert_int_equal(
	    pl_kind(pl_get(entry, "DLFileModificationDate")), PL_DATE);
	assert_true(pl_is_str(pl_get(pl_get(pl_at(msg, 3), "ab"), "DLFileType"),
	    "DLFileTypeDirectory"));
	pl_free(msg);
	msg = fake_written(&r->s, 4);
	assert_int_equal(pl_count(pl_at(msg, 3)), 0);
	pl_free(msg);
	rig_free(r);
}

static void ask_move(struct rig *r, const char *from, const char *to,
    const char *from2, const char *to2)
{
	struct pl *msg = command("DLMessageMoveItems");
	struct pl *dict = pl_new_dict();

	pl_set(dict, from, pl_new_str(to));
	if (from2)
		pl_set(dict, from2, pl_new_str(to2));
	pl_add(msg, dict);
	pl_add(msg, pl_new_dict());
	pl_add(msg, pl_new_real(90));
	fake_message(&r->s.in, msg);
}

static void moves_answer_each_item(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg;

	(void)state;
	fake_put_file(r->mem, U "/Snapshot/a", "new", 3);
	fake_put_file(r->mem, U "/a", "old", 3);
	fake_put_file(r->mem, U "/Snapshot/c", "c", 1);
	ask_move(r, U "/Snapshot/a", U "/a", NULL, NULL);
	ask_move(r, U "/Snapshot/b", U "/b", NULL, NULL);
	ask_move(r, U "/Snapshot/b", U "/b", U "/Snapshot/c", U "/c");
	ask_move(r, U "/c", "../c", NULL, NULL);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_file(r, U "/a", "new");
	check_file(r, U "/c", "c");
	check_status(r, 0, 0);
	check_status(r, 1, -6);
	check_status(r, 2, -13);
	check_status(r, 3, -1);
	msg = fake_written(&r->s, 2);
	assert_int_equal(pl_count(pl_at(msg, 3)), 1);
	assert_non_null(pl_get(pl_at(msg, 3), U "/Snapshot/b"));
	pl_free(msg);
	assert_int_equal(r->res.host_fault, RC_OK);
	rig_free(r);
}

static void a_move_that_fails_is_the_hosts_fault(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	fake_put_file(r->mem, U "/Snapshot/a", "new", 3);
	r->mem->move_rc = RC_IO;
	ask_move(r, U "/Snapshot/a", U "/a", NULL, NULL);
	say_response(r, 100, "x");
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, -11);
	assert_int_equal(r->res.host_fault, RC_IO);
	rig_free(r);
}

/* The disk fails while what was done is made durable: not told as done. */
static void what_can_t_be_kept_is_not_confirmed(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	fake_put_file(r->mem, U "/Snapshot/a", "new", 3);
	r->mem->confirm_rc = RC_IO;
	ask_move(r, U "/Snapshot/a", U "/a", NULL, NULL);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, -11);
	assert_int_equal(r->mem->confirms, 1);
	assert_int_equal(r->res.host_fault, RC_IO);
	rig_free(r);
}

static void removes_are_recursive(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg = command("DLMessageRemoveItems");
	struct pl *list = pl_new_array();

	(void)state;
	fake_make_dir(r->mem, U "/Snapshot");
	fake_make_dir(r->mem, U "/Snapshot/00");
	fake_put_file(r->mem, U "/Snapshot/00/x", "x", 1);
	pl_add(list, pl_new_str(U "/Snapshot"));
	pl_add(msg, list);
	fake_message(&r->s.in, msg);
	msg = command("DLMessageRemoveItems");
	list = pl_new_array();
	pl_add(list, pl_new_str(U "/Manifest.mbdx"));
	pl_add(msg, list);
	fake_message(&r->s.in, msg);
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, 0);
	check_status(r, 1, -6);
	assert_null(fake_find(r->mem, U "/Snapshot"));
	assert_null(fake_find(r->mem, U "/Snapshot/00/x"));
	rig_free(r);
}

static void copies_and_unknown_commands(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg = command("DLMessageCopyItem");

	(void)state;
	fake_put_file(r->mem, U "/a", "text", 4);
	pl_add(msg, pl_new_str(U "/a"));
	pl_add(msg, pl_new_str(U "/b"));
	fake_message(&r->s.in, msg);
	fake_message(&r->s.in, command("DLMessageDance"));
	fake_message(&r->s.in, command("DLMessagePing")); /* no answer */
	fake_message(&r->s.in, command("DLMessageMoveItems")); /* no dict */
	say_response(r, 0, NULL);
	assert_int_equal(rig_serve(r), RC_OK);
	check_file(r, U "/b", "text");
	check_status(r, 0, 0);
	check_status(r, 1, -2);
	check_status(r, 2, -3);
	assert_null(fake_written(&r->s, 3));
	rig_free(r);
}

static void a_message_larger_than_the_buffer(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg = command("DLMessageRemoveItems");
	struct pl *list = pl_new_array();
	char path[256];

	(void)state;
	for (int i = 0; i < 9000; i++) {
		snprintf(path, sizeof(path), U "/%0150d", i);
		pl_add(list, pl_new_str(path));
	}
	pl_add(msg, list);
	fake_message(&r->s.in, msg);
	assert_true(r->s.in.len > (1u << 20));
	say_response(r, 0, NULL);
	r->s.piece = 65536;
	assert_int_equal(rig_serve(r), RC_OK);
	assert_true(r->s.out.len > 9000 * 150);
	check_status(r, 0, -13);
	rig_free(r);
}

static void room_is_told_and_made(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg = command("DLMessagePurgeDiskSpace");
	int64_t v = 0;

	(void)state;
	r->mem->room = 10000000;
	r->mem->freed = 700;
	r->mem->freed_then = 300;
	fake_message(&r->s.in, command("DLMessageGetFreeDiskSpace"));
	pl_add(msg, pl_new_int(26418026591)); /* limd#1071 */
	pl_add(msg, pl_new_int(4));
	fake_message(&r->s.in, msg);
	say_response(r, 105, "Insufficient free disk space");
	assert_int_equal(rig_serve(r), RC_OK);
	check_status(r, 0, 0);
	check_status(r, 1, 0);
	msg = fake_written(&r->s, 0);
	assert_int_equal(pl_int(pl_at(msg, 3), &v), RC_OK);
	assert_int_equal(v, 10000000);
	pl_free(msg);
	msg = fake_written(&r->s, 1);
	assert_int_equal(pl_int(pl_at(msg, 3), &v), RC_OK);
	assert_int_equal(v, 1000);
	pl_free(msg);
	assert_int_equal(r->mem->purge_want, 26418026591);
	assert_int_equal(r->mem->purges, 2);
	assert_int_equal(r->res.missing_bytes, 26418026591 - 2147483648 - 1000);
	rig_free(r);
}

/* ---- the session's course ---- */

static void the_last_word_is_kept(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	say_response(r, 208, "Device locked (MBErrorDomain/208)");
	assert_int_equal(rig_serve(r), RC_OK);
	assert_true(r->res.has_response);
	assert_int_equal(r->res.mb_code, 208);
	assert_string_equal(r->res.text, "Device locked (MBErrorDomain/208)");
	rig_free(r);
}

static void silence_ends_by_the_right_bound(void **state)
{
	static const struct dlink_waits waits = { 60, 30, 10 };
	struct rig *r = rig_new();

	(void)state;
	r->s.hang = true;
	assert_int_equal(
	    dlink_new(fake_stream_of(&r->s), &r->store, U, &waits, NULL, &r->d),
	    RC_OK);
	assert_int_equal(dlink_ask_backup(r->d, false), RC_OK);
	assert_int_equal(dlink_serve(r->d, &r->res), RC_TIMEOUT);
	assert_true(r->res.waited_ms >= 0);
	rig_free(r);
}

static void cancel_says_good_bye(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg;

	(void)state;
	r->s.hang = true;
	r->cancel_after = 3;
	assert_int_equal(rig_serve(r), RC_CANCELLED);
	msg = fake_written(&r->s, 0);
	assert_true(pl_is_str(pl_at(msg, 0), "DLMessageDisconnect"));
	pl_free(msg);
	rig_free(r);
}

static void progress_never_goes_back(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	upload_status(r, "uploading", true);
	script_a6(r);
	ask_upload(r, 2.0, 0); /* a step back */
	fake_u32(&r->s.in, 0);
	ask_move(r, U "/Snapshot/3d/x", U "/3d/x", NULL, NULL);
	say_response(r, 0, NULL);
	r->s.piece = 10;
	assert_int_equal(rig_serve(r), RC_OK);
	assert_true(r->worst_step >= 0);
	assert_true(r->seen.pct >= 90);
	assert_int_equal(r->seen.files_done, 3);
	assert_int_equal(r->stages, 123);
	rig_free(r);
}

static void a_disconnect_is_the_end(void **state)
{
	struct rig *r = rig_new();
	struct pl *msg = command("DLMessageDisconnect");

	(void)state;
	pl_add(msg, pl_new_str("going away"));
	fake_message(&r->s.in, msg);
	assert_int_equal(rig_serve(r), RC_GONE);
	assert_string_equal(r->res.text, "going away");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_echoes_the_phones_version),
		cmocka_unit_test(hello_does_not_mind_how_bytes_arrive),
		cmocka_unit_test(hello_refused_is_an_error),
		cmocka_unit_test(the_request_names_the_phone),
		cmocka_unit_test(upload_of_vector_a6),
		cmocka_unit_test(upload_of_large_and_odd_chunks),
		cmocka_unit_test(a_failed_write_is_drained_and_reported),
		cmocka_unit_test(a_failed_file_that_comes_again_is_forgiven),
		cmocka_unit_test(hostile_paths_are_drained_and_refused),
		cmocka_unit_test(a_path_with_a_nul_is_refused),
		cmocka_unit_test(impossible_lengths_end_the_session),
		cmocka_unit_test(an_unknown_block_ends_the_session),
		cmocka_unit_test(a_long_path_is_drained_and_refused),
		cmocka_unit_test(garbage_instead_of_a_message),
		cmocka_unit_test(bent_scripts_end),
		cmocka_unit_test(the_phones_state_is_noted),
		cmocka_unit_test(download_in_small_blocks),
		cmocka_unit_test(missing_status_is_not_found_twice),
		cmocka_unit_test(a_read_error_says_so),
		cmocka_unit_test(a_file_that_shrinks_is_just_shorter),
		cmocka_unit_test(an_empty_download_is_answered),
		cmocka_unit_test(a_hostile_download_gets_nothing),
		cmocka_unit_test(an_empty_name_ends_the_session),
		cmocka_unit_test(folders_are_made_and_listed),
		cmocka_unit_test(moves_answer_each_item),
		cmocka_unit_test(a_move_that_fails_is_the_hosts_fault),
		cmocka_unit_test(what_can_t_be_kept_is_not_confirmed),
		cmocka_unit_test(removes_are_recursive),
		cmocka_unit_test(copies_and_unknown_commands),
		cmocka_unit_test(a_message_larger_than_the_buffer),
		cmocka_unit_test(room_is_told_and_made),
		cmocka_unit_test(the_last_word_is_kept),
		cmocka_unit_test(silence_ends_by_the_right_bound),
		cmocka_unit_test(cancel_says_good_bye),
		cmocka_unit_test(progress_never_goes_back),
		cmocka_unit_test(a_disconnect_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
