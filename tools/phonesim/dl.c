#include "dl_private.h"

#include "link.h"
#include "phone.h"

#include <stdlib.h>
#include <string.h>

uint32_t dl_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

void dl_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static size_t dl_bounded_knob(
    struct phone *ph, const char *name, int64_t def, int64_t lo, int64_t hi)
{
	int64_t v = phone_knob(ph, name, def);

	if (v < lo)
		v = lo;
	if (v > hi)
		v = hi;
	return (size_t)v;
}

struct dl *dl_new(struct phone *ph, struct link *l)
{
	struct dl *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ph = ph;
	d->link = l;
	d->chunk =
	    dl_bounded_knob(ph, "chunk", DL_CHUNK_DEFAULT, 1, DL_CHUNK_MAX);
	d->frame_limit = (uint32_t)dl_bounded_knob(
	    ph, "frame_limit", DL_FRAME_DEFAULT, 64, DL_FRAME_DEFAULT);
	d->unbuffered = phone_knob(ph, "unbuffered", 0) != 0;
	d->callbacks = phone_knob(ph, "dl_io_callbacks", 1);
	if (d->callbacks == 1)
		d->callbacks = DL_CALLBACKS_DEFAULT;
	d->cap = d->chunk + 2 * (size_t)DL_FLUSH_AT;
	d->out = malloc(d->cap);
	d->piece = malloc(DL_PIECE);
	if (!d->out || !d->piece) {
		dl_free(d);
		return NULL;
	}
	return d;
}

void dl_free(struct dl *d)
{
	if (!d)
		return;
	free(d->out);
	free(d->piece);
	free(d);
}

int dl_version(const struct dl *d)
{
	return d->version;
}

size_t dl_chunk(const struct dl *d)
{
	return d->chunk;
}

struct link *dl_link(const struct dl *d)
{
	return d->link;
}

enum dl_result dl_flush(struct dl *d)
{
	size_t n = d->len;

	d->len = 0;
	if (n == 0)
		return DL_OK;
	return link_write(d->link, d->out, n) == 0 ? DL_OK : DL_GONE;
}

enum dl_result dl_make_room(struct dl *d, size_t n)
{
	return d->cap - d->len >= n ? DL_OK : dl_flush(d);
}

enum dl_result dl_appended(struct dl *d)
{
	if (d->unbuffered || d->len >= DL_FLUSH_AT)
		return dl_flush(d);
	return DL_OK;
}

enum dl_result dl_append(struct dl *d, const void *bytes, size_t n)
{
	enum dl_result r = dl_make_room(d, n);

	if (r != DL_OK)
		return r;
	if (n > d->cap)
		return link_write(d->link, bytes, n) == 0 ? DL_OK : DL_GONE;
	memcpy(d->out + d->len, bytes, n);
	d->len += n;
	return DL_OK;
}

enum dl_result dl_send_raw(struct dl *d, const void *bytes, size_t n)
{
	enum dl_result r = dl_append(d, bytes, n);

	return r == DL_OK ? dl_flush(d) : r;
}

enum dl_result dl_send(struct dl *d, plist_t msg)
{
	char *bin = NULL;
	uint32_t n = 0;
	uint8_t head[4];
	enum dl_result r;

	plist_to_bin(msg, &bin, &n);
	plist_free(msg);
	if (!bin)
		return DL_GONE;
	dl_put32(head, n);
	r = dl_append(d, head, sizeof(head));
	if (r == DL_OK)
		r = dl_append(d, bin, n);
	if (r == DL_OK)
		r = dl_appended(d);
	free(bin);
	return r;
}

enum dl_result dl_send_process(struct dl *d, plist_t dict)
{
	plist_t msg = plist_new_array();

	plist_array_append_item(
	    msg, plist_new_string("DLMessageProcessMessage"));
	plist_array_append_item(msg, dict);
	return dl_send(d, msg);
}

static plist_t dl_parse(const char *bytes, uint32_t n)
{
	plist_t msg = NULL;

	if (n >= 8 && memcmp(bytes, "bplist00", 8) == 0)
		plist_from_bin(bytes, n, &msg);
	else
		plist_from_xml(bytes, n, &msg);
	if (msg && !dl_message_name(msg)) {
		plist_free(msg);
		msg = NULL;
	}
	return msg;
}

