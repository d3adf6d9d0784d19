/*
 * From a phone on the cable to an open lockdown session (protocols.md 4.4,
 * 4.5). One record is made for a dialog and sent again until the phone has
 * decided: the phone stores what stood in the request that it accepts. An old
 * record is replaced in the mux's store only then.
 */
#define LOG_MODULE "trust"
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mono.h"
#include "pairing.h"
#include "session_priv.h"

#define POLL_MS    1000
#define TLS_TRIES  3
#define RETRY_MS   300
#define LINK_TRIES 5

/* A single failed handshake says nothing (a phone that is just waking up):
 * only the third one makes a record useless. */
static enum rc open_session(struct session *s)
{
	enum rc rc = RC_OK;

	for (int i = 0; i < LINK_TRIES; i++) {
		rc = device_lockdown_open_trusted(s->dev, &s->lockdown);
		if (rc != RC_CORRUPT && rc != RC_GONE && rc != RC_TIMEOUT)
			return rc;
		if (rc == RC_CORRUPT && i + 1 >= TLS_TRIES)
			return rc;
		log_warn("no session yet: %s", rc_words(rc));
		if (session_nap(s, RETRY_MS))
			return RC_GONE;
	}
	return rc;
}

/* As above; waits while the phone says that it is locked. */
static enum rc open_when_unlocked(struct session *s, enum session_end *why)
{
	int64_t deadline = mono_ms() + s->opts.unlock_wait_ms;

	for (;;) {
		enum rc rc = open_session(s);

		if (rc != RC_LOCKED)
			return rc;
		session_enter(s, SESSION_WANTS_UNLOCK);
		if (mono_ms() >= deadline) {
			*why = SESSION_END_LOCKED;
			return RC_LOCKED;
		}
		rc = session_nap(s, POLL_MS);
		if (rc)
			return rc;
	}
}

/* A record in the mux's store that can be used; RC_NOTFOUND. */
static enum rc stored_record(struct session *s, struct pl **out)
{
	enum rc rc = device_record_load(s->dev, out);

	if (!rc && pairing_check(*out)) {
		log_warn("the stored pair record is not whole");
		rc = RC_CORRUPT;
	}
	if (rc) {
		pl_free(*out);
		*out = NULL;
		return RC_NOTFOUND;
	}
	return RC_OK;
}

static enum rc make_record(struct device_lockdown *l, struct pl **out)
{
	struct pl *key = NULL;
	struct pl *wifi_node = NULL;
	const uint8_t *pem;
	size_t len;
	char wifi[32], buid[64];
	enum rc rc;

	rc = device_lockdown_value(l, NULL, "DevicePublicKey", &key);
	if (!rc)
		rc = pl_data(key, &pem, &len);
	if (!rc)
		rc = device_buid(buid, sizeof(buid));
	/* Before pairing: iOS 7 refuses it afterwards. */
	if (!rc && device_lockdown_value(l, NULL, "WiFiAddress", &wifi_node))
		log_debug("no Wi-Fi address");
	pl_copy_str(wifi_node, wifi, sizeof(wifi));
	if (!rc)
		rc = pairing_make(pem, len, wifi, buid, out);
	pl_free(wifi_node);
	pl_free(key);
	return rc;
}

struct dialog {
	struct session *s;
	struct device_lockdown *l; /* without a session */
	struct pl *record, *public_part;
	const struct pl *old; /* the one that the phone refused */
	int64_t trust_until, unlock_until; /* 0: not waiting for it */
	int broken_links;
};

/* Another program (Debian's usbmuxd pairs by itself) may have been the one
 * that the person's tap accepted. */
static bool other_record_works(struct dialog *d)
{
	struct session *s = d->s;
	struct pl *found = NULL;
	const char *id;
	bool works = false;

	if (stored_record(s, &found))
		return false;
	if (pl_str(pl_get(found, "HostID"), &id) == RC_OK &&
	    !pl_is_str(pl_get(d->old, "HostID"), id))
		works =
		    device_lockdown_open_trusted(s->dev, &s->lockdown) == RC_OK;
	if (works) {
		log_note("paired by another program");
		pl_free(s->record);
		s->record = found;
		return true;
	}
	pl_free(found);
	return false;
}

static enum rc accept_record(struct dialog *d, struct pl *escrow)
{
	struct session *s = d->s;
	enum rc rc;

	if (escrow)
		pl_set(d->record, "EscrowBag", escrow);
	rc = device_record_save(s->dev, d->record);
	if (rc) {
		log_error("the pair record can't be stored");
		return rc;
	}
	log_note("paired");
	device_lockdown_close(d->l);
	d->l = NULL;
	pl_free(s->record);
	s->record = d->record;
	d->record = NULL;
	return RC_OK;
}

