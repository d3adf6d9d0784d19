#include "rc.h"

#include <errno.h>

const char *rc_words(enum rc rc)
{
	static const char *const words[RC_COUNT_] = {
		[RC_OK] = "done",
		[RC_NOMEM] = "out of memory",
		[RC_IO] = "the disk reports an error",
		[RC_NOSPC] = "the disk is full",
		[RC_READONLY] = "the disk can only be read",
		[RC_NOTFOUND] = "not found",
		[RC_EXISTS] = "exists already",
		[RC_NOTDIR] = "not a folder",
		[RC_ISDIR] = "is a folder",
		[RC_GONE] = "the connection is gone",
		[RC_TIMEOUT] = "no answer in time",
		[RC_LOCKED] = "the phone is locked",
		[RC_UNTRUSTED] = "the phone does not trust this box yet",
		[RC_REFUSED] = "refused",
		[RC_PROTO] = "the other side broke the protocol",
		[RC_LIMIT] = "larger than this program accepts",
		[RC_CORRUPT] = "damaged",
		[RC_BUSY] = "in use by another program",
		[RC_CANCELLED] = "cancelled",
		[RC_UNSUPPORTED] = "not supported",
		[RC_CONFIG] = "the configuration is wrong",
		[RC_BUG] = "a mistake in this program",
	};

	if (rc < 0 || rc >= RC_COUNT_ || !words[rc])
		return "unknown";
	return words[rc];
}

enum rc rc_from_errno(int err)
{
	switch (err) {
	case 0:
		return RC_OK;
	case ENOMEM:
	case EMFILE:
	case ENFILE: /* no file's own fault: nothing is concluded from it */
		return RC_NOMEM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return RC_NOSPC;
	case EROFS:
	case EACCES:
	case EPERM:
		return RC_READONLY;
	case ENOENT:
		return RC_NOTFOUND;
	case EEXIST:
	case ENOTEMPTY:
		return RC_EXISTS;
	case ENOTDIR:
		return RC_NOTDIR;
	case EISDIR:
		return RC_ISDIR;
	case ENODEV:
	case ENXIO:
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return RC_GONE;
	case ETIMEDOUT:
		return RC_TIMEOUT;
	case EBUSY:
	case EAGAIN:
		return RC_BUSY;
	case ENAMETOOLONG:
		return RC_LIMIT;
	default:
		return RC_IO;
	}
}
