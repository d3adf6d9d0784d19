/*
 * A change of the backup password: connect, trust, ask for the words, one
 * request, and a look whether the phone now says what it was told to do.
 * Backups stay as they are; the next one is a full one with a new keybag
 * (protocols.md 5.10).
 */
#define LOG_MODULE "session"
#include <string.h>
#include <time.h>

#include "log.h"
#include "mono.h"
#include "session_priv.h"
#include "verdict.h"

/* Longer than the phone shows its passcode dialog; there is no scan to wait
 * for. */
#define ANSWER_MS 300000
/* A connection that was silent for so long while somebody typed is made
 * anew. */
#define TYPED_MS 5000
/* lockdownd may learn of it a little later than the agent has said so. */
#define CONFIRM_TRIES 10
#define CONFIRM_MS    300

/* What is to be asked for; false: the phone can't take it. */
static bool plan(
    bool will_encrypt, struct password_change *w, enum password_did *out)
{
	if (!will_encrypt) {
		/* There is none: what was given as the old one is not it. */
		explicit_bzero(w->old_word, sizeof(w->old_word));
		*out = w->new_word[0] ? PASSWORD_ON : PASSWORD_NOTHING;
		return true;
	}
	*out = w->new_word[0] ? PASSWORD_CHANGED : PASSWORD_OFF;
	return w->old_word[0] != '\0';
}

static enum rc ask_words(struct session *s, const struct session_words *words,
    struct password_change *w, enum session_end *why)
{
	int64_t began = mono_ms();
	enum rc rc = words->ask(words->ctx, &s->phone, w);
	int64_t took = mono_ms() - began;

	s->napped_ms += took;
	if (!rc && !password_change_is_fit(w))
		rc = RC_BUG;
	if (!rc && took > TYPED_MS)
		rc = session_reconnect(s, why);
	return rc;
}

static enum rc open_link(struct session *s, enum session_end *why)
{
	int wait_ms = s->opts.first_wait_ms < ANSWER_MS ? s->opts.first_wait_ms
							: ANSWER_MS;
	struct dlink_waits waits = {
		.first_ms = wait_ms, .next_ms = wait_ms, .last_ms = wait_ms
	};
	struct dlink_hooks hooks = { .ctx = s, .tick = session_tick };
	struct stream stream;
	enum rc rc = session_open_stream(s, &stream, why);

	if (!rc)
		rc = dlink_new(
		    stream, NULL, s->phone.udid, &waits, &hooks, &s->dlink);
	return rc ? rc : dlink_hello(s->dlink);
}

static bool says_so(struct session *s, bool wanted)
{
	struct timespec t = { 0, CONFIRM_MS * 1000000L };
	bool is_on = !wanted;
	enum rc rc = RC_OK;

	for (int i = 0; i < CONFIRM_TRIES && !rc && is_on != wanted; i++) {
		if (i)
			nanosleep(&t, NULL);
		rc = session_will_encrypt(s, &is_on);
	}
	if (rc) {
		log_info("not confirmed, but the phone had said yes: %s",
		    rc_words(rc));
		return true;
	}
	s->phone.will_encrypt = is_on;
	if (s->ev.phone)
		s->ev.phone(s->ev.ctx, &s->phone);
	return is_on == wanted;
}

static void serve(
    struct session *s, enum password_did did, struct session_result *out)
{
	struct dlink_result res;
	enum rc rc = dlink_serve(s->dlink, &res);

	verdict_of_password(rc, &res, out);
	if (rc == RC_OK)
		dlink_bye(s->dlink);
	if (out->rc)
		return;
	if (!says_so(s, did != PASSWORD_OFF)) {
		log_error("the phone said yes, and did not do it");
		out->unsure = true;
		session_failed(RC_REFUSED, SESSION_END_PHONE_OTHER, out);
		return;
	}
	out->did = did;
	log_note("%s", password_did_words(did));
}

static enum rc change(struct session *s, struct password_change *w,
    struct session_result *out, enum session_end *why)
{
	enum password_did did;
	enum rc rc;

	if (!plan(s->phone.will_encrypt, w, &did)) {
		*why = SESSION_END_PASSWORD;
		return RC_REFUSED;
	}
	if (did == PASSWORD_NOTHING) {
		out->end = SESSION_END_DONE;
		out->rc = RC_OK;
		return RC_OK;
	}
	rc = open_link(s, why);
	if (rc)
		return rc;
	session_enter(s, SESSION_PREPARING);
	rc = dlink_ask_password(s->dlink, w->old_word, w->new_word);
	password_wipe(w);
	out->unsure = rc != RC_OK;
	if (!rc)
		serve(s, did, out);
	return rc;
}

enum rc session_password(const struct session_opts *opts,
    const struct session_words *words, const struct session_events *ev,
    struct session_result *out)
{
	struct session *s = session_new(opts, ev, out);
	enum session_end why = SESSION_END_COUNT_;
	struct password_change w;
	enum rc rc;

	if (!s)
		return out->rc;
	memset(&w, 0, sizeof(w));
	rc = session_connect(s, &why);
	if (!rc)
		rc = ask_words(s, words, &w, &why);
	if (!rc)
		rc = change(s, &w, out, &why);
	password_wipe(&w);
	if (rc) {
		session_failed(rc, why, out);
		log_note("the backup password stays: %s", rc_words(rc));
	}
	session_end(s, out);
	return out->rc;
}
