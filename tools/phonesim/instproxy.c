/* installation_proxy (protocols.md 7.3, CHECKS 43): which apps there are. The
 * apps are those whose data is in the content (content_names.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content_names.h"
#include "link.h"
#include "phone_private.h"
#include "pl.h"

#define INSTPROXY_PAGE 10

static plist_t app_make(uint64_t i)
{
	plist_t app = plist_new_dict();
	char bundle[100], text[160];
	const char *last;

	content_bundle(i, bundle, sizeof(bundle));
	last = strrchr(bundle, '.');
	last = last ? last + 1 : bundle;
	pl_set_str(app, "ApplicationType", "User");
	pl_set_str(app, "CFBundleDisplayName", last);
	pl_set_str(app, "CFBundleExecutable", last);
	pl_set_str(app, "CFBundleIdentifier", bundle);
	pl_set_str(app, "CFBundleName", last);
	snprintf(text, sizeof(text), "%d.%d", 1 + (int)(i % 9), (int)(i % 5));
	pl_set_str(app, "CFBundleShortVersionString", text);
	pl_set_str(app, "CFBundleVersion", text);
	snprintf(text, sizeof(text),
	    "/private/var/containers/Bundle/Application/%08X/%.60s.app",
	    (unsigned)(i * 2654435761u), last);
	pl_set_str(app, "Path", text);
	pl_set_data(app, "ApplicationSINF", "sinf", 4);
	pl_set_data(app, "iTunesMetadata", "bplist00", 8);
	pl_set_int(app, "StaticDiskUsage", 20000000 + i * 1000003);
	pl_set_int(app, "DynamicDiskUsage", 1000000 + i * 70001);
	return app;
}

/* Only what was asked for, when something was. */
static plist_t app_pick(plist_t app, plist_t attributes)
{
	plist_t d;
	uint32_t n;

	if (!attributes || plist_get_node_type(attributes) != PLIST_ARRAY)
		return app;
	d = plist_new_dict();
	n = plist_array_get_size(attributes);
	for (uint32_t i = 0; i < n && i < 1000; i++) {
		plist_t k = plist_array_get_item(attributes, i), v;

		if (plist_get_node_type(k) != PLIST_STRING)
			continue;
		v = plist_dict_get_item(app, plist_get_string_ptr(k, NULL));
		if (v)
			pl_set(d, plist_get_string_ptr(k, NULL), plist_copy(v));
	}
	plist_free(app);
	return d;
}

static int instproxy_complete(struct link *l)
{
	plist_t d = plist_new_dict();

	pl_set_str(d, "Status", "Complete");
	return pl_send_bin(l, d);
}

/* System apps are not listed: none of them is in a backup's Info.plist. */
static uint64_t instproxy_count(struct phone *ph, plist_t options)
{
	const char *type = pl_str(options, "ApplicationType");

	if (type && strcmp(type, "System") == 0)
		return 0;
	return (uint64_t)phone_knob(ph, "apps", 24);
}

static int instproxy_browse(struct phone *ph, struct link *l, plist_t req)
{
	plist_t options = pl_sub(req, "ClientOptions");
	plist_t attributes =
	    options ? plist_dict_get_item(options, "ReturnAttributes") : NULL;
	uint64_t count = instproxy_count(ph, options);

	for (uint64_t i = 0; i < count; i += INSTPROXY_PAGE) {
		plist_t d = plist_new_dict(), list = plist_new_array();
		uint64_t k = i;

		for (; k < count && k < i + INSTPROXY_PAGE; k++)
			plist_array_append_item(
			    list, app_pick(app_make(k), attributes));
		pl_set_int(d, "CurrentAmount", k - i);
		pl_set_int(d, "CurrentIndex", i);
		pl_set(d, "CurrentList", list);
		pl_set_str(d, "Status", "BrowsingApplications");
		if (pl_send_bin(l, d))
			return -1;
	}
	return instproxy_complete(l);
}

static bool lookup_wants(plist_t ids, const char *bundle)
{
	uint32_t n;

	if (!ids || plist_get_node_type(ids) != PLIST_ARRAY)
		return true;
	n = plist_array_get_size(ids);
	for (uint32_t i = 0; i < n; i++) {
		plist_t k = plist_array_get_item(ids, i);

		if (plist_get_node_type(k) == PLIST_STRING &&
		    strcmp(plist_get_string_ptr(k, NULL), bundle) == 0)
			return true;
	}
	return false;
}

static int instproxy_lookup(struct phone *ph, struct link *l, plist_t req)
{
	plist_t options = pl_sub(req, "ClientOptions");
	plist_t attributes =
	    options ? plist_dict_get_item(options, "ReturnAttributes") : NULL;
	plist_t ids =
	    options ? plist_dict_get_item(options, "BundleIDs") : NULL;
	plist_t d = plist_new_dict(), found = plist_new_dict();
	uint64_t count = instproxy_count(ph, options);
	char bundle[100];

	for (uint64_t i = 0; i < count; i++) {
		content_bundle(i, bundle, sizeof(bundle));
		if (lookup_wants(ids, bundle))
			pl_set(
			    found, bundle, app_pick(app_make(i), attributes));
	}
	pl_set(d, "LookupResult", found);
	pl_set_str(d, "Status", "Complete");
	return pl_send_bin(l, d);
}

static int instproxy_refuse(struct link *l, const char *command)
{
	plist_t d = plist_new_dict();
	char text[128];

	snprintf(text, sizeof(text), "Unknown command: %.60s", command);
	pl_set_str(d, "Error", "UnknownCommand");
	pl_set_str(d, "ErrorDescription", text);
	return pl_send_bin(l, d);
}

void instproxy_serve(struct phone *ph, struct link *l)
{
	plist_t req = NULL;
	int rc = 0;

	while (!rc && pl_recv(l, &req) == 0) {
		const char *command = pl_str(req, "Command");

		if (command && strcmp(command, "Browse") == 0)
			rc = instproxy_browse(ph, l, req);
		else if (command && strcmp(command, "Lookup") == 0)
			rc = instproxy_lookup(ph, l, req);
		else
			rc = instproxy_refuse(l, command ? command : "");
		plist_free(req);
	}
}