const char *dl_message_name(plist_t msg)
{
	plist_t first;

	if (plist_get_node_type(msg) != PLIST_ARRAY)
		return NULL;
	first = plist_array_get_item(msg, 0);
	if (!first || plist_get_node_type(first) != PLIST_STRING)
		return NULL;
	return plist_get_string_ptr(first, NULL);
}

static enum dl_result dl_recv_any(struct dl *d, plist_t *out)
{
	uint8_t head[4];
	uint32_t n;
	char *bytes;

	if (dl_flush(d) != DL_OK || link_read(d->link, head, 4) != 0)
		return DL_GONE;
	n = dl_get32(head);
	if (n == 0)
		return DL_ILLEGAL;
	if (n > d->frame_limit) {
		/* The agent holds a frame in memory; the system ends it when
		 * that is too much, and the host sees the link drop. */
		phone_event(d->ph, "host frame of %u bytes: link dropped", n);
		link_kill(d->link);
		return DL_GONE;
	}
	bytes = malloc((size_t)n + 1);
	if (!bytes)
		return DL_GONE;
	if (link_read(d->link, bytes, n) != 0) {
		free(bytes);
		return DL_GONE;
	}
	bytes[n] = 0;
	*out = dl_parse(bytes, n);
	free(bytes);
	return *out ? DL_OK : DL_ILLEGAL;
}

enum dl_result dl_recv(struct dl *d, plist_t *out)
{
	for (;;) {
		enum dl_result r;
		const char *name;

		*out = NULL;
		r = dl_recv_any(d, out);
		if (r != DL_OK)
			return r;
		name = dl_message_name(*out);
		if (strcmp(name, "DLMessageDisconnect") != 0 &&
		    strcmp(name, "DLMessagePing") != 0)
			return DL_OK;
		r = strcmp(name, "DLMessagePing") == 0 ? DL_OK : DL_BYE;
		plist_free(*out);
		*out = NULL;
		if (r != DL_OK)
			return r;
	}
}

static int dl_own_version(const struct phone *ph)
{
	return ph->id.ios_major >= 14 ? 400 : 300;
}

/* ["DLMessageVersionExchange", "DLVersionsOk", number] */
static enum dl_result dl_check_versions(struct dl *d, plist_t msg)
{
	plist_t text = plist_array_get_item(msg, 1);
	plist_t number = plist_array_get_item(msg, 2);
	uint64_t host = 0;
	const char *s;

	if (strcmp(dl_message_name(msg), "DLMessageVersionExchange") != 0)
		return DL_ILLEGAL;
	if (!text || plist_get_node_type(text) != PLIST_STRING)
		return DL_ILLEGAL;
	s = plist_get_string_ptr(text, NULL);
	if (strcmp(s, "DLVersionsOk") != 0 &&
	    strcmp(s, "DLErrorAcceptingDeviceLinkGreater") != 0)
		return DL_ILLEGAL;
	d->version = dl_own_version(d->ph);
	if (number && plist_get_node_type(number) == PLIST_UINT) {
		plist_get_uint_val(number, &host);
		if (host < (uint64_t)d->version)
			d->version = (int)host;
	}
	return DL_OK;
}

enum dl_result dl_open(struct dl *d)
{
	plist_t msg = plist_new_array();
	enum dl_result r;

	plist_array_append_item(
	    msg, plist_new_string("DLMessageVersionExchange"));
	plist_array_append_item(
	    msg, plist_new_uint((uint64_t)dl_own_version(d->ph)));
	plist_array_append_item(msg, plist_new_uint(0));
	r = dl_send(d, msg);
	if (r == DL_OK)
		r = dl_recv(d, &msg);
	if (r != DL_OK)
		return r;
	r = dl_check_versions(d, msg);
	plist_free(msg);
	if (r != DL_OK)
		return r;
	msg = plist_new_array();
	plist_array_append_item(msg, plist_new_string("DLMessageDeviceReady"));
	r = dl_send(d, msg);
	return r == DL_OK ? dl_flush(d) : r;
}
