/* The lock by which hosts agree who syncs, and some small files that a restore
 * by Finder wants back (protocols.md 5.8, 6.5, 7.4). */
#define LOG_MODULE "device"
#include <libimobiledevice/afc.h>
#include <stdlib.h>

#include "device_priv.h"
#include "log.h"

#define LOCK_FILE "/com.apple.itunes.lock_sync"
#define PIECE     65536u

struct device_afc {
	afc_client_t client;
	uint64_t lock; /* handle; 0 none */
	bool locked;
};

static enum rc afc_rc(afc_error_t err)
{
	switch ((int)err) {
	case AFC_E_SUCCESS:
		return RC_OK;
	case AFC_E_OBJECT_NOT_FOUND:
		return RC_NOTFOUND;
	case AFC_E_OP_WOULD_BLOCK:
		return RC_BUSY;
	case AFC_E_PERM_DENIED:
		return RC_REFUSED;
	case AFC_E_MUX_ERROR:
		return RC_GONE;
	case AFC_E_OP_TIMEOUT:
		return RC_TIMEOUT;
	default:
		return RC_PROTO;
	}
}

enum rc device_afc_open(struct device_lockdown *l, struct device_afc **out)
{
	struct device_afc *afc = calloc(1, sizeof(*afc));
	lockdownd_service_descriptor_t desc = NULL;
	enum rc rc;

	*out = NULL;
	if (!afc)
		return RC_NOMEM;
	rc = device_start(l, "com.apple.afc", &desc);
	if (!rc)
		rc = afc_rc(afc_client_new(l->device->dev, desc, &afc->client));
	lockdownd_service_descriptor_free(desc);
	if (rc) {
		free(afc);
		return rc;
	}
	*out = afc;
	return RC_OK;
}

enum rc device_afc_lock(struct device_afc *afc)
{
	enum rc rc = RC_OK;

	if (afc->locked)
		return RC_OK;
	if (!afc->lock)
		rc = afc_rc(afc_file_open(
		    afc->client, LOCK_FILE, AFC_FOPEN_RW, &afc->lock));
	if (rc) {
		afc->lock = 0;
		return rc;
	}
	rc = afc_rc(afc_file_lock(afc->client, afc->lock, AFC_LOCK_EX));
	afc->locked = rc == RC_OK;
	return rc;
}

static enum rc read_all(struct device_afc *afc, uint64_t handle, size_t max,
    uint8_t **out, size_t *len)
{
	uint8_t *buf = NULL;
	size_t have = 0;

	for (;;) {
		uint8_t *bigger = realloc(buf, have + PIECE);
		uint32_t n = 0;
		enum rc rc = bigger ? RC_OK : RC_NOMEM;

		if (!rc) {
			buf = bigger;
			rc = afc_rc(afc_file_read(afc->client, handle,
			    (char *)buf + have, PIECE, &n));
		}
		if (!rc && have + n > max)
			rc = RC_LIMIT;
		if (rc) {
			free(buf);
			return rc;
		}
		have += n;
		if (n == 0)
			break;
	}
	*out = buf;
	*len = have;
	return RC_OK;
}

enum rc device_afc_read(struct device_afc *afc, const char *path, size_t max,
    uint8_t **out, size_t *len)
{
	uint64_t handle = 0;
	enum rc rc =
	    afc_rc(afc_file_open(afc->client, path, AFC_FOPEN_RDONLY, &handle));

	*out = NULL;
	*len = 0;
	if (rc)
		return rc;
	rc = read_all(afc, handle, max, out, len);
	afc_file_close(afc->client, handle);
	return rc;
}

void device_afc_close(struct device_afc *afc)
{
	if (!afc)
		return;
	if (afc->locked)
		afc_file_lock(afc->client, afc->lock, AFC_LOCK_UN);
	if (afc->lock)
		afc_file_close(afc->client, afc->lock);
	afc_client_free(afc->client);
	free(afc);
}