/* Tells what the phone waits for and for how long it may. */
static enum rc wait_for_person(
    struct dialog *d, enum rc what, enum session_end *why)
{
	bool unlock = what == RC_LOCKED;
	int64_t *until = unlock ? &d->unlock_until : &d->trust_until;
	int64_t *other = unlock ? &d->trust_until : &d->unlock_until;
	int wait =
	    unlock ? d->s->opts.unlock_wait_ms : d->s->opts.trust_wait_ms;

	session_enter(
	    d->s, unlock ? SESSION_WANTS_UNLOCK : SESSION_WANTS_TRUST);
	*other = 0;
	if (*until == 0)
		*until = mono_ms() + wait;
	if (mono_ms() < *until)
		return session_nap(d->s, POLL_MS);
	*why = unlock ? SESSION_END_LOCKED : SESSION_END_TRUST_WAIT;
	return what;
}

/* What a phone says of itself to strangers: "Tap Trust on Ana's iPhone". */
static void introduce(struct dialog *d)
{
	struct session_phone *p = &d->s->phone;
	const struct {
		const char *key;
		char *out;
		size_t cap;
	} facts[] = {
		{ "DeviceName", p->name, sizeof(p->name) },
		{ "ProductType", p->product_type, sizeof(p->product_type) },
		{ "ProductVersion", p->ios, sizeof(p->ios) },
	};

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		struct pl *v = NULL;

		if (!device_lockdown_value(d->l, NULL, facts[i].key, &v))
			pl_copy_str(v, facts[i].out, facts[i].cap);
		pl_free(v);
	}
	if (p->name[0] && d->s->ev.phone)
		d->s->ev.phone(d->s->ev.ctx, p);
}

/* A connection to ask on, and a record to ask for. */
static enum rc prepare_dialog(struct dialog *d)
{
	enum rc rc = RC_OK;

	if (!d->l) {
		rc = device_lockdown_open(d->s->dev, &d->l);
		if (!rc && !d->s->phone.name[0])
			introduce(d);
	}
	if (!rc && !d->record) {
		rc = make_record(d->l, &d->record);
		if (!rc)
			d->public_part = pairing_public(d->record);
	}
	return rc;
}

/* One question. RC_BUSY: ask again. */
static enum rc ask_once(struct dialog *d, enum session_end *why)
{
	struct pl *escrow = NULL;
	enum rc rc = prepare_dialog(d);

	if (!rc)
		rc = device_lockdown_pair(d->l, d->public_part, &escrow);
	switch ((int)rc) {
	case RC_OK:
		return accept_record(d, escrow);
	case RC_LOCKED:
	case RC_UNTRUSTED:
		rc = wait_for_person(d, rc, why);
		return rc ? rc : RC_BUSY;
	case RC_REFUSED:
		*why = SESSION_END_TRUST_REFUSED;
		return rc;
	case RC_GONE:
	case RC_TIMEOUT:
		device_lockdown_close(d->l);
		d->l = NULL;
		if (++d->broken_links > LINK_TRIES)
			return rc;
		rc = session_nap(d->s, RETRY_MS);
		return rc ? rc : RC_BUSY;
	default:
		return rc;
	}
}

static enum rc pair(
    struct session *s, const struct pl *old, enum session_end *why)
{
	struct dialog d = { .s = s, .old = old };
	enum rc rc;

	do {
		rc = ask_once(&d, why);
		if (rc == RC_BUSY && other_record_works(&d))
			rc = RC_OK;
	} while (rc == RC_BUSY);
	device_lockdown_close(d.l);
	pl_free(d.public_part);
	pl_free(d.record);
	if (!rc && !s->lockdown)
		rc = open_when_unlocked(s, why);
	return rc;
}

enum rc trust_open(struct session *s, enum session_end *why)
{
	struct pl *old = NULL;
	enum rc rc = stored_record(s, &old);

	if (!rc) {
		rc = open_when_unlocked(s, why);
		if (!rc) {
			s->record = old;
			s->phone.is_paired = true;
			return RC_OK;
		}
		if (rc != RC_CONFIG && rc != RC_CORRUPT) {
			pl_free(old);
			return rc;
		}
		log_warn("the phone does not know this box any more: %s",
		    rc == RC_CONFIG ? "unknown host" : "TLS refused");
	}
	rc = pair(s, old, why);
	pl_free(old);
	return rc;
}
