#include "scrubber.h"

#include <stdio.h>
#include <string.h>

#include "mono.h"
#include "relpath.h"

#define UDIDS_MAX 64

struct run {
	struct scrubber *s;
	struct vault *vault;
	char udids[UDIDS_MAX][48];
	int64_t began_ms;
	uint64_t bytes; /* read so far */
};

static enum rc on_udid(void *arg, const char *udid)
{
	struct run *r = arg;
	unsigned *n = &r->s->n_phones;

	if (relpath_check_udid(udid) || *n >= UDIDS_MAX)
		return RC_OK;
	if (!r->s->udid[0] || !strcmp(r->s->udid, udid))
		snprintf(r->udids[(*n)++], sizeof(r->udids[0]), "%s", udid);
	return RC_OK;
}

/* At least a little, so that zero does not become "no limit". */
static uint64_t share(uint64_t all, uint64_t used, unsigned phones)
{
	if (!all)
		return 0;
	return used < all && (all - used) / phones ? (all - used) / phones : 1;
}

static enum rc one_phone(struct run *r, const char *udid, unsigned phones)
{
	struct scrubber *s = r->s;
	struct vault_check_opts opts = {
		.max_ms = (int64_t)share((uint64_t)s->max_ms,
		    (uint64_t)(mono_ms() - r->began_ms), phones),
		.max_bytes = share(s->max_bytes, r->bytes, phones),
		.progress = s->progress,
		.cancelled = s->cancelled,
		.damaged = s->damaged,
		.arg = s->arg,
	};
	struct vault_check_result result = { 0 };
	struct vault_phone *p = NULL;
	enum rc rc = vault_phone_open(r->vault, udid, false, &p);

	if (s->begin)
		s->begin(s->arg, udid);
	if (!rc)
		rc = vault_scrub(p, &opts, &result);
	r->bytes += result.bytes;
	if (s->done)
		s->done(s->arg, udid, p, rc, &result);
	vault_phone_close(p);
	return rc == RC_CANCELLED ? rc : RC_OK;
}

enum rc scrubber_run(struct scrubber *s)
{
	static struct run r;
	enum rc rc;

	r = (struct run){ .s = s, .began_ms = mono_ms() };
	s->n_phones = 0;
	rc = vault_open(NULL, s->dir, false, &r.vault);
	if (!rc)
		rc = vault_each_phone(r.vault, on_udid, &r);
	for (unsigned i = 0; !rc && i < s->n_phones; i++)
		rc = one_phone(&r, r.udids[i], s->n_phones - i);
	vault_close(r.vault);
	return rc;
}
