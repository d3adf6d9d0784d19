/* The PIN, and what a session may ask the box for. */
#include "site_int.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#define LOG_MODULE "web"
#include "form.h"
#include "log.h"
#include "mono.h"

#define COOKIE     "ns_session"
#define MAX_AGE    (AUTH_IDLE_MS / 1000)
#define SEE_HOME   NO_STORE "Location: /\r\n"
#define SEE_REPORT NO_STORE "Location: /report\r\n"

bool site_session(
    struct site *s, const struct http_request *req, char token[AUTH_TOKEN + 1])
{
	if (!form_cookie(req->cookie, COOKIE, token, AUTH_TOKEN + 1))
		return false;
	return auth_is_session(&s->auth, token, mono_ms());
}

static bool is_api(const struct http_request *req)
{
	return strncmp(req->path, "/api/", 5) == 0;
}

/* One object of JSON; takes it. */
static void json(struct site *s, struct http_answer *a, int status, cJSON *o)
{
	char text[1024];
	struct markup m;

	if (!o || !cJSON_PrintPreallocated(o, text, sizeof(text), false))
		snprintf(text, sizeof(text), "{}");
	cJSON_Delete(o);
	if (!site_body_begin(s, a, &m))
		return;
	markup_raw(&m, text);
	site_body_end(a, status, TEXT_JSON, &m);
}

/* "so it is": in JSON, or by the way back to the page. */
void site_done(
    struct site *s, const struct http_request *req, struct http_answer *a)
{
	cJSON *o;

	if (!is_api(req)) {
		site_plain(a, 303, "Done.\n");
		a->headers = SEE_HOME;
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddBoolToObject(o, "ok", true);
	json(s, a, 200, o);
}

/* why: a text that stays. */
void site_refused(struct site *s, const struct http_request *req,
    struct http_answer *a, int status, const char *why)
{
	cJSON *o;

	if (!is_api(req)) {
		site_plain(a, status, why);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "error", why);
	json(s, a, status, o);
}

/* --- the PIN ----------------------------------------------------------------- */

void site_show_login(
    struct site *s, int status, const char *said, struct http_answer *a)
{
	struct markup m;

	if (!site_still_begin(s, a, &m))
		return;
	page_login(said, &m);
	site_still_end(s, a, status, &m);
}

void site_get_login(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	(void)req;
	if (view == PAGE_OWNER) {
		site_plain(a, 303, "You are signed in.\n");
		a->headers = SEE_HOME;
		return;
	}
	site_show_login(s, 200, "", a);
}

void site_get_session(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	cJSON *o = cJSON_CreateObject();

	(void)req;
	cJSON_AddBoolToObject(o, "session", view == PAGE_OWNER);
	if (view == PAGE_OWNER)
		cJSON_AddStringToObject(o, "csrf", auth_csrf(&s->auth));
	json(s, a, 200, o);
}

static void wait_words(char *out, size_t cap, const char *first, int wait_s)
{
	if (wait_s >= 120)
		snprintf(out, cap, "%s Try again in %d minutes.", first,
		    (wait_s + 59) / 60);
	else if (wait_s > 1)
		snprintf(
		    out, cap, "%s Try again in %d seconds.", first, wait_s);
	else
		snprintf(out, cap, "%s", first);
}

static void not_let_in(struct site *s, const struct http_request *req,
    enum auth_result got, int wait_s, struct http_answer *a)
{
	int status = got == AUTH_WAIT ? 429 : 401;
	char said[160];

	if (got == AUTH_NO_PIN)
		snprintf(said, sizeof(said),
		    "The box has no PIN yet. Try again in a moment.");
	else if (got == AUTH_WAIT)
		wait_words(said, sizeof(said),
		    "There were too many wrong tries.", wait_s);
	else
		wait_words(said, sizeof(said), "That is not the PIN.", wait_s);
	if (is_api(req))
		site_refused(s, req, a, status, said);
	else
		site_show_login(s, status, said, a);
	if (wait_s) {
		snprintf(s->headers, sizeof(s->headers),
		    "%sRetry-After: %d\r\n", a->headers, wait_s);
		a->headers = s->headers;
	}
}

static void let_in(struct site *s, const struct http_request *req,
    const char *token, struct http_answer *a)
{
	cJSON *o;

	if (is_api(req)) {
		o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "csrf", auth_csrf(&s->auth));
		json(s, a, 200, o);
	} else {
		site_done(s, req, a);
	}
	snprintf(s->headers, sizeof(s->headers),
	    "%sSet-Cookie: " COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; "
	    "SameSite=Strict%s\r\n",
	    a->headers, token, (long long)MAX_AGE,
	    req->secure ? "; Secure" : "");
	a->headers = s->headers;
}

