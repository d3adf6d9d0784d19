/* Knobs, and faults armed at named points. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "link.h"
#include "mono.h"
#include "phone_private.h"

/* --- knobs ----------------------------------------------------------------
 */

static struct phone_knob *knob_find(struct phone *ph, const char *name)
{
	struct phone_knob *k = ph->p->knobs;

	while (k && strcmp(k->name, name) != 0)
		k = k->next;
	return k;
}

/* Switches that are fields of the phone. */
static bool knob_field(struct phone *ph, const char *name, int64_t v)
{
	if (strcmp(name, "find_my") == 0)
		ph->find_my = v != 0;
	else if (strcmp(name, "setup_done") == 0)
		ph->setup_done = v != 0;
	else if (strcmp(name, "passcode_set") == 0)
		ph->passcode_set = v != 0;
	else if (strcmp(name, "cancel_backup") == 0)
		ph->cancel_backup = v != 0;
	else
		return false;
	return true;
}

/* The key bag's rounds are the content's to keep. */
static int knob_rounds(struct phone *ph)
{
	return content_set_rounds(ph->content,
	    (uint32_t)phone_knob(ph, "dpic", 0),
	    (uint32_t)phone_knob(ph, "iter", 0));
}

int phone_knob_set(struct phone *ph, const char *name, const char *value)
{
	struct phone_knob *k;
	int rc = 0;

	if (strlen(name) >= sizeof(k->name) ||
	    strlen(value) >= sizeof(k->value))
		return -1;
	pthread_mutex_lock(&ph->lock);
	if (!knob_field(ph, name, strtoll(value, NULL, 0))) {
		k = knob_find(ph, name);
		if (!k) {
			k = calloc(1, sizeof(*k));
			if (k) {
				k->next = ph->p->knobs;
				ph->p->knobs = k;
			}
		}
		if (k) {
			snprintf(k->name, sizeof(k->name), "%s", name);
			snprintf(k->value, sizeof(k->value), "%s", value);
		}
		rc = k ? 0 : -1;
	}
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
	if (!rc && (strcmp(name, "dpic") == 0 || strcmp(name, "iter") == 0))
		rc = knob_rounds(ph);
	return rc;
}

int64_t phone_knob(struct phone *ph, const char *name, int64_t def)
{
	struct phone_knob *k;

	pthread_mutex_lock(&ph->lock);
	k = knob_find(ph, name);
	if (k && k->value[0])
		def = strtoll(k->value, NULL, 0);
	pthread_mutex_unlock(&ph->lock);
	return def;
}

bool phone_knob_text(struct phone *ph, const char *name, char *out, int cap)
{
	struct phone_knob *k;

	if (cap > 0)
		out[0] = 0;
	pthread_mutex_lock(&ph->lock);
	k = knob_find(ph, name);
	if (k && k->value[0])
		snprintf(out, (size_t)cap, "%s", k->value);
	else
		k = NULL;
	pthread_mutex_unlock(&ph->lock);
	return k != NULL;
}

/* --- points ---------------------------------------------------------------
 */

int phone_fault_arm(
    struct phone *ph, const char *point, uint64_t n, const char *action)
{
	struct phone_fault *f = calloc(1, sizeof(*f)), **at;

	if (!f || strlen(point) >= sizeof(f->point) ||
	    strlen(action) >= sizeof(f->action)) {
		free(f);
		return -1;
	}
	snprintf(f->point, sizeof(f->point), "%s", point);
	snprintf(f->action, sizeof(f->action), "%s", action);
	f->n = n;
	pthread_mutex_lock(&ph->lock);
	at = &ph->p->faults;
	while (*at)
		at = &(*at)->next;
	*at = f;
	pthread_mutex_unlock(&ph->lock);
	return 0;
}

void phone_faults_clear(struct phone *ph)
{
	struct phone_fault *f;

	pthread_mutex_lock(&ph->lock);
	while ((f = ph->p->faults)) {
		ph->p->faults = f->next;
		free(f);
	}
	pthread_mutex_unlock(&ph->lock);
}

void phone_fault_free(struct phone *ph)
{
	struct phone_knob *k;

	phone_faults_clear(ph);
	while ((k = ph->p->knobs)) {
		ph->p->knobs = k->next;
		free(k);
	}
}

/* Takes the first fault that fires here; it fires once. */
static struct phone_fault *fault_take(
    struct phone *ph, const char *name, uint64_t n)
{
	struct phone_fault **at, *f;

	pthread_mutex_lock(&ph->lock);
	at = &ph->p->faults;
	while (*at && (strcmp((*at)->point, name) != 0 || n < (*at)->n))
		at = &(*at)->next;
	f = *at;
	if (f)
		*at = f->next;
	pthread_mutex_unlock(&ph->lock);
	return f;
}

static void fault_state(struct phone *ph, bool lock, bool cancel)
{
	pthread_mutex_lock(&ph->lock);
	ph->locked = ph->locked || lock;
	ph->cancel_backup = ph->cancel_backup || cancel;
	pthread_cond_broadcast(&ph->changed);
	pthread_mutex_unlock(&ph->lock);
}

static int fault_do(struct phone *ph, char *action)
{
	char *save = NULL, *word = strtok_r(action, " ", &save);
	char *arg = strtok_r(NULL, " ", &save);
	long n = arg ? strtol(arg, NULL, 0) : 0;
	char *rest = strtok_r(NULL, "", &save);

	if (!word)
		return 0;
	if (strcmp(word, "unplug") == 0) {
		phone_unplug(ph);
		return -1;
	}
	if (strcmp(word, "drop") == 0)
		return -1;
	if (strcmp(word, "pause") == 0)
		return phone_sleep(ph, (int)n);
	if (strcmp(word, "error") == 0)
		return (int)n;
	if (strcmp(word, "silence") == 0)
		atomic_store(&ph->p->silent_until, mono_ms() + n);
	else if (strcmp(word, "cut") == 0)
		atomic_store(&ph->p->cut_after, n > 0 ? n : -1);
	else if (strcmp(word, "lock") == 0)
		fault_state(ph, true, false);
	else if (strcmp(word, "cancel") == 0)
		fault_state(ph, false, true);
	else if (strcmp(word, "set") == 0 && arg)
		phone_knob_set(ph, arg, rest ? rest : "1");
	else
		phone_knob_set(ph, word, arg ? arg : "1");
	return 0;
}

int phone_point(struct phone *ph, const char *name, uint64_t n)
{
	struct phone_fault *f;
	int rc = 0;

	pthread_mutex_lock(&ph->p->stats);
	snprintf(ph->p->last_point, sizeof(ph->p->last_point), "%.40s:%llu",
	    name, (unsigned long long)n);
	pthread_mutex_unlock(&ph->p->stats);
	while (rc == 0 && (f = fault_take(ph, name, n))) {
		phone_event(ph, "point %s:%llu %s", name, (unsigned long long)n,
		    f->action);
		rc = fault_do(ph, f->action);
		free(f);
	}
	if (rc == 0 && !phone_is_plugged(ph))
		rc = -1;
	return rc;
}
