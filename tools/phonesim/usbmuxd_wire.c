/* The usbmuxd socket's bytes; see usbmuxd_wire.h. */
#include "usbmuxd_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pl.h"

#define WIRE_HEAD 16
#define WIRE_MAX  65536

static void wire_put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t wire_get32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static int wire_recv(int fd, void *buf, size_t n)
{
	char *p = buf;

	while (n > 0) {
		ssize_t k = recv(fd, p, n, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* A listener that has not read for a second is gone. */
static int wire_send(int fd, const void *buf, size_t n)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	const char *p = buf;

	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k < 0 && errno == EAGAIN && poll(&pfd, 1, 1000) == 1)
			continue;
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

int usbmuxd_wire_read(int fd, struct usbmuxd_head *h, char **body)
{
	unsigned char head[WIRE_HEAD];
	uint32_t n;

	if (wire_recv(fd, head, sizeof(head)))
		return -1;
	n = wire_get32(head);
	if (n < WIRE_HEAD || n > WIRE_MAX)
		return -1;
	h->version = wire_get32(head + 4);
	h->message = wire_get32(head + 8);
	h->tag = wire_get32(head + 12);
	h->body = n - WIRE_HEAD;
	*body = malloc(h->body + 1);
	if (!*body)
		return -1;
	(*body)[h->body] = 0;
	if (wire_recv(fd, *body, h->body)) {
		free(*body);
		*body = NULL;
		return -1;
	}
	return 0;
}

static int wire_message(int fd, uint32_t version, enum mux_message m,
    uint32_t tag, const void *body, size_t n)
{
	unsigned char *buf = malloc(WIRE_HEAD + n);
	int rc;

	if (!buf)
		return -1;
	wire_put32(buf, (uint32_t)(WIRE_HEAD + n));
	wire_put32(buf + 4, version);
	wire_put32(buf + 8, (uint32_t)m);
	wire_put32(buf + 12, tag);
	memcpy(buf + WIRE_HEAD, body, n);
	rc = wire_send(fd, buf, WIRE_HEAD + n);
	free(buf);
	return rc;
}

int usbmuxd_wire_plist(int fd, uint32_t tag, plist_t d)
{
	size_t n = 0;
	char *xml = pl_xml(d, &n);
	int rc = xml ? wire_message(fd, 1, MUX_PLIST, tag, xml, n) : -1;

	free(xml);
	plist_free(d);
	return rc;
}

int usbmuxd_wire_number(
    int fd, enum mux_message m, uint32_t tag, uint32_t number)
{
	unsigned char body[4];

	wire_put32(body, number);
	return wire_message(fd, 0, m, tag, body, sizeof(body));
}

int usbmuxd_wire_device(int fd, int id, int product, const char *serial)
{
	unsigned char body[4 + 2 + 256 + 2 + 4] = { 0 };

	wire_put32(body, (uint32_t)id);
	body[4] = (unsigned char)product;
	body[5] = (unsigned char)(product >> 8);
	memcpy(body + 6, serial, strnlen(serial, 255));
	wire_put32(body + 264, 0x14100000u + (unsigned)id);
	return wire_message(fd, 0, MUX_ADD, 0, body, sizeof(body));
}

int usbmuxd_wire_listen(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	    chmod(path, 0666) == 0 && listen(fd, 256) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}
