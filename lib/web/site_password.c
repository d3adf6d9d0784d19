/* The form for a backup password, and what comes back in it. */
#include "site_int.h"

#include <string.h>

#include "form.h"

void site_get_password(struct site *s, const struct http_request *req,
    enum page_view view, struct http_answer *a)
{
	struct markup m;

	(void)req;
	(void)view; /* a session */
	if (!site_still_begin(s, a, &m))
		return;
	page_password(&s->st, auth_csrf(&s->auth), &m);
	site_still_end(s, a, 200, &m);
}

/* False: it is there, and does not fit. */
static bool read_word(
    const struct http_request *req, const char *name, char out[PASSWORD_CAP])
{
	if (form_get(req->body, name, out, PASSWORD_CAP))
		return password_is_fit(out);
	return !form_has(req->body, name);
}

/* Known from the last status; the box looks again. */
static const char *not_now(const struct status *st, const char *udid)
{
	for (uint32_t i = 0; i < st->n_phones; i++) {
		const struct status_phone *p = &st->phones[i];

		if (strcmp(p->udid, udid) != 0)
			continue;
		if (!p->attached)
			return "Plug the phone in first.";
		if (status_is_busy(p->state))
			return "The phone is busy. Wait for the end of its "
			       "backup, or stop it.";
	}
	return NULL;
}

/* `again` is what the page's own form sends, for the eyes of nobody. */
static bool is_same_again(
    const struct http_request *req, const struct password_change *w)
{
	char again[PASSWORD_CAP];
	bool same =
	    !form_has(req->body, "again") ||
	    (read_word(req, "again", again) && !strcmp(again, w->new_word));

	explicit_bzero(again, sizeof(again));
	return same;
}

const char *site_read_password(
    const struct site *s, const struct http_request *req, struct web_command *c)
{
	struct password_change *w = &c->password;
	char off[8];
	bool is_off =
	    form_get(req->body, "off", off, sizeof(off)) && !strcmp(off, "yes");

	if (!read_word(req, "old", w->old_word) ||
	    !read_word(req, "new", w->new_word))
		return "A backup password has 1 to 127 bytes, and no control "
		       "characters.";
	if (is_off && w->new_word[0])
		return "Either a new backup password, or none.";
	if (!is_off && !w->new_word[0])
		return "The new backup password is missing.";
	if (is_off && !w->old_word[0])
		return "The backup password that the phone has now is missing.";
	if (!is_same_again(req, w))
		return "The two new backup passwords differ. Nothing was "
		       "changed.";
	return not_now(&s->st, c->udid);
}
