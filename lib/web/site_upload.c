/*
 * An update comes through the page: to whom it is allowed, what of the body is
 * the file, and when the box is given it. The body of an upload is of one
 * connection at a time (http_conn.h).
 */
#include "site_int.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mono.h"

#define LOG_MODULE "web"

/* The form around the file. */
#define AROUND     4096
#define SEE_UPDATE NO_STORE "Location: /update\r\n"

/* For the box to begin, or to take what waits; and to read all of it back. */
#define TAKE_MS  (60 * 1000)
#define CHECK_MS (150 * 1000)

static void refuse(struct upload *u, int status, const char *why)
{
	if (u->status)
		return;
	u->status = status;
	snprintf(u->why, sizeof(u->why), "%s", why);
}

/* --- what of the body is the file -------------------------------------------- */

static enum rc on_field(void *ctx, const char *name, const char *value)
{
	struct site *s = ctx;

	if (!strcmp(name, "csrf"))
		s->upload.has_token = auth_csrf_fits(&s->auth, value);
	return RC_OK;
}

static void begin_file(struct upload *u)
{
	u->wants = true;
	u->waits_ms = mono_ms();
}

static enum rc on_file(void *ctx)
{
	struct site *s = ctx;

	if (!s->upload.has_token) {
		refuse(&s->upload, 403,
		    "This form is too old. Open the page again, please.");
		return RC_REFUSED;
	}
	begin_file(&s->upload);
	return RC_OK;
}

/* There is room for it: see room_of(). */
static enum rc on_data(void *ctx, const char *data, size_t len)
{
	struct upload *u = &((struct site *)ctx)->upload;

	if (len > sizeof(u->piece) - u->len)
		return RC_BUG;
	if (len > WEB_UPLOAD_MAX - u->bytes) {
		refuse(u, 413, SITE_TOO_LARGE);
		return RC_LIMIT;
	}
	memcpy(u->piece + u->len, data, len);
	u->len += len;
	u->bytes += len;
	return RC_OK;
}

/* For bytes of the body: what of it is the file may come with a mark that
 * turned out to be none. */
static size_t room_of(const struct upload *u)
{
	size_t room = sizeof(u->piece) - u->len;
	size_t kept = u->is_form ? MULTIPART_MARK_MAX : 0;

	return room > kept ? room - kept : 0;
}

/* --- the body ---------------------------------------------------------------- */

static bool is_form_path(const struct http_request *req)
{
	return !strcmp(req->path, "/update");
}

/* Known from the last status; the box looks again. */
static const char *not_now(const struct site *s, int *status)
{
	const struct status_update *u = &s->st.update;

	*status = 409;
	if (s->upload.is_open || u->comes)
		return "An update is being sent already. Wait for its end.";
	if (u->runs)
		return "An update is being installed. The box restarts.";
	if (u->trial)
		return "The version that runs is being tried. Wait some "
		       "minutes.";
	*status = 400;
	return u->can ? NULL
		      : "Only a box that runs from its own card can do that.";
}

/* What is said of it stands on the page with the form, or in JSON. */
static void say(struct site *s, const struct http_request *req, int status,
    const char *why, struct http_answer *a)
{
	struct markup m;

	if (!is_form_path(req))
		site_refused(s, req, a, status, why);
	else if (site_still_begin(s, a, &m)) {
		page_update(&s->st.update, why, auth_csrf(&s->auth), &m);
		site_still_end(s, a, status, &m);
	}
}

void site_get_update(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	(void)view; /* a session */
	say(s, req, 200, "", a);
}

/* Leaves a->status at 0 when the body may come. */
void site_post_update(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct upload *u = &s->upload;
	uint32_t number = u->number;
	const char *why;
	int status;

	(void)view; /* a session */
	why = not_now(s, &status);
	if (!why && req->length > WEB_UPLOAD_MAX + AROUND) {
		status = 413;
		why = SITE_TOO_LARGE;
	}
	if (why) {
		say(s, req, status, why, a);
		return;
	}
	memset(u, 0, offsetof(struct upload, drops));
	u->number = number + 1;
	u->sink = (struct multipart_sink){ s, on_field, on_file, on_data };
	u->is_form = !multipart_begin(&u->form, req->type, &u->sink);
	u->has_token = auth_csrf_fits(&s->auth, req->csrf);
	if (!u->is_form && req->length > WEB_UPLOAD_MAX) {
		say(s, req, 413, SITE_TOO_LARGE, a);
		return;
	}
	if (!u->is_form && is_form_path(req)) {
		say(s, req, 400, "Choose a file in the form.", a);
		return;
	}
	if (!u->is_form && !u->has_token) {
		site_no_token(s, req, a);
		return;
	}
	u->is_open = true;
	if (!u->is_form)
		begin_file(u);
}

