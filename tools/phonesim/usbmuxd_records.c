/* The pair records that usbmuxd keeps for hosts (protocols.md 3.3, 3.6). */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "phone_set.h"
#include "pl.h"
#include "usbmuxd.h"

#define RECORD_MAX 65536

/* 0, or EINVAL: the id becomes a file name. */
static int record_path(
    struct phone_set *set, plist_t req, char *out, size_t cap)
{
	const char *id = pl_str(req, "PairRecordID");
	size_t n = id ? strlen(id) : 0;

	if (n == 0 || n > 64 ||
	    strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		       "0123456789-") != n)
		return EINVAL;
	snprintf(out, cap, "%s/lockdown", phone_set_dir(set));
	if (mkdir(out, 0755) && errno != EEXIST)
		return ENOENT;
	snprintf(out, cap, "%s/lockdown/%s.plist", phone_set_dir(set), id);
	return 0;
}

static void new_buid(char out[37])
{
	unsigned char r[16] = { 0 };

	RAND_bytes(r, sizeof(r));
	for (int i = 0, k = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[k++] = '-';
		k += sprintf(out + k, "%02X", r[i]);
	}
}

int usbmuxd_read_buid(struct phone_set *set, plist_t reply)
{
	char path[600], buid[37];
	plist_t conf;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/lockdown", phone_set_dir(set));
	if (mkdir(path, 0755) && errno != EEXIST)
		return ENOENT;
	snprintf(path, sizeof(path), "%s/lockdown/SystemConfiguration.plist",
	    phone_set_dir(set));
	conf = pl_load(path);
	if (!pl_str(conf, "SystemBUID")) {
		plist_free(conf);
		conf = plist_new_dict();
		new_buid(buid);
		pl_set_str(conf, "SystemBUID", buid);
		rc = pl_save(path, conf) ? ENOENT : 0;
	}
	if (!rc)
		pl_set_str(reply, "BUID", pl_str(conf, "SystemBUID"));
	plist_free(conf);
	return rc;
}

int usbmuxd_read_record(struct phone_set *set, plist_t req, plist_t reply)
{
	char path[600], *buf = NULL;
	int rc = record_path(set, req, path, sizeof(path));
	size_t n = 0;
	FILE *f;

	if (rc)
		return rc;
	f = fopen(path, "rb");
	if (!f)
		return ENOENT;
	buf = malloc(RECORD_MAX);
	if (buf)
		n = fread(buf, 1, RECORD_MAX, f);
	if (n > 0)
		pl_set_data(reply, "PairRecordData", buf, n);
	free(buf);
	fclose(f);
	return n > 0 ? 0 : ENOENT;
}

/* Always kept as XML, whatever came. */
int usbmuxd_save_record(struct phone_set *set, plist_t req)
{
	char path[600];
	int rc = record_path(set, req, path, sizeof(path));
	size_t n = 0;
	const char *p = pl_data(req, "PairRecordData", &n);
	plist_t record;

	if (rc)
		return rc;
	record = p && n < RECORD_MAX ? pl_parse(p, n) : NULL;
	if (!record)
		return EINVAL;
	if (pl_save(path, record))
		rc = ENOENT;
	plist_free(record);
	return rc;
}

int usbmuxd_delete_record(struct phone_set *set, plist_t req)
{
	char path[600];
	int rc = record_path(set, req, path, sizeof(path));

	if (rc)
		return rc;
	return unlink(path) ? errno : 0;
}
