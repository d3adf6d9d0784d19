/*
 * com.apple.mobilebackup2: hello, requests, responses. Facts: README.md, "The
 * backup agent".
 */
#include "agent.h"

#include "link.h"
#include "phone.h"
#include "pl.h"
#include "services.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum dl_result agent_respond(
    struct agent *a, int code, plist_t more_key_value)
{
	plist_t dict = more_key_value ? more_key_value : plist_new_dict();
	enum dl_result r;

	plist_dict_set_item(dict, "ErrorCode", plist_new_uint((uint64_t)code));
	if (code != 0)
		plist_dict_set_item(
		    dict, "ErrorDescription", plist_new_string(a->text));
	plist_dict_set_item(dict, "MessageName", plist_new_string("Response"));
	r = dl_send_process(a->dl, dict);
	return r == DL_OK ? dl_flush(a->dl) : r;
}

/* ["DLMessageProcessMessage", dict]: the dict, lent. */
static plist_t agent_request(plist_t msg)
{
	plist_t dict;

	if (strcmp(dl_message_name(msg), "DLMessageProcessMessage") != 0)
		return NULL;
	dict = plist_array_get_item(msg, 1);
	if (!dict || plist_get_node_type(dict) != PLIST_DICT ||
	    !pl_str(dict, "MessageName"))
		return NULL;
	return dict;
}

static double agent_best_version(plist_t list)
{
	double best = 0.0;

	if (!list || plist_get_node_type(list) != PLIST_ARRAY)
		return best;
	for (uint32_t i = 0; i < plist_array_get_size(list); i++) {
		plist_t node = plist_array_get_item(list, i);
		double v = 0.0;

		if (plist_get_node_type(node) != PLIST_REAL)
			continue;
		plist_get_real_val(node, &v);
		if ((fabs(v - 2.0) < 0.01 || fabs(v - 2.1) < 0.01) && v > best)
			best = v;
	}
	return best;
}

/* 0: agreed; else the connection ends. */
static int agent_hello(struct agent *a)
{
	plist_t msg = NULL, req, reply;
	double v;
	int r = AGENT_END;

	if (dl_recv(a->dl, &msg) != DL_OK)
		return AGENT_END;
	req = agent_request(msg);
	if (!req || strcmp(pl_str(req, "MessageName"), "Hello") != 0)
		goto out;
	v = agent_best_version(
	    plist_dict_get_item(req, "SupportedProtocolVersions"));
	if (v < 1.0) {
		/* The one text without its domain: it is no MBError. */
		snprintf(a->text, sizeof(a->text),
		    "No common supported protocol version");
		(void)agent_respond(a, AGENT_INTERNAL, NULL);
		goto out;
	}
	r = agent_point(a, "hello", 0);
	if (r > 0) {
		(void)agent_respond(a, r, NULL);
		goto out;
	}
	if (r < 0)
		goto out;
	reply = plist_new_dict();
	plist_dict_set_item(reply, "ProtocolVersion", plist_new_real(v));
	r = agent_respond(a, 0, reply) == DL_OK ? 0 : AGENT_END;
out:
	plist_free(msg);
	return r;
}

/* ---- requests ---- */

static bool agent_option(plist_t req, const char *key)
{
	plist_t options = pl_sub(req, "Options");

	return options && pl_bool(options, key, false);
}

static int agent_request_backup(struct agent *a, plist_t req)
{
	const char *target = pl_str(req, "TargetIdentifier");
	bool full = agent_option(req, "ForceFullBackup");

	if (!target || strcmp(target, a->ph->id.udid) != 0) {
		phone_event(a->ph, "backup request for another phone");
		return AGENT_END;
	}
	return agent_backup(a, target, full);
}

/* A folder's name below the host's root: one component. */
static const char *agent_source(struct agent *a, plist_t req)
{
	const char *s = pl_str(req, "SourceIdentifier");

	if (!s || !*s)
		s = pl_str(req, "TargetIdentifier");
	if (!s || !*s || strlen(s) > 64 || strchr(s, '/') || s[0] == '.')
		return a->ph->id.udid;
	return s;
}

static int agent_request_restore(struct agent *a, plist_t req)
{
	plist_t options = pl_sub(req, "Options");
	const char *target = pl_str(req, "TargetIdentifier");

	if (!target || strcmp(target, a->ph->id.udid) != 0)
		return AGENT_END;
	return agent_restore(a, agent_source(a, req), options);
}

static int agent_request_password(struct agent *a, plist_t req)
{
	return agent_change_password(
	    a, pl_str(req, "OldPassword"), pl_str(req, "NewPassword"));
}

static int agent_request_legacy(struct agent *a, plist_t req)
{
	return agent_legacy(a, agent_source(a, req));
}

