/* The USB/IP server; all numbers big endian but for a setup packet's. */
#include "usb_ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "phone_private.h"
#include "phone_set.h"
#include "usb_device.h"

#define VERSION     0x0111
#define BUSID       32
#define PATH        256
#define HEAD        48 /* of each message about a transfer */
#define TRANSFER    (1u << 20)
#define WAITING_MAX 64
#define LOOK_MS     50 /* is the cable still in? */
#define SPEED_HIGH  3
#define ZERO_PACKET 0x40 /* of transfer_flags: URB_ZERO_PACKET */

enum {
	REQ_LIST = 0x8005,
	REP_LIST = 0x0005,
	REQ_IMPORT = 0x8003,
	REP_IMPORT = 0x0003
};
enum {
	SUBMIT = 1,
	UNLINK = 2,
	RET_SUBMIT = 3,
	RET_UNLINK = 4
};

struct usb_ip {
	struct phone_set *set;
	int fd;
	atomic_bool ends;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t none;
	int threads; /* under lock */
};

struct waiting { /* an IN transfer that has no data yet */
	uint32_t seq, len;
	bool is_mux; /* else the camera's: it never has */
};

struct session {
	struct usb_ip *u;
	int fd;
	struct usb_device dev;
	int id; /* of the plug */
	struct waiting waiting[WAITING_MAX];
	unsigned n;
	uint8_t buf[HEAD + TRANSFER];
};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static int send_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int read_all(int fd, uint8_t *p, size_t n)
{
	if (n == 0)
		return 0; /* recv() would wait for the next message */
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n ? 0 : -1;
}

/* --- who is there ----------------------------------------------------------
 */

static int plug_of(struct phone *ph)
{
	int id;

	pthread_mutex_lock(&ph->lock);
	id = ph->plugged ? ph->p->device_id : 0;
	pthread_mutex_unlock(&ph->lock);
	return id;
}

/* What both answers say of a device: 312 bytes. */
static size_t describe(const struct usb_device *d, int id, uint8_t *p)
{
	memset(p, 0, PATH + BUSID + 24);
	snprintf((char *)p, PATH, "/sys/devices/phonesim/usb1/1-%d", id);
	snprintf((char *)p + PATH, BUSID, "1-%d", id);
	p += PATH + BUSID;
	put32(p, 1);
	put32(p + 4, (uint32_t)id);
	put32(p + 8, SPEED_HIGH);
	put16(p + 12, 0x05ac);
	put16(p + 14, d->product);
	put16(p + 16, (uint32_t)d->descriptor[13] << 8 | d->descriptor[12]);
	p[21] = d->config;
	p[22] = d->descriptor[17];
	p[23] = 1; /* interfaces of the active one: the camera */
	return PATH + BUSID + 24;
}

static void answer_list(struct session *s)
{
	uint8_t *p = s->buf;
	struct phone *ph;
	uint32_t count = 0;
	size_t n = 12;

	for (size_t i = 0; (ph = phone_set_at(s->u->set, i)); i++) {
		struct usb_device d;
		int id = plug_of(ph);

		if (!id || usb_device_init(&d, ph))
			continue;
		n += describe(&d, id, p + n);
		usb_device_fini(&d);
		memcpy(p + n, "\x06\x01\x01\x00", 4);
		n += 4;
		count++;
	}
	put16(p, VERSION);
	put16(p + 2, REP_LIST);
	put32(p + 4, 0);
	put32(p + 8, count);
	(void)send_all(s->fd, p, n);
}

static int answer_import(struct session *s)
{
	char busid[BUSID + 1] = { 0 };
	struct phone *ph = NULL;
	size_t n = 8;

	if (read_all(s->fd, (uint8_t *)busid, BUSID))
		return -1;
	if (sscanf(busid, "1-%9d", &s->id) == 1)
		ph = phone_set_by_id(s->u->set, s->id);
	put16(s->buf, VERSION);
	put16(s->buf + 2, REP_IMPORT);
	put32(s->buf + 4, ph ? 0 : 1);
	if (ph && usb_device_init(&s->dev, ph))
		return -1;
	if (ph)
		n += describe(&s->dev, s->id, s->buf + n);
	if (send_all(s->fd, s->buf, n))
		return -1;
	return ph ? 0 : -1;
}

