#define LOG_MODULE "dlink"
#include "dlink.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlink_priv.h"
#include "log.h"
#include "mono.h"
#include "relpath.h"

#define VERSION_MAX   400 /* the newest that we know (protocols.md 5.2) */
#define HELLO_WAIT_MS 60000
#define PROGRESS_MS   100

typedef enum rc (*command_fn)(struct dlink *d, const struct pl *msg);

static const struct command {
	const char *name;
	command_fn run;
	int progress; /* element that holds the percentage, 0 none */
} commands[] = {
	{ "DLMessageUploadFiles", dlink_upload, 2 },
	{ "DLMessageDownloadFiles", dlink_download, 3 },
	{ "DLContentsOfDirectory", dlink_list, 3 },
	{ "DLMessageCreateDirectory", dlink_mkdir, 3 },
	{ "DLMessageMoveItems", dlink_move, 3 },
	{ "DLMessageMoveFiles", dlink_move, 3 },
	{ "DLMessageRemoveItems", dlink_remove, 3 },
	{ "DLMessageRemoveFiles", dlink_remove, 3 },
	{ "DLMessageRemoveDirectory", dlink_remove_one, 3 },
	{ "DLMessageCopyItem", dlink_copy, 4 },
	{ "DLMessageGetFreeDiskSpace", dlink_space, 0 },
	{ "DLMessagePurgeDiskSpace", dlink_purge, 0 },
};

void dlink_detail(struct dlink *d, const char *fmt, ...)
{
	va_list ap;

	if (d->res.text[0])
		return;
	va_start(ap, fmt);
	vsnprintf(d->res.text, sizeof(d->res.text), fmt, ap);
	va_end(ap);
}

void dlink_fault(struct dlink *d, enum rc rc, const char *path)
{
	log_error("the store failed: %s", rc_words(rc));
	log_debug("at %s", path);
	d->hard_fault = true;
	if (d->res.host_fault == RC_OK)
		d->res.host_fault = rc;
}

void dlink_stage_is(struct dlink *d, enum dlink_stage stage)
{
	if (d->stage >= (int)stage)
		return;
	d->stage = (int)stage;
	if (d->hooks.stage)
		d->hooks.stage(d->hooks.ctx, stage);
}

/* The phone's percentage jumps with each command, and may step back; between
 * two of them the bytes of the batch fill in. */
void dlink_progress(struct dlink *d, bool now)
{
	struct session_progress *p = &d->shown;
	int64_t at = mono_ms();
	double pct = d->pct_done;

	if (!d->hooks.progress || (!now && at - d->shown_at < PROGRESS_MS))
		return;
	d->shown_at = at;
	p->bytes_done = d->res.bytes;
	if (p->batch_total > 0 && d->pct_next > d->pct_done) {
		double part = (double)p->batch_done / (double)p->batch_total;

		pct += (d->pct_next - d->pct_done) * (part < 1 ? part : 1);
	}
	if (pct > p->pct)
		p->pct = pct < 100 ? pct : 100;
	d->hooks.progress(d->hooks.ctx, p);
}

enum rc dlink_path(
    const struct dlink *d, const struct pl *node, const char **out)
{
	const char *path;

	*out = "";
	if (pl_str(node, &path))
		return RC_PROTO;
	*out = path;
	return relpath_check_below(path, strlen(path), d->udid);
}

static enum rc on_tick(void *arg, int64_t silent_ms)
{
	struct dlink *d = arg;
	enum rc rc = RC_OK;

	if (d->hooks.tick)
		rc = d->hooks.tick(d->hooks.ctx, d->idle, silent_ms);
	if (!rc && silent_ms >= d->limit_ms) {
		log_warn("silent for %lld s", (long long)(silent_ms / 1000));
		rc = RC_TIMEOUT;
	}
	return rc;
}

static enum rc no_tick(void *ctx, bool idle, int64_t silent_ms)
{
	(void)ctx;
	(void)idle;
	(void)silent_ms;
	return RC_OK;
}

enum rc dlink_new(struct stream stream, const struct store *store,
    const char *udid, const struct dlink_waits *waits,
    const struct dlink_hooks *hooks, struct dlink **out)
{
	struct dlink *d = calloc(1, sizeof(*d));
	enum rc rc;

	*out = NULL;
	rc = d ? wire_init(&d->wire, stream, on_tick, d) : RC_NOMEM;
	if (rc) {
		stream.ops->close(stream.ctx);
		free(d);
		return rc;
	}
	d->store = store;
	d->udid = udid;
	d->waits = *waits;
	if (hooks)
		d->hooks = *hooks;
	if (!d->hooks.tick)
		d->hooks.tick = no_tick;
	d->limit_ms = HELLO_WAIT_MS;
	d->stage = -1;
	*out = d;
	return RC_OK;
}

