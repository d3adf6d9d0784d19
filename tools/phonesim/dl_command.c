#include "dl_private.h"

#include "phone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Feature gates: which host version knows which message. */
enum {
	DL_HAS_ITEMS = 200,
	DL_HAS_FREE_SPACE = 300,
	DL_HAS_PURGE = 400
};

void dl_status_clear(struct dl_status *st)
{
	if (st->result)
		plist_free(st->result);
	memset(st, 0, sizeof(*st));
}

/* Hosts write -13 as a signed or unsigned integer of 4, 8 or 16 bytes; only
 * the low 32 bits count. */
static int dl_code_of(plist_t node)
{
	uint64_t v = 0;

	plist_get_uint_val(node, &v);
	return (int)(int32_t)(uint32_t)v;
}

static enum dl_result dl_status_parse(plist_t msg, struct dl_status *st)
{
	plist_t code = plist_array_get_item(msg, 1);
	plist_t text = plist_array_get_item(msg, 2);
	plist_t result = plist_array_get_item(msg, 3);
	const char *name = dl_message_name(msg);

	if (strcmp(name, "DLMessageStatusResponse") != 0 ||
	    plist_array_get_size(msg) != 4)
		return DL_ILLEGAL;
	if (plist_get_node_type(code) != PLIST_UINT ||
	    plist_get_node_type(text) != PLIST_STRING)
		return DL_ILLEGAL;
	st->code = dl_code_of(code);
	snprintf(
	    st->text, sizeof(st->text), "%s", plist_get_string_ptr(text, NULL));
	st->result = plist_copy(result);
	return st->result ? DL_OK : DL_GONE;
}

enum dl_result dl_wait_status(struct dl *d, struct dl_status *st)
{
	plist_t msg = NULL;
	enum dl_result r;

	memset(st, 0, sizeof(*st));
	r = dl_recv(d, &msg);
	if (r != DL_OK)
		return r;
	r = dl_status_parse(msg, st);
	if (r == DL_ILLEGAL)
		phone_event(d->ph, "host answered %s with %u elements",
		    dl_message_name(msg), plist_array_get_size(msg));
	plist_free(msg);
	return r;
}

int dl_status_of_path(const struct dl_status *st, const char *path)
{
	plist_t entry, code;

	if (st->code != DL_CODE_MULTI)
		return st->code;
	if (plist_get_node_type(st->result) != PLIST_DICT)
		return DL_CODE_GENERIC;
	entry = plist_dict_get_item(st->result, path);
	if (!entry || plist_get_node_type(entry) != PLIST_DICT)
		return DL_CODE_GENERIC;
	code = plist_dict_get_item(entry, "DLFileErrorCode");
	if (!code || plist_get_node_type(code) != PLIST_UINT)
		return DL_CODE_GENERIC;
	return dl_code_of(code);
}

plist_t dl_io_options(const struct dl *d)
{
	plist_t dict = plist_new_dict();

	if (d->callbacks != 0)
		plist_dict_set_item(dict, "DLDeviceIOCallbacks",
		    plist_new_uint((uint64_t)d->callbacks));
	return dict;
}

static plist_t dl_new_message(const char *name)
{
	plist_t msg = plist_new_array();

	plist_array_append_item(msg, plist_new_string(name));
	return msg;
}

static enum dl_result dl_ask(struct dl *d, plist_t msg, struct dl_status *st)
{
	enum dl_result r;

	memset(st, 0, sizeof(*st));
	r = dl_send(d, msg);
	return r == DL_OK ? dl_wait_status(d, st) : r;
}

static enum dl_result dl_ask_items(struct dl *d, const char *name,
    plist_t items, double progress, struct dl_status *st)
{
	plist_t msg = dl_new_message(name);

	plist_array_append_item(msg, items);
	plist_array_append_item(msg, plist_new_dict());
	plist_array_append_item(msg, plist_new_real(progress));
	return dl_ask(d, msg, st);
}

/* A host that is too old for the question has refused it. */
static enum dl_result dl_not_known(struct dl_status *st)
{
	memset(st, 0, sizeof(*st));
	st->code = -2;
	return DL_OK;
}

enum dl_result dl_free_space(struct dl *d, struct dl_status *st)
{
	if (d->version < DL_HAS_FREE_SPACE)
		return dl_not_known(st);
	return dl_ask(d, dl_new_message("DLMessageGetFreeDiskSpace"), st);
}

enum dl_result dl_purge(struct dl *d, uint64_t amount, struct dl_status *st)
{
	plist_t msg;

	if (d->version < DL_HAS_PURGE)
		return dl_not_known(st);
	msg = dl_new_message("DLMessagePurgeDiskSpace");
	plist_array_append_item(msg, plist_new_uint(amount));
	plist_array_append_item(msg, plist_new_uint(4));
	return dl_ask(d, msg, st);
}

enum dl_result dl_list(struct dl *d, const char *path, struct dl_status *st)
{
	return dl_ask_items(
	    d, "DLContentsOfDirectory", plist_new_string(path), -1.0, st);
}

enum dl_result dl_mkdir(
    struct dl *d, const char *path, double progress, struct dl_status *st)
{
	return dl_ask_items(d, "DLMessageCreateDirectory",
	    plist_new_string(path), progress, st);
}

enum dl_result dl_move(
    struct dl *d, plist_t items, double progress, struct dl_status *st)
{
	const char *name = d->version >= DL_HAS_ITEMS ? "DLMessageMoveItems"
						      : "DLMessageMoveFiles";

	return dl_ask_items(d, name, items, progress, st);
}

enum dl_result dl_remove(
    struct dl *d, plist_t items, double progress, struct dl_status *st)
{
	const char *name = d->version >= DL_HAS_ITEMS ? "DLMessageRemoveItems"
						      : "DLMessageRemoveFiles";

	return dl_ask_items(d, name, items, progress, st);
}
