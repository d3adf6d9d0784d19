#include "mux_reply.h"

#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mux_request.h"

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static struct mux_reply message(uint32_t version, uint32_t number, uint32_t tag,
    const void *body, size_t len)
{
	struct mux_reply r = { malloc(MUX_REQUEST_HEAD + len), 0 };

	if (!r.data)
		return r;
	r.len = MUX_REQUEST_HEAD + len;
	put32(r.data, (uint32_t)r.len);
	put32(r.data + 4, version);
	put32(r.data + 8, number);
	put32(r.data + 12, tag);
	memcpy(r.data + MUX_REQUEST_HEAD, body, len);
	return r;
}

void mux_reply_free(struct mux_reply *r)
{
	free(r->data);
	*r = (struct mux_reply){ 0 };
}

/* --- property lists ------------------------------------------------------------ */

static void set_text(plist_t d, const char *key, const char *text)
{
	plist_dict_set_item(d, key, plist_new_string(text));
}

static void set_number(plist_t d, const char *key, uint64_t n)
{
	plist_dict_set_item(d, key, plist_new_uint(n));
}

/* Takes d. Always XML, as usbmuxd and Apple's own answer. */
static struct mux_reply as_message(uint32_t tag, plist_t d)
{
	struct mux_reply r = { 0 };
	char *xml = NULL;
	uint32_t len = 0;

	plist_to_xml(d, &xml, &len);
	plist_free(d);
	if (xml)
		r = message(1, MUX_REQUEST_PLIST, tag, xml, len);
	free(xml); /* libplist's own malloc() in every version */
	return r;
}

static plist_t attached(const struct mux_facts *f, uint32_t id)
{
	plist_t d = plist_new_dict();
	plist_t p = plist_new_dict();

	set_text(d, "MessageType", "Attached");
	set_number(d, "DeviceID", id);
	set_number(p, "ConnectionSpeed", f->speed);
	set_text(p, "ConnectionType", "USB");
	set_number(p, "DeviceID", id);
	set_number(p, "LocationID", f->location);
	set_number(p, "ProductID", f->product_id);
	set_text(p, "SerialNumber", f->udid);
	plist_dict_set_item(d, "Properties", p);
	return d;
}

static plist_t about(const char *type, uint32_t id)
{
	plist_t d = plist_new_dict();

	set_text(d, "MessageType", type);
	set_number(d, "DeviceID", id);
	return d;
}

static struct mux_reply number(uint32_t kind, uint32_t tag, uint32_t n)
{
	uint8_t body[4];

	put32(body, n);
	return message(0, kind, tag, body, sizeof(body));
}

struct mux_reply mux_reply_result(bool binary, uint32_t tag, uint32_t code)
{
	plist_t d;

	if (binary)
		return number(MUX_REQUEST_RESULT, tag, code);
	d = plist_new_dict();
	set_text(d, "MessageType", "Result");
	set_number(d, "Number", code);
	return as_message(tag, d);
}

/* u32 id, u16 product, 256 bytes serial, u16 nothing, u32 location. */
static struct mux_reply attached_binary(const struct mux_facts *f, uint32_t id)
{
	uint8_t body[4 + 2 + 256 + 2 + 4] = { 0 };

	put32(body, id);
	body[4] = (uint8_t)f->product_id;
	body[5] = (uint8_t)(f->product_id >> 8);
	memcpy(body + 6, f->udid, strnlen(f->udid, sizeof(f->udid)));
	put32(body + 264, f->location);
	return message(0, MUX_REQUEST_ADD, 0, body, sizeof(body));
}

struct mux_reply mux_reply_attached(
    bool binary, const struct mux_facts *f, uint32_t device_id)
{
	if (binary)
		return attached_binary(f, device_id);
	return as_message(0, attached(f, device_id));
}

struct mux_reply mux_reply_detached(bool binary, uint32_t device_id)
{
	if (binary)
		return number(MUX_REQUEST_REMOVE, 0, device_id);
	return as_message(0, about("Detached", device_id));
}

struct mux_reply mux_reply_paired(bool binary, uint32_t device_id)
{
	if (binary)
		return number(MUX_REQUEST_PAIRED, 0, device_id);
	return as_message(0, about("Paired", device_id));
}

struct mux_reply mux_reply_devices(uint32_t tag,
    const struct mux_facts *const *facts, const uint32_t *ids, size_t n)
{
	plist_t d = plist_new_dict();
	plist_t list = plist_new_array();

	for (size_t i = 0; i < n; i++)
		plist_array_append_item(list, attached(facts[i], ids[i]));
	plist_dict_set_item(d, "DeviceList", list);
	return as_message(tag, d);
}

struct mux_reply mux_reply_listeners(
    uint32_t tag, const struct mux_reply_listener *l, size_t n)
{
	plist_t d = plist_new_dict();
	plist_t list = plist_new_array();
	char id[96];

	for (size_t i = 0; i < n; i++) {
		plist_t e = plist_new_dict();

		snprintf(id, sizeof(id), "%zu-%s", i + 1, l[i].prog);
		plist_dict_set_item(e, "Blacklisted", plist_new_bool(0));
		if (l[i].bundle[0])
			set_text(e, "BundleID", l[i].bundle);
		set_number(e, "ConnType", 0);
		set_text(e, "ID String", id);
		set_text(e, "ProgName", l[i].prog);
		set_number(e, "kLibUSBMuxVersion", 3);
		plist_array_append_item(list, e);
	}
	plist_dict_set_item(d, "ListenerList", list);
	return as_message(tag, d);
}

struct mux_reply mux_reply_buid(uint32_t tag, const char *buid)
{
	plist_t d = plist_new_dict();

	set_text(d, "BUID", buid);
	return as_message(tag, d);
}

struct mux_reply mux_reply_record(
    uint32_t tag, const uint8_t *record, size_t len)
{
	plist_t d = plist_new_dict();

	plist_dict_set_item(d, "PairRecordData",
	    plist_new_data((const char *)record, (uint64_t)len));
	return as_message(tag, d);
}
