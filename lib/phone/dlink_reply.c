/*
 * Status replies: exactly four elements, none ever left out (ADL reads them
 * by position).
 */
#include <stdio.h>
#include <string.h>

#include "dlink_priv.h"

enum dlink_code dlink_code_of(enum rc rc)
{
	switch (rc) {
	case RC_OK:
		return DLINK_OK;
	case RC_NOTFOUND:
		return DLINK_NOT_FOUND;
	case RC_EXISTS:
		return DLINK_EXISTS;
	case RC_NOTDIR:
		return DLINK_NOT_DIR;
	case RC_ISDIR:
		return DLINK_IS_DIR;
	case RC_NOSPC:
		return DLINK_NO_SPACE;
	case RC_IO:
	case RC_CORRUPT:
	case RC_READONLY:
		return DLINK_IO;
	case RC_UNSUPPORTED:
		return DLINK_NOT_IMPLEMENTED;
	case RC_PROTO:
		return DLINK_INVALID;
	case RC_NOMEM:
	case RC_GONE:
	case RC_TIMEOUT:
	case RC_LOCKED:
	case RC_UNTRUSTED:
	case RC_REFUSED:
	case RC_LIMIT:
	case RC_BUSY:
	case RC_CANCELLED:
	case RC_CONFIG:
	case RC_BUG:
	case RC_COUNT_:
		break;
	}
	return DLINK_GENERIC;
}

bool dlink_is_plain(enum rc rc)
{
	return rc == RC_OK || rc == RC_NOTFOUND || rc == RC_EXISTS ||
	       rc == RC_REFUSED || rc == RC_LIMIT || rc == RC_PROTO ||
	       rc == RC_ISDIR || rc == RC_NOTDIR;
}

enum rc dlink_reply(
    struct dlink *d, enum dlink_code code, const char *text, struct pl *result)
{
	struct pl *msg = pl_new_array();
	uint8_t *bytes = NULL;
	size_t len = 0;
	enum rc rc = d->store ? d->store->ops->confirm(d->store->ctx) : RC_OK;

	if (rc) {
		dlink_fault(d, rc, "(confirmation)");
		code = dlink_code_of(rc);
		text = rc_words(rc);
	}
	pl_add(msg, pl_new_str("DLMessageStatusResponse"));
	pl_add(msg, pl_new_int(code));
	pl_add(msg, pl_new_str(text && text[0] ? text : DLINK_EMPTY));
	pl_add(msg, result ? result : pl_new_dict());
	rc = pl_to_bin(msg, &bytes, &len);
	if (!rc)
		rc = wire_send_frame(&d->wire, bytes, len);
	pl_bytes_free(bytes);
	pl_free(msg);
	return rc;
}

enum rc dlink_reply_rc(struct dlink *d, enum rc rc)
{
	return dlink_reply(
	    d, dlink_code_of(rc), rc ? rc_words(rc) : NULL, NULL);
}

void dlink_reply_note(struct pl *dict, const char *path, enum rc rc)
{
	struct pl *entry = pl_new_dict();

	pl_set(entry, "DLFileErrorString", pl_new_str(rc_words(rc)));
	pl_set(entry, "DLFileErrorCode", pl_new_int(dlink_code_of(rc)));
	pl_set(dict, path, entry);
}

enum rc dlink_reply_multi(struct dlink *d, struct pl *errors)
{
	if (pl_count(errors) == 0)
		return dlink_reply(d, DLINK_OK, NULL, errors);
	return dlink_reply(d, DLINK_MULTI, "Multi status", errors);
}
