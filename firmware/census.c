#include "census.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "relpath.h"
#include "utf8.h"
#include "vault_scrub.h"

#define LOG_MODULE "census"

static enum rc on_snapshot(void *arg, const struct vault_snapshot *s)
{
	struct msg_kept *k = arg;

	if (s->state != VAULT_GOOD)
		return RC_OK;
	k->versions++;
	if (k->n_sizes < LIMIT_SIZES)
		k->sizes[k->n_sizes++] =
		    (struct status_size){ s->finished_at > 0 ? s->finished_at
							     : 0,
			    s->bytes, s->new_bytes };
	if (k->at)
		return RC_OK; /* newest first: it is taken already */
	utf8_clean(k->name, sizeof(k->name), s->device_name);
	utf8_clean(k->product_type, sizeof(k->product_type), s->model);
	utf8_clean(k->ios, sizeof(k->ios), s->ios);
	k->encrypted = s->encrypted;
	k->at = s->finished_at > 0 ? s->finished_at : 0;
	k->files = s->files;
	k->bytes = s->bytes;
	k->new_files = s->new_files;
	k->new_bytes = s->new_bytes;
	return RC_OK;
}

/* The first few of the newest snapshot are named. */
static enum rc on_damaged(void *arg, const struct vault_damaged *d)
{
	struct msg_kept *k = arg;

	if (!d->newest)
		return RC_OK;
	for (unsigned i = 0; i < LIMIT_DAMAGED_NAMES; i++)
		if (!k->damaged[i][0]) {
			utf8_clean(
			    k->damaged[i], sizeof(k->damaged[i]), d->path);
			return RC_OK;
		}
	return RC_CANCELLED; /* there are more than we name */
}

static enum rc add_damage(struct vault_phone *p, struct msg_kept *k)
{
	struct vault_damage_sum sum;
	enum rc rc = vault_damage_sum(p, &sum);

	if (rc)
		return rc;
	k->damaged_files = sum.newest;
	k->damaged_older = sum.older;
	k->wants_full = sum.wants_full;
	rc = sum.newest ? vault_each_damaged(p, on_damaged, k) : RC_OK;
	return rc == RC_CANCELLED ? RC_OK : rc;
}

static enum rc add_loss(struct vault_phone *p, struct msg_kept *out)
{
	struct vault_loss loss;
	enum rc rc = vault_newest_loss(p, &loss);

	if (rc)
		return rc == RC_NOTFOUND ? RC_OK : rc;
	/* Less than one in a hundred is still one. */
	out->loss_pct = (uint32_t)((double)loss.lost * 100 / (double)loss.was);
	if (out->loss_pct == 0)
		out->loss_pct = 1;
	out->loss_at = loss.before_at;
	utf8_clean(out->loss_domain, sizeof(out->loss_domain), loss.domain);
	return RC_OK;
}

/* Oldest last: the one that the rules or a full disk let go first. */
static enum rc on_fate(void *arg, const struct vault_fate *f)
{
	struct msg_kept *k = arg;

	if (!f->dropped || f->snap.finished_at <= 0)
		return RC_OK;
	k->next_gone_at = f->snap.finished_at;
	k->next_gone_bytes = f->frees;
	return RC_OK;
}

void census_next_gone(
    struct vault_phone *p, const struct vault_keep *keep, struct msg_kept *k)
{
	struct vault_prune job = { .dry_run = true, .want = 1 };
	enum rc rc;

	vault_phone_set_keep(p, keep);
	rc = vault_prune(p, &job, on_fate, k);
	if (rc)
		log_info("what goes next is not known udid=%s: %s", k->udid,
		    rc_words(rc));
	else
		k->has_next = 1;
}

enum rc census_kept(
    struct vault_phone *p, const char *udid, struct msg_kept *out)
{
	enum rc rc;

	memset(out, 0, sizeof(*out));
	snprintf(out->udid, sizeof(out->udid), "%s", udid);
	rc = vault_each_snapshot(p, on_snapshot, out);
	if (!rc)
		rc = add_loss(p, out);
	return rc ? rc : add_damage(p, out);
}

struct walk {
	struct vault *vault;
	const struct vault_keep *keep;
	void (*fn)(void *arg, const struct msg_kept *kept);
	void *arg;
};

static enum rc on_phone(void *arg, const char *udid)
{
	struct walk *w = arg;
	struct vault_phone *p = NULL;
	struct msg_kept kept;
	enum rc rc;

	if (relpath_check_udid(udid))
		return RC_OK;
	rc = vault_phone_open(w->vault, udid, true, &p);
	if (!rc)
		rc = census_kept(p, udid, &kept);
	if (rc)
		log_warn("a phone's catalogue can't be read udid=%s: %s", udid,
		    rc_words(rc));
	else if (w->keep)
		census_next_gone(p, w->keep, &kept);
	if (!rc)
		w->fn(w->arg, &kept);
	vault_phone_close(p);
	return RC_OK;
}

void census_dismiss(const char *dir, const char *udid)
{
	struct vault *v = NULL;
	struct vault_phone *p = NULL;
	uint64_t losses, pins;
	enum rc rc = vault_open(NULL, dir, false, &v);

	if (!rc)
		rc = vault_phone_open(v, udid, false, &p);
	if (!rc)
		rc = vault_dismiss(p, false, &losses, &pins);
	if (rc)
		log_warn("the warning can't be dismissed now udid=%s: %s", udid,
		    rc_words(rc));
	vault_phone_close(p);
	vault_close(v);
}

enum rc census_each(const char *dir, const struct vault_keep *keep,
    void (*fn)(void *arg, const struct msg_kept *kept), void *arg)
{
	struct walk w = { NULL, keep, fn, arg };
	enum rc rc = vault_open(NULL, dir, false, &w.vault);

	if (!rc)
		rc = vault_each_phone(w.vault, on_phone, &w);
	vault_close(w.vault);
	return rc;
}
