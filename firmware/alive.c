#include "alive.h"

#include "mono.h"
#include "msg.h"

enum rc alive_turn(int fd, int64_t *due_ms)
{
	struct msg m = { .type = MSG_ALIVE };
	int64_t now_ms = mono_ms();
	enum rc rc;

	if (now_ms < *due_ms)
		return RC_OK;
	*due_ms = now_ms + ALIVE_EVERY_MS;
	rc = msg_send(fd, &m);
	return rc == RC_BUSY ? RC_OK : rc;
}
