/* The usbmuxd socket; see usbmuxd.h. A thread per client. */
#include "usbmuxd.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "front_connect.h"
#include "phone_private.h"
#include "phone_set.h"
#include "pl.h"
#include "usbmuxd_wire.h"
#define LOG_MODULE "usbmuxd"
#include "log.h"

enum mux_result {
	MUX_OK = 0,
	MUX_BADCOMMAND = 1,
	MUX_BADDEV = 2,
	MUX_REFUSED = 3,
	MUX_BADVERSION = 6
};

struct usbmuxd_client {
	struct usbmuxd_client *next;
	struct usbmuxd *u;
	int fd; /* -1 once a phone has it */
	bool is_listening; /* under u->lock */
	bool is_binary;
	int told[PHONE_SET_MAX]; /* DeviceIDs announced; a ring */
	unsigned told_n;
	char prog[64], bundle[64];
};

struct usbmuxd {
	struct phone_set *set;
	int fd;
	char path[108];
	pthread_t acceptor;
	pthread_mutex_t lock; /* clients, and all that is sent to listeners */
	pthread_cond_t gone;
	struct usbmuxd_client *clients;
};

/* --- what is said of a phone ----------------------------------------------
 */

static int device_product_id(const char *type)
{
	return strncmp(type, "iPad", 4) == 0 ? 0x12ab : 0x12a8;
}

static plist_t device_attached(struct phone *ph, int id)
{
	plist_t d = plist_new_dict(), p = plist_new_dict();
	char usb[48];
	size_t n = 0;

	for (const char *s = ph->id.udid; *s; s++)
		if (*s != '-')
			usb[n++] = *s;
	usb[n] = 0;
	pl_set_int(p, "ConnectionSpeed", 480000000);
	pl_set_str(p, "ConnectionType", "USB");
	pl_set_int(p, "DeviceID", (uint64_t)id);
	pl_set_int(p, "LocationID", 0x14100000u + (unsigned)id);
	pl_set_int(
	    p, "ProductID", (uint64_t)device_product_id(ph->id.product_type));
	pl_set_str(p, "SerialNumber", ph->id.udid);
	pl_set_str(p, "UDID", ph->id.udid);
	pl_set_str(p, "USBSerialNumber", usb);
	pl_set_int(d, "DeviceID", (uint64_t)id);
	pl_set_str(d, "MessageType", "Attached");
	pl_set(d, "Properties", p);
	return d;
}

static plist_t device_event(const char *type, int id)
{
	plist_t d = plist_new_dict();

	pl_set_int(d, "DeviceID", (uint64_t)id);
	pl_set_str(d, "MessageType", type);
	return d;
}

/* The phone's DeviceID, 0 when it is not plugged. */
static int device_id_of(struct phone *ph)
{
	int id;

	pthread_mutex_lock(&ph->lock);
	id = ph->plugged ? ph->p->device_id : 0;
	pthread_mutex_unlock(&ph->lock);
	return id;
}

/* --- events ---------------------------------------------------------------
 */

/* (u->lock) A plug may be seen twice, in the list and as an event. */
static bool client_was_told(struct usbmuxd_client *c, int id)
{
	for (int i = 0; i < PHONE_SET_MAX; i++)
		if (c->told[i] == id)
			return true;
	c->told[c->told_n++ % PHONE_SET_MAX] = id;
	return false;
}

/* (u->lock) One who does not read is cut off, so that nobody waits for it. */
static void client_tell_attached(
    struct usbmuxd_client *c, struct phone *ph, int id)
{
	int rc;

	if (client_was_told(c, id))
		return;
	if (c->is_binary)
		rc = usbmuxd_wire_device(c->fd, id,
		    device_product_id(ph->id.product_type), ph->id.udid);
	else
		rc = usbmuxd_wire_plist(c->fd, 0, device_attached(ph, id));
	if (rc)
		shutdown(c->fd, SHUT_RDWR);
}

static void client_tell_event(
    struct usbmuxd_client *c, enum mux_message m, const char *type, int id)
{
	int rc;

