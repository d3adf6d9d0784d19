/* What the control socket and scripts understand; README.md says it in full.
 * A command may begin with UDID, @UDID or @NAME when there are several. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "control.h"
#include "mono.h"
#include "phone_events.h"
#include "phone_options.h"
#include "phone_private.h"
#include "phone_set.h"
#include "values.h"

#define CONTROL_ARGS 16

struct command {
	struct phone_set *set;
	struct phone *ph; /* the one meant; NULL: none, or not clear */
	struct phone *only; /* the one that was named */
	int argc;
	char *argv[CONTROL_ARGS]; /* the words behind the command's name */
	char rest[CONTROL_LINE]; /* the same as one text */
	uint64_t *cursor;
	char *out;
	size_t cap;
};

static int say(struct command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int say(struct command *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->out, c->cap, fmt, ap);
	va_end(ap);
	return strncmp(c->out, "error", 5) == 0 ? -1 : 0;
}

static int say_done(struct command *c, int rc, const char *why)
{
	return rc ? say(c, "error %s", why) : say(c, "ok");
}

/* Word i as a number, with K, M, G; `def` when there is none. */
static int arg_size(struct command *c, int i, uint64_t def, uint64_t *out)
{
	*out = def;
	return i < c->argc ? phone_options_size(c->argv[i], out) : 0;
}

/* --- phones ---------------------------------------------------------------
 */

static int do_add(struct command *c)
{
	char err[256] = "";
	struct phone *ph = phone_set_add(c->set, c->rest, err, sizeof(err));

	return ph ? say(c, "ok %s", ph->id.udid) : say(c, "error %s", err);
}

static int do_plug(struct command *c)
{
	return say(c, phone_plug(c->ph) ? "ok it was plugged in" : "ok");
}

static int do_unplug(struct command *c)
{
	return say(c, phone_unplug(c->ph) ? "ok it was not plugged in" : "ok");
}

static int do_reboot(struct command *c)
{
	uint64_t ms;

	if (arg_size(c, 0, 2000, &ms) || ms > 3600000)
		return say(c, "error not a time");
	phone_reboot(c->ph, (int)ms);
	return say(c, "ok");
}

static int set_locked(struct command *c, bool locked)
{
	pthread_mutex_lock(&c->ph->lock);
	c->ph->locked = locked;
	pthread_cond_broadcast(&c->ph->changed);
	pthread_mutex_unlock(&c->ph->lock);
	phone_event(c->ph, locked ? "locked" : "unlocked");
	return say(c, "ok");
}

static int do_lock(struct command *c)
{
	return set_locked(c, true);
}

static int do_unlock(struct command *c)
{
	return set_locked(c, false);
}

static int do_trust_plan(struct command *c, enum trust_plan plan)
{
	pthread_mutex_lock(&c->ph->lock);
	c->ph->p->trust_plan = plan;
	pthread_mutex_unlock(&c->ph->lock);
	return say(c, "ok");
}

static int trust(struct command *c, bool yes)
{
	int rc = phone_trust_answer(c->ph, yes);

	return say(c, rc ? "ok the next dialog will be answered so" : "ok");
}

static int do_trust(struct command *c)
{
	if (c->argc == 0)
		return trust(c, true);
	if (strcmp(c->argv[0], "always") == 0)
		return do_trust_plan(c, TRUST_ALWAYS);
	if (strcmp(c->argv[0], "never") == 0)
		return do_trust_plan(c, TRUST_NEVER);
	if (strcmp(c->argv[0], "ask") == 0)
		return do_trust_plan(c, TRUST_ASK);
	return say(c, "error trust [always|ask|never]");
}

static int do_deny(struct command *c)
{
	return trust(c, false);
}

static int do_forget(struct command *c)
{
	int n = phone_host_forget(c->ph, NULL);

	phone_event(c->ph, "forgot %d hosts", n);
	return say(c, "ok %d", n);
}

/* --- passcode -------------------------------------------------------------
 */