/* --- transfers -------------------------------------------------------------
 */

/* The bytes stand behind the head in s->buf. */
static int give(
    struct session *s, uint32_t seq, int status, uint32_t len, bool has_data)
{
	uint8_t *p = s->buf;

	memset(p, 0, HEAD);
	put32(p, RET_SUBMIT);
	put32(p + 4, seq);
	put32(p + 20, (uint32_t)status);
	put32(p + 24, len);
	return send_all(s->fd, p, HEAD + (has_data ? len : 0));
}

static int control(struct session *s, uint32_t seq, const uint8_t *setup)
{
	bool in = setup[0] & 0x80;
	int n = usb_device_control(&s->dev, setup[0], setup[1],
	    (uint16_t)(setup[2] | setup[3] << 8),
	    (uint16_t)(setup[4] | setup[5] << 8),
	    (uint16_t)(setup[6] | setup[7] << 8), s->buf + HEAD);

	return give(s, seq, n < 0 ? -EPIPE : 0, n > 0 ? (uint32_t)n : 0, in);
}

static int submit(struct session *s)
{
	uint32_t seq = get32(s->buf + 4), in = get32(s->buf + 12);
	uint32_t ep = get32(s->buf + 16), len = get32(s->buf + 24);
	uint32_t flags = get32(s->buf + 20);
	uint8_t setup[8];
	bool mux = usb_device_has_mux(&s->dev);

	memcpy(setup, s->buf + 40, sizeof(setup));
	if (len > TRANSFER || (!in && read_all(s->fd, s->buf + HEAD, len)))
		return -1;
	if (ep == 0)
		return control(s, seq, setup);
	if (!in && mux && ep == USB_DEVICE_OUT) {
		if (usb_mux_out(s->dev.mux, s->buf + HEAD, len))
			return -1;
		if ((flags & ZERO_PACKET) && len > 0 &&
		    len % USB_MUX_PACKET == 0 &&
		    usb_mux_out(s->dev.mux, s->buf + HEAD, 0))
			return -1;
		return give(s, seq, 0, len, false);
	}
	if (!in || s->n == WAITING_MAX)
		return give(s, seq, -EPIPE, 0, false);
	s->waiting[s->n++] =
	    (struct waiting){ seq, len & ~(USB_MUX_PACKET - 1u),
		    mux && ep == (USB_DEVICE_IN & 15) };
	return 0;
}

static void drop_waiting(struct session *s, unsigned i)
{
	s->n--;
	memmove(s->waiting + i, s->waiting + i + 1,
	    (s->n - i) * sizeof(s->waiting[0]));
}

static int unlink_one(struct session *s)
{
	uint32_t seq = get32(s->buf + 4), which = get32(s->buf + 20);
	int status = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (s->waiting[i].seq == which) {
			drop_waiting(s, i);
			status = -ECONNRESET;
			break;
		}
	memset(s->buf, 0, HEAD);
	put32(s->buf, RET_UNLINK);
	put32(s->buf + 4, seq);
	put32(s->buf + 20, (uint32_t)status);
	return send_all(s->fd, s->buf, HEAD);
}

static int take(struct session *s)
{
	if (read_all(s->fd, s->buf, HEAD))
		return -1;
	switch (get32(s->buf)) {
	case SUBMIT:
		return submit(s);
	case UNLINK:
		return unlink_one(s);
	default:
		return -1;
	}
}

static int feed(struct session *s)
{
	for (unsigned i = 0; i < s->n;) {
		struct waiting w = s->waiting[i];
		ssize_t n = -1;

		if (w.is_mux && w.len > 0)
			n = usb_mux_in(s->dev.mux, s->buf + HEAD, w.len);
		if (n < 0) {
			i++;
			continue;
		}
		drop_waiting(s, i);
		if (give(s, w.seq, 0, (uint32_t)n, true))
			return -1;
	}
	return 0;
}