void site_post_login(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	char pin[32], token[AUTH_TOKEN + 1];
	enum auth_result got;
	int wait_s;

	(void)view;
	form_get(req->body, "pin", pin, sizeof(pin));
	got = auth_login(&s->auth, req->peer, pin, mono_ms(), token, &wait_s);
	if (got == AUTH_OK) {
		log_note("somebody signed in from=%s", req->peer);
		let_in(s, req, token, a);
		return;
	}
	log_warn("a sign-in was refused from=%s wrong_so_far=%llu", req->peer,
	    (unsigned long long)s->auth.refused);
	not_let_in(s, req, got, wait_s, a);
}

/* --- with a session ------------------------------------------------------------ */

bool site_has_token(struct site *s, const struct http_request *req)
{
	char csrf[AUTH_TOKEN + 1];

	return form_get(req->body, "csrf", csrf, sizeof(csrf)) &&
	       auth_csrf_fits(&s->auth, csrf);
}

void site_no_token(
    struct site *s, const struct http_request *req, struct http_answer *a)
{
	site_refused(s, req, a, 403,
	    "This form is too old. Open the page again, please.");
}

void site_post_logout(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	char token[AUTH_TOKEN + 1];

	(void)view;
	if (!site_has_token(s, req)) {
		site_no_token(s, req, a);
		return;
	}
	if (site_session(s, req, token))
		auth_logout(&s->auth, token);
	site_done(s, req, a);
	snprintf(s->headers, sizeof(s->headers),
	    "%sSet-Cookie: " COOKIE "=; Path=/; Max-Age=0\r\n", a->headers);
	a->headers = s->headers;
}

static bool knows_phone(const struct site *s, const char *udid)
{
	for (uint32_t i = 0; i < s->st.n_phones; i++)
		if (udid[0] && !strcmp(s->st.phones[i].udid, udid))
			return true;
	return false;
}

/* The disk that somebody saw on the page must be the one that is there now. */
static const char *refuses_prepare(
    const struct site *s, const struct http_request *req)
{
	char disk[sizeof(s->st.disk.offer)];

	if (!s->st.disk.offer[0])
		return "There is no disk to be prepared.";
	if (!form_get(req->body, "disk", disk, sizeof(disk)) ||
	    strcmp(disk, s->st.disk.offer) != 0)
		return "Another disk is there now. Nothing was deleted.";
	return NULL;
}

static const char *read_unlock(
    const struct site *s, const struct http_request *req, struct web_command *c)
{
	char keep[8];

	if (s->st.box_state != STATE_DISK_LOCKED)
		return "There is no locked disk.";
	if (!form_get(req->body, "word", c->password.new_word,
		sizeof(c->password.new_word)) ||
	    !c->password.new_word[0] || !password_is_fit(c->password.new_word))
		return "A password has 1 to 127 bytes, without control "
		       "characters.";
	form_get(req->body, "keep", keep, sizeof(keep));
	c->keep = !strcmp(keep, "yes");
	return NULL;
}

/* Likewise the version; an older one has to be meant. */
static const char *refuses_update(
    const struct site *s, const struct http_request *req, struct web_command *c)
{
	const struct status_update *u = &s->st.update;
	char version[sizeof(u->version)], older[8] = "";

	if (u->runs || u->trial || !u->version[0])
		return "There is no update to be installed.";
	if (!form_get(req->body, "version", version, sizeof(version)) ||
	    strcmp(version, u->version) != 0)
		return "Another update is there now. Nothing was installed.";
	form_get(req->body, "older", older, sizeof(older));
	c->older = !strcmp(older, "yes");
	if (u->older && !c->older)
		return "That version is older than what runs. Say older=yes "
		       "if you want it all the same.";
	return NULL;
}

