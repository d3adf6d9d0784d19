/* lockdownd's values: who may read and set what; see values.h. */
#include "values.h"

#include <stdio.h>
#include <string.h>

#include "phone_private.h"
#include "pl.h"

/* Seen readable without a session (CHECKS 38; those that hosts need to pair
 * and that ideviceinfo -s shows are added). */
static const char *const values_open[] = { "ActivationState",
	"BluetoothAddress", "BoardId", "BuildVersion", "CPUArchitecture",
	"ChipID", "DeviceClass", "DeviceColor", "DeviceEnclosureColor",
	"DeviceName", "DevicePublicKey", "DieID", "HardwareModel", "HasSiDP",
	"MobileDeviceMinimumVersion", "PartitionType", "ProductName",
	"ProductType", "ProductVersion", "ProductionSOC", "ProtocolVersion",
	"SupportedDeviceFamilies", "UniqueChipID", "UniqueDeviceID",
	"WiFiAddress" };

static bool values_is_open(const char *domain, const char *key)
{
	if (domain[0])
		return false;
	for (size_t i = 0; i < sizeof(values_open) / sizeof(*values_open); i++)
		if (strcmp(values_open[i], key) == 0)
			return true;
	return false;
}

/* Lays what hosts have set over the computed values. */
static void values_overlay(struct phone *ph, const char *domain, plist_t d)
{
	plist_t set;

	pthread_mutex_lock(&ph->lock);
	set = pl_sub(ph->p->values, domain);
	if (set)
		plist_dict_merge(&d, set);
	pthread_mutex_unlock(&ph->lock);
}

static plist_t values_only_open(plist_t all)
{
	plist_t d = plist_new_dict();

	for (size_t i = 0; i < sizeof(values_open) / sizeof(*values_open);
	     i++) {
		plist_t v = plist_dict_get_item(all, values_open[i]);

		if (v)
			pl_set(d, values_open[i], plist_copy(v));
	}
	return d;
}

const char *values_get(struct phone *ph, const char *domain, const char *key,
    bool in_session, plist_t *out)
{
	const char *error = NULL;
	plist_t all, v;

	*out = NULL;
	if (!in_session && (key ? !values_is_open(domain, key) : domain[0]))
		return "GetProhibited";
	all = values_domain(ph, domain);
	if (!all) {
		/* A domain that only hosts have written to. */
		all = plist_new_dict();
		error = "MissingValue";
	}
	values_overlay(ph, domain, all);
	if (plist_dict_get_size(all) > 0)
		error = NULL;
	if (!key) {
		*out = error        ? NULL
		       : in_session ? plist_copy(all)
				    : values_only_open(all);
	} else {
		v = plist_dict_get_item(all, key);
		*out = v ? plist_copy(v) : NULL;
		error = v ? NULL : "MissingValue";
	}
	plist_free(all);
	return error;
}

static bool values_may_set(const char *domain, const char *key)
{
	static const char *const names[] = { "DeviceName", "TimeZone",
		"TimeIntervalSince1970", "Uses24HourClock" };

	if (domain[0])
		return strcmp(domain, "com.apple.mobile.backup") != 0 &&
		       strncmp(domain, "com.apple.disk_usage", 20) != 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], key) == 0)
			return true;
	return false;
}

static void values_store(
    struct phone *ph, const char *domain, const char *key, plist_t value)
{
	plist_t d;

	pthread_mutex_lock(&ph->lock);
	d = pl_sub(ph->p->values, domain);
	if (!d) {
		d = plist_new_dict();
		pl_set(ph->p->values, domain, d);
	}
	if (value)
		pl_set(d, key, plist_copy(value));
	else
		plist_dict_remove_item(d, key);
	phone_values_save(ph);
	pthread_mutex_unlock(&ph->lock);
}

static void values_rename(struct phone *ph, plist_t value)
{
	pthread_mutex_lock(&ph->lock);
	snprintf(ph->id.name, sizeof(ph->id.name), "%s",
	    plist_get_string_ptr(value, NULL));
	pthread_mutex_unlock(&ph->lock);
	phone_event(ph, "name %s", ph->id.name);
	phone_notify(ph, "com.apple.mobile.lockdown.device_name_changed");
}

const char *values_set(struct phone *ph, const char *domain, const char *key,
    plist_t value, bool in_session)
{
	bool is_name = !domain[0] && strcmp(key, "DeviceName") == 0;

	/* usbmuxd says so before any pairing (protocols.md 3.5). */
	if (!domain[0] && strcmp(key, "UntrustedHostBUID") == 0)
		return NULL;
	if (!in_session)
		return value ? "SetProhibited" : "RemoveProhibited";
	if (!values_may_set(domain, key))
		return value ? "SetProhibited" : "RemoveProhibited";
	if (value && is_name && plist_get_node_type(value) != PLIST_STRING)
		return "InvalidValue";
	values_store(ph, domain, key, value);
	if (value && is_name)
		values_rename(ph, value);
	return NULL;
}
