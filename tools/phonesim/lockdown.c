/*
 * lockdownd on port 62078 (protocols.md 4; evidence: lengths of replies,
 * sessions that follow each other on one connection).
 */
#include "lockdown.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "link.h"
#include "pl.h"
#include "values.h"

static const char *do_query_type(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	(void)ld, (void)req;
	pl_set_str(reply, "Type", "com.apple.mobile.lockdown");
	return NULL;
}

/* Domain and Key are echoed when they were given. */
static const char *value_names(
    plist_t req, plist_t reply, const char **domain, const char **key)
{
	*domain = pl_str(req, "Domain");
	*key = pl_str(req, "Key");
	if (*domain)
		pl_set_str(reply, "Domain", *domain);
	else
		*domain = "";
	if (*key)
		pl_set_str(reply, "Key", *key);
	return *key;
}

static const char *do_get_value(struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *domain, *key, *error;
	plist_t value;

	value_names(req, reply, &domain, &key);
	error = values_get(ld->ph, domain, key, ld->in_session, &value);
	if (value)
		pl_set(reply, "Value", value);
	return error;
}

static const char *do_set_value(struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *domain, *key;
	plist_t value = plist_dict_get_item(req, "Value");

	if (!value_names(req, reply, &domain, &key))
		return "MissingKey";
	if (!value)
		return "MissingValue";
	pl_set(reply, "Value", plist_copy(value));
	return values_set(ld->ph, domain, key, value, ld->in_session);
}

static const char *do_remove_value(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *domain, *key;

	if (!value_names(req, reply, &domain, &key))
		return "MissingKey";
	return values_set(ld->ph, domain, key, NULL, ld->in_session);
}

static void session_new_id(char out[40])
{
	unsigned char r[16] = { 0 };

	RAND_bytes(r, sizeof(r));
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	snprintf(out, 40,
	    "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
	    "%02X%02X%02X%02X%02X%02X",
	    r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10],
	    r[11], r[12], r[13], r[14], r[15]);
}

static const char *do_start_session(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *host_id = pl_str(req, "HostID");
	plist_t record;

	if (!host_id)
		return "MissingHostID";
	if (ld->in_session)
		return "SessionActive";
	record = phone_host_load(ld->ph, host_id);
	if (!record)
		return "InvalidHostID";
	plist_free(record);
	snprintf(ld->host_id, sizeof(ld->host_id), "%s", host_id);
	session_new_id(ld->session_id);
	ld->in_session = true;
	ld->start_tls = true;
	pl_set_bool(reply, "EnableSessionSSL", true);
	pl_set_str(reply, "SessionID", ld->session_id);
	return NULL;
}

static const char *do_stop_session(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	const char *id = pl_str(req, "SessionID");

	(void)reply;
	if (!ld->in_session)
		return "SessionInactive";
	if (!id)
		return "MissingSessionID";
	if (strcmp(id, ld->session_id) != 0)
		return "InvalidSessionID";
	ld->in_session = false;
	ld->stop_tls = true;
	return NULL;
}

static const char *do_nothing(struct lockdown *ld, plist_t req, plist_t reply)
{
	(void)ld, (void)req, (void)reply;
	return NULL;
}

static const char *do_activation(
    struct lockdown *ld, plist_t req, plist_t reply)
{
	(void)req, (void)reply;
	return ld->in_session ? "MissingActivationRecord" : "SessionInactive";
}

/* clang-format off */
static const struct {
	const char *name;
	const char *(*fn)(struct lockdown *ld, plist_t req, plist_t reply);
} requests[] = {
	{ "QueryType",    do_query_type },
	{ "GetValue",     do_get_value },
	{ "SetValue",     do_set_value },
	{ "RemoveValue",  do_remove_value },
	{ "Pair",         lockdown_pair },
	{ "ValidatePair", lockdown_validate_pair },
	{ "Unpair",       lockdown_unpair },
	{ "ResetPairing", lockdown_reset_pairing },
	{ "StartSession", do_start_session },
	{ "StopSession",  do_stop_session },
	{ "StartService", lockdown_start_service },
	{ "Activate",     do_activation },
	{ "Deactivate",   do_activation },
	{ "Goodbye",      do_nothing },
};
/* clang-format on */

static const char *lockdown_handle(
    struct lockdown *ld, const char *name, plist_t req, plist_t reply)
{
	char text[64];

	/* `set lockdown_error NAME` answers everything but QueryType so. */
	if (strcmp(name, "QueryType") != 0 &&
	    phone_knob_text(ld->ph, "lockdown_error", text, sizeof(text))) {
		pl_set_str(reply, "Error", text);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (strcmp(requests[i].name, name) == 0)
			return requests[i].fn(ld, req, reply);
	return "InvalidRequest";
}

/* One request, one reply. -1: the connection is over. */
static int lockdown_turn(struct lockdown *ld)
{
	plist_t req = NULL, reply;
	const char *name, *error;
	int rc;

	if (pl_recv(ld->l, &req))
		return -1;
	name = pl_str(req, "Request");
	if (!name) {
		plist_free(req);
		return -1;
	}
	reply = plist_new_dict();
	pl_set_str(reply, "Request", name);
	error = lockdown_handle(ld, name, req, reply);
	if (error)
		pl_set_str(reply, "Error", error);
	plist_free(req);
	rc = pl_send_xml(ld->l, reply);
	if (!rc && ld->start_tls)
		rc = link_start_tls(ld->l, ld->host_id);
	if (!rc && ld->stop_tls)
		rc = link_stop_tls(ld->l);
	ld->start_tls = false;
	ld->stop_tls = false;
	return rc;
}

void lockdown_serve(struct phone *ph, struct link *l)
{
	struct lockdown ld = { .ph = ph, .l = l };

	while (lockdown_turn(&ld) == 0)
		;
}
