#include "mend.h"

#include <stdio.h>

#include "log.h"
#include "vault_lock.h"
#include "vault_repair.h"

#define LOG_MODULE "mend"

void mend_copy_path(const char *state_dir, const struct vault *v,
    const char *udid, char *out, size_t cap)
{
	out[0] = '\0';
	if (state_dir[0])
		snprintf(out, cap, "%s/%s-%.8s.catalog.db", state_dir, udid,
		    vault_id(v));
}

static enum rc mend(const char *state_dir, struct vault *v, const char *udid)
{
	struct vault_repair_report rep;
	char copy[640];
	struct vault_repair_opts o = {
		.udid = udid, .copy = copy, .careful = true
	};
	enum rc rc;

	mend_copy_path(state_dir, v, udid, copy, sizeof(copy));
	if (!copy[0])
		return RC_CORRUPT;
	rc = vault_repair_phone(v, &o, &rep);
	if (!rc && rep.repaired)
		log_note("the catalogue was %s; the box's copy took its place "
			 "backups=%u",
		    rep.state == VAULT_REPAIR_MISSING ? "missing" : "broken",
		    rep.good);
	else
		log_warn("the catalogue is not mended by itself: %s",
		    rc ? rc_words(rc) : "it is whole");
	return rc;
}

enum rc mend_open(const char *state_dir, struct vault *v, const char *udid,
    struct vault_phone **out)
{
	enum rc rc = vault_phone_open(v, udid, false, out);

	if (rc != RC_CORRUPT)
		return rc;
	if (mend(state_dir, v, udid))
		return RC_CORRUPT;
	return vault_phone_open(v, udid, false, out);
}

void mend_words(
    enum rc rc, struct vault *v, const char *udid, char *out, size_t cap)
{
	char who[160];

	if (rc == RC_BUSY && v) {
		vault_busy_words(v, udid, who, sizeof(who));
		snprintf(out, cap, "its backups are %s", who);
	} else if (rc == RC_CORRUPT && v) {
		snprintf(out, cap,
		    "the catalogue of its backups is damaged; no backup is "
		    "lost by that: run `nightstand repair`");
	} else if (rc == RC_CORRUPT) {
		snprintf(
		    out, cap, "its folder Nightstand is damaged or not ours");
	} else if (rc == RC_UNSUPPORTED) {
		snprintf(out, cap, "its vault was made by a newer version");
	} else {
		snprintf(out, cap, "%s", rc_words(rc));
	}
}
