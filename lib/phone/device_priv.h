/* Shared by the device*.c files only. */
#ifndef DEVICE_PRIV_H
#define DEVICE_PRIV_H

#include <libimobiledevice/libimobiledevice.h>
#include <libimobiledevice/lockdown.h>

#include "device.h"

#define DEVICE_LABEL "nightstand"

struct device {
	idevice_t dev;
	char udid[48];
};

struct device_lockdown {
	struct device *device;
	lockdownd_client_t client;
};

enum rc device_rc(lockdownd_error_t err);

/* A descriptor for lockdownd_service_descriptor_free(). */
MUST_CHECK enum rc device_start(struct device_lockdown *l, const char *service,
    lockdownd_service_descriptor_t *out);

#endif
