/*
 * Device-link: the protocol of com.apple.mobilebackup2, host side (facts:
 * ADL and ABA in protocols.md, section 5; wire forms in this folder's
 * README.md). The phone commands, we carry out in a `struct store` and answer
 * each command with exactly one status. A stream has no marks to find the way
 * back to: any error of the framing is fatal.
 *
 * No libimobiledevice, no disk: bytes in, bytes out, calls into the store.
 */
#ifndef DLINK_H
#define DLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "rc.h"
#include "session.h"
#include "store.h"
#include "stream.h"

enum dlink_stage {
	DLINK_STAGE_PREPARING, /* first commands: reads, lists, space */
	DLINK_STAGE_RECEIVING, /* the first upload that is data began */
	DLINK_STAGE_FINISHING /* moves, removes, the last reads */
};

struct dlink_hooks {
	void *ctx;
	/*
	 * Asked every 200 ms or so. idle: no command is under way, so the
	 * store may be used. Not RC_OK ends the session with that code;
	 * RC_CANCELLED first tells the phone.
	 */
	enum rc (*tick)(void *ctx, bool idle, int64_t silent_ms);
	void (*stage)(void *ctx, enum dlink_stage stage);
	void (*progress)(void *ctx, const struct session_progress *p);
};

struct dlink_waits {
	int first_ms; /* first command after the request */
	int next_ms; /* between later ones, and inside a stream */
	int last_ms; /* for the Response after `finished` */
};

struct dlink_result {
	bool has_response;
	int mb_code; /* of the Response */
	char text[512]; /* the phone's, or the first detail of ours */
	bool finished; /* last Status.plist said so */
	bool was_full; /* its IsFullBackup */
	char status_state[16]; /* its SnapshotState */
	uint64_t files, bytes; /* received */
	uint64_t incomplete; /* files that the phone could not read */
	enum rc host_fault; /* first failure of the store that was not
				    made good later; RC_OK none */
	uint64_t missing_bytes; /* room asked for and not freed */
	int64_t waited_ms; /* for the phone */
};

struct dlink;

/* Takes the stream, also when it fails. `store` and `udid` are lent until
 * dlink_free(). Without a store each command of the phone is answered "not
 * implemented". RC_NOMEM. */
MUST_CHECK enum rc dlink_new(struct stream stream, const struct store *store,
    const char *udid, const struct dlink_waits *waits,
    const struct dlink_hooks *hooks, struct dlink **out);
void dlink_free(struct dlink *d); /* closes the stream; NULL is fine */

/* Version exchange, DeviceReady, Hello. RC_PROTO, RC_UNSUPPORTED, RC_GONE,
 * RC_TIMEOUT. */
MUST_CHECK enum rc dlink_hello(struct dlink *d);

/* Sends the Backup request. */
MUST_CHECK enum rc dlink_ask_backup(struct dlink *d, bool force_full);

/*
 * Sends the ChangePassword request: without `old_word` encryption is switched
 * on, without `new_word` off; NULL and "" are none. Both are secret: what the
 * phone says to it is told by its code alone, never in its words.
 */
MUST_CHECK enum rc dlink_ask_password(
    struct dlink *d, const char *old_word, const char *new_word);

/*
 * Serves the phone until its Response. `out` is always filled.
 *
 * RC_OK the Response came (out->mb_code) · RC_GONE the link ended before ·
 * RC_TIMEOUT silence · RC_CANCELLED · RC_PROTO, RC_LIMIT nonsense · any code
 * that tick returned
 */
MUST_CHECK enum rc dlink_serve(struct dlink *d, struct dlink_result *out);

/* The polite end; errors don't matter any more. */
void dlink_bye(struct dlink *d);

#endif
