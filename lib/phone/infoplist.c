#include "infoplist.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITUNES_VERSION "10.0.1" /* what hosts write when nothing is known */

struct infoplist {
	struct pl *dict;
	struct pl *apps, *installed, *files; /* inside dict */
	uint32_t n_apps;
	size_t data; /* bytes of icons, receipts, files so far */
};

static void copy_strings(struct pl *dict, const struct pl *values)
{
	static const struct {
		const char *from, *to;
	} names[] = {
		{ "BuildVersion", "Build Version" },
		{ "DeviceName", "Device Name" },
		{ "DeviceName", "Display Name" },
		{ "IntegratedCircuitCardIdentity", "ICCID" },
		{ "InternationalMobileEquipmentIdentity", "IMEI" },
		{ "InternationalMobileEquipmentIdentity2", "IMEI 2" },
		{ "MobileEquipmentIdentifier", "MEID" },
		{ "PhoneNumber", "Phone Number" },
		{ "MarketingName", "Product Name" },
		{ "ProductType", "Product Type" },
		{ "ProductVersion", "Product Version" },
		{ "SerialNumber", "Serial Number" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct pl *v = pl_get(values, names[i].from);

		if (pl_kind(v) == PL_STRING)
			pl_set(dict, names[i].to, pl_copy(v));
	}
}

static void set_guid(struct pl *dict)
{
	uint8_t b[16];
	char text[33];

	if (RAND_bytes(b, sizeof(b)) != 1)
		return; /* one optional value less */
	for (size_t i = 0; i < sizeof(b); i++)
		snprintf(text + 2 * i, 3, "%02X", b[i]);
	pl_set(dict, "GUID", pl_new_str(text));
}

enum rc infoplist_new(const char *udid, const struct pl *values, int64_t now_at,
    struct infoplist **out)
{
	struct infoplist *ip = calloc(1, sizeof(*ip));
	char upper[64];
	size_t n = 0;

	*out = NULL;
	if (!ip)
		return RC_NOMEM;
	while (udid[n] && n < sizeof(upper) - 1) {
		upper[n] = (char)toupper((unsigned char)udid[n]);
		n++;
	}
	upper[n] = '\0';
	ip->dict = pl_new_dict();
	ip->apps = pl_new_dict();
	ip->installed = pl_new_array();
	ip->files = pl_new_dict();
	pl_set(ip->dict, "Applications", ip->apps);
	copy_strings(ip->dict, values);
	set_guid(ip->dict);
	pl_set(ip->dict, "Installed Applications", ip->installed);
	pl_set(ip->dict, "Last Backup Date", pl_new_date(now_at));
	pl_set(ip->dict, "Target Identifier", pl_new_str(udid));
	pl_set(ip->dict, "Target Type", pl_new_str("Device"));
	pl_set(ip->dict, "Unique Identifier", pl_new_str(upper));
	pl_set(ip->dict, "iTunes Files", ip->files);
	pl_set(ip->dict, "iTunes Version", pl_new_str(ITUNES_VERSION));
	*out = ip;
	return RC_OK;
}

void infoplist_free(struct infoplist *ip)
{
	if (!ip)
		return;
	pl_free(ip->dict);
	free(ip);
}

void infoplist_itunes(struct infoplist *ip, const struct pl *settings,
    const struct pl *min_version)
{
	if (pl_kind(settings) == PL_DICT)
		pl_set(ip->dict, "iTunes Settings", pl_copy(settings));
	if (pl_kind(min_version) == PL_STRING)
		pl_set(ip->dict, "iTunes Version", pl_copy(min_version));
}

static enum rc take_room(struct infoplist *ip, size_t len)
{
	if (len > INFOPLIST_DATA_MAX - ip->data)
		return RC_LIMIT;
	ip->data += len;
	return RC_OK;
}

/* An app that came from the store: with receipt and metadata it can be fetched
 * again at a restore. */
static enum rc add_details(struct infoplist *ip, const char *bundle,
    const struct pl *app, const uint8_t *png, size_t png_len)
{
	const struct pl *sinf = pl_get(app, "ApplicationSINF");
	const struct pl *meta = pl_get(app, "iTunesMetadata");
	const uint8_t *p;
	size_t sinf_len, meta_len;
	struct pl *entry;

	if (pl_data(sinf, &p, &sinf_len) || pl_data(meta, &p, &meta_len))
		return RC_OK;
	if (take_room(ip, sinf_len + meta_len))
		return RC_LIMIT;
	entry = pl_new_dict();
	pl_set(entry, "ApplicationSINF", pl_copy(sinf));
	if (png && take_room(ip, png_len) == RC_OK)
		pl_set(entry, "PlaceholderIcon", pl_new_data(png, png_len));
	pl_set(entry, "iTunesMetadata", pl_copy(meta));
	pl_set(ip->apps, bundle, entry);
	return RC_OK;
}

enum rc infoplist_app(struct infoplist *ip, const struct pl *app,
    const uint8_t *png, size_t png_len)
{
	const char *bundle;

	if (pl_str(pl_get(app, "CFBundleIdentifier"), &bundle) || !bundle[0] ||
	    strlen(bundle) > 255)
		return RC_PROTO;
	if (ip->n_apps >= INFOPLIST_APPS_MAX)
		return RC_LIMIT;
	ip->n_apps++;
	pl_add(ip->installed, pl_new_str(bundle));
	return add_details(ip, bundle, app, png, png_len);
}

enum rc infoplist_file(
    struct infoplist *ip, const char *name, const uint8_t *data, size_t len)
{
	if (take_room(ip, len))
		return RC_LIMIT;
	pl_set(ip->files, name, pl_new_data(data, len));
	return RC_OK;
}

enum rc infoplist_books(struct infoplist *ip, const uint8_t *data, size_t len)
{
	if (take_room(ip, len))
		return RC_LIMIT;
	pl_set(ip->dict, "iBooks Data 2", pl_new_data(data, len));
	return RC_OK;
}

enum rc infoplist_xml(const struct infoplist *ip, uint8_t **out, size_t *len)
{
	return pl_to_xml(ip->dict, out, len);
}
