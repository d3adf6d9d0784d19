/* The computed values, a domain at a time. */
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "content.h"
#include "phone_private.h"
#include "pl.h"
#include "values.h"

static bool has_telephony(struct phone *ph)
{
	return strncmp(ph->id.product_type, "iPhone", 6) == 0;
}

static void mac_address(struct phone *ph, int last, char out[18])
{
	unsigned char d[32];

	phone_derive(ph, "mac", d);
	snprintf(out, 18, "a4:83:e7:%02x:%02x:%02x", d[0], d[1],
	    (unsigned)(d[2] & 0xf8) | (unsigned)(last & 7));
}

/* n decimal digits behind a prefix; with Luhn's check digit at the end. */
static void digits(
    struct phone *ph, const char *what, const char *prefix, size_t n, char *out)
{
	unsigned char d[32];
	size_t k = strlen(prefix);
	unsigned sum = 0;

	phone_derive(ph, what, d);
	memcpy(out, prefix, k);
	for (size_t i = k; i < n - 1; i++)
		out[i] = (char)('0' + d[i] % 10);
	for (size_t i = 0; i < n - 1; i++) {
		unsigned v = (unsigned)(out[n - 2 - i] - '0');

		v = i % 2 ? v : v * 2;
		sum += v > 9 ? v - 9 : v;
	}
	out[n - 1] = (char)('0' + (10 - sum % 10) % 10);
	out[n] = 0;
}

/* PKCS#1 PEM, as hosts parse it (protocols.md 4.4). */
static void public_key(struct phone *ph, plist_t d)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char *pem = NULL;
	int n;
	long len;

	n = i2d_PublicKey(ph->p->key, &der); /* PKCS#1 for RSA */
	if (bio && n > 0 &&
	    PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, n) > 0) {
		len = BIO_get_mem_data(bio, &pem);
		pl_set_data(d, "DevicePublicKey", pem, (size_t)len);
	}
	OPENSSL_free(der);
	BIO_free(bio);
}

static void global_identity(struct phone *ph, plist_t d)
{
	const struct values_model *m = values_model(ph->id.product_type);
	unsigned char r[32];
	char buf[64];

	phone_derive(ph, "board", r);
	pl_set_str(d, "ActivationState", "Activated");
	pl_set_int(d, "BoardId", m->board_id);
	pl_set_str(d, "BuildVersion", ph->id.build);
	pl_set_str(d, "CPUArchitecture", m->arch);
	pl_set_int(d, "ChipID", m->chip_id);
	pl_set_int(d, "CertID", 1);
	pl_set_str(d, "DeviceClass", m->device_class);
	pl_set_str(d, "DeviceColor", "1");
	pl_set_str(d, "DeviceEnclosureColor", "1");
	pl_set_str(d, "DeviceName", ph->id.name);
	pl_set_int(d, "DieID", values_ecid(ph));
	snprintf(buf, sizeof(buf), "mBoot-%d", 7000 + 429 * ph->id.ios_major);
	pl_set_str(d, "FirmwareVersion", buf);
	pl_set_str(d, "HardwareModel", m->hardware);
	pl_set_str(d, "HardwarePlatform", m->platform);
	pl_set_str(d, "HumanReadableProductVersionString", ph->id.ios);
	pl_set_str(d, "MarketingName", m->marketing);
	pl_set_str(d, "ModelNumber", m->number);
	for (int i = 0; i < 8; i++)
		snprintf(buf + 2 * i, 3, "%02X", r[i]);
	pl_set_str(d, "MLBSerialNumber", buf);
	pl_set_str(d, "PartitionType", "GUID_partition_scheme");
	pl_set_str(d, "ProductName", "iPhone OS");
	pl_set_str(d, "ProductType", ph->id.product_type);
	pl_set_str(d, "ProductVersion", ph->id.ios);
	pl_set_str(d, "RegionInfo", "ZD/A");
	pl_set_str(d, "SerialNumber", ph->id.serial);
	pl_set_int(d, "UniqueChipID", values_ecid(ph));
	pl_set_str(d, "UniqueDeviceID", ph->id.udid);
	public_key(ph, d);
}

static void global_radio(struct phone *ph, plist_t d)
{
	char mac[18], num[32];

	mac_address(ph, 0, mac);
	pl_set_str(d, "WiFiAddress", mac);
	mac_address(ph, 1, mac);
	pl_set_str(d, "BluetoothAddress", mac);
	mac_address(ph, 2, mac);
	pl_set_str(d, "EthernetAddress", mac);
	pl_set_bool(d, "TelephonyCapability", has_telephony(ph));
	if (!has_telephony(ph))
		return;
	pl_set_str(d, "BasebandStatus", "BBInfoAvailable");
	pl_set_str(d, "BasebandVersion", "2.51.04");
	pl_set_int(d, "BasebandCertId", 165673526);
	digits(ph, "imei", "35", 15, num);
	pl_set_str(d, "InternationalMobileEquipmentIdentity", num);
	num[14] = 0;
	pl_set_str(d, "MobileEquipmentIdentifier", num);
	digits(ph, "iccid", "8949", 20, num);
	pl_set_str(d, "IntegratedCircuitCardIdentity", num);
	digits(ph, "imsi", "26201", 15, num);
	pl_set_str(d, "InternationalMobileSubscriberIdentity", num);
	digits(ph, "phone", "4915", 13, num + 1);
	num[0] = '+';
	pl_set_str(d, "PhoneNumber", num);
	pl_set_str(d, "SIMStatus", "kCTSIMSupportSIMStatusReady");
	pl_set_str(d, "SIMTrayStatus", "kCTSIMSupportSIMTrayInsertedWithSIM");
}

