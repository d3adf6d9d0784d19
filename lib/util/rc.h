/*
 * The one error type of the firmware. A code is cut by what somebody does
 * about it, not by where it came from; the facts of a failure (path, errno,
 * count) are logged where it is first seen.
 */
#ifndef RC_H
#define RC_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum rc {
	RC_OK = 0,
	RC_NOMEM,
	RC_IO, /* the disk failed, or the state on it is unknown */
	RC_NOSPC, /* the disk (or a quota) is full; nothing is lost */
	RC_READONLY, /* may be read, may not be written */
	RC_NOTFOUND,
	RC_EXISTS,
	RC_NOTDIR,
	RC_ISDIR,
	RC_GONE, /* the phone or the disk was pulled, a peer closed */
	RC_TIMEOUT,
	RC_LOCKED, /* the phone is locked */
	RC_UNTRUSTED, /* no pairing yet: the dialog waits */
	RC_REFUSED, /* a person or a device said no */
	RC_PROTO, /* the peer broke the protocol */
	RC_LIMIT, /* a bound of bounds.h was exceeded */
	RC_CORRUPT, /* what was stored is not what is there now */
	RC_BUSY, /* someone else holds it */
	RC_CANCELLED,
	RC_UNSUPPORTED,
	RC_CONFIG,
	RC_BUG,
	RC_COUNT_
};

/* Plain words, for logs and for people: "the disk is full". Never NULL. */
const char *rc_words(enum rc rc);

/* The nearest code of an errno value; RC_IO for what has no better one. */
enum rc rc_from_errno(int err);

#endif
