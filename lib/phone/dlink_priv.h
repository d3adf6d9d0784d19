/* Shared by the dlink_*.c files only. */
#ifndef DLINK_PRIV_H
#define DLINK_PRIV_H

#include "bounds.h"
#include "dlink.h"
#include "pl.h"
#include "wire.h"

#define DLINK_EMPTY "___EmptyParameterString___"

/* Status codes of a reply; end codes of a stream are their negatives
 * (ADL, protocols.md 5.5). */
enum dlink_code {
	DLINK_OK = 0,
	DLINK_GENERIC = -1,
	DLINK_NOT_IMPLEMENTED = -2,
	DLINK_INVALID = -3,
	DLINK_NOT_FOUND = -6,
	DLINK_EXISTS = -7,
	DLINK_NOT_DIR = -8,
	DLINK_IS_DIR = -9,
	DLINK_IO = -11,
	DLINK_MULTI = -13,
	DLINK_NO_SPACE = -15
};

/* First bytes of a block in a file stream. */
#define DLINK_DATA 0x0C
#define DLINK_END  0x00

#define DLINK_STATUS_MAX 65536u /* Status.plist has 187 to 190 bytes */
#define DLINK_FAILED_MAX 64u

struct dlink {
	struct wire wire;
	const struct store *store;
	const char *udid;
	struct dlink_waits waits;
	struct dlink_hooks hooks;
	struct dlink_result res;
	int limit_ms; /* silence that ends the session now */
	bool idle; /* between two commands */
	bool served_any;
	bool is_secret; /* the phone's words might repeat ours */
	int stage; /* enum dlink_stage, -1 before the first */
	double pct_done; /* after the last command */
	double pct_next; /* after the running one */
	struct session_progress shown;
	int64_t shown_at;
	/* Paths whose upload our store could not take, until they come
	 * again and can be. */
	char *failed[DLINK_FAILED_MAX];
	uint32_t n_failed;
	bool hard_fault; /* other failures of the store: never made good */
};

/* dlink_reply.c */
enum dlink_code dlink_code_of(enum rc rc);
/* One status; takes `result` (NULL: {}). */
MUST_CHECK enum rc dlink_reply(
    struct dlink *d, enum dlink_code code, const char *text, struct pl *result);
MUST_CHECK enum rc dlink_reply_rc(struct dlink *d, enum rc rc);
/* Adds path -> {DLFileErrorString, DLFileErrorCode}. */
void dlink_reply_note(struct pl *dict, const char *path, enum rc rc);
/* Code 0 when `errors` is empty, else multi status. Takes `errors`. */
MUST_CHECK enum rc dlink_reply_multi(struct dlink *d, struct pl *errors);

/* Takes the first detail only: what came first is the cause. */
void dlink_detail(struct dlink *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A failure of the store that no later upload can make good. */
void dlink_fault(struct dlink *d, enum rc rc, const char *path);
/* Answers that are part of the protocol, not failures of our disk. */
bool dlink_is_plain(enum rc rc);
void dlink_progress(struct dlink *d, bool now);
void dlink_stage_is(struct dlink *d, enum dlink_stage stage);
/* The path of a node, checked; RC_PROTO, RC_REFUSED, RC_LIMIT. */
MUST_CHECK enum rc dlink_path(
    const struct dlink *d, const struct pl *node, const char **out);

/* The commands: reply included; an error is the end of the session. */
MUST_CHECK enum rc dlink_upload(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_download(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_list(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_mkdir(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_move(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_remove(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_remove_one(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_copy(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_space(struct dlink *d, const struct pl *msg);
MUST_CHECK enum rc dlink_purge(struct dlink *d, const struct pl *msg);

#endif