	if (c->is_binary)
		rc = usbmuxd_wire_number(c->fd, m, 0, (uint32_t)id);
	else
		rc = usbmuxd_wire_plist(c->fd, 0, device_event(type, id));
	if (rc)
		shutdown(c->fd, SHUT_RDWR);
}

static void usbmuxd_tell(void *ctx, struct phone *ph, int id, bool is_here)
{
	struct usbmuxd *u = ctx;

	pthread_mutex_lock(&u->lock);
	for (struct usbmuxd_client *c = u->clients; c; c = c->next) {
		if (!c->is_listening || c->fd < 0)
			continue;
		if (is_here)
			client_tell_attached(c, ph, id);
		else
			client_tell_event(c, MUX_REMOVE, "Detached", id);
	}
	pthread_mutex_unlock(&u->lock);
}

static void usbmuxd_tell_paired(struct usbmuxd *u, int id)
{
	pthread_mutex_lock(&u->lock);
	for (struct usbmuxd_client *c = u->clients; c; c = c->next)
		if (c->is_listening && c->fd >= 0)
			client_tell_event(c, MUX_PAIRED, "Paired", id);
	pthread_mutex_unlock(&u->lock);
}

/* --- requests -------------------------------------------------------------
 */

static int client_result(struct usbmuxd_client *c, uint32_t tag, int code)
{
	plist_t d;

	if (c->is_binary)
		return usbmuxd_wire_number(
		    c->fd, MUX_RESULT, tag, (uint32_t)code);
	d = plist_new_dict();
	pl_set_str(d, "MessageType", "Result");
	pl_set_int(d, "Number", (uint64_t)code);
	return usbmuxd_wire_plist(c->fd, tag, d);
}

static int client_listen(struct usbmuxd_client *c, uint32_t tag)
{
	struct phone *ph;
	int rc;

	/* Under the lock no event can come between list and events. */
	pthread_mutex_lock(&c->u->lock);
	rc = client_result(c, tag, MUX_OK);
	c->is_listening = true;
	for (size_t i = 0; !rc && (ph = phone_set_at(c->u->set, i)); i++) {
		int id = device_id_of(ph);

		if (id > 0)
			client_tell_attached(c, ph, id);
	}
	pthread_mutex_unlock(&c->u->lock);
	return rc;
}

/* 1: the socket belongs to the phone now. */
static int client_connect(
    struct usbmuxd_client *c, uint32_t tag, int id, uint16_t port)
{
	struct phone *ph = phone_set_by_id(c->u->set, id);
	struct front_conn *conn;
	int fd = c->fd;

	if (!ph)
		return client_result(c, tag, MUX_BADDEV);
	conn = front_connect(ph, port);
	if (!conn)
		return client_result(c, tag, MUX_REFUSED);
	if (client_result(c, tag, MUX_OK)) {
		front_drop(conn);
		return -1;
	}
	pthread_mutex_lock(&c->u->lock);
	c->fd = -1;
	pthread_mutex_unlock(&c->u->lock);
	front_start(conn, fd);
	return 1;
}

static int client_plist_connect(
    struct usbmuxd_client *c, uint32_t tag, plist_t req)
{
	int64_t id = pl_int(req, "DeviceID", -1);
	int64_t port = pl_int(req, "PortNumber", INT64_MAX);
	uint16_t swapped = (uint16_t)(port & 0xffff);

	if (id <= 0 || id > INT32_MAX)
		return client_result(c, tag, MUX_BADDEV);
	if (port == INT64_MAX)
		return client_result(c, tag, MUX_BADCOMMAND);
	/* htons() of a little endian host, perhaps signed (CHECKS 16). */
	return client_connect(
	    c, tag, (int)id, (uint16_t)(swapped << 8 | swapped >> 8));
}

static int client_list(struct usbmuxd_client *c, uint32_t tag)
{
	plist_t d = plist_new_dict(), list = plist_new_array();
	struct phone *ph;

	for (size_t i = 0; (ph = phone_set_at(c->u->set, i)); i++) {
		int id = device_id_of(ph);

		if (id > 0)
			plist_array_append_item(list, device_attached(ph, id));
	}
	pl_set(d, "DeviceList", list);
	return usbmuxd_wire_plist(c->fd, tag, d);
}

