/* diagnostics_relay (protocols.md 7.2, CHECKS 42). */
#include <string.h>

#include "link.h"
#include "phone_private.h"
#include "pl.h"
#include "values.h"

static plist_t gestalt_value(struct phone *ph, const char *key)
{
	plist_t v = NULL;
	bool set;

	if (strcmp(key, "PasswordConfigured") == 0) {
		pthread_mutex_lock(&ph->lock);
		set = ph->passcode_set;
		pthread_mutex_unlock(&ph->lock);
		return plist_new_bool(set);
	}
	values_get(ph, "", key, true, &v);
	return v;
}

/* From iOS 17.4 nothing is said any more but that. */
static bool gestalt_is_gone(struct phone *ph)
{
	return ph->id.ios_major > 17 ||
	       (ph->id.ios_major == 17 && ph->id.ios_minor >= 4);
}

static plist_t diagnostics_gestalt(struct phone *ph, plist_t req)
{
	plist_t keys = plist_dict_get_item(req, "MobileGestaltKeys");
	plist_t d = plist_new_dict(), out = plist_new_dict();
	uint32_t n = 0;

	if (gestalt_is_gone(ph)) {
		pl_set_str(d, "Status", "MobileGestaltDeprecated");
		pl_set(out, "MobileGestalt", d);
		return out;
	}
	if (keys && plist_get_node_type(keys) == PLIST_ARRAY)
		n = plist_array_get_size(keys);
	for (uint32_t i = 0; i < n && i < 1000; i++) {
		plist_t k = plist_array_get_item(keys, i), v;
		const char *name;

		if (plist_get_node_type(k) != PLIST_STRING)
			continue;
		name = plist_get_string_ptr(k, NULL);
		v = gestalt_value(ph, name);
		if (v)
			pl_set(d, name, v);
	}
	pl_set_str(d, "Status", "Success");
	pl_set(out, "MobileGestalt", d);
	return out;
}

static plist_t diagnostics_gas_gauge(void)
{
	plist_t d = plist_new_dict(), out = plist_new_dict();

	pl_set_int(d, "CycleCount", 143);
	pl_set_int(d, "DesignCapacity", 3349);
	pl_set_int(d, "FullChargeCapacity", 3181);
	pl_set_str(d, "Status", "Success");
	pl_set(out, "GasGauge", d);
	return out;
}

static plist_t diagnostics_ioregistry(struct phone *ph)
{
	plist_t d = plist_new_dict(), out = plist_new_dict();
	int pct;

	pthread_mutex_lock(&ph->lock);
	pct = ph->battery_pct;
	pthread_mutex_unlock(&ph->lock);
	pl_set_int(d, "AppleRawCurrentCapacity", (uint64_t)(3181 * pct / 100));
	pl_set_int(d, "AppleRawMaxCapacity", 3181);
	pl_set_int(d, "CurrentCapacity", (uint64_t)pct);
	pl_set_int(d, "CycleCount", 143);
	pl_set_int(d, "DesignCapacity", 3349);
	pl_set_bool(d, "ExternalConnected", true);
	pl_set_bool(d, "FullyCharged", pct == 100);
	pl_set_bool(d, "IsCharging", pct < 100);
	pl_set_int(d, "MaxCapacity", 100);
	pl_set_int(d, "Temperature", 2790);
	pl_set(out, "IORegistry", d);
	return out;
}

/* Fills the reply; 1 when the service ends behind it. */
static int diagnostics_fill(
    struct phone *ph, const char *name, plist_t req, plist_t reply)
{
	pl_set_str(reply, "Status", "Success");
	if (strcmp(name, "MobileGestalt") == 0)
		pl_set(reply, "Diagnostics", diagnostics_gestalt(ph, req));
	else if (strcmp(name, "IORegistry") == 0)
		pl_set(reply, "Diagnostics", diagnostics_ioregistry(ph));
	else if (strcmp(name, "GasGauge") == 0 || strcmp(name, "All") == 0)
		pl_set(reply, "Diagnostics", diagnostics_gas_gauge());
	else if (strcmp(name, "Restart") == 0 || strcmp(name, "Goodbye") == 0)
		return 1;
	else if (strcmp(name, "Sleep") != 0 && strcmp(name, "Shutdown") != 0)
		pl_set_str(reply, "Status", "UnknownRequest");
	return 0;
}

void diagnostics_serve(struct phone *ph, struct link *l)
{
	bool reboot = false;
	int end = 0;

	while (!end) {
		plist_t req = NULL, reply;
		const char *name;

		if (pl_recv(l, &req))
			return;
		reply = plist_new_dict();
		name = pl_str(req, "Request");
		end = diagnostics_fill(ph, name ? name : "", req, reply);
		reboot = name && strcmp(name, "Restart") == 0;
		plist_free(req);
		if (pl_send_xml(l, reply))
			return;
	}
	link_wait(l, -1, 1000); /* the client closes first */
	if (reboot)
		phone_reboot(ph, (int)phone_knob(ph, "restart_ms", 2000));
}