void dlink_free(struct dlink *d)
{
	if (!d)
		return;
	wire_fini(&d->wire);
	for (uint32_t i = 0; i < d->n_failed; i++)
		free(d->failed[i]);
	free(d);
}

/* Takes msg. */
static enum rc send_message(struct dlink *d, struct pl *msg)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	enum rc rc = pl_to_bin(msg, &bytes, &len);

	if (!rc)
		rc = wire_send_frame(&d->wire, bytes, len);
	pl_bytes_free(bytes);
	pl_free(msg);
	return rc;
}

/* An array whose first element is a string: all there is. */
static enum rc receive_message(
    struct dlink *d, struct pl **out, const char **name)
{
	const uint8_t *body;
	size_t len;
	enum rc rc;

	*out = NULL;
	rc = wire_frame(&d->wire, LIMIT_DL_MESSAGE, &body, &len);
	if (rc)
		return rc;
	rc = pl_parse(body, len, out);
	if (!rc)
		rc = pl_str(pl_at(*out, 0), name);
	if (rc == RC_NOTFOUND)
		rc = RC_PROTO;
	if (rc) {
		log_error("not a message, bytes=%zu", len);
		pl_free(*out);
		*out = NULL;
	}
	return rc;
}

/* The next message must be this one. */
static enum rc expect_message(
    struct dlink *d, const char *want, struct pl **out)
{
	const char *name;
	enum rc rc = receive_message(d, out, &name);

	if (rc)
		return rc;
	if (strcmp(name, want) == 0)
		return RC_OK;
	log_error("the phone said %.40s instead of %s", name, want);
	pl_free(*out);
	*out = NULL;
	return RC_PROTO;
}

static struct pl *process_message(struct pl *dict)
{
	struct pl *msg = pl_new_array();

	pl_add(msg, pl_new_str("DLMessageProcessMessage"));
	pl_add(msg, dict);
	return msg;
}

static enum rc exchange_versions(struct dlink *d)
{
	struct pl *msg = NULL;
	int64_t major = 0;
	enum rc rc = expect_message(d, "DLMessageVersionExchange", &msg);

	if (rc)
		return rc;
	rc = pl_int(pl_at(msg, 1), &major) ? RC_PROTO : RC_OK;
	pl_free(msg);
	if (rc || major < 1 || major > 1000000)
		return RC_PROTO;
	/* The phone takes the smaller of both numbers. */
	if (major > VERSION_MAX)
		major = VERSION_MAX;
	msg = pl_new_array();
	pl_add(msg, pl_new_str("DLMessageVersionExchange"));
	pl_add(msg, pl_new_str("DLVersionsOk"));
	pl_add(msg, pl_new_int(major));
	rc = send_message(d, msg);
	if (!rc)
		rc = expect_message(d, "DLMessageDeviceReady", &msg);
	if (!rc)
		pl_free(msg);
	return rc;
}

enum rc dlink_hello(struct dlink *d)
{
	struct pl *dict, *list, *msg = NULL;
	const struct pl *reply;
	int64_t code = -1;
	enum rc rc = exchange_versions(d);

	if (rc)
		return rc;
	dict = pl_new_dict();
	list = pl_new_array();
	pl_add(list, pl_new_real(2.0));
	pl_add(list, pl_new_real(2.1));
	pl_set(dict, "MessageName", pl_new_str("Hello"));
	pl_set(dict, "SupportedProtocolVersions", list);
	rc = send_message(d, process_message(dict));
	if (!rc)
		rc = expect_message(d, "DLMessageProcessMessage", &msg);
	if (rc)
		return rc;
	reply = pl_at(msg, 1);
	if (!pl_is_str(pl_get(reply, "MessageName"), "Response") ||
	    pl_int(pl_get(reply, "ErrorCode"), &code))
		rc = RC_PROTO;
	else if (code != 0)
		rc = RC_UNSUPPORTED;
	pl_free(msg);
	return rc;
}

enum rc dlink_ask_backup(struct dlink *d, bool force_full)
{
	struct pl *dict = pl_new_dict();

	/* TargetIdentifier must be the phone's own: it aborts else. */
	pl_set(dict, "TargetIdentifier", pl_new_str(d->udid));
	pl_set(dict, "SourceIdentifier", pl_new_str(d->udid));
	pl_set(dict, "MessageName", pl_new_str("Backup"));
	if (force_full) {
		struct pl *options = pl_new_dict();

		pl_set(options, "ForceFullBackup", pl_new_bool(true));
		pl_set(dict, "Options", options);
	}
	d->limit_ms = d->waits.first_ms;
	return send_message(d, process_message(dict));
}