static int client_listeners(struct usbmuxd_client *c, uint32_t tag)
{
	plist_t d = plist_new_dict(), list = plist_new_array();
	char id[96];
	int n = 0;

	pthread_mutex_lock(&c->u->lock);
	for (struct usbmuxd_client *k = c->u->clients; k; k = k->next) {
		plist_t e;

		if (!k->is_listening)
			continue;
		e = plist_new_dict();
		snprintf(id, sizeof(id), "%d-%s", ++n, k->prog);
		pl_set_bool(e, "Blacklisted", false);
		if (k->bundle[0])
			pl_set_str(e, "BundleID", k->bundle);
		pl_set_int(e, "ConnType", 0);
		pl_set_str(e, "ID String", id);
		pl_set_str(e, "ProgName", k->prog);
		pl_set_int(e, "kLibUSBMuxVersion", 3);
		plist_array_append_item(list, e);
	}
	pthread_mutex_unlock(&c->u->lock);
	pl_set(d, "ListenerList", list);
	return usbmuxd_wire_plist(c->fd, tag, d);
}

static int client_records(
    struct usbmuxd_client *c, uint32_t tag, const char *type, plist_t req)
{
	plist_t reply = plist_new_dict();
	struct phone *ph;
	int64_t id;
	int code;

	if (strcmp(type, "ReadBUID") == 0)
		code = usbmuxd_read_buid(c->u->set, reply);
	else if (strcmp(type, "ReadPairRecord") == 0)
		code = usbmuxd_read_record(c->u->set, req, reply);
	else if (strcmp(type, "SavePairRecord") == 0)
		code = usbmuxd_save_record(c->u->set, req);
	else
		code = usbmuxd_delete_record(c->u->set, req);
	if (!code && plist_dict_get_size(reply) > 0)
		return usbmuxd_wire_plist(c->fd, tag, reply);
	plist_free(reply);
	if (client_result(c, tag, code))
		return -1;
	id = pl_int(req, "DeviceID", 0);
	if (!code && strcmp(type, "SavePairRecord") == 0 && id > 0 &&
	    id <= INT32_MAX) {
		ph = phone_set_by_id(c->u->set, (int)id);
		if (ph && strcmp(ph->id.udid, pl_str(req, "PairRecordID")) == 0)
			usbmuxd_tell_paired(c->u, (int)id);
	}
	return 0;
}

static bool is_record_request(const char *type)
{
	return strcmp(type, "ReadBUID") == 0 ||
	       strcmp(type, "ReadPairRecord") == 0 ||
	       strcmp(type, "SavePairRecord") == 0 ||
	       strcmp(type, "DeletePairRecord") == 0;
}

static int client_plist(struct usbmuxd_client *c, uint32_t tag, plist_t req)
{
	const char *type = pl_str(req, "MessageType"), *s;

	if (!type)
		return 0; /* dropped without a word, as usbmuxd does */
	s = pl_str(req, "ProgName");
	snprintf(c->prog, sizeof(c->prog), "%.60s", s ? s : "");
	s = pl_str(req, "BundleID");
	snprintf(c->bundle, sizeof(c->bundle), "%.60s", s ? s : "");
	if (c->is_listening) {
		client_result(c, tag, MUX_BADCOMMAND);
		return -1;
	}
	if (strcmp(type, "Listen") == 0)
		return client_listen(c, tag);
	if (strcmp(type, "Connect") == 0)
		return client_plist_connect(c, tag, req);
	if (strcmp(type, "ListDevices") == 0)
		return client_list(c, tag);
	if (strcmp(type, "ListListeners") == 0)
		return client_listeners(c, tag);
	if (is_record_request(type))
		return client_records(c, tag, type, req);
	return client_result(c, tag, MUX_BADCOMMAND);
}

static int client_binary(
    struct usbmuxd_client *c, const struct usbmuxd_head *h, const char *body)
{
	const unsigned char *b = (const unsigned char *)body;

