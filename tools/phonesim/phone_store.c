/*
 * Who the phone is, and what of it lasts: in its folder stand
 *   device.pem           the device's own RSA key, made once
 *   hosts/<HostID>.plist each computer that it trusts, with certificates
 *   values.plist         what hosts have set by SetValue
 * beside the content and the agent's own files.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "phone_private.h"
#include "pl.h"
#include "values.h"

void phone_derive(struct phone *ph, const char *what, unsigned char out[32])
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%llu/%.32s/%.60s",
	    (unsigned long long)ph->id.seed, ph->id.product_type, what);

	SHA256((const unsigned char *)text, (size_t)n, out);
}

static void identity_hex(char *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
}

/* UDIDs: protocols.md 1.2; the two parts of the short form are chip and ECID,
 * as lockdown gives them again. */
static void identity_udid(struct phone *ph, bool hex40)
{
	unsigned char d[32];

	phone_derive(ph, "udid", d);
	if (hex40)
		identity_hex(ph->id.udid, d, 20);
	else
		snprintf(ph->id.udid, sizeof(ph->id.udid), "%08X-%016llX",
		    values_chip_id(ph), (unsigned long long)values_ecid(ph));
}

static void identity_serial(struct phone *ph)
{
	static const char abc[] = "0123456789CDFGHJKLMNPQRTVWXY";
	unsigned char d[32];

	phone_derive(ph, "serial", d);
	for (int i = 0; i < 10; i++)
		ph->id.serial[i] = abc[d[i] % (sizeof(abc) - 1)];
	ph->id.serial[0] = "CDFGH"[d[0] % 5];
	ph->id.serial[10] = 0;
}

void phone_identity_fill(struct phone *ph, bool hex40)
{
	if (!ph->id.udid[0])
		identity_udid(ph, hex40);
	if (!ph->id.serial[0])
		identity_serial(ph);
	if (!ph->id.build[0])
		snprintf(ph->id.build, sizeof(ph->id.build), "%s",
		    values_build(ph->id.ios));
	if (!ph->id.name[0])
		snprintf(ph->id.name, sizeof(ph->id.name), "%s",
		    strncmp(ph->id.product_type, "iPad", 4) == 0 ? "iPad"
								 : "iPhone");
}

/* --- the device's key -----------------------------------------------------
 */

static EVP_PKEY *key_read(const char *path)
{
	FILE *f = fopen(path, "r");
	EVP_PKEY *key = NULL;

	if (f) {
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
	}
	return key;
}

static int key_open(struct phone *ph)
{
	char path[600];
	FILE *f;
	int rc;

	snprintf(path, sizeof(path), "%s/device.pem", ph->dir);
	ph->p->key = key_read(path);
	if (ph->p->key)
		return 0;
	ph->p->key = EVP_RSA_gen(2048);
	f = ph->p->key ? fopen(path, "w") : NULL;
	if (!f)
		return -1;
	rc = PEM_write_PrivateKey(f, ph->p->key, NULL, NULL, 0, NULL, NULL) == 1
		 ? 0
		 : -1;
	if (fclose(f))
		rc = -1;
	return rc;
}

int phone_store_open(struct phone *ph)
{
	char path[600];
	const char *name;

	snprintf(path, sizeof(path), "%s/hosts", ph->dir);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -1;
	snprintf(path, sizeof(path), "%s/values.plist", ph->dir);
	ph->p->values = pl_load(path);
	if (!ph->p->values)
		ph->p->values = plist_new_dict();
	/* A name that a host gave outlives the one of the options. */
	name = pl_str(pl_sub(ph->p->values, ""), "DeviceName");
	if (name)
		snprintf(ph->id.name, sizeof(ph->id.name), "%s", name);
	return key_open(ph);
}

int phone_values_save(struct phone *ph)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/values.plist", ph->dir);
	return pl_save(path, ph->p->values);
}

/* --- hosts ----------------------------------------------------------------
 */

/* It becomes a file name: letters, digits and dashes only. */
bool phone_host_id_ok(const char *host_id)
{
	size_t n = 0;

	for (; host_id[n]; n++)
		if (!isalnum((unsigned char)host_id[n]) && host_id[n] != '-')
			return false;
	return n > 0 && n < PHONE_HOSTID;
}

static void host_path(
    struct phone *ph, const char *host_id, char *out, size_t cap)
{
	snprintf(out, cap, "%s/hosts/%s.plist", ph->dir, host_id);
}

plist_t phone_host_load(struct phone *ph, const char *host_id)
{
	char path[700];

	if (!phone_host_id_ok(host_id))
		return NULL;
	host_path(ph, host_id, path, sizeof(path));
	return pl_load(path);
}

int phone_host_save(struct phone *ph, const char *host_id, plist_t record)
{
	char path[700];

	if (!phone_host_id_ok(host_id))
		return -1;
	host_path(ph, host_id, path, sizeof(path));
	return pl_save(path, record);
}

/* Counts the records; removes them, too, when asked. */
static int hosts_walk(struct phone *ph, bool remove_them)
{
	char path[900];
	struct dirent *e;
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "%s/hosts", ph->dir);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len < 7 || strcmp(e->d_name + len - 6, ".plist") != 0)
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/hosts/%s", ph->dir, e->d_name);
		if (remove_them && unlink(path))
			n--;
	}
	if (d)
		closedir(d);
	return n;
}

int phone_host_forget(struct phone *ph, const char *host_id)
{
	char path[700];

	if (!host_id)
		return hosts_walk(ph, true);
	if (!phone_host_id_ok(host_id))
		return -1;
	host_path(ph, host_id, path, sizeof(path));
	return unlink(path);
}

int phone_hosts_count(struct phone *ph)
{
	return hosts_walk(ph, false);
}