static int passcode_now(struct command *c)
{
	enum passcode_answer a = PASSCODE_ANSWER_OK;

	if (c->argc > 1 && strcmp(c->argv[1], "refused") == 0)
		a = PASSCODE_ANSWER_REFUSED;
	else if (c->argc > 1 && strcmp(c->argv[1], "timeout") == 0)
		a = PASSCODE_ANSWER_TIMEOUT;
	else if (c->argc > 1 && strcmp(c->argv[1], "entered") != 0)
		return say(c, "error passcode now [entered|refused|timeout]");
	return say_done(
	    c, phone_passcode_now(c->ph, a), "no passcode dialog is open");
}

static int passcode_plan(
    struct command *c, enum passcode_plan plan, int *field, uint64_t def)
{
	uint64_t ms;

	if (arg_size(c, 1, def, &ms) || ms > 86400000)
		return say(c, "error not a time");
	pthread_mutex_lock(&c->ph->lock);
	c->ph->passcode_plan = plan;
	if (field)
		*field = (int)ms;
	pthread_cond_broadcast(&c->ph->changed);
	pthread_mutex_unlock(&c->ph->lock);
	return say(c, "ok");
}

static int do_passcode(struct command *c)
{
	const char *word = c->argc ? c->argv[0] : "";
	struct phone *ph = c->ph;

	if (strcmp(word, "now") == 0)
		return passcode_now(c);
	if (strcmp(word, "wait") == 0)
		return passcode_plan(c, PASSCODE_WAIT, NULL, 0);
	if (strcmp(word, "entered") == 0)
		return passcode_plan(
		    c, PASSCODE_ENTERED, &ph->passcode_delay_ms, 300);
	if (strcmp(word, "refused") == 0)
		return passcode_plan(
		    c, PASSCODE_REFUSED, &ph->passcode_delay_ms, 300);
	if (strcmp(word, "ignored") == 0)
		return passcode_plan(
		    c, PASSCODE_IGNORED, &ph->passcode_timeout_ms, 180000);
	if (strcmp(word, "none") == 0 || strcmp(word, "set") == 0) {
		phone_knob_set(
		    ph, "passcode_set", strcmp(word, "set") == 0 ? "1" : "0");
		return say(c, "ok");
	}
	return say(
	    c, "error passcode now|wait|entered|refused|ignored|none|set");
}

/* --- state ----------------------------------------------------------------
 */

static int do_battery(struct command *c)
{
	uint64_t n;

	if (c->argc != 1 || arg_size(c, 0, 0, &n) || n > 100)
		return say(c, "error battery PERCENT");
	pthread_mutex_lock(&c->ph->lock);
	c->ph->battery_pct = (int)n;
	pthread_mutex_unlock(&c->ph->lock);
	return say(c, "ok");
}

/* A traveller's phone; any text, as a phone could say it. */
static int do_zone(struct command *c)
{
	plist_t name;

	if (c->argc != 1)
		return say(c, "error zone NAME");
	name = plist_new_string(c->argv[0]);
	values_set(c->ph, "", "TimeZone", name, true);
	plist_free(name);
	phone_notify(c->ph, "com.apple.mobile.lockdown.timezone_changed");
	return say(c, "ok");
}

static int do_free(struct command *c)
{
	uint64_t n;

	if (c->argc != 1 || arg_size(c, 0, 0, &n))
		return say(c, "error free BYTES");
	pthread_mutex_lock(&c->ph->lock);
	c->ph->free_bytes = n;
	pthread_mutex_unlock(&c->ph->lock);
	return say(c, "ok");
}

static int do_cancel(struct command *c)
{
	phone_knob_set(c->ph, "cancel_backup", "1");
	phone_notify(c->ph, "com.apple.itunes-client.syncCancelRequest");
	return say(c, "ok");
}

static int do_notify(struct command *c)
{
	if (c->argc != 1)
		return say(c, "error notify NAME");
	phone_notify(c->ph, c->argv[0]);
	return say(c, "ok");
}

static int do_set(struct command *c)
{
	const char *value = c->rest;

	if (c->argc < 1)
		return say(c, "error set NAME VALUE");
	value += strlen(c->argv[0]);
	value += strspn(value, " ");
	return say_done(c, phone_knob_set(c->ph, c->argv[0], value),
	    "name or value is too long");
}