size_t site_upload_take(void *ctx, const char *data, size_t len)
{
	struct site *s = ctx;
	struct upload *u = &s->upload;
	size_t room = room_of(u);

	if (u->status || u->over)
		return len; /* it is over, which is about to be said */
	if (len > room)
		len = room;
	if (!len)
		return 0;
	if (!u->is_form) {
		if (on_data(s, data, len))
			refuse(u, 500, "The box could not take it.");
	} else if (multipart_feed(&u->form, data, len)) {
		refuse(u, 400, "This form could not be read.");
	}
	return len;
}

/* The box owes an answer. */
static bool is_late(const struct upload *u)
{
	bool owes = u->begun && !u->answered;

	owes |= u->sent > u->taken || u->ended;
	return u->wants && owes &&
	       mono_ms() - u->waits_ms > (u->ended ? CHECK_MS : TAKE_MS);
}

static void tell_arrived(
    struct site *s, const struct http_request *req, struct http_answer *a)
{
	log_note("an update came through the page version=%s bytes=%llu",
	    s->upload.said.version, (unsigned long long)s->upload.bytes);
	site_done(s, req, a);
	if (a->status == 303)
		a->headers = SEE_UPDATE;
}

static void close_it(struct upload *u)
{
	if (u->begun && !u->over) {
		u->drops = true;
		u->drop_number = u->number;
	}
	explicit_bzero(u->piece, sizeof(u->piece));
	u->is_open = false;
}

bool site_upload_over(void *ctx, const struct http_request *req, bool whole,
    struct http_answer *a)
{
	struct site *s = ctx;
	struct upload *u = &s->upload;
	char text[200];

	u->whole = whole;
	if (whole && u->is_form && !multipart_is_whole(&u->form))
		refuse(u, 400, "This form could not be read.");
	if (is_late(u))
		refuse(
		    u, 503, "The card did not take it in time. Send it again.");
	if (!u->status && !u->over)
		return false;
	if (u->status) {
		say(s, req, u->status, u->why, a);
	} else if (u->said.good) {
		tell_arrived(s, req, a);
	} else {
		snprintf(text, sizeof(text), "Not taken: %s.", u->said.why);
		snprintf(u->why, sizeof(u->why), "%s", text);
		say(s, req, 400, u->why, a);
	}
	close_it(u);
	return true;
}

void site_upload_drop(void *ctx)
{
	struct site *s = ctx;

	log_note("an update was cut off on its way bytes=%llu",
	    (unsigned long long)s->upload.bytes);
	close_it(&s->upload);
}

/* --- the box ----------------------------------------------------------------- */

/* A whole piece, or the last one, and there is room for it there. */
static bool has_piece(const struct upload *u)
{
	bool full = u->whole || room_of(u) == 0;

	return u->answered && u->len && full &&
	       u->sent + u->len - u->taken <= WEB_UPLOAD_AHEAD;
}

static bool has_end(const struct upload *u)
{
	return u->answered && u->whole && !u->len && !u->ended;
}

bool site_has_upload(const struct site *s)
{
	const struct upload *u = &s->upload;

	if (u->drops)
		return true;
	return u->is_open && u->wants && !u->status && !u->over &&
	       (!u->begun || has_piece(u) || has_end(u));
}

bool site_take_upload(struct site *s, struct web_upload *out)
{
	struct upload *u = &s->upload;

	if (!site_has_upload(s))
		return false;
	memset(out, 0, sizeof(*out));
	out->number = u->number;
	if (u->drops) {
		out->number = u->drop_number;
		out->what = WEB_UPLOAD_DROP;
		u->drops = false;
		return true;
	}
	if (u->sent == u->taken)
		u->waits_ms = mono_ms();
	if (!u->begun) {
		u->begun = true;
		out->what = WEB_UPLOAD_BEGIN;
	} else if (u->len) {
		out->what = WEB_UPLOAD_DATA;
		out->len = (uint32_t)u->len;
		memcpy(out->data, u->piece, u->len);
		u->sent += u->len;
		u->len = 0;
	} else {
		u->ended = true;
		out->what = WEB_UPLOAD_END;
	}
	return true;
}

void site_upload_said(struct site *s, const struct web_upload_said *said)
{
	struct upload *u = &s->upload;

	if (!u->is_open || !u->begun || said->number != u->number)
		return; /* of one that is over */
	if (said->taken > u->taken || !u->answered)
		u->waits_ms = mono_ms();
	u->answered = true;
	u->said = *said;
	u->taken = said->taken < u->sent ? said->taken : u->sent;
	u->over = said->over;
}
