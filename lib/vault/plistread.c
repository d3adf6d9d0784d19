#include "plistread.h"

#include <plist/plist.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plist_bounds.h"

#define APPLE_EPOCH 978307200LL /* 2001-01-01, in Unix seconds */

/* The named calls, not plist_from_memory(): that one has another signature
 * in each release. */
static plist_t parse_dict(const void *data, size_t len)
{
	plist_t root = NULL;

	if (plist_bounds_check(data, len))
		return NULL;
	if (len >= 8 && memcmp(data, "bplist00", 8) == 0)
		plist_from_bin(data, (uint32_t)len, &root);
	else
		plist_from_xml(data, (uint32_t)len, &root);
	if (root && plist_get_node_type(root) != PLIST_DICT) {
		plist_free(root);
		root = NULL;
	}
	return root;
}

static plist_t item(plist_t dict, const char *key, plist_type type)
{
	plist_t node = dict ? plist_dict_get_item(dict, key) : NULL;

	return node && plist_get_node_type(node) == type ? node : NULL;
}

static bool is_true(plist_t dict, const char *key)
{
	plist_t flag = item(dict, key, PLIST_BOOLEAN);
	uint8_t yes = 0;

	if (flag)
		plist_get_bool_val(flag, &yes);
	return yes != 0;
}

static void take_string(plist_t dict, const char *key, char *out, size_t cap)
{
	plist_t node = item(dict, key, PLIST_STRING);
	char *text = NULL;

	out[0] = '\0';
	if (!node)
		return;
	plist_get_string_val(node, &text);
	if (text)
		snprintf(out, cap, "%s", text);
	free(text);
}

enum rc plistread_status(
    const void *data, size_t len, struct plistread_status *out)
{
	plist_t root, date;
	int32_t sec = 0, usec = 0;

	memset(out, 0, sizeof(*out));
	if (len > PLISTREAD_STATUS_MAX)
		return RC_LIMIT;
	root = parse_dict(data, len);
	if (!root)
		return RC_CORRUPT;
	take_string(root, "Version", out->version, sizeof(out->version));
	take_string(root, "SnapshotState", out->snapshot_state,
	    sizeof(out->snapshot_state));
	out->is_full = is_true(root, "IsFullBackup");
	date = item(root, "Date", PLIST_DATE);
	if (date) {
		plist_get_date_val(date, &sec, &usec);
		out->made_at = (int64_t)sec + APPLE_EPOCH;
	}
	plist_free(root);
	return RC_OK;
}

enum rc plistread_manifest(
    const void *data, size_t len, struct plistread_manifest *out)
{
	plist_t root, lockdown;

	memset(out, 0, sizeof(*out));
	if (len > PLISTREAD_MANIFEST_MAX)
		return RC_LIMIT;
	root = parse_dict(data, len);
	if (!root)
		return RC_CORRUPT;
	lockdown = item(root, "Lockdown", PLIST_DICT);
	take_string(lockdown, "UniqueDeviceID", out->udid, sizeof(out->udid));
	take_string(
	    lockdown, "DeviceName", out->device_name, sizeof(out->device_name));
	take_string(lockdown, "ProductType", out->model, sizeof(out->model));
	take_string(lockdown, "ProductVersion", out->ios, sizeof(out->ios));
	out->encrypted = is_true(root, "IsEncrypted");
	out->has_key = item(root, "ManifestKey", PLIST_DATA) != NULL;
	plist_free(root);
	return RC_OK;
}

enum rc plistread_keybag(
    const void *data, size_t len, uint8_t *bag, size_t cap, size_t *bag_len)
{
	enum rc rc = RC_CORRUPT;
	plist_t root, node;
	const char *bytes;
	uint64_t n = 0;

	*bag_len = 0;
	if (len > PLISTREAD_MANIFEST_MAX)
		return RC_LIMIT;
	root = parse_dict(data, len);
	if (!root)
		return RC_CORRUPT;
	node = item(root, "BackupKeyBag", PLIST_DATA);
	bytes = node ? plist_get_data_ptr(node, &n) : NULL;
	if (!is_true(root, "IsEncrypted")) {
		rc = RC_UNSUPPORTED;
	} else if (bytes && n > 0 && n <= cap) {
		memcpy(bag, bytes, n);
		*bag_len = n;
		rc = RC_OK;
	}
	plist_free(root);
	return rc;
}

enum rc plistread_facts(
    const void *data, size_t len, struct plistread_facts *out)
{
	plist_t root, lockdown;

	memset(out, 0, sizeof(*out));
	if (len > PLISTREAD_MANIFEST_MAX)
		return RC_LIMIT;
	root = parse_dict(data, len);
	if (!root)
		return RC_CORRUPT;
	lockdown = item(root, "Lockdown", PLIST_DICT);
	take_string(
	    lockdown, "DeviceName", out->device_name, sizeof(out->device_name));
	take_string(lockdown, "ProductType", out->model, sizeof(out->model));
	take_string(lockdown, "ProductVersion", out->ios, sizeof(out->ios));
	plist_free(root);
	return RC_OK;
}