/* --- faults ---------------------------------------------------------------
 */

static int do_silence(struct command *c)
{
	uint64_t ms;

	if (c->argc != 1 || arg_size(c, 0, 0, &ms) || ms > 86400000)
		return say(c, "error silence MS");
	atomic_store(&c->ph->p->silent_until, mono_ms() + (int64_t)ms);
	pthread_mutex_lock(&c->ph->lock);
	pthread_cond_broadcast(&c->ph->changed);
	pthread_mutex_unlock(&c->ph->lock);
	return say(c, "ok");
}

static int do_cut(struct command *c)
{
	uint64_t n;

	if (c->argc != 1 || arg_size(c, 0, 0, &n) || n > INT64_MAX)
		return say(c, "error cut BYTES (0: off)");
	atomic_store(&c->ph->p->cut_after, n > 0 ? (int64_t)n : -1);
	return say(c, "ok");
}

static int do_at(struct command *c)
{
	const char *action = c->rest;
	char *colon;
	uint64_t n = 0;

	if (c->argc == 1 && strcmp(c->argv[0], "clear") == 0) {
		phone_faults_clear(c->ph);
		return say(c, "ok");
	}
	if (c->argc < 2)
		return say(c, "error at POINT[:N] ACTION | at clear");
	action += strlen(c->argv[0]);
	action += strspn(action, " ");
	colon = strchr(c->argv[0], ':');
	if (colon) {
		*colon = 0;
		if (phone_options_size(colon + 1, &n))
			return say(c, "error not a number: %s", colon + 1);
	}
	return say_done(c, phone_fault_arm(c->ph, c->argv[0], n, action),
	    "point or action is too long");
}

/* --- content --------------------------------------------------------------
 */

static int do_mutate(struct command *c)
{
	struct content_mutation m = { .seed = 1 };
	const struct {
		const char *key;
		uint64_t *value;
	} keys[] = {
		{ "grow=", &m.grow },
		{ "change=", &m.change },
		{ "remove=", &m.remove },
		{ "rename=", &m.rename },
		{ "add=", &m.add },
		{ "seed=", &m.seed },
	};

	for (int i = 0; i < c->argc; i++) {
		size_t k = 0, max = sizeof(keys) / sizeof(*keys);

		while (k < max && strncmp(c->argv[i], keys[k].key,
				      strlen(keys[k].key)) != 0)
			k++;
		if (k == max ||
		    phone_options_size(
			c->argv[i] + strlen(keys[k].key), keys[k].value))
			return say(c, "error mutate: %s", c->argv[i]);
	}
	return say_done(c, content_mutate(c->ph->content, &m), "it failed");
}

static int do_hashes(struct command *c)
{
	if (c->argc != 1)
		return say(c, "error hashes FILE");
	return say_done(c, content_write_hashes(c->ph->content, c->argv[0]),
	    "can't write it");
}

static int do_wipe(struct command *c)
{
	return say_done(c, content_wipe(c->ph->content), "it failed");
}

static int do_password(struct command *c)
{
	const char *old_pw = c->argc > 0 ? c->argv[0] : "";
	const char *new_pw = c->argc > 1 ? c->argv[1] : "";
	int rc;

	if (c->argc < 1)
		return say(c, "error password OLD|- NEW|-");
	old_pw = strcmp(old_pw, "-") == 0 ? NULL : old_pw;
	new_pw = !new_pw[0] || strcmp(new_pw, "-") == 0 ? NULL : new_pw;
	rc = content_change_password(c->ph->content, old_pw, new_pw);
	return rc ? say(c, "error code %d", rc) : say(c, "ok");
}

/* --- looking and waiting --------------------------------------------------
 */

static int do_wait_event(struct command *c)
{
	char text[CONTROL_LINE], line[PHONE_EVENT_MAX], *last;
	uint64_t ms = 30000;
	int rc;

	snprintf(text, sizeof(text), "%s", c->rest);
	last = strrchr(text, ' ');
	if (last && phone_options_size(last + 1, &ms) == 0)
		*last = 0;
	if (!text[0] || ms > 86400000)
		return say(c, "error wait-event TEXT [MS]");
	rc = phone_events_wait(
	    phone_set_events(c->set), c->cursor, text, (int)ms, line);
	return rc ? say(c, "error no such event within %d ms", (int)ms)
		  : say(c, "ok %s", line);
}

