#include "mux_request.h"

#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plist_bounds.h"
#include "relpath.h"

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

enum rc mux_request_len(const uint8_t head[MUX_REQUEST_HEAD], uint32_t *out)
{
	*out = get32(head);
	if (*out < MUX_REQUEST_HEAD || *out > MUX_REQUEST_MAX)
		return RC_LIMIT;
	return RC_OK;
}

/* --- property lists ------------------------------------------------------------ */

static plist_t item(plist_t dict, const char *key, plist_type type)
{
	plist_t node = plist_dict_get_item(dict, key);

	return node && plist_get_node_type(node) == type ? node : NULL;
}

/* What does not fit whole is none. */
static void take_text(plist_t dict, const char *key, char *out, size_t cap)
{
	plist_t node = item(dict, key, PLIST_STRING);
	char *text = NULL;

	out[0] = '\0';
	if (node)
		plist_get_string_val(node, &text);
	if (text && strlen(text) < cap)
		snprintf(out, cap, "%s", text);
	free(text);
}

static bool take_number(plist_t dict, const char *key, uint64_t *out)
{
	plist_t node = item(dict, key, PLIST_UINT);

	if (!node)
		return false;
	plist_get_uint_val(node, out);
	return true;
}

static enum rc take_record(plist_t dict, struct mux_request *out)
{
	plist_t node = item(dict, "PairRecordData", PLIST_DATA);
	char *data = NULL;
	uint64_t len = 0;

	if (!node)
		return RC_OK;
	plist_get_data_val(node, &data, &len);
	if (!data)
		return len ? RC_NOMEM : RC_OK;
	if (plist_bounds_check(data, (size_t)len)) {
		free(data); /* no property list: as if there were none */
		return RC_OK;
	}
	out->record = (uint8_t *)data;
	out->record_len = (size_t)len;
	return RC_OK;
}

static enum mux_request_kind kind_of(const char *type)
{
	static const struct {
		const char *name;
		enum mux_request_kind kind;
	} kinds[] = {
		{ "ListDevices", MUX_REQUEST_LIST_DEVICES },
		{ "Listen", MUX_REQUEST_LISTEN },
		{ "Connect", MUX_REQUEST_CONNECT },
		{ "ReadBUID", MUX_REQUEST_READ_BUID },
		{ "ReadPairRecord", MUX_REQUEST_READ_RECORD },
		{ "SavePairRecord", MUX_REQUEST_SAVE_RECORD },
		{ "DeletePairRecord", MUX_REQUEST_DELETE_RECORD },
		{ "ListListeners", MUX_REQUEST_LIST_LISTENERS },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(type, kinds[i].name))
			return kinds[i].kind;
	return MUX_REQUEST_UNKNOWN;
}

static enum rc take_dict(plist_t dict, struct mux_request *out)
{
	char type[64];
	uint64_t n = 0;

	take_text(dict, "MessageType", type, sizeof(type));
	if (!type[0])
		return RC_PROTO;
	out->kind = kind_of(type);
	take_text(dict, "ProgName", out->prog, sizeof(out->prog));
	take_text(dict, "BundleID", out->bundle, sizeof(out->bundle));
	take_text(dict, "PairRecordID", out->udid, sizeof(out->udid));
	if (relpath_check_udid(out->udid))
		out->udid[0] = '\0'; /* it becomes the name of a file */
	out->has_device = take_number(dict, "DeviceID", &n) && n <= UINT32_MAX;
	out->device_id = out->has_device ? (uint32_t)n : 0;
	/* htons() of a little endian host; Apple's clients write it with a
	 * sign. */
	out->has_port = take_number(dict, "PortNumber", &n);
	out->port =
	    out->has_port ? (uint16_t)((n & 0xff) << 8 | (n >> 8 & 0xff)) : 0;
	return out->kind == MUX_REQUEST_SAVE_RECORD ? take_record(dict, out)
						    : RC_OK;
}

static enum rc parse_plist(
    const uint8_t *body, size_t len, struct mux_request *out)
{
	plist_t root = NULL;
	enum rc rc = RC_PROTO;

	if (plist_bounds_check(body, len))
		return RC_PROTO;
	if (memcmp(body, "bplist00", 8) == 0)
		plist_from_bin((const char *)body, (uint32_t)len, &root);
	else
		plist_from_xml((const char *)body, (uint32_t)len, &root);
	if (root && plist_get_node_type(root) == PLIST_DICT)
		rc = take_dict(root, out);
	plist_free(root);
	return rc;
}

/* --- version 0 ----------------------------------------------------------------- */

static enum rc parse_binary(
    uint32_t message, const uint8_t *body, size_t len, struct mux_request *out)
{
	out->is_binary = true;
	if (message == MUX_REQUEST_BIN_LISTEN)
		out->kind = MUX_REQUEST_LISTEN;
	if (message != MUX_REQUEST_BIN_CONNECT || len < 6)
		return RC_OK;
	out->kind = MUX_REQUEST_CONNECT;
	out->has_device = out->has_port = true;
	out->device_id = get32(body);
	out->port = (uint16_t)(body[4] << 8 | body[5]);
	return RC_OK;
}

enum rc mux_request_parse(
    const uint8_t *msg, size_t len, struct mux_request *out)
{
	const uint8_t *body = msg + MUX_REQUEST_HEAD;
	uint32_t version, message;

	memset(out, 0, sizeof(*out));
	if (len < MUX_REQUEST_HEAD)
		return RC_PROTO;
	len -= MUX_REQUEST_HEAD;
	version = get32(msg + 4);
	message = get32(msg + 8);
	out->tag = get32(msg + 12);
	if (version == 0)
		return parse_binary(message, body, len, out);
	if (version != 1)
		return RC_UNSUPPORTED;
	if (message != MUX_REQUEST_PLIST)
		return RC_OK; /* UNKNOWN */
	return parse_plist(body, len, out);
}

void mux_request_free(struct mux_request *r)
{
	free(r->record);
	r->record = NULL;
	r->record_len = 0;
}
