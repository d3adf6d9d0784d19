/* What an owner sets on the page, and what of the box follows from it. */
#include <stdio.h>
#include <string.h>

#include "box_int.h"
#include "log.h"
#include "mono.h"
#include "settings_file.h"

#define LOG_MODULE "box"
#define ANSWER_MS  1000

void box_send_settings(struct box *b)
{
	struct msg m = { .type = MSG_SETTINGS };

	if (b->web.child.fd < 0)
		return;
	settings_of(b->config, &m.u.settings);
	settings_hide(&m.u.settings);
	if (msg_send(b->web.child.fd, &m))
		log_warn("the page did not get what may be set");
}

/* A part of the page's own begin: it has to begin again. */
static bool is_of_web(const struct config *a, const struct config *b)
{
	return strcmp(a->box_name, b->box_name) != 0 || a->open != b->open ||
	       box_wifi_is_wanted(a) != box_wifi_is_wanted(b);
}

void box_settings_turn(struct box *b, int64_t now_ms)
{
	if (!b->web_again_ms || now_ms < b->web_again_ms)
		return;
	b->web_again_ms = 0;
	log_note("the page begins again with other settings");
	child_end(&b->web.child, 500);
	b->cert.cert_len = 0; /* the name may be another */
	if (b->web.begins)
		b->web.begins--; /* no fault of it */
	b->web.start_ms = now_ms;
}

/* A notice of the start stays before it. */
static void tell_unkept(struct box *b, enum rc rc)
{
	if (rc)
		log_error(
		    "they last until the next start only: %s", rc_words(rc));
	if (rc && (!b->notice[0] || b->settings_unkept)) {
		b->settings_unkept = true;
		snprintf(b->notice, sizeof(b->notice),
		    "What was set on the page can't be stored (%s): it lasts "
		    "until the next start only.",
		    rc_words(rc));
	} else if (!rc && b->settings_unkept) {
		b->settings_unkept = false;
		b->notice[0] = '\0';
	}
}

void box_set_settings(struct box *b, const struct settings_values *v)
{
	struct config before = *b->config;
	char why[200];
	enum rc rc = settings_apply(&b->own, v, why, sizeof(why));

	if (rc) {
		/* The page has checked them: it is not to be believed. */
		log_warn("settings of the page are refused: %s", why);
		box_send_settings(b);
		return;
	}
	log_note("settings were changed on the page");
	if (b->config->state[0])
		rc = settings_store(b->config->state, b->config);
	tell_unkept(b, rc);
	b->policy = box_policy(b->config);
	box_wifi_settings(b, &before);
	/* A moment for the answer to who set them. */
	if (is_of_web(&before, b->config))
		b->web_again_ms = mono_ms() + ANSWER_MS;
	box_send_settings(b);
}