static int agent_request_cloud(struct agent *a, plist_t req)
{
	plist_t state = plist_dict_get_item(req, "CloudBackupState");

	if (!state || plist_get_node_type(state) != PLIST_BOOLEAN)
		return agent_fail(a, AGENT_INTERNAL, "Missing argument");
	phone_event(a->ph, "cloud backup %s",
	    pl_bool(req, "CloudBackupState", false) ? "on" : "off");
	return 0;
}

static int agent_request_erase(struct agent *a, plist_t req)
{
	(void)req;
	phone_event(a->ph, "erase request refused");
	return agent_fail(a, AGENT_INTERNAL, "Erase not permitted");
}

static int agent_request_remove(struct agent *a, plist_t req)
{
	(void)req;
	return agent_fail(a, AGENT_INTERNAL, "Remove is not supported");
}

static const struct {
	const char *name;
	int (*fn)(struct agent *a, plist_t req);
} agent_requests[] = {
	{ "Backup", agent_request_backup },
	{ "Restore", agent_request_restore },
	{ "ChangePassword", agent_request_password },
	{ "Info", agent_request_legacy },
	{ "List", agent_request_legacy },
	{ "Unback", agent_request_legacy },
	{ "Extract", agent_request_legacy },
	{ "EnableCloudBackup", agent_request_cloud },
	{ "EraseDevice", agent_request_erase },
	{ "Remove", agent_request_remove },
};

static int agent_dispatch(struct agent *a, plist_t req)
{
	const char *name = pl_str(req, "MessageName");
	size_t n = sizeof(agent_requests) / sizeof(agent_requests[0]);
	int r;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(agent_requests[i].name, name) != 0)
			continue;
		r = agent_point(a, "request", 0);
		return r != 0 ? r : agent_requests[i].fn(a, req);
	}
	phone_event(a->ph, "unknown request %.40s", name);
	return AGENT_END;
}

static void agent_said(struct agent *a, const char *name, int code)
{
	const char *kind = strcmp(name, "Backup") == 0    ? "backup"
			   : strcmp(name, "Restore") == 0 ? "restore"
							  : "request";
	if (code < 0)
		phone_event(a->ph, "%s end link gone", kind);
	else
		phone_event(a->ph, "%s end %d%s%s", kind, code, code ? " " : "",
		    code ? a->text : "");
}

/* What comes now can't be understood, but the host shall have read the last
 * word before the link ends. */
static void agent_drain(struct agent *a)
{
	char byte;

	for (int i = 0; i < 65536; i++)
		if (link_read_timeout(dl_link(a->dl), &byte, 1, 1000) != 0)
			return;
}

/* One request and its Response. AGENT_END: the connection ends. */
static int agent_turn(struct agent *a, plist_t req)
{
	const char *name = pl_str(req, "MessageName");
	int code, r;

	a->text[0] = 0;
	code = agent_dispatch(a, req);
	if (code >= 0) {
		r = agent_point(a, "response", 0);
		if (r != 0)
			code = r;
	}
	agent_said(a, name, code);
	if (code < 0)
		return AGENT_END;
	if (phone_knob(a->ph, "ignore_response", 0) != 0)
		return 0;
	if (agent_respond(a, code, NULL) != DL_OK)
		return AGENT_END;
	if (!a->desync)
		return 0;
	agent_drain(a);
	return AGENT_END;
}

static void agent_run(struct agent *a)
{
	int r = 0;

	if (dl_open(a->dl) != DL_OK || agent_hello(a) != 0)
		return;
	while (r == 0 && !a->reboot) {
		plist_t msg = NULL, req;

		if (dl_recv(a->dl, &msg) != DL_OK)
			return;
		req = agent_request(msg);
		r = req ? agent_turn(a, req) : AGENT_END;
		plist_free(msg);
	}
}

/* The phone goes away and comes back, as after a restore: soon, but a host
 * that says goodbye first is heard. */
static void agent_reboot(struct agent *a)
{
	int64_t wait = phone_knob(a->ph, "restore_linger_ms", 1000);
	int64_t away = phone_knob(a->ph, "restore_reboot_ms", 3000);
	char byte;

	if (wait > 0 && wait < 60000)
		(void)link_read_timeout(dl_link(a->dl), &byte, 1, (int)wait);
	phone_reboot(a->ph, away < 0 || away > 600000 ? 0 : (int)away);
}

void agent_serve(struct phone *ph, struct link *l)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return;
	a->ph = ph;
	a->content = ph->content;
	snprintf(a->dir, sizeof(a->dir), "%.480s/agent", ph->dir);
	(void)mkdir(a->dir, 0700);
	a->dl = dl_new(ph, l);
	if (a->dl)
		agent_run(a);
	if (a->dl && a->reboot)
		agent_reboot(a);
	dl_free(a->dl);
	free(a);
}
