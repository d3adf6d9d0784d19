/* Options of a phone; see phone_options.h. */
#include "phone_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phone_private.h"

enum opt_kind {
	OPT_TEXT,
	OPT_SIZE,
	OPT_BOOL,
	OPT_INT
};

struct opt {
	const char *key;
	enum opt_kind kind;
	size_t offset, cap;
};

#define FIELD(f)                                                               \
	offsetof(struct phone_options, f),                                     \
	    sizeof(((struct phone_options *)0)->f)

/* clang-format off */
static const struct opt opts_known[] = {
	{ "udid",       OPT_TEXT, FIELD(udid) },
	{ "model",      OPT_TEXT, FIELD(model) },
	{ "ios",        OPT_TEXT, FIELD(ios) },
	{ "build",      OPT_TEXT, FIELD(build) },
	{ "name",       OPT_TEXT, FIELD(name) },
	{ "serial",     OPT_TEXT, FIELD(serial) },
	{ "seed",       OPT_SIZE, FIELD(plan.seed) },
	{ "files",      OPT_SIZE, FIELD(plan.files) },
	{ "bytes",      OPT_SIZE, FIELD(plan.bytes) },
	{ "fixed-size", OPT_SIZE, FIELD(plan.fixed_size) },
	{ "big-file",   OPT_SIZE, FIELD(plan.big_file) },
	{ "rows",       OPT_SIZE, FIELD(plan.rows) },
	{ "capacity",   OPT_SIZE, FIELD(capacity) },
	{ "free",       OPT_SIZE, FIELD(free) },
	{ "plugged",    OPT_BOOL, FIELD(plugged) },
	{ "locked",     OPT_BOOL, FIELD(locked) },
	{ "passcode",   OPT_BOOL, FIELD(passcode) },
	{ "trusted",    OPT_BOOL, FIELD(trusted) },
	{ "battery",    OPT_INT,  FIELD(battery) },
};
/* clang-format on */

int phone_options_size(const char *text, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t n;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno)
		return -1;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -1;
		for (long i = unit - units; i >= 0; i--) {
			if (n > UINT64_MAX / 1024)
				return -1;
			n *= 1024;
		}
	}
	*out = n;
	return 0;
}

int phone_options_bool(const char *text, bool *out)
{
	static const char *const yes[] = { "yes", "1", "true", "on" };
	static const char *const no[] = { "no", "0", "false", "off" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*out = text[0] == yes[i][0] && strcmp(text, no[i]) != 0;
			return 0;
		}
	}
	return -1;
}

static int opt_put(
    struct phone_options *o, const struct opt *k, const char *value)
{
	char *at = (char *)o + k->offset;
	uint64_t n = 0;
	int v;

	switch (k->kind) {
	case OPT_TEXT:
		if (!*value || strlen(value) >= k->cap)
			return -1;
		memcpy(at, value, strlen(value) + 1);
		return 0;
	case OPT_SIZE:
		if (phone_options_size(value, &n))
			return -1;
		memcpy(at, &n, sizeof(n));
		return 0;
	case OPT_BOOL:
		return phone_options_bool(value, (bool *)at);
	case OPT_INT:
		if (phone_options_size(value, &n) || n > 100)
			return -1;
		v = (int)n;
		memcpy(at, &v, sizeof(v));
		return 0;
	}
	return -1;
}

static int opt_parse(struct phone_options *o, char *pair, char *err, size_t cap)
{
	char *value = strchr(pair, '=');

	if (!value) {
		snprintf(err, cap, "'%s' is not key=value", pair);
		return -1;
	}
	*value++ = 0;
	if (strcmp(pair, "format") == 0) {
		o->is_format_set = true;
		o->hex40 = strcmp(value, "hex40") == 0;
		if (o->hex40 || strcmp(value, "dash24") == 0)
			return 0;
	}
	for (size_t i = 0; i < sizeof(opts_known) / sizeof(*opts_known); i++) {
		if (strcmp(pair, opts_known[i].key) != 0)
			continue;
		if (opt_put(o, &opts_known[i], value) == 0)
			return 0;
		break;
	}
	snprintf(
	    err, cap, "unknown option or bad value: %.60s=%.60s", pair, value);
	return -1;
}

static bool opt_udid_ok(const char *udid)
{
	size_t n = strlen(udid);

	return n >= 8 && n <= 44 &&
	       strspn(udid, "0123456789abcdefABCDEF-") == n;
}

int phone_options_parse(
    const char *text, struct phone_options *o, char *err, size_t cap)
{
	char *copy, *save = NULL;
	int rc = 0;

	*o = (struct phone_options){
		.model = "iPhone15,4",
		.ios = "18.1",
		.plan = { .seed = 1 },
		.plugged = true,
		.passcode = true,
		.battery = 80,
		.capacity = 128000000000,
		.free = 64000000000,
	};
	/* The models themselves have a comma: it ends an option only when a
	 * key and '=' follow. */
	copy = strdup(text);
	if (!copy)
		return -1;
	for (char *s = copy; (s = strchr(s, ',')); s++) {
		size_t key = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz0-4");

		if (key > 1 && s[1 + key] == '=')
			*s = '\n';
	}
	for (char *pair = strtok_r(copy, "\n", &save); pair && !rc;
	     pair = strtok_r(NULL, "\n", &save))
		rc = opt_parse(o, pair, err, cap);
	if (!rc && o->udid[0] && !opt_udid_ok(o->udid)) {
		snprintf(err, cap, "a udid has 8 to 44 hex digits and dashes");
		rc = -1;
	}
	if (!rc && o->plan.files == 0)
		o->plan.files = 300;
	free(copy);
	return rc;
}

/* "iPhone11,2" (A12, 2018) and later have the short form with a dash. */
static bool opt_is_old_model(const char *model)
{
	const char *digits = model + strcspn(model, "0123456789");
	int n = atoi(digits);

	if (strncmp(model, "iPhone", 6) == 0)
		return n < 11;
	if (strncmp(model, "iPad", 4) == 0)
		return n < 8;
	return true;
}

void phone_options_apply(struct phone *ph, const struct phone_options *o)
{
	struct phone_identity *id = &ph->id;

	id->seed = o->plan.seed;
	snprintf(id->udid, sizeof(id->udid), "%s", o->udid);
	snprintf(id->name, sizeof(id->name), "%s", o->name);
	snprintf(id->product_type, sizeof(id->product_type), "%s", o->model);
	snprintf(id->ios, sizeof(id->ios), "%s", o->ios);
	snprintf(id->build, sizeof(id->build), "%s", o->build);
	snprintf(id->serial, sizeof(id->serial), "%s", o->serial);
	if (sscanf(o->ios, "%d.%d", &id->ios_major, &id->ios_minor) < 1)
		id->ios_major = 18;
	phone_identity_fill(
	    ph, o->is_format_set ? o->hex40 : opt_is_old_model(o->model));
	ph->plugged = o->plugged;
	ph->locked = o->locked;
	ph->passcode_set = o->passcode;
	ph->battery_pct = o->battery;
	ph->free_bytes = o->free;
	ph->total_bytes = o->capacity;
	ph->setup_done = true;
	ph->passcode_plan = PASSCODE_ENTERED;
	ph->passcode_delay_ms = 300;
	ph->passcode_timeout_ms = 180000; /* CHECKS 64 */
	ph->p->trust_plan = o->trusted ? TRUST_ALWAYS : TRUST_ASK;
}
