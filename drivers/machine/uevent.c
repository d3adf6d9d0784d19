#include <stddef.h>

#include "uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_GROUP 1
#define ROOM         (1024 * 1024) /* a hub full of devices at once */

int uevent_open(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK,
		.nl_groups = KERNEL_GROUP };
	int room = ROOM;
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -1;
	/* Without it, some may be lost, and that is told. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		errno = 0;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool take(const char *field, const char *key, char *out, size_t cap)
{
	size_t len = strlen(key);

	if (strncmp(field, key, len) != 0)
		return false;
	/* What does not fit is no name of ours. */
	if (strlen(field + len) < cap)
		memcpy(out, field + len, strlen(field + len) + 1);
	return true;
}

void uevent_parse(const char *text, size_t len, struct uevent *out)
{
	memset(out, 0, sizeof(*out));
	while (len) {
		const char *end = memchr(text, '\0', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;

		if (end &&
		    !take(text, "ACTION=", out->action, sizeof(out->action)) &&
		    !take(text, "SUBSYSTEM=", out->subsystem,
			sizeof(out->subsystem)) &&
		    !take(text, "DEVNAME=", out->name, sizeof(out->name)))
			take(text, "MODALIAS=", out->modalias,
			    sizeof(out->modalias));
		text += n;
		len -= n;
	}
}

enum rc uevent_next(int fd, struct uevent *out)
{
	static char text[8192];
	struct sockaddr_nl from = { .nl_pid = 0 };
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr mh = { .msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1 };
	ssize_t n;

	do {
		n = recvmsg(fd, &mh, 0);
		if (n < 0 && errno == ENOBUFS)
			return RC_LIMIT;
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? RC_BUSY
								 : RC_IO;
	} while (from.nl_pid != 0 || (mh.msg_flags & MSG_TRUNC) != 0);
	uevent_parse(text, (size_t)n, out);
	return RC_OK;
}