static void global_state(struct phone *ph, plist_t d)
{
	plist_t families = plist_new_array();
	struct timespec now;
	bool is_protected;

	pthread_mutex_lock(&ph->lock);
	is_protected = phone_is_protected(ph);
	pthread_mutex_unlock(&ph->lock);
	clock_gettime(CLOCK_REALTIME, &now);
	plist_array_append_item(families, plist_new_uint(1));
	pl_set(d, "SupportedDeviceFamilies", families);
	pl_set_bool(d, "BrickState", false);
	pl_set_bool(d, "HasSiDP", true);
	pl_set_bool(d, "HostAttached", true);
	pl_set_str(d, "MobileDeviceMinimumVersion", "1351");
	pl_set(d, "NonVolatileRAM", plist_new_dict());
	pl_set_int(d, "PairRecordProtectionClass", 4);
	pl_set_bool(d, "PasswordProtected", is_protected);
	pl_set_bool(d, "ProductionSOC", true);
	pl_set_str(d, "ProtocolVersion", "2");
	pl_set_real(d, "TimeIntervalSince1970",
	    (double)(now.tv_sec + phone_knob(ph, "clock_ahead_s", 0)) +
		(double)(now.tv_nsec / 1000) / 1e6);
	pl_set_str(d, "TimeZone", "Europe/Berlin");
	pl_set_real(d, "TimeZoneOffsetFromUTC", 3600);
	pl_set_bool(d, "TrustedHostAttached", true);
	pl_set_bool(d, "UseRaptorCerts", true);
	pl_set_bool(d, "Uses24HourClock", true);
}

static void domain_global(struct phone *ph, plist_t d)
{
	global_identity(ph, d);
	global_radio(ph, d);
	global_state(ph, d);
}

static void domain_backup(struct phone *ph, plist_t d)
{
	bool on = content_is_encrypted(ph->content);

	pl_set_bool(d, "CloudBackupEnabled", false);
	pl_set_int(d, "RequiresEncryption",
	    (uint64_t)phone_knob(ph, "requires_encryption", 0));
	pl_set_str(d, "Version", "2.0");
	pl_set_bool(d, "WillEncrypt", on);
}

static void domain_battery(struct phone *ph, plist_t d)
{
	int pct;

	pthread_mutex_lock(&ph->lock);
	pct = ph->battery_pct;
	pthread_mutex_unlock(&ph->lock);
	pl_set_int(d, "BatteryCurrentCapacity", (uint64_t)pct);
	pl_set_bool(d, "BatteryIsCharging", pct < 100);
	pl_set_bool(d, "ExternalChargeCapable", true);
	pl_set_bool(d, "ExternalConnected", true);
	pl_set_bool(d, "FullyCharged", pct == 100);
	pl_set_bool(d, "GasGaugeCapability", true);
	pl_set_bool(d, "HasBattery", true);
}

static void domain_disk(struct phone *ph, plist_t d)
{
	const uint64_t system = 10000000000, reserved = 209715200;
	uint64_t total, free_now, purgeable;

	pthread_mutex_lock(&ph->lock);
	total = ph->total_bytes;
	free_now = ph->free_bytes;
	pthread_mutex_unlock(&ph->lock);
	purgeable = free_now / 2; /* counted by one of the two (CHECKS 41) */
	pl_set_int(d, "AmountDataAvailable",
	    free_now > purgeable + reserved ? free_now - purgeable - reserved
					    : 0);
	pl_set_int(d, "AmountDataReserved", reserved);
	pl_set_int(d, "CalendarUsage", 1228800);
	pl_set_int(d, "CameraUsage", 524288);
	pl_set_int(d, "MediaCacheUsage", 0);
	pl_set_int(d, "MobileApplicationUsage", 0);
	pl_set_int(d, "NotesUsage", 430080);
	pl_set_int(d, "PhotoUsage", 0);
	pl_set_int(d, "TotalDataAvailable", free_now);
	pl_set_int(
	    d, "TotalDataCapacity", total > system ? total - system : total);
	pl_set_int(d, "TotalDiskCapacity", total);
	pl_set_int(d, "TotalSystemAvailable", 0);
	pl_set_int(d, "TotalSystemCapacity", system);
	pl_set_int(d, "VoicemailUsage", 28672);
	pl_set_int(d, "WebAppCacheUsage", 0);
}

