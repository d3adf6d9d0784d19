#define LOG_MODULE "device"
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usbmuxd.h>

#include "bounds.h"
#include "device_priv.h"
#include "log.h"
#include "relpath.h"
#include "tls_stream.h"

#define RECORD_MAX (1u << 20)

enum rc device_rc(lockdownd_error_t err)
{
	/* An int on purpose: newer libraries know more codes. */
	switch ((int)err) {
	case LOCKDOWN_E_SUCCESS:
		return RC_OK;
	case LOCKDOWN_E_PASSWORD_PROTECTED:
	case LOCKDOWN_E_ESCROW_LOCKED:
		return RC_LOCKED;
	case LOCKDOWN_E_PAIRING_DIALOG_RESPONSE_PENDING:
		return RC_UNTRUSTED;
	case LOCKDOWN_E_USER_DENIED_PAIRING:
		return RC_REFUSED;
	case LOCKDOWN_E_MISSING_VALUE:
	case LOCKDOWN_E_GET_PROHIBITED:
	case LOCKDOWN_E_MISSING_KEY:
		return RC_NOTFOUND;
	case LOCKDOWN_E_INVALID_HOST_ID:
	case LOCKDOWN_E_INVALID_CONF:
	case LOCKDOWN_E_MISSING_HOST_ID:
		return RC_CONFIG;
	case LOCKDOWN_E_SSL_ERROR:
		return RC_CORRUPT;
	case LOCKDOWN_E_INVALID_SERVICE:
	case LOCKDOWN_E_SERVICE_PROHIBITED:
	case LOCKDOWN_E_PAIRING_PROHIBITED_OVER_THIS_CONNECTION:
		return RC_UNSUPPORTED;
	case LOCKDOWN_E_MUX_ERROR:
		return RC_GONE;
	case LOCKDOWN_E_RECEIVE_TIMEOUT:
		return RC_TIMEOUT;
	default:
		return RC_PROTO;
	}
}

/* The first phone on a cable; phones in the LAN need more than we do here. */
static enum rc first_on_usb(char *udid, size_t cap)
{
	usbmuxd_device_info_t *list = NULL;
	enum rc rc = RC_NOTFOUND;
	int n = usbmuxd_get_device_list(&list);

	for (int i = 0; i < n && rc; i++) {
		if (list[i].conn_type != CONNECTION_TYPE_USB)
			continue;
		snprintf(udid, cap, "%s", list[i].udid);
		rc = RC_OK;
	}
	if (n >= 0)
		usbmuxd_device_list_free(&list);
	return rc;
}

enum rc device_open(const char *udid, struct device **out)
{
	struct device *dev = calloc(1, sizeof(*dev));
	enum rc rc = RC_OK;

	*out = NULL;
	if (!dev)
		return RC_NOMEM;
	if (udid)
		snprintf(dev->udid, sizeof(dev->udid), "%s", udid);
	else
		rc = first_on_usb(dev->udid, sizeof(dev->udid));
	if (!rc && relpath_check_udid(dev->udid))
		rc = RC_PROTO;
	if (!rc && idevice_new_with_options(&dev->dev, dev->udid,
		       IDEVICE_LOOKUP_USBMUX) != IDEVICE_E_SUCCESS)
		rc = RC_NOTFOUND;
	if (rc) {
		free(dev);
		return rc;
	}
	*out = dev;
	return RC_OK;
}

void device_free(struct device *dev)
{
	if (!dev)
		return;
	idevice_free(dev->dev);
	free(dev);
}

const char *device_udid(const struct device *dev)
{
	return dev->udid;
}

bool device_is_there(const struct device *dev)
{
	usbmuxd_device_info_t info;

	return usbmuxd_get_device(dev->udid, &info, DEVICE_LOOKUP_USBMUX) > 0;
}

enum rc device_record_load(const struct device *dev, struct pl **out)
{
	char *data = NULL;
	uint32_t len = 0;
	enum rc rc = RC_NOTFOUND;

	*out = NULL;
	if (usbmuxd_read_pair_record(dev->udid, &data, &len) == 0 && data)
		rc = len <= RECORD_MAX ? pl_parse(data, len, out) : RC_LIMIT;
	free(data);
	if (rc && rc != RC_NOTFOUND)
		rc = RC_CORRUPT;
	return rc;
}

enum rc device_record_save(const struct device *dev, const struct pl *record)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	enum rc rc = pl_to_xml(record, &bytes, &len);

	if (rc)
		return rc;
	if (len > RECORD_MAX || usbmuxd_save_pair_record(dev->udid,
				    (const char *)bytes, (uint32_t)len) != 0)
		rc = RC_IO;
	pl_bytes_free(bytes);
	return rc;
}

enum rc device_buid(char *buf, size_t cap)
{
	char *buid = NULL;
	enum rc rc = RC_GONE;

	if (usbmuxd_read_buid(&buid) == 0 && buid && buid[0]) {
		snprintf(buf, cap, "%s", buid);
		rc = RC_OK;
	}
	free(buid);
	return rc;
}

static enum rc lockdown_new(
    struct device *dev, bool trusted, struct device_lockdown **out)
{
	struct device_lockdown *l = calloc(1, sizeof(*l));
	enum rc rc;

	*out = NULL;
	if (!l)
		return RC_NOMEM;
	l->device = dev;
	if (trusted)
		rc = device_rc(lockdownd_client_new_with_handshake(
		    dev->dev, &l->client, DEVICE_LABEL));
	else
		rc = device_rc(
		    lockdownd_client_new(dev->dev, &l->client, DEVICE_LABEL));
	if (rc) {
		free(l);
		return rc;
	}
	*out = l;
	return RC_OK;
}