static void serve(struct session *s)
{
	struct pollfd fds[1 + USB_MUX_CONNS];

	while (!atomic_load(&s->u->ends) && plug_of(s->dev.ph) == s->id) {
		struct usb_mux *mux = s->dev.mux;
		size_t n = usb_mux_poll(mux, fds + 1);

		fds[0] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
		if (poll(fds, 1 + n, LOOK_MS) < 0 && errno != EINTR)
			return;
		usb_mux_turn(mux, fds + 1, n);
		/* It may put another one in its place: last. */
		if ((fds[0].revents && take(s)) || feed(s))
			return;
	}
}

/* --- connections -----------------------------------------------------------
 */

static void talk(struct session *s)
{
	uint8_t head[8];
	unsigned code;

	if (read_all(s->fd, head, sizeof(head)))
		return;
	code = (unsigned)(head[2] << 8 | head[3]);
	if (code == REQ_LIST)
		answer_list(s);
	else if (code == REQ_IMPORT && answer_import(s) == 0) {
		phone_event(s->dev.ph, "usb connected");
		serve(s);
		phone_event(s->dev.ph, "usb disconnected");
	}
}

static void *session_thread(void *arg)
{
	struct session *s = arg;
	struct usb_ip *u = s->u;
	int on = 1;

	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	talk(s);
	usb_device_fini(&s->dev);
	close(s->fd);
	free(s);
	pthread_mutex_lock(&u->lock);
	u->threads--;
	pthread_cond_broadcast(&u->none);
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

static void start_session(struct usb_ip *u, int fd)
{
	struct session *s = calloc(1, sizeof(*s));
	struct timeval patience = { .tv_sec = 5 };
	pthread_t t;

	if (!s) {
		close(fd);
		return;
	}
	/* Of a message's rest; between messages poll() waits. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	s->u = u;
	s->fd = fd;
	pthread_mutex_lock(&u->lock);
	if (pthread_create(&t, NULL, session_thread, s)) {
		close(fd);
		free(s);
	} else {
		pthread_detach(t);
		u->threads++;
	}
	pthread_mutex_unlock(&u->lock);
}

static void *accept_thread(void *arg)
{
	struct usb_ip *u = arg;

	while (!atomic_load(&u->ends)) {
		int fd = accept4(u->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			start_session(u, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			return NULL;
	}
	return NULL;
}

static int listen_at(const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char address[64];
	unsigned port;
	int on = 1, fd;

	if (sscanf(where, "%63[0-9.]:%5u", address, &port) != 2 ||
	    port > 65535 || inet_pton(AF_INET, address, &a.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	a.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    listen(fd, 8) == 0)
		return fd;
	close(fd);
	return -1;
}

struct usb_ip *usb_ip_new(struct phone_set *set, const char *where)
{
	struct usb_ip *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->set = set;
	atomic_init(&u->ends, false);
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->none, NULL);
	u->fd = listen_at(where);
	if (u->fd >= 0 &&
	    pthread_create(&u->acceptor, NULL, accept_thread, u) == 0)
		return u;
	fprintf(stderr, "phonesim: can't listen at %s: %s\n", where,
	    strerror(errno));
	if (u->fd >= 0)
		close(u->fd);
	free(u);
	return NULL;
}

void usb_ip_free(struct usb_ip *u)
{
	if (!u)
		return;
	atomic_store(&u->ends, true);
	shutdown(u->fd, SHUT_RDWR); /* wakes accept */
	pthread_join(u->acceptor, NULL);
	close(u->fd);
	pthread_mutex_lock(&u->lock);
	while (u->threads > 0)
		pthread_cond_wait(&u->none, &u->lock);
	pthread_mutex_unlock(&u->lock);
	pthread_cond_destroy(&u->none);
	pthread_mutex_destroy(&u->lock);
	free(u);
}
