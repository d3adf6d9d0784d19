#include "dl_private.h"

#include "link.h"
#include "phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DL_TAG_DATA = 0x0c
};

/* ---- phone to host ---- */

enum dl_result dl_upload_begin(struct dl *d, double progress, uint64_t total)
{
	plist_t msg = plist_new_array();

	plist_array_append_item(msg, plist_new_string("DLMessageUploadFiles"));
	plist_array_append_item(msg, dl_io_options(d));
	plist_array_append_item(msg, plist_new_real(progress));
	plist_array_append_item(msg, plist_new_uint(total));
	return dl_send(d, msg);
}

enum dl_result dl_upload_name(struct dl *d, const char *s, size_t n)
{
	uint8_t head[4];
	enum dl_result r;

	dl_put32(head, (uint32_t)n);
	r = dl_append(d, head, sizeof(head));
	return r == DL_OK ? dl_append(d, s, n) : r;
}

enum dl_result dl_upload_names(
    struct dl *d, const char *source, const char *dest)
{
	enum dl_result r = dl_upload_name(d, source, strlen(source));

	if (r == DL_OK)
		r = dl_upload_name(d, dest, strlen(dest));
	return r == DL_OK ? dl_appended(d) : r;
}

enum dl_result dl_upload_room(struct dl *d, uint8_t **room)
{
	enum dl_result r = dl_make_room(d, d->chunk + 5);

	*room = d->out + d->len + 5;
	return r;
}

enum dl_result dl_upload_chunk(struct dl *d, size_t n)
{
	dl_put32(d->out + d->len, (uint32_t)n + 1);
	d->out[d->len + 4] = DL_TAG_DATA;
	d->len += 5 + n;
	return dl_appended(d);
}

enum dl_result dl_upload_end(struct dl *d, int code, const char *text)
{
	uint8_t head[5];
	size_t n = text ? strlen(text) : 0;
	enum dl_result r;

	dl_put32(head, (uint32_t)n + 1);
	head[4] = (uint8_t)-code;
	r = dl_append(d, head, sizeof(head));
	if (r == DL_OK && n > 0)
		r = dl_append(d, text, n);
	return r == DL_OK ? dl_appended(d) : r;
}

enum dl_result dl_upload_finish(struct dl *d, struct dl_status *st)
{
	static const uint8_t zero[4];
	enum dl_result r = dl_append(d, zero, sizeof(zero));

	memset(st, 0, sizeof(*st));
	return r == DL_OK ? dl_wait_status(d, st) : r;
}

/* ---- host to phone ---- */

struct dl_incoming {
	const char *const *paths;
	size_t n, next; /* the next path that may come */
	const struct dl_sink *sink;
	int sunk;
};

static enum dl_result dl_drop_frame(struct dl *d, uint32_t n)
{
	phone_event(d->ph, "host frame of %u bytes: link dropped", n);
	link_kill(d->link);
	return DL_GONE;
}

static enum dl_result dl_get32_link(struct dl *d, uint32_t *v)
{
	uint8_t head[4];

	if (link_read(d->link, head, sizeof(head)) != 0)
		return DL_GONE;
	*v = dl_get32(head);
	return DL_OK;
}

static enum dl_result dl_get_data(
    struct dl *d, struct dl_incoming *in, uint32_t left)
{
	while (left > 0) {
		size_t n = left < DL_PIECE ? left : DL_PIECE;

		if (link_read(d->link, d->piece, n) != 0)
			return DL_GONE;
		if (in->sunk == 0)
			in->sunk = in->sink->data(in->sink->arg, d->piece, n);
		left -= (uint32_t)n;
	}
	return DL_OK;
}

static enum dl_result dl_get_end(
    struct dl *d, struct dl_incoming *in, size_t i, uint8_t code, uint32_t n)
{
	char text[512];

	if (n >= sizeof(text))
		return DL_ILLEGAL;
	if (n > 0 && link_read(d->link, text, n) != 0)
		return DL_GONE;
	text[n] = 0;
	if (in->sunk == 0)
		in->sunk = in->sink->end(in->sink->arg, i, -(int)code, text);
	return DL_OK;
}

/* The blocks of one file up to its end marker. */
static enum dl_result dl_get_file(
    struct dl *d, struct dl_incoming *in, size_t i)
{
	if (in->sunk == 0)
		in->sunk = in->sink->begin(in->sink->arg, i);
	for (;;) {
		uint32_t n;
		uint8_t tag;
		enum dl_result r = dl_get32_link(d, &n);

		if (r != DL_OK)
			return r;
		if (n == 0)
			return DL_ILLEGAL;
		if (n > d->frame_limit)
			return dl_drop_frame(d, n);
		if (link_read(d->link, &tag, 1) != 0)
			return DL_GONE;
		if (tag != DL_TAG_DATA)
			return dl_get_end(d, in, i, tag, n - 1);
		r = dl_get_data(d, in, n - 1);
		if (r != DL_OK)
			return r;
	}
}

/* DL_OK and *i == in->n: the list ended. */
static enum dl_result dl_get_name(
    struct dl *d, struct dl_incoming *in, size_t *i)
{
	char name[DL_NAME_MAX + 1];
	uint32_t n;
	enum dl_result r = dl_get32_link(d, &n);

	*i = in->n;
	if (r != DL_OK || n == 0)
		return r;
	if (n > DL_NAME_MAX)
		return DL_ILLEGAL;
	if (link_read(d->link, name, n) != 0)
		return DL_GONE;
	name[n] = 0;
	if (strlen(name) != n)
		return DL_ILLEGAL;
	for (size_t k = in->next; k < in->n; k++) {
		if (strcmp(in->paths[k], name) != 0)
			continue;
		in->next = k + 1;
		*i = k;
		return DL_OK;
	}
	phone_event(d->ph, "host sent a file that was not asked for");
	return DL_ILLEGAL;
}

static enum dl_result dl_ask_files(struct dl *d, const char *const *paths,
    size_t n, double progress, uint64_t total)
{
	plist_t msg = plist_new_array();
	plist_t list = plist_new_array();
	enum dl_result r;

	for (size_t i = 0; i < n; i++)
		plist_array_append_item(list, plist_new_string(paths[i]));
	plist_array_append_item(
	    msg, plist_new_string("DLMessageDownloadFiles"));
	plist_array_append_item(msg, list);
	plist_array_append_item(msg, dl_io_options(d));
	plist_array_append_item(msg, plist_new_real(progress));
	plist_array_append_item(msg, plist_new_uint(total));
	r = dl_send(d, msg);
	return r == DL_OK ? dl_flush(d) : r;
}

enum dl_result dl_download(struct dl *d, const char *const *paths, size_t n,
    double progress, uint64_t total, const struct dl_sink *sink, int *sunk,
    struct dl_status *st)
{
	struct dl_incoming in = { .paths = paths, .n = n, .sink = sink };
	enum dl_result r = dl_ask_files(d, paths, n, progress, total);

	memset(st, 0, sizeof(*st));
	while (r == DL_OK) {
		size_t i;

		r = dl_get_name(d, &in, &i);
		if (r != DL_OK || i == n)
			break;
		r = dl_get_file(d, &in, i);
	}
	if (r == DL_OK)
		r = dl_wait_status(d, st);
	if (sunk)
		*sunk = in.sunk;
	return r;
}