	c->is_binary = true;
	if (h->message == MUX_LISTEN && !c->is_listening)
		return client_listen(c, h->tag);
	if (h->message == MUX_CONNECT && !c->is_listening && h->body >= 6)
		return client_connect(c, h->tag,
		    (int)(b[0] | b[1] << 8 | b[2] << 16),
		    (uint16_t)(b[4] << 8 | b[5]));
	client_result(c, h->tag, MUX_BADCOMMAND);
	return c->is_listening ? -1 : 0;
}

/* One request: 0 go on, 1 handed over, -1 close. */
static int client_turn(struct usbmuxd_client *c)
{
	struct usbmuxd_head h;
	char *body = NULL;
	plist_t req;
	int rc;

	if (usbmuxd_wire_read(c->fd, &h, &body))
		return -1;
	if (h.version > 1) {
		rc = client_result(c, h.tag, MUX_BADVERSION);
	} else if (h.version == 0) {
		rc = client_binary(c, &h, body);
	} else if (h.message != MUX_PLIST) {
		rc = client_result(c, h.tag, MUX_BADCOMMAND);
	} else {
		c->is_binary = false;
		req = pl_parse(body, h.body);
		rc = req ? client_plist(c, h.tag, req) : 0;
		plist_free(req);
	}
	free(body);
	return rc;
}

/* --- clients --------------------------------------------------------------
 */

static void *client_thread(void *arg)
{
	struct usbmuxd_client *c = arg, **at;
	struct usbmuxd *u = c->u;

	while (client_turn(c) == 0)
		;
	pthread_mutex_lock(&u->lock);
	at = &u->clients;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	pthread_cond_broadcast(&u->gone);
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

static void client_new(struct usbmuxd *u, int fd)
{
	struct usbmuxd_client *c = calloc(1, sizeof(*c));
	pthread_t t;

	if (!c) {
		close(fd);
		return;
	}
	c->u = u;
	c->fd = fd;
	pthread_mutex_lock(&u->lock);
	if (pthread_create(&t, NULL, client_thread, c)) {
		close(fd);
		free(c);
	} else {
		pthread_detach(t);
		c->next = u->clients;
		u->clients = c;
	}
	pthread_mutex_unlock(&u->lock);
}

static void *accept_thread(void *arg)
{
	struct usbmuxd *u = arg;

	for (;;) {
		int fd = accept4(u->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			client_new(u, fd);
		else if (errno == EMFILE || errno == ENFILE)
			usleep(10000);
		else if (errno != EINTR && errno != ECONNABORTED)
			return NULL;
	}
}

struct usbmuxd *usbmuxd_new(struct phone_set *set, const char *path)
{
	struct usbmuxd *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->set = set;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->gone, NULL);
	snprintf(u->path, sizeof(u->path), "%s", path);
	u->fd = usbmuxd_wire_listen(path);
	if (u->fd < 0)
		goto fail;
	phone_set_watch(set, usbmuxd_tell, u);
	if (pthread_create(&u->acceptor, NULL, accept_thread, u) == 0)
		return u;
	phone_set_unwatch(set, u);
	close(u->fd);
fail:
	fprintf(stderr, "phonesim: can't listen at %s: %s\n", path,
	    strerror(errno));
	free(u);
	return NULL;
}

void usbmuxd_free(struct usbmuxd *u)
{
	if (!u)
		return;
	phone_set_unwatch(u->set, u);
	shutdown(u->fd, SHUT_RDWR); /* wakes accept */
	pthread_join(u->acceptor, NULL);
	close(u->fd);
	unlink(u->path);
	pthread_mutex_lock(&u->lock);
	for (struct usbmuxd_client *c = u->clients; c; c = c->next)
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_RDWR);
	while (u->clients)
		pthread_cond_wait(&u->gone, &u->lock);
	pthread_mutex_unlock(&u->lock);
	pthread_cond_destroy(&u->gone);
	pthread_mutex_destroy(&u->lock);
	free(u);
}