enum rc device_lockdown_open(struct device *dev, struct device_lockdown **out)
{
	return lockdown_new(dev, false, out);
}

/* Not by lockdownd_start_session(): only the "handshake" asks for the phone's
 * version first, and without it the library speaks nothing above TLS 1.0. */
enum rc device_lockdown_open_trusted(
    struct device *dev, struct device_lockdown **out)
{
	return lockdown_new(dev, true, out);
}

void device_lockdown_close(struct device_lockdown *l)
{
	if (!l)
		return;
	lockdownd_client_free(l->client);
	free(l);
}

enum rc device_lockdown_ping(struct device_lockdown *l)
{
	char *type = NULL;
	enum rc rc = device_rc(lockdownd_query_type(l->client, &type));

	free(type);
	return rc;
}

enum rc device_lockdown_value(struct device_lockdown *l, const char *domain,
    const char *key, struct pl **out)
{
	plist_t value = NULL;
	enum rc rc =
	    device_rc(lockdownd_get_value(l->client, domain, key, &value));

	*out = NULL;
	if (!rc && !value)
		rc = RC_NOTFOUND;
	if (!rc)
		*out = (struct pl *)value;
	else if (value)
		plist_free(value);
	return rc;
}

/* Error strings of a Pair reply (protocols.md 4.3). */
static enum rc pair_error(const struct pl *reply)
{
	static const struct {
		const char *text;
		enum rc rc;
	} errors[] = {
		{ "PairingDialogResponsePending", RC_UNTRUSTED },
		{ "PasswordProtected", RC_LOCKED },
		{ "UserDeniedPairing", RC_REFUSED },
		{ "InvalidHostID", RC_CONFIG },
		{ "PairingProhibitedOverThisConnection", RC_UNSUPPORTED },
		{ "MCChallengeRequired", RC_UNSUPPORTED },
	};
	char text[64];

	if (!pl_get(reply, "Error"))
		return RC_OK;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (pl_is_str(pl_get(reply, "Error"), errors[i].text))
			return errors[i].rc;
	pl_copy_str(pl_get(reply, "Error"), text, sizeof(text));
	log_warn("the phone answered Pair with %s", text);
	return RC_PROTO;
}

/*
 * By hand, not by lockdownd_pair(): that one stores what it is given in the
 * mux (here: a record without private keys), and hides the escrow bag.
 */
enum rc device_lockdown_pair(struct device_lockdown *l,
    const struct pl *public_record, struct pl **escrow)
{
	struct pl *request = pl_new_dict();
	struct pl *options = pl_new_dict();
	plist_t reply = NULL;
	enum rc rc;

	*escrow = NULL;
	pl_set(options, "ExtendedPairingErrors", pl_new_bool(true));
	pl_set(request, "Label", pl_new_str(DEVICE_LABEL));
	pl_set(request, "Request", pl_new_str("Pair"));
	pl_set(request, "PairRecord", pl_copy(public_record));
	pl_set(request, "ProtocolVersion", pl_new_str("2"));
	pl_set(request, "PairingOptions", options);
	rc = device_rc(lockdownd_send(l->client, (plist_t)request));
	if (!rc)
		rc = device_rc(lockdownd_receive(l->client, &reply));
	pl_free(request);
	if (!rc && !reply)
		rc = RC_PROTO;
	if (!rc)
		rc = pair_error((const struct pl *)reply);
	if (!rc &&
	    pl_kind(pl_get((const struct pl *)reply, "EscrowBag")) == PL_DATA)
		*escrow =
		    pl_copy(pl_get((const struct pl *)reply, "EscrowBag"));
	pl_free((struct pl *)reply);
	return rc;
}

enum rc device_start(struct device_lockdown *l, const char *service,
    lockdownd_service_descriptor_t *out)
{
	enum rc rc;

	*out = NULL;
	rc = device_rc(
	    lockdownd_start_service_with_escrow_bag(l->client, service, out));
	/* Without a bag in the record the library refuses by itself. */
	if (rc == RC_CONFIG)
		rc =
		    device_rc(lockdownd_start_service(l->client, service, out));
	if (!rc && !*out)
		rc = RC_PROTO;
	if (rc)
		log_info("service %s: %s", service, rc_words(rc));
	return rc;
}

static void release_connection(void *arg)
{
	idevice_disconnect(arg);
}

static enum rc open_stream(struct device_lockdown *l,
    const struct lockdownd_service_descriptor *desc, const struct pl *record,
    struct stream *out)
{
	struct tls_stream_opts o = { .fd = -1,
		.tls = desc->ssl_enabled != 0,
		.release = release_connection };
	idevice_connection_t conn = NULL;

	if (idevice_connect(l->device->dev, desc->port, &conn) !=
	    IDEVICE_E_SUCCESS)
		return RC_GONE;
	o.release_arg = conn;
	if (pl_data(pl_get(record, "RootCertificate"), &o.cert, &o.cert_len) ||
	    pl_data(pl_get(record, "RootPrivateKey"), &o.key, &o.key_len) ||
	    idevice_connection_get_fd(conn, &o.fd) != IDEVICE_E_SUCCESS) {
		idevice_disconnect(conn);
		return RC_CORRUPT;
	}
	return tls_stream_open(&o, out);
}

enum rc device_lockdown_stream(struct device_lockdown *l, const char *service,
    const struct pl *record, struct stream *out)
{
	lockdownd_service_descriptor_t desc = NULL;
	enum rc rc = device_start(l, service, &desc);

	if (rc)
		return rc;
	rc = open_stream(l, desc, record, out);
	lockdownd_service_descriptor_free(desc);
	if (rc)
		log_warn("no stream to %s: %s", service, rc_words(rc));
	return rc;
}
