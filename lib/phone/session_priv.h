/* Shared by session.c and trust.c. */
#ifndef SESSION_PRIV_H
#define SESSION_PRIV_H

#include "device.h"
#include "dlink.h"
#include "np.h"
#include "session.h"
#include "side.h"

struct session {
	struct session_opts opts; /* zeros replaced */
	const struct store *store;
	struct session_events ev;
	struct session_phone phone;
	enum session_phase phase;
	bool phase_known;
	int64_t began_at; /* mono_ms() */
	int64_t napped_ms; /* waiting for a person */
	struct device *dev;
	struct device_lockdown *lockdown;
	struct pl *record; /* the pair record in use */
	struct pl *values; /* lockdownd's global domain, or NULL */
	struct np *np; /* NULL: none, or it ended */
	struct dlink *dlink;
	struct side *side;
	uint8_t *info; /* Info.plist, waiting to be written */
	size_t info_len;
	bool info_done;
	enum rc info_rc; /* of writing it */
	bool phone_cancelled; /* syncCancelRequest was seen */
	int64_t looked_at, pinged_at;
};

/* Tells the phase, when it is another one. */
void session_enter(struct session *s, enum session_phase phase);

/* Sleeps; RC_CANCELLED, or RC_GONE when the phone was unplugged. */
MUST_CHECK enum rc session_nap(struct session *s, int ms);

/* ---- session.c: a session's begin and end ---- */

/* NULL: no memory; out says so. opts, ev are copied. */
struct session *session_new(const struct session_opts *opts,
    const struct session_events *ev, struct session_result *out);
/* Closes all; fills out's times. */
void session_end(struct session *s, struct session_result *out);

/* To a trusted phone that has told its facts; s->np is there or not. */
MUST_CHECK enum rc session_connect(struct session *s, enum session_end *why);
/* The same again, on a device that is open. */
MUST_CHECK enum rc session_reconnect(struct session *s, enum session_end *why);

/* com.apple.mobilebackup2, waiting for an unlock. */
MUST_CHECK enum rc session_open_stream(
    struct session *s, struct stream *stream, enum session_end *why);

/* WillEncrypt; an error when the phone does not say. */
MUST_CHECK enum rc session_will_encrypt(struct session *s, bool *out);

/* As dlink_hooks.tick. */
enum rc session_tick(void *session, bool idle, int64_t silent_ms);

/* out->end and out->rc of an error before anything was served. */
void session_failed(
    enum rc rc, enum session_end why, struct session_result *out);

/* ---- trust.c ---- */

/*
 * Opens s->lockdown with a session, pairing when that is needed, and fills
 * s->record, s->phone.is_paired. *why is the end of the session when it fails
 * for a reason that a person can change.
 */
MUST_CHECK enum rc trust_open(struct session *s, enum session_end *why);

#endif