/* NULL: it fits. */
static const char *read_command(
    const struct site *s, const struct http_request *req, struct web_command *c)
{
	static const char *const names[WEB_COMMAND_COUNT_] = {
		[WEB_BACKUP] = "backup",
		[WEB_STOP] = "stop",
		[WEB_DISMISS] = "dismiss",
		[WEB_SET_PIN] = "pin",
		[WEB_REPORT] = "report",
		[WEB_EJECT] = "eject",
		[WEB_USE_DISK] = "use_disk",
		[WEB_UNLOCK] = "unlock",
		[WEB_PREPARE] = "prepare",
		[WEB_PASSWORD] = "password",
		[WEB_UPDATE] = "update",
		[WEB_RESET] = "reset",
	};
	char action[16];
	unsigned kind = 0;
	size_t len;

	memset(c, 0, sizeof(*c));
	form_get(req->body, "action", action, sizeof(action));
	while (kind < WEB_COMMAND_COUNT_ && strcmp(names[kind], action) != 0)
		kind++;
	if (kind == WEB_COMMAND_COUNT_)
		return "The box can't do that.";
	c->kind = (enum web_command_kind)kind;
	if (kind == WEB_RESET)
		return s->st.update.can
			   ? NULL
			   : "Only a box that runs from its own card can do "
			     "that.";
	if (kind == WEB_UPDATE)
		return refuses_update(s, req, c);
	if (kind == WEB_PREPARE)
		return refuses_prepare(s, req);
	if (kind == WEB_UNLOCK)
		return read_unlock(s, req, c);
	if (kind == WEB_REPORT || kind == WEB_EJECT || kind == WEB_USE_DISK)
		return NULL;
	if (kind != WEB_SET_PIN) {
		form_get(req->body, "udid", c->udid, sizeof(c->udid));
		if (!knows_phone(s, c->udid))
			return "The box does not know that phone.";
		return kind == WEB_PASSWORD ? site_read_password(s, req, c)
					    : NULL;
	}
	form_get(req->body, "new", c->pin, sizeof(c->pin));
	len = strlen(c->pin);
	if (len < 6 || strspn(c->pin, "0123456789") != len)
		return "A PIN has six digits or more.";
	return NULL;
}

/* A session that was left open must not be enough to lock its owner out, or to
 * delete a disk. */
static bool knows_old_pin(
    struct site *s, const struct http_request *req, struct http_answer *a)
{
	char old[32], token[AUTH_TOKEN + 1];
	enum auth_result got;
	int wait_s;

	form_get(req->body, "pin", old, sizeof(old));
	got = auth_login(&s->auth, req->peer, old, mono_ms(), token, &wait_s);
	if (got == AUTH_OK) {
		auth_logout(&s->auth, token);
		return true;
	}
	site_refused(s, req, a, got == AUTH_WAIT ? 429 : 403,
	    "That is not the PIN that the box has now.");
	return false;
}

static void do_command(struct site *s, const struct http_request *req,
    struct web_command *c, struct http_answer *a)
{
	const char *why = read_command(s, req, c);

	if (why) {
		site_refused(s, req, a, 400, why);
		return;
	}
	if ((c->kind == WEB_SET_PIN || c->kind == WEB_PREPARE ||
		c->kind == WEB_UPDATE || c->kind == WEB_RESET) &&
	    !knows_old_pin(s, req, a))
		return;
	if (s->n_commands == COMMANDS_MAX) {
		site_refused(s, req, a, 503, "Busy. Try again in a moment.");
		return;
	}
	s->commands[s->n_commands++] = *c;
	site_done(s, req, a);
	if (c->kind == WEB_REPORT)
		s->report_ms = 0;
	if (c->kind == WEB_REPORT && !is_api(req))
		a->headers = SEE_REPORT;
}

void site_post_do(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct web_command c;

	(void)view;
	if (!site_has_token(s, req)) {
		site_no_token(s, req, a);
		return;
	}
	do_command(s, req, &c, a);
	explicit_bzero(&c, sizeof(c));
}
