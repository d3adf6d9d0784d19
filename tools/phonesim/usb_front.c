/* A thread for each plugged phone; see usb_front.h. */
#include "usb_front.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "phone_private.h"
#include "phone_set.h"
#include "usb_device.h"

#define RETRY_MS 100

struct plug {
	struct plug *next;
	struct usb_front *f;
	struct phone *ph;
	int id; /* DeviceID of this plug */
	int pulled; /* eventfd */
	bool is_pulled;
	pthread_t thread;
};

struct usb_front {
	struct phone_set *set;
	const struct usb_wire_ops *ops;
	char path[108];
	pthread_mutex_t lock;
	struct plug *plugs;
};

/* Waits ms; true: the cable was pulled. */
static bool plug_rest(struct plug *p, int ms)
{
	struct pollfd fd = { .fd = p->pulled, .events = POLLIN };

	return poll(&fd, 1, ms) > 0;
}

static int plug_connect(const struct plug *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, p->f->ops->socket_type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", p->f->path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return fd;
	}
	close(fd);
	return -1;
}

/* Until the cable is pulled (true) or the other end goes away. */
static bool plug_serve(struct plug *p, struct usb_wire *w)
{
	struct pollfd fds[2 + USB_MUX_CONNS];

	for (;;) {
		size_t n = usb_mux_poll(w->dev->mux, fds + 2);
		struct usb_mux *mux = w->dev->mux;

		fds[0] = (struct pollfd){ .fd = p->pulled, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = w->fd,
			.events = (short)(POLLIN | w->ops->wants(w)) };
		if (poll(fds, 2 + n,
			usb_mux_is_restricted(mux) ? RETRY_MS : -1) < 0 &&
		    errno != EINTR)
			return false;
		if (fds[0].revents)
			return true;
		usb_mux_turn(mux, fds + 2, n);
		/* It may put another one in its place: last. */
		if (w->ops->turn(w, fds[1].revents))
			return false;
	}
}

static bool plug_once(struct plug *p)
{
	struct usb_device dev;
	struct usb_wire w = { .ops = p->f->ops, .dev = &dev };
	bool pulled = false;

	w.fd = plug_connect(p);
	if (w.fd < 0)
		return plug_rest(p, RETRY_MS);
	if (usb_device_init(&dev, p->ph) == 0 && w.ops->open(&w) == 0) {
		phone_event(p->ph, "usb connected");
		pulled = plug_serve(p, &w);
		w.ops->close(&w);
		phone_event(p->ph, "usb disconnected");
	}
	usb_device_fini(&dev);
	close(w.fd);
	return pulled || plug_rest(p, RETRY_MS);
}

static void *plug_thread(void *arg)
{
	struct plug *p = arg;

	while (!plug_once(p))
		;
	return NULL;
}

static void plug_free(struct plug *p)
{
	pthread_join(p->thread, NULL);
	close(p->pulled);
	free(p);
}

/* (f->lock) Whose cable was pulled a while ago. */
static void front_reap(struct usb_front *f, int but_id)
{
	struct plug **at = &f->plugs;

	while (*at) {
		struct plug *p = *at;

		if (!p->is_pulled || p->id == but_id) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		plug_free(p);
	}
}

static void front_plug(struct usb_front *f, struct phone *ph, int id)
{
	struct plug *p = calloc(1, sizeof(*p));

	for (struct plug *q = f->plugs; q; q = q->next)
		if (q->id == id) {
			free(p); /* seen twice */
			return;
		}
	if (!p)
		return;
	*p = (struct plug){ .f = f, .ph = ph, .id = id };
	p->pulled = eventfd(0, EFD_CLOEXEC);
	if (p->pulled < 0 || pthread_create(&p->thread, NULL, plug_thread, p)) {
		fprintf(stderr, "phonesim: no thread for a USB device\n");
		free(p);
		return;
	}
	p->next = f->plugs;
	f->plugs = p;
}

static void front_pull(struct usb_front *f, int id)
{
	for (struct plug *p = f->plugs; p; p = p->next)
		if (p->id == id && !p->is_pulled) {
			p->is_pulled = true;
			eventfd_write(p->pulled, 1);
		}
}

/* May be called from a service's thread, which a plug's thread waits for no
 * time: only an earlier plug is joined here. */
static void front_told(void *ctx, struct phone *ph, int id, bool is_here)
{
	struct usb_front *f = ctx;

	pthread_mutex_lock(&f->lock);
	if (is_here) {
		front_reap(f, id);
		front_plug(f, ph, id);
	} else {
		front_pull(f, id);
	}
	pthread_mutex_unlock(&f->lock);
}

struct usb_front *usb_front_new(
    struct phone_set *set, enum usb_front_kind kind, const char *path)
{
	struct usb_front *f = calloc(1, sizeof(*f));

	if (!f || strlen(path) >= sizeof(f->path)) {
		fprintf(stderr, "phonesim: %s is too long\n", path);
		free(f);
		return NULL;
	}
	f->set = set;
	f->ops = kind == USB_FRONT_CABLE ? &usb_cable_ops : &usb_redir_ops;
	snprintf(f->path, sizeof(f->path), "%s", path);
	pthread_mutex_init(&f->lock, NULL);
	phone_set_watch(set, front_told, f);
	return f;
}

void usb_front_free(struct usb_front *f)
{
	if (!f)
		return;
	phone_set_unwatch(f->set, f);
	pthread_mutex_lock(&f->lock);
	for (struct plug *p = f->plugs; p; p = p->next)
		if (!p->is_pulled) {
			p->is_pulled = true;
			eventfd_write(p->pulled, 1);
		}
	front_reap(f, 0);
	pthread_mutex_unlock(&f->lock);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