/* Takes msg, and wipes what holds its secrets. */
static enum rc send_secret(struct dlink *d, struct pl *msg)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	enum rc rc = pl_to_bin(msg, &bytes, &len);

	if (!rc)
		rc = wire_send_frame(&d->wire, bytes, len);
	wire_wipe(&d->wire);
	if (bytes)
		explicit_bzero(bytes, len);
	pl_bytes_free(bytes);
	pl_free(msg);
	return rc;
}

enum rc dlink_ask_password(
    struct dlink *d, const char *old_word, const char *new_word)
{
	struct pl *dict = pl_new_dict();

	pl_set(dict, "TargetIdentifier", pl_new_str(d->udid));
	pl_set(dict, "MessageName", pl_new_str("ChangePassword"));
	if (old_word && old_word[0])
		pl_set(dict, "OldPassword", pl_new_str(old_word));
	if (new_word && new_word[0])
		pl_set(dict, "NewPassword", pl_new_str(new_word));
	d->is_secret = true;
	d->limit_ms = d->waits.first_ms;
	return send_secret(d, process_message(dict));
}

static void note_percent(struct dlink *d, const struct pl *msg, int element)
{
	double pct;

	d->pct_next = d->pct_done;
	if (!element || pl_real(pl_at(msg, (uint32_t)element), &pct))
		return;
	if (pct > 0 && pct <= 100)
		d->pct_next = pct;
}

static enum rc run_command(
    struct dlink *d, const char *name, const struct pl *msg)
{
	enum rc rc;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!d->store || strcmp(commands[i].name, name) != 0)
			continue;
		note_percent(d, msg, commands[i].progress);
		rc = commands[i].run(d, msg);
		d->pct_done = d->pct_next;
		d->shown.batch_done = d->shown.batch_total = 0;
		dlink_progress(d, false);
		return rc;
	}
	log_warn("unknown command %.60s", d->is_secret ? "" : name);
	return dlink_reply(d, DLINK_NOT_IMPLEMENTED, "Not implemented", NULL);
}

/* The last word, when it is a Response. */
static void note_response(struct dlink *d, const struct pl *dict)
{
	int64_t code = 0;

	if (!pl_is_str(pl_get(dict, "MessageName"), "Response"))
		return;
	if (pl_int(pl_get(dict, "ErrorCode"), &code))
		code = 1;
	d->res.has_response = true;
	d->res.mb_code = (int)(int32_t)code;
	if (!d->is_secret &&
	    pl_kind(pl_get(dict, "ErrorDescription")) == PL_STRING)
		pl_copy_str(pl_get(dict, "ErrorDescription"), d->res.text,
		    sizeof(d->res.text));
	log_note("the phone's last word: %d %s", d->res.mb_code,
	    code ? d->res.text : "");
}

/* The wait for the next message. The first one may be long in coming (the
 * passcode, the scan), the last one may never come (limd#1735). */
static int wait_limit(const struct dlink *d)
{
	if (d->res.finished)
		return d->waits.last_ms;
	return d->served_any ? d->waits.next_ms : d->waits.first_ms;
}

static enum rc serve_one(struct dlink *d)
{
	struct pl *msg = NULL;
	const char *name;
	enum rc rc;

	d->limit_ms = wait_limit(d);
	d->idle = true;
	rc = receive_message(d, &msg, &name);
	d->idle = false;
	if (rc)
		return rc;
	d->limit_ms = d->waits.next_ms;
	log_debug("command %.60s", d->is_secret ? "" : name);
	if (strcmp(name, "DLMessageProcessMessage") == 0) {
		note_response(d, pl_at(msg, 1));
	} else if (strcmp(name, "DLMessageDisconnect") == 0) {
		if (!d->is_secret)
			pl_copy_str(
			    pl_at(msg, 1), d->res.text, sizeof(d->res.text));
		if (strcmp(d->res.text, DLINK_EMPTY) == 0)
			d->res.text[0] = '\0';
		rc = RC_GONE;
	} else if (strcmp(name, "DLMessagePing") != 0) {
		if (d->stage < 0)
			dlink_stage_is(d, DLINK_STAGE_PREPARING);
		d->served_any = true;
		rc = run_command(d, name, msg);
	}
	pl_free(msg);
	return rc;
}

enum rc dlink_serve(struct dlink *d, struct dlink_result *out)
{
	enum rc rc = RC_OK;

	while (!rc && !d->res.has_response)
		rc = serve_one(d);
	if (rc == RC_CANCELLED)
		dlink_bye(d);
	dlink_progress(d, true);
	d->res.waited_ms = d->wire.waited_us / 1000;
	*out = d->res;
	return rc;
}

void dlink_bye(struct dlink *d)
{
	struct pl *msg = pl_new_array();

	pl_add(msg, pl_new_str("DLMessageDisconnect"));
	pl_add(msg, pl_new_str(DLINK_EMPTY));
	if (send_message(d, msg))
		log_debug("the phone did not take the good-bye");
}