static void domain_international(struct phone *ph, plist_t d)
{
	static const char *const list[] = { "en", "de", "fr", "es", "ja" };
	plist_t langs = plist_new_array(), locales = plist_new_array();

	(void)ph;
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		plist_array_append_item(langs, plist_new_string(list[i]));
		plist_array_append_item(locales, plist_new_string(list[i]));
	}
	pl_set_str(d, "Keyboard", "en_GB@sw=QWERTY;hw=Automatic");
	pl_set_str(d, "Language", "en");
	pl_set_str(d, "Locale", "en_GB");
	pl_set(d, "SupportedLanguages", langs);
	pl_set(d, "SupportedLocales", locales);
}

static void domain_wireless(struct phone *ph, plist_t d)
{
	char mac[18], name[64];

	mac_address(ph, 0, mac);
	snprintf(
	    name, sizeof(name), "%s@fe80::1._apple-mobdev2._tcp.local.", mac);
	pl_set_str(d, "BonjourFullServiceName", name);
	pl_set_bool(d, "EnableWifiConnections", false);
	pl_set_bool(d, "EnableWifiDebugging", false);
	pl_set_bool(d, "SupportsWifi", true);
	pl_set_bool(d, "SupportsWifiSyncing", true);
}

static void domain_itunes(struct phone *ph, plist_t d)
{
	pl_set_int(d, "DBVersion", 5);
	pl_set_int(d, "FamilyID", 10148);
	pl_set_str(d, "SerialNumber", ph->id.serial);
	pl_set_int(d, "UpdaterFamilyID", 10148);
}

static void domain_mobile_itunes(struct phone *ph, plist_t d)
{
	/* iPadOS has no such key. */
	if (has_telephony(ph))
		pl_set_str(d, "MinITunesVersion", "12.12");
	pl_set_bool(d, "Rentals", true);
}

static void domain_fmip(struct phone *ph, plist_t d)
{
	bool on;

	pthread_mutex_lock(&ph->lock);
	on = ph->find_my;
	pthread_mutex_unlock(&ph->lock);
	pl_set_bool(d, "IsAssociated", on);
}

static void domain_buddy(struct phone *ph, plist_t d)
{
	bool done;

	pthread_mutex_lock(&ph->lock);
	done = ph->setup_done;
	pthread_mutex_unlock(&ph->lock);
	pl_set_bool(d, "SetupDone", done);
	pl_set_str(d, "SetupVersion", "11");
}

static void domain_restriction(struct phone *ph, plist_t d)
{
	(void)ph;
	pl_set_bool(d, "ProhibitAppDelete", false);
	pl_set_bool(d, "ProhibitAppInstall", false);
}

static void domain_internal(struct phone *ph, plist_t d)
{
	(void)ph;
	pl_set_bool(d, "IsInternal", false);
	pl_set_bool(d, "UIBuild", true);
	pl_set_bool(d, "VoidWarranty", false);
}

static void domain_empty(struct phone *ph, plist_t d)
{
	(void)ph, (void)d;
}

/* clang-format off */
static const struct {
	const char *name;
	void (*fill)(struct phone *ph, plist_t d);
} domains[] = {
	{ "", domain_global },
	{ "com.apple.mobile.backup", domain_backup },
	{ "com.apple.mobile.battery", domain_battery },
	{ "com.apple.disk_usage", domain_disk },
	{ "com.apple.disk_usage.factory", domain_disk },
	{ "com.apple.international", domain_international },
	{ "com.apple.mobile.wireless_lockdown", domain_wireless },
	{ "com.apple.iTunes", domain_itunes },
	{ "com.apple.mobile.iTunes", domain_mobile_itunes },
	{ "com.apple.fmip", domain_fmip },
	{ "com.apple.purplebuddy", domain_buddy },
	{ "com.apple.PurpleBuddy", domain_buddy },
	{ "com.apple.mobile.restriction", domain_restriction },
	{ "com.apple.mobile.internal", domain_internal },
	{ "com.apple.mobile.iTunes.accessories", domain_empty },
	{ "com.apple.mobile.data_sync", domain_empty },
	{ "com.apple.mobile.sync_data_class", domain_empty },
	{ "com.apple.mobile.tethered_sync", domain_empty },
	{ "com.apple.mobile.user_preferences", domain_empty },
	{ "com.apple.mobile.software_behavior", domain_empty },
	{ "com.apple.mobile.chaperone", domain_empty },
	{ "com.apple.mobile.third_party_termination", domain_empty },
	{ "com.apple.mobile.lockdownd", domain_empty },
	{ "com.apple.mobile.lockdown_cache", domain_empty },
	{ "com.apple.mobile.nikita", domain_empty },
	{ "com.apple.xcode.developerdomain", domain_empty },
	{ "com.apple.Accessibility", domain_empty },
	{ "com.apple.fairplay", domain_empty },
	{ "com.apple.iqagent", domain_empty },
};
/* clang-format on */

plist_t values_domain(struct phone *ph, const char *domain)
{
	plist_t d;

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++) {
		if (strcmp(domains[i].name, domain) != 0)
			continue;
		d = plist_new_dict();
		domains[i].fill(ph, d);
		return d;
	}
	return NULL;
}