static int do_wait(struct command *c)
{
	uint64_t ms;

	if (c->argc != 1 || arg_size(c, 0, 0, &ms) || ms > 86400000)
		return say(c, "error wait MS");
	usleep((useconds_t)ms * 1000);
	return say(c, "ok");
}

static int do_mark(struct command *c)
{
	*c->cursor = phone_events_now(phone_set_events(c->set));
	return say(c, "ok");
}

static int do_list(struct command *c)
{
	size_t n = 0;
	struct phone *ph;

	n = (size_t)snprintf(c->out, c->cap, "ok");
	for (size_t i = 0; (ph = phone_set_at(c->set, i)) && n < c->cap; i++)
		n += (size_t)snprintf(
		    c->out + n, c->cap - n, " %s", ph->id.udid);
	return 0;
}

static int do_status(struct command *c)
{
	return control_status(c->set, c->ph, c->out, c->cap);
}

static int do_quit(struct command *c)
{
	kill(getpid(), SIGTERM);
	return say(c, "ok");
}

static int do_help(struct command *c);

/* clang-format off */
static const struct {
	const char *name;
	int (*fn)(struct command *c);
	bool needs_phone;
} commands[] = {
	{ "add",        do_add,        false },
	{ "at",         do_at,         true },
	{ "battery",    do_battery,    true },
	{ "cancel",     do_cancel,     true },
	{ "cut",        do_cut,        true },
	{ "deny",       do_deny,       true },
	{ "forget",     do_forget,     true },
	{ "free",       do_free,       true },
	{ "hashes",     do_hashes,     true },
	{ "help",       do_help,       false },
	{ "list",       do_list,       false },
	{ "lock",       do_lock,       true },
	{ "mark",       do_mark,       false },
	{ "mutate",     do_mutate,     true },
	{ "notify",     do_notify,     true },
	{ "passcode",   do_passcode,   true },
	{ "password",   do_password,   true },
	{ "plug",       do_plug,       true },
	{ "quit",       do_quit,       false },
	{ "reboot",     do_reboot,     true },
	{ "set",        do_set,        true },
	{ "silence",    do_silence,    true },
	{ "status",     do_status,     false },
	{ "trust",      do_trust,      true },
	{ "unlock",     do_unlock,     true },
	{ "unplug",     do_unplug,     true },
	{ "wait",       do_wait,       false },
	{ "wait-event", do_wait_event, false },
	{ "wipe",       do_wipe,       true },
	{ "zone",       do_zone,       true },
};
/* clang-format on */

static int do_help(struct command *c)
{
	size_t n = (size_t)snprintf(c->out, c->cap, "ok events");

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (n < c->cap)
			n += (size_t)snprintf(
			    c->out + n, c->cap - n, " %s", commands[i].name);
	return 0;
}

/* Cuts off the first word and the spaces around it. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, " \t"), *end;

	end = word + strcspn(word, " \t");
	if (*end)
		*end++ = 0;
	*line = end + strspn(end, " \t");
	return word;
}

int control_command(
    struct phone_set *set, char *line, uint64_t *cursor, char *out, size_t cap)
{
	struct command c = {
		.set = set, .cursor = cursor, .out = out, .cap = cap
	};
	char *name = next_word(&line);

	c.ph = phone_set_find(set, name[0] == '@' ? name + 1 : name);
	if (!c.ph && name[0] == '@')
		return say(&c, "error no such phone: %.60s", name + 1);
	if (c.ph)
		name = next_word(&line);
	else
		c.ph = phone_set_find(set, NULL);
	snprintf(c.rest, sizeof(c.rest), "%s", line);
	while (*line && c.argc < CONTROL_ARGS)
		c.argv[c.argc++] = next_word(&line);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (commands[i].needs_phone && !c.ph)
			return say(&c, "error which phone? (UDID %s …)", name);
		return commands[i].fn(&c);
	}
	return say(&c, "error unknown command: %.60s", name);
}
