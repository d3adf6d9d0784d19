/* Which apps a person installed, and their icons (protocols.md 7.3). */
#define LOG_MODULE "device"
#include <libimobiledevice/installation_proxy.h>
#include <libimobiledevice/sbservices.h>
#include <stdlib.h>

#include "device_priv.h"
#include "log.h"

struct device_icons {
	sbservices_client_t client;
};

enum rc device_apps_each(struct device_lockdown *l, pl_item_fn fn, void *arg)
{
	lockdownd_service_descriptor_t desc = NULL;
	instproxy_client_t client = NULL;
	plist_t options = NULL;
	plist_t apps = NULL;
	enum rc rc;

	rc = device_start(l, "com.apple.mobile.installation_proxy", &desc);
	if (!rc && instproxy_client_new(l->device->dev, desc, &client) !=
		       INSTPROXY_E_SUCCESS)
		rc = RC_GONE;
	lockdownd_service_descriptor_free(desc);
	if (rc)
		return rc;
	options = instproxy_client_options_new();
	instproxy_client_options_add(options, "ApplicationType", "User", NULL);
	instproxy_client_options_set_return_attributes(options,
	    "CFBundleIdentifier", "ApplicationSINF", "iTunesMetadata", NULL);
	if (instproxy_browse(client, options, &apps) != INSTPROXY_E_SUCCESS)
		rc = RC_PROTO;
	instproxy_client_options_free(options);
	instproxy_client_free(client);
	if (!rc)
		rc = pl_each_item((const struct pl *)apps, fn, arg);
	if (apps)
		plist_free(apps);
	return rc;
}

enum rc device_icons_open(struct device_lockdown *l, struct device_icons **out)
{
	struct device_icons *icons = calloc(1, sizeof(*icons));
	lockdownd_service_descriptor_t desc = NULL;
	enum rc rc;

	*out = NULL;
	if (!icons)
		return RC_NOMEM;
	rc = device_start(l, "com.apple.springboardservices", &desc);
	if (!rc && sbservices_client_new(l->device->dev, desc,
		       &icons->client) != SBSERVICES_E_SUCCESS)
		rc = RC_GONE;
	lockdownd_service_descriptor_free(desc);
	if (rc) {
		free(icons);
		return rc;
	}
	*out = icons;
	return RC_OK;
}

enum rc device_icons_get(
    struct device_icons *icons, const char *bundle, uint8_t **out, size_t *len)
{
	char *png = NULL;
	uint64_t n = 0;

	*out = NULL;
	*len = 0;
	if (sbservices_get_icon_pngdata(icons->client, bundle, &png, &n) !=
		SBSERVICES_E_SUCCESS ||
	    !png || n == 0) {
		free(png);
		return RC_NOTFOUND;
	}
	*out = (uint8_t *)png;
	*len = (size_t)n;
	return RC_OK;
}

void device_icons_close(struct device_icons *icons)
{
	if (!icons)
		return;
	sbservices_client_free(icons->client);
	free(icons);
}
